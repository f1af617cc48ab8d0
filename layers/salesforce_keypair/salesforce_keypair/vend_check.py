"""Asking the token vendor as a caller does, to see whether it answers. What it answers is never kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from salesforce_keypair.aws_refusal import code_of, is_refusal, message_of
from salesforce_keypair.json_text import parse_json
from salesforce_keypair.redaction import foreign_words

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_THROTTLED = "TooManyRequestsException"


class Ending(StrEnum):
    """How a question to the vendor ended."""

    TOKEN = "token"  # noqa: S105 - a name
    ERROR = "error"
    """The vendor failed, refused, or had no environment free."""
    UNASKED = "unasked"
    """AWS didn't let it be asked."""


@dataclass(frozen=True, slots=True)
class Vend:
    """How it ended, without the token; `error` is the name of the error, `reason` its text."""

    ending: Ending
    error: str = ""
    reason: str = ""


class AskVendor(Protocol):
    """Asks the token vendor as a caller does."""

    def __call__(self, secret_id: str, *, anew: bool) -> Vend:
        """How the question for a token ended. Raises nothing."""
        ...


class InvokedVendor:
    """The token vendor behind AWS Lambda."""

    def __init__(self, client: "LambdaClient", function: str) -> None:
        self._client = client
        self._function = function

    def __call__(self, secret_id: str, *, anew: bool) -> Vend:
        """Ask for a token; `anew` for one that nobody had before, since one kept in memory says nothing of logins."""
        request = json.dumps({"secret_id": secret_id, "force_refresh": anew})
        try:
            answer = self._client.invoke(FunctionName=self._function, Payload=request)
            payload = answer["Payload"].read()
        except ClientError as error:
            ending = Ending.ERROR if is_refusal(error, _THROTTLED) else Ending.UNASKED
            return Vend(ending, foreign_words(code_of(error)), message_of(error))
        except ReadTimeoutError:
            return Vend(Ending.ERROR, "ReadTimeoutError", "the vendor didn't answer in time")
        except BotoCoreError as error:
            return Vend(Ending.UNASKED, type(error).__name__, "AWS Lambda can't be reached")
        return _ending_of(_members(payload), failed="FunctionError" in answer)


def _ending_of(reply: Mapping[str, Any], *, failed: bool) -> Vend:
    # SAM's local Lambda says by the reply alone that a function failed.
    if failed or "errorType" in reply:
        return Vend(
            Ending.ERROR,
            foreign_words(reply.get("errorType") or "Unhandled"),
            foreign_words(reply.get("errorMessage") or "it failed without a word: look into its log"),
        )
    token = reply.get("access_token")
    if isinstance(token, str) and token:
        return Vend(Ending.TOKEN)
    return Vend(Ending.ERROR, "InvalidReply", "it answered something that isn't a token")


def _members(payload: bytes) -> Mapping[str, Any]:
    try:
        reply = parse_json(payload)
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}
