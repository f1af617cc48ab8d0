"""One question to the token vendor, and what its answer means."""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# The vendor answers or is stopped within 30 seconds: who hangs up earlier makes it work twice. The second attempt is
# for a throttled call or a dead connection; boto3's own five would wait a minute each.
CLIENT_CONFIG = Config(connect_timeout=3, read_timeout=35, retries={"mode": "standard", "total_max_attempts": 2})

# As much as the vendor keeps of it.
_MAX_CALLER = 256

_REMEDIES = {
    "AccessDeniedException": "give this caller's role the policy in the stack's output InvokeTokenVendorPolicyArn",
    "ResourceNotFoundException": "use the name or ARN in the stack's outputs, in the stack's own Region",
    "TooManyRequestsException": "try again in a moment; if it stays so, raise the concurrency that the vendor may use",
}
_OTHER_REMEDY = "check this caller's Region, credentials and route to AWS Lambda, then try again"


class TokenUnavailable(Exception):
    """There is no token; the text says what happened and what to do.

    `code` is the vendor's name for it (`LoginRefused`, `SecretUnavailable`, …), else AWS's error code, the name of
    botocore's error, `InvalidReply` or `TokenExpired`.
    """

    def __init__(self, text: str, code: str = "TokenUnavailable") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, which no text of this object shows. `expires_at` is epoch seconds of our own clock."""

    access_token: str = field(repr=False)
    instance_url: str
    expires_at: float
    org_id: str
    username: str
    key_version: str


@dataclass(frozen=True, slots=True)
class Vendor:
    """The token vendor behind AWS Lambda, and what it is asked for."""

    client: "LambdaClient"
    function_name: str
    secret_id: str | None
    min_ttl_seconds: float
    client_context: str | None
    now: Callable[[], float]

    def ask(self, *, force: bool) -> Token:
        """A token that lives; with `force` one that nobody had before. Raises TokenUnavailable."""
        asked_at = self.now()
        token = _token(self._reply(force=force), asked_at)
        if token is None:
            what = f"{self.function_name} answered something that isn't a token"
            raise TokenUnavailable(f"{what}: check that it is the token vendor", "InvalidReply")
        if token.expires_at <= self.now():
            raise TokenUnavailable("the vendor's token came too late to be used: try again", "TokenExpired")
        return token

    def _reply(self, *, force: bool) -> dict[str, Any]:
        request: dict[str, Any] = {"min_ttl_seconds": self.min_ttl_seconds}
        if self.secret_id is not None:
            request["secret_id"] = self.secret_id
        if force:
            request["force_refresh"] = True
        call: dict[str, Any] = {"FunctionName": self.function_name, "Payload": json.dumps(request)}
        if self.client_context is not None:
            call["ClientContext"] = self.client_context
        try:
            answer = self.client.invoke(**call)
            payload = answer["Payload"].read()
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            what = f"AWS Lambda didn't invoke {self.function_name} ({code}: {message})"
            raise TokenUnavailable(f"{what}: {_REMEDIES.get(code, _OTHER_REMEDY)}", code) from error
        except BotoCoreError as error:
            what = f"no answer from {self.function_name} ({error})"
            raise TokenUnavailable(f"{what}: {_OTHER_REMEDY}", type(error).__name__) from error
        reply = _members(payload)
        # SAM's local Lambda says by the reply alone that a function failed.
        if answer.get("FunctionError") or "errorType" in reply:
            text = reply.get("errorMessage") or f"{self.function_name} failed without a word: look into its log"
            raise TokenUnavailable(str(text), str(reply.get("errorType") or answer.get("FunctionError") or "Unhandled"))
        return reply


def client_context(claimed_caller: str | None) -> str | None:
    """What tells the vendor who calls: that, or the Lambda function that this runs in. Raises ValueError."""
    caller = os.environ.get("AWS_LAMBDA_FUNCTION_NAME") if claimed_caller is None else claimed_caller
    if not caller:
        return None
    if len(caller) > _MAX_CALLER or not (caller.isascii() and caller.isprintable()):
        raise ValueError(f"claimed_caller must be printable ASCII, {_MAX_CALLER} characters at most")
    context = json.dumps({"custom": {"claimed_caller": caller}})
    return base64.b64encode(context.encode()).decode()


def _members(payload: bytes) -> dict[str, Any]:
    # What can't be read is nothing, and not an exception, which would carry the payload along.
    try:
        reply = json.loads(payload)
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}


def _token(reply: dict[str, Any], asked_at: float) -> Token | None:
    texts = [reply.get(name) for name in ("access_token", "instance_url", "org_id", "username", "key_version")]
    expires_in = reply.get("expires_in")
    if not all(isinstance(text, str) and text for text in texts) or not isinstance(expires_in, (int, float)):
        return None
    access_token, instance_url, org_id, username, key_version = map(str, texts)
    # By our own clock, whatever the vendor's says, and from before the question: never later than its real end.
    return Token(access_token, instance_url, asked_at + expires_in, org_id, username, key_version)
