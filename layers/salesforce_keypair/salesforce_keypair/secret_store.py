"""Versions and labels of a secret, over AWS Secrets Manager.

Values are read by their immutable version id wherever it is known; a label may have moved by the time it is read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from salesforce_keypair.errors import InvalidSecret, SecretUnavailable
from salesforce_keypair.json_text import GARBLED, typed
from salesforce_keypair.redaction import foreign_words

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Answer = TypeVar("Answer")

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"
PREVIOUS = "AWSPREVIOUS"
# Ours: the version of a rotation that was undone. No delivery of that rotation swaps again.
ROLLED_BACK = "ROLLEDBACK"
# Ours, too: the version whose certificate a person was asked to upload.
UPLOAD_REQUESTED = "UPLOADREQUESTED"

_NOT_FOUND = "ResourceNotFoundException"
_ALREADY_EXISTS = "ResourceExistsException"
_REMEDIES = {
    _NOT_FOUND: "check the secret's name or ARN, its account and its Region",
    "AccessDeniedException": "allow it in the function's role, the secret's policy and the key's policy",
    "DecryptionFailure": "allow the function's role to use the secret's KMS key",
    "EncryptionFailure": "allow the function's role to use the secret's KMS key",
    "InvalidRequestException": "see whether the secret is scheduled for deletion or was changed meanwhile",
    "InvalidParameterException": "see whether the secret's labels were moved meanwhile; the next delivery looks again",
}
_PASSING = frozenset({"ThrottlingException", "InternalServiceError", "LimitExceededException", "RequestTimeout"})


@dataclass(frozen=True, slots=True)
class Value:
    """A version's value; `arn` is its secret's, by whatever name that was asked for."""

    arn: str
    version_id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretState:
    """A secret's labelled versions, and whether rotation is on."""

    rotation_enabled: bool
    labels: Mapping[str, frozenset[str]]

    def labels_of(self, version_id: str) -> frozenset[str]:
        """The labels of a version; none where it has none or isn't there."""
        return self.labels.get(version_id, frozenset())

    def version_with(self, label: str) -> str | None:
        """The version that carries a label."""
        return next((version for version, labels in self.labels.items() if label in labels), None)


@dataclass(frozen=True, slots=True)
class RotationRules:
    """How a secret is to be rotated, as it was told to Secrets Manager; `last` and `next` are dates of rotations.

    `next` is the end of the window of the next one; it stays in the past where that one failed.
    """

    expression: str | None = None
    automatically_after_days: int | None = None
    duration: str | None = None
    last: datetime | None = None
    next: datetime | None = None


@dataclass(frozen=True, slots=True)
class History:
    """When what came about in a secret: what a rotation needn't know, and who watches it must.

    `created` has the versions that hold a value, unlabelled ones included.
    """

    state: SecretState
    created: Mapping[str, datetime]
    changed: datetime | None
    rules: RotationRules


class SecretsManager:
    """Secrets as Secrets Manager keeps them. Every method raises SecretUnavailable where AWS refuses."""

    def __init__(self, client: "SecretsManagerClient") -> None:
        self._client = client

    def state(self, secret_id: str) -> SecretState:
        """Labels and rotation of a secret."""
        return answer_of("DescribeSecret", lambda: _state_of(self._client.describe_secret(SecretId=secret_id)))

    def read(self, secret_id: str, *, version_id: str) -> Value | None:
        """The value of a version; none where the version is empty or isn't there."""
        return self._read({"SecretId": secret_id, "VersionId": version_id})

    def read_labelled(self, secret_id: str, label: str) -> Value | None:
        """The value of the version that carries a label now; none where there is none."""
        return self._read({"SecretId": secret_id, "VersionStage": label})

    def put_pending(self, secret_id: str, version_id: str, text: str, *, rotation_token: str | None) -> bool:
        """Store a pending version's value; false where somebody was faster, and theirs stands."""
        given = {"RotationToken": rotation_token} if rotation_token is not None else {}
        try:
            answer = self._client.put_secret_value(
                SecretId=secret_id,
                ClientRequestToken=version_id,
                SecretString=text,
                VersionStages=[PENDING],
                **given,
            )
        except ClientError as error:
            if _code(error) == _ALREADY_EXISTS:
                return False
            raise _unavailable("PutSecretValue", error) from error
        except BotoCoreError as error:
            raise _unreachable("PutSecretValue", error) from error
        except GARBLED as error:
            problem = type(error).__name__
        else:
            _check(answer, "VersionId", "PutSecretValue")
            return True
        raise _garbled("PutSecretValue", problem)

    def move_label(self, secret_id: str, label: str, *, onto: str | None, off: str | None) -> None:
        """Move a label between versions, put it on one or take it off one; done already is done."""
        moved: dict[str, str] = {}
        if onto is not None:
            moved["MoveToVersionId"] = onto
        if off is not None:
            moved["RemoveFromVersionId"] = off
        try:
            answer = answer_of(
                "UpdateSecretVersionStage",
                lambda: self._client.update_secret_version_stage(SecretId=secret_id, VersionStage=label, **moved),
            )
            # A page of somebody in between isn't the promotion of a key: what follows takes its pending label off.
            _check(answer, "ARN", "UpdateSecretVersionStage")
        except SecretUnavailable:
            # Where the answer was lost the SDK asks again, and is told that the label isn't where it was any more.
            if self.state(secret_id).version_with(label) != onto:
                raise

    def all_versions(self, secret_id: str) -> list[str]:
        """The ids of all versions that are still kept, unlabelled ones included; the newest first."""
        return [version_id for _, version_id in sorted(self._dated_versions(secret_id), reverse=True)]

    def history(self, secret_id: str) -> History:
        """The state of a secret, and since when it is as it is."""
        answer = answer_of("DescribeSecret", lambda: _history_of(self._client.describe_secret(SecretId=secret_id)))
        return replace(answer, created={version_id: at for at, version_id in self._dated_versions(secret_id)})

    def _dated_versions(self, secret_id: str) -> list[tuple[datetime, str]]:
        versions: list[tuple[datetime, str]] = []
        token: str | None = None
        while True:
            page, token = answer_of("ListSecretVersionIds", partial(self._page, secret_id, token))
            versions += page
            if token is None:
                return versions

    def _page(self, secret_id: str, token: str | None) -> tuple[list[tuple[datetime, str]], str | None]:
        more: dict[str, Any] = {} if token is None else {"NextToken": token}
        answer = self._client.list_secret_version_ids(SecretId=secret_id, IncludeDeprecated=True, **more)
        _check(answer, "ARN", "ListSecretVersionIds")
        versions = [
            (typed(version["CreatedDate"], datetime), typed(version["VersionId"], str))
            for version in answer.get("Versions", [])
        ]
        token = answer.get("NextToken")
        return versions, None if token is None else typed(token, str)

    def _read(self, which: dict[str, Any]) -> Value | None:
        try:
            return _value_of(self._client.get_secret_value(**which))
        except ClientError as error:
            if _code(error) == _NOT_FOUND:
                return None
            raise _unavailable("GetSecretValue", error) from error
        except BotoCoreError as error:
            raise _unreachable("GetSecretValue", error) from error
        except GARBLED as error:
            problem = type(error).__name__
        raise _garbled("GetSecretValue", problem)


