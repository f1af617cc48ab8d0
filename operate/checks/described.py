"""What AWS says of a secret without its values: labels, schedule, ages. Ages go by AWS's clock, not by ours."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from salesforce_keypair.schedule import longest_interval
from salesforce_keypair.seams import SecretHistory
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK

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


def describe(store: SecretHistory, secret_id: str, *, now: float) -> Described:
    """Ask AWS; `now` is our own clock's, for answers without a date. Raises SecretUnavailable."""
    history = store.history(secret_id)
    answered = history.answered or datetime.fromtimestamp(now, UTC)

    def since(moment: datetime | None) -> timedelta | None:
        return None if moment is None else answered - moment

    labels, created, rules = history.state.labels, history.created, history.rules
    versions = [
        LabelledVersion(version_id, stages, since(created.get(version_id)))
        for version_id, stages in labels.items()
        if stages
    ]
    upcoming = since(rules.next)
    return Described(
        asked_as=secret_id,
        arn=history.arn,
        name=history.name,
        deleted=history.deleted,
        versions=tuple(sorted(versions, key=lambda version: (_rank(version.name), version.version_id))),
        unlabelled=tuple(
            version_id
            for version_id in sorted(created, key=created.__getitem__, reverse=True)
            if not labels.get(version_id)
        ),
        unchanged_for=since(history.changed),
        schedule=Schedule(
            enabled=history.state.rotation_enabled,
            function_arn=history.function,
            interval=longest_interval(rules),
            expression=rules.expression or _every(rules.automatically_after_days),
            since_rotated=since(rules.last),
            until_next=None if upcoming is None else -upcoming,
            age_of_secret=since(history.made),
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
