"""Answers of Secrets Manager, and its refusals in our words; and what the SDK makes of something that is no answer."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from salesforce_keypair.aws_refusal import code_of, may_pass, words_of
from salesforce_keypair.errors import SecretUnavailable
from salesforce_keypair.json_text import GARBLED

Answer = TypeVar("Answer")

_REMEDIES = {
    "ResourceNotFoundException": "check the secret's name or ARN, its account and its Region",
    "AccessDeniedException": "allow it in the function's role, the secret's policy and the key's policy",
    "DecryptionFailure": "allow the function's role to use the secret's KMS key",
    "EncryptionFailure": "allow the function's role to use the secret's KMS key",
    "InvalidRequestException": "see whether the secret is scheduled for deletion or was changed meanwhile",
    "InvalidParameterException": "see whether the secret's labels were moved meanwhile; the next delivery looks again",
}
_PASSING = frozenset({"ThrottlingException", "InternalServiceError", "LimitExceededException", "RequestTimeout"})


def answer_of(operation: str, call: Callable[[], Answer]) -> Answer:
    """What a call of the SDK returns. Raises SecretUnavailable, whatever else it raised."""
    try:
        return call()
    except ClientError as error:
        raise _unavailable(operation, error) from error
    except BotoCoreError as error:
        raise _unreachable(operation, error) from error
    except GARBLED as error:
        problem = type(error).__name__
    raise _garbled(operation, problem)


def require(answer: Mapping[str, Any], member: str, operation: str) -> None:
    """Raise where an answer isn't one: the SDK makes an empty one of a body that it can't read."""
    if member not in answer:
        raise _garbled(operation, f"no {member}")


def _garbled(operation: str, problem: str) -> SecretUnavailable:
    """The error for an answer that is none.

    Not with the SDK's error as its cause: that may carry the whole answer, the secret's value in it.
    """
    return SecretUnavailable(
        f"Secrets Manager's answer to {operation} can't be understood ({problem})",
        remedy="try again; if it lasts, see whether a proxy stands in between",
        retryable=True,
    )


def _unavailable(operation: str, error: ClientError) -> SecretUnavailable:
    """The error for a refusal."""
    code = code_of(error)
    return SecretUnavailable(
        f"Secrets Manager refused {operation} with {words_of(error)}",
        remedy=_REMEDIES.get(code, "try again; see AWS's health page if it lasts"),
        retryable=code in _PASSING or may_pass(error),
    )


def _unreachable(operation: str, error: BotoCoreError) -> SecretUnavailable:
    """The error for no answer at all."""
    return SecretUnavailable(
        f"Secrets Manager didn't answer {operation} ({type(error).__name__})",
        remedy="try again; in a VPC, give the function a route or an endpoint to Secrets Manager",
        retryable=True,
    )
