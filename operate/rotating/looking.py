"""A secret as a person asks about it: its rotation, its labelled versions, and what is in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from operate.checks.aws_words import remedy_here
from salesforce_keypair.credential import Credential, VersionedKey
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret, SecretUnavailable
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.seams import Parse, SecretHistory
from salesforce_keypair.secret_history import History
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK

# Enough to tell two apart, and what Salesforce's own pages have room for.
SHOWN_DIGITS = 16

_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"))
_ORDER = (CURRENT, PENDING, PREVIOUS, ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the secret is rotated. `function` is the ARN; `expression` in Secrets Manager's words."""

    enabled: bool
    function: str | None
    expression: str | None
    next: datetime | None
    last: datetime | None

    @property
    def function_name(self) -> str:
        """The rotation function's own name."""
        return (self.function or "").rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Version:
    """A labelled version. `problem` says why it holds no usable document, if it doesn't.

    `unread` is why AWS didn't show it: then nothing is known of what it holds. `created` isn't known of an empty one.
    """

    secret_arn: str = field(repr=False)
    version_id: str
    labels: frozenset[str]
    created: datetime | None
    credential: Credential | None = field(repr=False)
    problem: str | None
    unread: SecretUnavailable | None = field(default=None, repr=False)

    @property
    def certificate(self) -> Certificate | None:
        """The one beside its key."""
        return None if self.credential is None else self.credential.certificate

    @property
    def key(self) -> VersionedKey | None:
        """Its key, if it holds one."""
        credential = self.credential
        if credential is None or credential.private_key is None:
            return None
        return VersionedKey(self.secret_arn, self.version_id, credential, credential.private_key)

    @property
    def name(self) -> str:
        """How a person tells it from the others."""
        return f"{self.version_id[:8]} ({shown(self.certificate)})"


@dataclass(frozen=True, slots=True)
class Looked:
    """A secret at one moment, its current version first."""

    arn: str
    name: str
    schedule: Schedule
    versions: Sequence[Version]

    def labelled(self, label: str) -> Version | None:
        """The version that carries a label."""
        return next((version for version in self.versions if label in version.labels), None)

    @property
    def unfinished(self) -> Version | None:
        """The version of a rotation that has begun and not ended: pending, and not current."""
        pending = self.labelled(PENDING)
        return None if pending is None or CURRENT in pending.labels else pending

    def readable(self, label: str) -> Version | None:
        """The version that carries a label. Raises SecretUnavailable where AWS didn't show what it holds."""
        version = self.labelled(label)
        if version is not None and version.unread is not None:
            raise version.unread
        return version

    def current(self) -> tuple[Version, Credential]:
        """AWSCURRENT and its document. Raises InvalidSecret where there is none, SecretUnavailable."""
        current = self.readable(CURRENT)
        if current is None:
            raise InvalidSecret("the secret has no value yet", remedy="`onboard` stores its document, without a key")
        if current.credential is None:
            previous = self.labelled(PREVIOUS)
            back = "" if previous is None or previous.key is None else "; or `rollback` goes back to AWSPREVIOUS"
            raise InvalidSecret(f"AWSCURRENT can't be used; {current.problem}", remedy=f"correct its document{back}")
        return current, current.credential


def look(store: SecretHistory, parse: Parse, secret_id: str) -> Looked:
    """The secret now. Raises SecretUnavailable where AWS doesn't say; a version's own trouble is told in it."""
    history = store.history(secret_id)
    versions = [
        _version(store, parse, history.arn, version_id, labels, history.created.get(version_id))
        for version_id, labels in history.state.labels.items()
    ]
    versions.sort(key=lambda version: ([label not in version.labels for label in _ORDER], version.version_id))
    return Looked(arn=history.arn, name=history.name, schedule=_schedule(history), versions=versions)


def shown(certificate: Certificate | None) -> str:
    """A certificate's fingerprint as far as it is shown."""
    return "no certificate" if certificate is None else certificate.fingerprint[:SHOWN_DIGITS]


def span(seconds: float) -> str:
    """A length of time in the largest unit of which there are two."""
    for length, unit in _UNITS:
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _schedule(history: History) -> Schedule:
    rules = history.rules
    days = rules.automatically_after_days
    return Schedule(
        enabled=history.state.rotation_enabled,
        function=history.function,
        expression=rules.expression or (f"every {days} days" if days else None),
        next=rules.next,
        last=rules.last,
    )


def _version(
    store: SecretHistory, parse: Parse, arn: str, version_id: str, labels: frozenset[str], created: datetime | None
) -> Version:
    credential, problem, unread = None, None, None
    try:
        value = store.read(arn, version_id=version_id)
        if value is None:
            problem = "it holds no value yet"
        else:
            credential = parse(value.text)
    except (InvalidSecret, HostNotAllowed) as error:
        problem = str(error)
    except SecretUnavailable as error:
        problem, unread = f"{error.what}: {remedy_here(error)}", error
    return Version(arn, version_id, labels, created, credential, problem, unread)
