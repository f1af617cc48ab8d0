"""What AWS says of a secret without its values: labels, schedule, ages. Ages go by AWS's clock, not by ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError

from salesforce_keypair.errors import SecretUnavailable
from salesforce_keypair.schedule import longest_interval
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK, RotationRules, answer_of

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# The order in which versions are looked at: those first that must log in.
_KNOWN = (CURRENT, PENDING, PREVIOUS, ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class LabelledVersion:
    """A version with labels; `age` is none where AWS lists no value of it."""

    version_id: str
    labels: frozenset[str]
    age: timedelta | None

    @property
    def name(self) -> str:
        """The label that it is called by."""
        return min(self.labels, key=_rank)

    def __str__(self) -> str:
        return f"{self.name} ({self.version_id[:8]})"


@dataclass(frozen=True, slots=True)
class Schedule:
    """How and when the secret is rotated. `since_rotated` is none before the first success.

    `interval` is the longest time that may pass between two rotations, as the key monitor reckons it.
    """

    enabled: bool
    function_arn: str | None
    interval: timedelta | None
    expression: str
    since_rotated: timedelta | None
    until_next: timedelta | None
    age_of_secret: timedelta | None


@dataclass(frozen=True, slots=True)
class Described:
    """A secret as DescribeSecret and ListSecretVersionIds show it; labelled versions in the order of `_KNOWN`.

    `asked_as` is the name or ARN that it was asked for by, `unchanged_for` how long ago anything of it was changed.
    """

    asked_as: str
    arn: str
    name: str
    deleted: bool
    versions: tuple[LabelledVersion, ...]
    unlabelled: tuple[str, ...]
    unchanged_for: timedelta | None
    schedule: Schedule

    def labelled(self, label: str) -> LabelledVersion | None:
        """The version that carries a label."""
        return next((version for version in self.versions if label in version.labels), None)


def describe(client: Callable[[], "SecretsManagerClient"], secret_id: str, *, now: float) -> Described:
    """Ask AWS; `now` is our own clock's, for answers without a date. Raises SecretUnavailable."""
    try:
        secrets = client()
    except BotoCoreError as error:
        raise SecretUnavailable(
            f"AWS can't be asked from this shell ({type(error).__name__})", remedy="set the shell up for AWS"
        ) from error
    answer = answer_of("DescribeSecret", lambda: secrets.describe_secret(SecretId=secret_id))
    created = answer_of("ListSecretVersionIds", lambda: _created(secrets, secret_id))
    return _described(secret_id, answer, created, _date_of(answer) or datetime.fromtimestamp(now, UTC))


def _created(secrets: "SecretsManagerClient", secret_id: str) -> dict[str, datetime]:
    """When each version that holds a value was made: labelled or not, for an app may hold the certificate of either."""
    created: dict[str, datetime] = {}
    more: dict[str, Any] = {}
    while True:
        page = secrets.list_secret_version_ids(SecretId=secret_id, IncludeDeprecated=True, **more)
        created |= {version["VersionId"]: version["CreatedDate"] for version in page["Versions"]}
        if "NextToken" not in page:
            return created
        more = {"NextToken": page["NextToken"]}


def _described(asked_as: str, answer: Mapping[str, Any], created: Mapping[str, datetime], now: datetime) -> Described:
    def since(moment: datetime | None) -> timedelta | None:
        return None if moment is None else now - moment

    labels = answer.get("VersionIdsToStages", {})
    versions = [
        LabelledVersion(version_id, frozenset(stages), since(created.get(version_id)))
        for version_id, stages in labels.items()
        if stages
    ]
    upcoming = since(answer.get("NextRotationDate"))
    rules = answer.get("RotationRules", {})
    return Described(
        asked_as=asked_as,
        arn=answer["ARN"],
        name=answer["Name"],
        deleted="DeletedDate" in answer,
        versions=tuple(sorted(versions, key=lambda version: (_rank(version.name), version.version_id))),
        unlabelled=tuple(
            version_id
            for version_id in sorted(created, key=created.__getitem__, reverse=True)
            if not labels.get(version_id)
        ),
        unchanged_for=since(answer.get("LastChangedDate")),
        schedule=Schedule(
            enabled=answer.get("RotationEnabled", False),
            function_arn=answer.get("RotationLambdaARN"),
            interval=longest_interval(
                RotationRules(
                    expression=rules.get("ScheduleExpression"),
                    automatically_after_days=rules.get("AutomaticallyAfterDays"),
                    duration=rules.get("Duration"),
                    last=answer.get("LastRotatedDate"),
                    next=answer.get("NextRotationDate"),
                )
            ),
            expression=rules.get("ScheduleExpression") or _every(rules.get("AutomaticallyAfterDays")),
            since_rotated=since(answer.get("LastRotatedDate")),
            until_next=None if upcoming is None else -upcoming,
            age_of_secret=since(answer.get("CreatedDate")),
        ),
    )


def in_words(age: timedelta) -> str:
    """A length of time as people say it, in its largest unit."""
    seconds = max(age.total_seconds(), 0)
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (unit == "day" and seconds >= size):
            return _plural(int(seconds // size), unit)
    return _plural(int(seconds), "second")


def _plural(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _every(days: int | None) -> str:
    return "no schedule" if not days else f"every {_plural(days, 'day')}"


def _rank(label: str) -> tuple[int, str]:
    return (_KNOWN.index(label) if label in _KNOWN else len(_KNOWN), label)


def _date_of(answer: Mapping[str, Any]) -> datetime | None:
    """When AWS answered, by its own clock, which dates the versions too."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return None
