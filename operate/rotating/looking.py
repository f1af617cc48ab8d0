"""A secret as a person asks about it: its rotation, its labelled versions, and what is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from salesforce_keypair.credential import Credential, VersionedKey
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret, SecretUnavailable
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.seams import Parse, SecretStore
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK, answer_of

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

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
    """A labelled version. `problem` says why it holds no usable document, if it doesn't; `created` isn't known then."""

    secret_arn: str = field(repr=False)
    version_id: str
    labels: frozenset[str]
    created: datetime | None
    credential: Credential | None = field(repr=False)
    problem: str | None

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

    def current(self) -> tuple[Version, Credential]:
        """AWSCURRENT and its document. Raises InvalidSecret where there is none."""
        current = self.labelled(CURRENT)
        if current is None or current.credential is None:
            raise InvalidSecret(
                "AWSCURRENT can't be used" + (f"; {current.problem}" if current is not None else ""),
                remedy="correct its document, or move AWSCURRENT onto a version that is right",
            )
        return current, current.credential


def look(client: "SecretsManagerClient", store: SecretStore, parse: Parse, secret_id: str) -> Looked:
    """The secret now. Raises SecretUnavailable where AWS doesn't say; a version's own trouble is told in it."""
    described = answer_of("DescribeSecret", lambda: client.describe_secret(SecretId=secret_id))
    arn: str = described["ARN"]
    stages: Mapping[str, Sequence[str]] = described.get("VersionIdsToStages", {})
    created = _created(client, arn)
    versions = [
        _version(store, parse, arn, version_id, frozenset(labels), created.get(version_id))
        for version_id, labels in stages.items()
    ]
    versions.sort(key=lambda version: ([label not in version.labels for label in _ORDER], version.version_id))
    return Looked(arn=arn, name=described["Name"], schedule=_schedule(described), versions=versions)


def shown(certificate: Certificate | None) -> str:
    """A certificate's fingerprint as far as it is shown."""
    return "no certificate" if certificate is None else certificate.fingerprint[:SHOWN_DIGITS]


def span(seconds: float) -> str:
    """A length of time in the largest unit of which there are two."""
    for length, unit in _UNITS:
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _schedule(described: Mapping[str, Any]) -> Schedule:
    rules = described.get("RotationRules", {})
    days = rules.get("AutomaticallyAfterDays")
    return Schedule(
        enabled=described.get("RotationEnabled", False),
        function=described.get("RotationLambdaARN"),
        expression=rules.get("ScheduleExpression") or (f"every {days} days" if days else None),
        next=described.get("NextRotationDate"),
        last=described.get("LastRotatedDate"),
    )


def _created(client: "SecretsManagerClient", arn: str) -> dict[str, datetime]:
    """When each labelled version that holds a value was made. There are fewer of them than a page has room for."""
    answer = answer_of("ListSecretVersionIds", lambda: client.list_secret_version_ids(SecretId=arn))
    return {version["VersionId"]: version["CreatedDate"] for version in answer.get("Versions", [])}


def _version(
    store: SecretStore, parse: Parse, arn: str, version_id: str, labels: frozenset[str], created: datetime | None
) -> Version:
    credential, problem = None, None
    try:
        value = store.read(arn, version_id=version_id)
        if value is None:
            problem = "it holds no value yet"
        else:
            credential = parse(value.text)
    except (InvalidSecret, HostNotAllowed, SecretUnavailable) as error:
        problem = str(error)
    return Version(arn, version_id, labels, created, credential, problem)