def _state_of(answer: Mapping[str, Any]) -> SecretState:
    _check(answer, "ARN", "DescribeSecret")
    enabled = answer.get("RotationEnabled", False)
    if not isinstance(enabled, bool):
        raise TypeError
    stages = answer.get("VersionIdsToStages", {})
    return SecretState(
        rotation_enabled=enabled,
        labels={version: frozenset(typed(label, str) for label in labels) for version, labels in stages.items()},
    )


def _history_of(answer: Mapping[str, Any]) -> History:
    """All of it but the versions' dates, which another call tells."""
    state = _state_of(answer)
    rules = answer.get("RotationRules", {})
    return History(
        state=state,
        created={},
        changed=_optional(answer, "LastChangedDate", datetime),
        rules=RotationRules(
            expression=_optional(rules, "ScheduleExpression", str),
            automatically_after_days=_optional(rules, "AutomaticallyAfterDays", int),
            duration=_optional(rules, "Duration", str),
            last=_optional(answer, "LastRotatedDate", datetime),
            next=_optional(answer, "NextRotationDate", datetime),
        ),
    )


def _optional(answer: Mapping[str, Any], member: str, kind: type[Answer]) -> Answer | None:
    value = answer.get(member)
    return None if value is None else typed(value, kind)


def _value_of(answer: Mapping[str, Any]) -> Value:
    for member in ("ARN", "VersionId"):
        _check(answer, member, "GetSecretValue")
    text = answer.get("SecretString")
    if text is None:
        raise InvalidSecret("the secret's value is binary", remedy="store the document as text (SecretString)")
    return Value(arn=typed(answer["ARN"], str), version_id=typed(answer["VersionId"], str), text=typed(text, str))


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


def _check(answer: Mapping[str, Any], member: str, operation: str) -> None:
    """Raise where an answer isn't one: the SDK makes an empty one of a body that it can't read."""
    if member not in answer:
        raise _garbled(operation, f"no {member}")


def _garbled(operation: str, problem: str) -> SecretUnavailable:
    """Not with the SDK's error as its cause: that may carry the whole answer, the secret's value in it."""
    return SecretUnavailable(
        f"Secrets Manager's answer to {operation} can't be understood ({problem})",
        remedy="try again; if it lasts, see whether a proxy stands in between",
        retryable=True,
    )


def _code(error: ClientError) -> str:
    """The error's name, which may be anything where it isn't AWS that answered."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _unavailable(operation: str, error: ClientError) -> SecretUnavailable:
    code = _code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    passing = code in _PASSING or status >= 500 or status == 429
    message = foreign_words(error.response.get("Error", {}).get("Message", ""))
    return SecretUnavailable(
        f"Secrets Manager refused {operation} with {foreign_words(code)} ({message})",
        remedy=_REMEDIES.get(code, "try again; see AWS's health page if it lasts"),
        retryable=passing,
    )


def _unreachable(operation: str, error: BotoCoreError) -> SecretUnavailable:
    return SecretUnavailable(
        f"Secrets Manager didn't answer {operation} ({type(error).__name__})",
        remedy="try again; in a VPC, give the function a route or an endpoint to Secrets Manager",
        retryable=True,
    )
