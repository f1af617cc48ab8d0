"""What both functions need of AWS."""

from typing import Protocol

import boto3
from botocore.config import Config

from salesforce_keypair.secret_store import SecretsManager
from salesforce_keypair.timing import Clock, Deadline

# Left of Lambda's own deadline, to report what happened instead of being cut off.
_MARGIN_SECONDS = 1.0
# Secrets Manager answers within milliseconds; who waits for it longer has no route to it.
_CONFIG = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 3})


class RemainingTime(Protocol):
    """The part of Lambda's context that tells the deadline."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""
        ...


def secrets_manager() -> SecretsManager:
    """Secrets Manager of the function's own account and Region."""
    return SecretsManager(boto3.client("secretsmanager", config=_CONFIG))


def deadline_of(context: RemainingTime, clock: Clock) -> Deadline:
    """The deadline of an invocation."""
    return Deadline.after(clock, context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS)
