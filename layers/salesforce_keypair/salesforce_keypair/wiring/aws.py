"""What the functions need of AWS."""

from collections.abc import Callable
from typing import Protocol

import boto3
from botocore.config import Config

from salesforce_keypair.secret_store import SecretsManager
from salesforce_keypair.settings import Settings
from salesforce_keypair.shared_tokens import SharedTokens
from salesforce_keypair.timing import Clock, Deadline
from salesforce_keypair.token_table import TokenTable

# Left of Lambda's own deadline, to report what happened instead of being cut off.
_MARGIN_SECONDS = 1.0
# Secrets Manager answers within milliseconds, as others do; who waits for it longer has no route to it.
CONFIG = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 3})
# A caller waits for the table in vain where it fails, and a login takes no longer than this.
_TABLE_CONFIG = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 2})


class RemainingTime(Protocol):
    """The part of Lambda's context that tells the deadline."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""
        ...


def secrets_manager() -> SecretsManager:
    """Secrets Manager of the function's own account and Region."""
    return SecretsManager(boto3.client("secretsmanager", config=CONFIG))


def shared_tokens(settings: Settings, clock: Clock, *, failed: Callable[[], None]) -> SharedTokens | None:
    """The shared tokens, where there is a table for them. `failed` hears of each failure of DynamoDB."""
    if settings.token_table is None:
        return None
    client = boto3.client("dynamodb", config=_TABLE_CONFIG)
    return SharedTokens(table=TokenTable(client, settings.token_table, clock), clock=clock, failed=failed)


def deadline_of(context: RemainingTime, clock: Clock) -> Deadline:
    """The deadline of an invocation."""
    return Deadline.after(clock, context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS)
