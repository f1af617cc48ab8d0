"""Secrets Manager's event: one delivery of one step of a rotation.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from salesforce_keypair.errors import InvalidRequest


class Step(StrEnum):
    """The steps, in Secrets Manager's words."""

    CREATE_SECRET = "createSecret"  # noqa: S105 - the name of a step
    SET_SECRET = "setSecret"  # noqa: S105 - the name of a step
    TEST_SECRET = "testSecret"  # noqa: S105 - the name of a step
    FINISH_SECRET = "finishSecret"  # noqa: S105 - the name of a step


@dataclass(frozen=True, slots=True)
class RotationRequest:
    """Which step, of which secret, for which version; the rotation token is handed back when a value is stored."""

    step: Step
    secret_id: str
    version_id: str
    rotation_token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, event: object) -> "RotationRequest":
        """Read the event. Raises InvalidRequest."""
        if not isinstance(event, Mapping):
            raise _bad_event("the event isn't an object")
        step = _member(event, "Step", 1, 64)
        if step not in set(Step):
            raise _bad_event(f"Step must be one of {', '.join(Step)}")
        return cls(
            step=Step(step),
            secret_id=_member(event, "SecretId", 1, 2048),
            version_id=_member(event, "ClientRequestToken", 32, 64),
            rotation_token=_member(event, "RotationToken", 36, 256) if event.get("RotationToken") is not None else None,
        )


def _member(event: Mapping[Any, Any], name: str, least: int, most: int) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
        raise _bad_event(f"{name} must be a string of {least} to {most} printable characters")
    return value


def _bad_event(what: str) -> InvalidRequest:
    return InvalidRequest(what, remedy="only AWS Secrets Manager's rotation events can be used")
