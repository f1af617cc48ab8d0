"""The deployed functions as an operator needs them: asked to do a step, started anew, read for what they are told."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from salesforce_keypair import errors
from salesforce_keypair.aws_refusal import code_of, is_refusal, words_of
from salesforce_keypair.errors import KeyPairError, RotationError, SecretUnavailable
from salesforce_keypair.redaction import foreign_words
from salesforce_keypair.rotation_request import Step
from salesforce_keypair.timing import Clock, Deadline

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

T = TypeVar("T")

# Lambda starts a function's environments anew when a variable changes; this one means nothing else.
RENEWED_AT = "RENEWED_AT"

_LOOK_EVERY_SECONDS = 1.0
# Somebody else's update of the function may be under way, or may come between the look and the write.
_TAKEN = frozenset({"ResourceConflictException", "PreconditionFailedException"})
_REMEDIES = {
    "AccessDeniedException": "allow it on that function to whoever runs this",
    "ResourceNotFoundException": "correct the function's name, or the Region of the shell",
    "TooManyRequestsException": "give the function concurrency, or wait for what it does now",
}


class DeployedFunction:
    """A function by name or ARN. Methods raise SecretUnavailable where Lambda refuses or doesn't answer."""

    def __init__(self, *, client: "LambdaClient", name: str, clock: Clock) -> None:
        self._client = client
        self._name = name
        self._clock = clock

    def token_table(self) -> str | None:
        """The table in which its environments share tokens, where it is told of one."""
        return _variables(self._configuration()).get("TOKEN_TABLE") or None

    def log_group(self) -> str:
        """Where it logs."""
        configured = self._configuration().get("LoggingConfig", {}).get("LogGroup")
        return configured or f"/aws/lambda/{self._name.rpartition(':')[2]}"

    def deliver(self, step: Step, *, secret_arn: str, version_id: str) -> None:
        """Have it do a step of a rotation now.

        Raises what it ended with, by its name and in its own words; RotationError where that is none of ours.
        """
        event = {"Step": step.value, "SecretId": secret_arn, "ClientRequestToken": version_id}
        answer = _answer_of(
            "Invoke", lambda: self._client.invoke(FunctionName=self._name, Payload=json.dumps(event).encode())
        )
        if answer.get("FunctionError") is None:
            return
        raise _error_of(step, answer["Payload"].read())

    def renew(self, deadline: Deadline) -> None:
        """Start all its environments anew: change a variable that nothing reads, and wait until that took effect."""
        while not self._update(deadline):
            self._clock.sleep(_LOOK_EVERY_SECONDS)
        while (status := self._configuration().get("LastUpdateStatus", "Successful")) != "Successful":
            if status == "Failed" or deadline.remaining() <= 0:
                raise SecretUnavailable(
                    f"the update of {self._name} is {status}", remedy="see the function in the console, then try again"
                )
            self._clock.sleep(_LOOK_EVERY_SECONDS)

    def _update(self, deadline: Deadline) -> bool:
        """Whether the write was taken; not if somebody else's was under way."""
        configuration = self._configuration()
        now = datetime.fromtimestamp(self._clock.time(), UTC).isoformat(timespec="seconds")
        variables = _variables(configuration) | {RENEWED_AT: now}
        try:
            _answer_of(
                "UpdateFunctionConfiguration",
                lambda: self._client.update_function_configuration(
                    FunctionName=self._name,
                    Environment={"Variables": variables},
                    # What was read is what is written back, or nothing is.
                    RevisionId=configuration["RevisionId"],
                ),
            )
        except SecretUnavailable as error:
            if not is_refusal(error.__cause__, *_TAKEN) or deadline.remaining() <= 0:
                raise
            return False
        return True

    def _configuration(self) -> "FunctionConfigurationResponseTypeDef":
        return _answer_of(
            "GetFunctionConfiguration", lambda: self._client.get_function_configuration(FunctionName=self._name)
        )


def _variables(configuration: "FunctionConfigurationResponseTypeDef") -> dict[str, str]:
    environment = configuration.get("Environment", {})
    if environment.get("Error"):
        # Without them the write would leave the function with none.
        raise SecretUnavailable(
            "Lambda doesn't show the function's variables", remedy="allow kms:Decrypt with the key that encrypts them"
        )
    return dict(environment.get("Variables", {}))


def _error_of(step: Step, payload: bytes) -> KeyPairError:
    """A function's error; the text of ours whole, for it says what to do and holds no secret."""
    try:
        error: Any = json.loads(payload)
        name, text = str(error["errorType"]), str(error["errorMessage"])
    except (ValueError, LookupError, TypeError):
        return RotationError(f"{step} failed with an error that can't be read", remedy="see the function's log")
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, KeyPairError):
        return kind(f"{step} failed", remedy=text)
    return RotationError(f"{step} failed with {foreign_words(name)}", remedy=foreign_words(text))


def _answer_of(operation: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except ClientError as error:
        code = code_of(error)
        raise SecretUnavailable(
            f"Lambda refused {operation} with {words_of(error)}",
            remedy=_REMEDIES.get(code, "try again; see AWS's health page if it lasts"),
        ) from error
    except BotoCoreError as error:
        raise SecretUnavailable(
            f"Lambda didn't answer {operation} ({type(error).__name__})", remedy="try again"
        ) from error
