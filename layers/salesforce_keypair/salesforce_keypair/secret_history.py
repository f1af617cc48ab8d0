"""What Secrets Manager says of a secret without its values: labels, dates, schedule."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from salesforce_keypair.json_text import typed
from salesforce_keypair.secret_answers import answer_of, require

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

T = TypeVar("T")


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
    """When what came about in a secret: what a rotation needn't know, and who watches or looks after it must.

    `created` has the versions that hold a value, unlabelled ones included; `function` is the ARN of what rotates it,
    `answered` the moment by AWS's own clock, which dates the rest.
    """

    state: SecretState
    created: Mapping[str, datetime]
    changed: datetime | None
    rules: RotationRules
    arn: str = ""
    name: str = ""
    function: str | None = None
    made: datetime | None = None
    deleted: bool = False
    answered: datetime | None = None


def state_of(client: "SecretsManagerClient", secret_id: str) -> SecretState:
    """Labels and rotation of a secret. Raises SecretUnavailable."""
    return answer_of("DescribeSecret", lambda: _state_in(client.describe_secret(SecretId=secret_id)))


def history_of(client: "SecretsManagerClient", secret_id: str) -> History:
    """The state of a secret, and since when it is as it is. Raises SecretUnavailable."""
    history = answer_of("DescribeSecret", lambda: _history_in(client.describe_secret(SecretId=secret_id)))
    return replace(history, created={version_id: at for at, version_id in dated_versions(client, secret_id)})


def dated_versions(client: "SecretsManagerClient", secret_id: str) -> list[tuple[datetime, str]]:
    """All versions that are still kept, unlabelled ones included, and when they came. Raises SecretUnavailable."""
    versions: list[tuple[datetime, str]] = []
    token: str | None = None
    while True:
        page, token = answer_of("ListSecretVersionIds", partial(_page, client, secret_id, token))
        versions += page
        if token is None:
            return versions


def _page(
    client: "SecretsManagerClient", secret_id: str, token: str | None
) -> tuple[list[tuple[datetime, str]], str | None]:
    more: dict[str, Any] = {} if token is None else {"NextToken": token}
    answer = client.list_secret_version_ids(SecretId=secret_id, IncludeDeprecated=True, **more)
    require(answer, "ARN", "ListSecretVersionIds")
    versions = [
        (typed(version["CreatedDate"], datetime), typed(version["VersionId"], str))
        for version in answer.get("Versions", [])
    ]
    token = answer.get("NextToken")
    # Emulators end the list with an empty one.
    return versions, None if token is None else typed(token, str) or None


def _state_in(answer: Mapping[str, Any]) -> SecretState:
    require(answer, "ARN", "DescribeSecret")
    enabled = answer.get("RotationEnabled", False)
    if not isinstance(enabled, bool):
        raise TypeError
    stages = answer.get("VersionIdsToStages", {})
    return SecretState(
        rotation_enabled=enabled,
        labels={version: frozenset(typed(label, str) for label in labels) for version, labels in stages.items()},
    )


def _history_in(answer: Mapping[str, Any]) -> History:
    """All of it but the versions' dates, which another call tells."""
    state = _state_in(answer)
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
        arn=typed(answer["ARN"], str),
        name=_optional(answer, "Name", str) or typed(answer["ARN"], str),
        function=_optional(answer, "RotationLambdaARN", str),
        made=_optional(answer, "CreatedDate", datetime),
        deleted="DeletedDate" in answer,
        answered=_date_of(answer),
    )


def _optional(answer: Mapping[str, Any], member: str, kind: type[T]) -> T | None:
    value = answer.get(member)
    return None if value is None else typed(value, kind)


def _date_of(answer: Mapping[str, Any]) -> datetime | None:
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, TypeError, ValueError):
        return None
