"""What every command works with: AWS as the caller's own credentials see it, Salesforce, a clock and a terminal."""

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from rich.console import Console

from operate.checks.aws_words import shell_remedy
from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import SecretUnavailable
from salesforce_keypair.salesforce.app_certificate import AppCertificate
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.transport import Transport
from salesforce_keypair.secret_store import SecretsManager
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import Clock, Deadline, SystemClock
from salesforce_keypair.wiring.apps import app_opener

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 3})
_ONCE = _CONFIG.merge(Config(retries={"total_max_attempts": 1}))
# A step of a rotation may take as long as Lambda lets it.
_PATIENT = _ONCE.merge(Config(read_timeout=905))


def _client(service: Any, config: Config) -> Any:
    """A client of the shell's account. Raises SecretUnavailable where the shell doesn't say which, or wrongly."""
    try:
        # boto3 reads AWS_DEFAULT_REGION alone, other tools of AWS the other one first.
        return boto3.client(service, region_name=os.environ.get("AWS_REGION") or None, config=config)
    except (BotoCoreError, ValueError) as error:
        raise SecretUnavailable(
            f"AWS can't be asked from this shell ({type(error).__name__})",
            remedy=shell_remedy(error) or "correct AWS_ENDPOINT_URL and the like in this shell",
        ) from error


@dataclass(frozen=True)
class Workplace:
    """The outside parties of a command. Clients are made when they are first asked for, in the Region of the shell."""

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    # Without emoji, for to rich an ARN's ":secret:" is one.
    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True, emoji=False))
    resolve: Callable[[str, int], object] = socket.getaddrinfo
    """Looks a host's name up; raises OSError where it has no address."""
    can_ask: bool = field(default_factory=sys.stdin.isatty)
    """Whether somebody sits at a terminal and answers."""

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> "Workplace":
        """The one that the shell's variables describe, as the functions' do. Raises InvalidSettings."""
        return cls(Settings.from_environment(environ, serves_secrets=False))

    @cached_property
    def secrets(self) -> "SecretsManagerClient":
        """Secrets Manager as boto3 has it, for what the functions never do."""
        client: SecretsManagerClient = _client("secretsmanager", _CONFIG)
        return client

    @cached_property
    def store(self) -> SecretsManager:
        """Secrets Manager as the functions see it."""
        return SecretsManager(self.secrets)

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda. Never asks twice: an invocation whose answer was lost may have been made."""
        client: LambdaClient = _client("lambda", _ONCE)
        return client

    @cached_property
    def patient_functions(self) -> "LambdaClient":
        """Lambda, for an invocation that may take as long as one can."""
        client: LambdaClient = _client("lambda", _PATIENT)
        return client

    @cached_property
    def tables(self) -> "DynamoDBClient":
        """DynamoDB."""
        client: DynamoDBClient = _client("dynamodb", _CONFIG)
        return client

    @cached_property
    def stacks(self) -> "CloudFormationClient":
        """CloudFormation."""
        client: CloudFormationClient = _client("cloudformation", _CONFIG)
        return client

    @cached_property
    def transport(self) -> Transport:
        """HTTP to Salesforce's hosts."""
        return Transport()

    @cached_property
    def login(self) -> SalesforceLogin:
        """The orgs' token endpoints."""
        return SalesforceLogin(transport=self.transport, hosts=self.settings.hosts, clock=self.clock)

    @cached_property
    def open_app(self) -> Callable[[Credential, Sequence[Credential], Deadline], AppCertificate]:
        """What opens the app of a credential, as its admin or its own user."""
        return app_opener(
            store=self.store,
            transport=self.transport,
            login=self.login,
            hosts=self.settings.hosts,
            clock=self.clock,
        )

    def parse(self, text: str) -> Credential:
        """The secret's document, checked. Raises InvalidSecret or HostNotAllowed."""
        return Credential.parse(text, hosts=self.settings.hosts)

    def within(self, seconds: float) -> Deadline:
        """A deadline that many seconds from now."""
        return Deadline.after(self.clock, seconds)
