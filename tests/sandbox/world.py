"""The local world: an emulated org, a local AWS and both functions in it, with a secret between them.

Nobody outside is asked: no AWS account, no org, no network but loopback.
"""

import json
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.sandbox.aws import Function, LocalAws, Result, RotationPolicy
from tests.sandbox.org import EmulatedOrg, ExternalClientApp, Org, OrgClock, User

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "salesforce_keypair"
FUNCTIONS = ROOT / "functions"

SECRET_NAME = "salesforce/keypair"
ADMIN_SECRET_NAME = "salesforce/keypair-admin"
APP_NAME = "Billing"
USERNAME = "billing.robot@example.com"
ADMIN_USERNAME = "certificate.admin@example.com"


@dataclass(frozen=True)
class Timing:
    """Minutes of the real world scaled down to seconds."""

    settling: float = 4.0
    settled_logins: int = 3
    settled_interval: float = 0.1
    rotation_timeout: float = 60.0
    vendor_timeout: float = 30.0
    token_lifetime: float = 900.0


@dataclass(frozen=True)
class Version:
    """A version of the secret as `describe-secret` shows it, with the certificate that it holds."""

    version_id: str
    labels: frozenset[str]
    document: Mapping[str, Any] | None = field(repr=False)


class World:
    """A context manager: org, AWS, functions and the two secrets, as a newcomer has them before the first rotation."""

    def __init__(
        self,
        *,
        timing: Timing | None = None,
        rotation_policy: RotationPolicy | None = None,
        clock: OrgClock | None = None,
        extra_environment: Mapping[str, str] | None = None,
        seed: int = 0,
    ) -> None:
        self.timing = timing or Timing()
        self._policy = rotation_policy or RotationPolicy(repeats=1, pause_seconds=0.1)
        self._clock = clock
        self._extra_environment = dict(extra_environment or {})
        self._seed = seed
        self._stack = ExitStack()

    org: Org
    aws: LocalAws
    app: ExternalClientApp
    user: User
    rotation: Function
    vendor: Function
    secret_arn: str
    admin_secret_arn: str

    def __enter__(self) -> Self:
        with self._stack:
            self.org = self._stack.enter_context(EmulatedOrg(clock=self._clock, seed=self._seed))
            self.aws = self._stack.enter_context(LocalAws(self._policy))
            self._set_up_org()
            self._create_secrets()
            self._create_functions()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def document(self, **members: Any) -> dict[str, Any]:
        """The secret's first document: everything but a key. A member given as None is left out."""
        document: dict[str, Any] = {
            "consumerKey": self.app.consumer_key,
            "username": self.user.username,
            "baseUri": self.org.url,
            "appName": self.app.name,
            "adminSecretArn": self.admin_secret_arn,
        }
        return {name: value for name, value in (document | members).items() if value is not None}

    def put_document(self, document: Mapping[str, Any]) -> str:
        """Make a document AWSCURRENT, as an engineer would; returns its version id."""
        answer = self.secrets.put_secret_value(SecretId=self.secret_arn, SecretString=json.dumps(document))
        return answer["VersionId"]

    def turn_rotation_on(self, *, immediately: bool = False) -> str:
        """Set the schedule up; returns the version id of a rotation that starts at once."""
        answer = self.secrets.rotate_secret(
            SecretId=self.secret_arn,
            RotationLambdaARN=self.rotation.arn,
            RotationRules={"ScheduleExpression": "rate(30 days)"},
            RotateImmediately=immediately,
        )
        return answer.get("VersionId", "")

    def rotate(self) -> str:
        """Start a rotation and wait for its end; returns how it ended."""
        self.secrets.rotate_secret(SecretId=self.secret_arn, ClientRequestToken=str(uuid.uuid4()))
        return self.aws.secrets_manager.wait_for_rotation(self.secret_arn).outcome

    def vend(self, **request: Any) -> Result:
        """Ask the vendor once."""
        return self.vendor.invoke(request)

    def versions(self) -> list[Version]:
        """The labelled versions, the current one first."""
        labels = self.secrets.describe_secret(SecretId=self.secret_arn).get("VersionIdsToStages", {})
        versions = [
            Version(version_id, frozenset(stages), self._document_of(version_id))
            for version_id, stages in labels.items()
        ]
        return sorted(versions, key=lambda version: ("AWSCURRENT" not in version.labels, sorted(version.labels)))

    def version_with(self, label: str) -> Version | None:
        """The version that carries a label."""
        return next((version for version in self.versions() if label in version.labels), None)

    def _document_of(self, version_id: str) -> Mapping[str, Any] | None:
        try:
            answer = self.secrets.get_secret_value(SecretId=self.secret_arn, VersionId=version_id)
        except self.secrets.exceptions.ResourceNotFoundException:
            return None
        document: Mapping[str, Any] = json.loads(answer["SecretString"])
        return document

    def _set_up_org(self) -> None:
        admin = self.org.add_user(ADMIN_USERNAME, metadata_permission=True)
        self.admin_app = self.org.add_external_client_app("CertificateAdmin", client_credentials_user=admin)
        self.user = self.org.add_user(USERNAME)
        self.app = self.org.add_external_client_app(APP_NAME, approved=[self.user])

    def _create_secrets(self) -> None:
        self.secrets = self.aws.client("secretsmanager")
        admin = {
            "consumerKey": self.admin_app.consumer_key,
            "consumerSecret": self.admin_app.consumer_secret,
            "baseUri": self.org.url,
        }
        self.admin_secret_arn = self.secrets.create_secret(Name=ADMIN_SECRET_NAME, SecretString=json.dumps(admin))[
            "ARN"
        ]
        self.secret_arn = self.secrets.create_secret(Name=SECRET_NAME, SecretString=json.dumps(self.document()))["ARN"]

    def _create_functions(self) -> None:
        common = {
            "EXTRA_SALESFORCE_HOSTS": self.org.url.removeprefix("http://"),
            "SETTLING_SECONDS": f"{self.timing.settling:g}",
            **self._extra_environment,
        }
        self.rotation = self.aws.create_function(
            "rotation",
            FUNCTIONS / "rotation",
            layers=[LAYER],
            environment={
                "SETTLED_LOGINS": str(self.timing.settled_logins),
                "SETTLED_INTERVAL_SECONDS": f"{self.timing.settled_interval:g}",
                **common,
            },
            timeout=self.timing.rotation_timeout,
        )
        self.vendor = self.aws.create_function(
            "token-vendor",
            FUNCTIONS / "token_vendor",
            layers=[LAYER],
            environment={
                "SECRET_ID": self.secret_arn,
                "TOKEN_LIFETIME_SECONDS": f"{self.timing.token_lifetime:g}",
                **common,
            },
            timeout=self.timing.vendor_timeout,
        )
