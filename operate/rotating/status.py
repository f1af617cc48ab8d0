"""How a secret stands, as data: for a person's eyes, or as JSON for a machine's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from operate.rotating.apps import Holding
from operate.rotating.looking import Looked, Version, shown, span
from salesforce_keypair.credential import Installation
from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.notices import where_to_upload
from salesforce_keypair.secret_store import CURRENT, PREVIOUS

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class RotationStatus:
    """Whether and when the secret is rotated. Moments are ISO 8601."""

    enabled: bool
    function: str | None
    schedule: str | None
    next: str | None
    last: str | None


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """A labelled version. Days may be negative: the certificate has ended."""

    version_id: str
    labels: list[str]
    fingerprint: str | None
    key_age_days: float | None
    certificate_ends: str | None
    certificate_days_left: float | None
    in_apps: list[str]
    problem: str | None


@dataclass(frozen=True, slots=True)
class PendingStatus:
    """A rotation that has begun and not ended. No `age_seconds` before its key is made, which AWS doesn't tell."""

    version_id: str
    age_seconds: float | None
    waits_for: str
    remedy: str


@dataclass(frozen=True, slots=True)
class AppStatus:
    """What an app holds, or why that can't be told; `fingerprint` none where it shows no certificate."""

    name: str
    fingerprint: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """A secret's whole status. `apps` is none where they weren't asked."""

    secret: str
    arn: str
    rotation: RotationStatus
    versions: list[VersionStatus]
    apps: list[AppStatus] | None
    pending: PendingStatus | None


def status_of(looked: Looked, apps: Sequence[Holding] | None, *, now: float) -> Status:
    """How the secret stood at the moment `now`, in epoch seconds."""
    schedule = looked.schedule
    return Status(
        secret=looked.name,
        arn=looked.arn,
        rotation=RotationStatus(
            enabled=schedule.enabled,
            function=schedule.function,
            schedule=schedule.expression,
            next=_iso(schedule.next),
            last=_iso(schedule.last),
        ),
        versions=[_version(version, apps or (), now) for version in looked.versions],
        apps=None if apps is None else [_app(holding) for holding in apps],
        pending=_pending(looked, apps, now),
    )


def certificate_to_upload(looked: Looked, label: str) -> str:
    """The PEM of the certificate under a label, which is public.

    Raises InvalidSecret where there is none, SecretUnavailable where AWS doesn't show it.
    """
    version = looked.readable(label)
    if version is None or version.certificate is None:
        raise InvalidSecret(
            f"no version labelled {label} holds a certificate"
            + (f"; {version.problem}" if version is not None and version.problem else ""),
            remedy="see `status` for the labels that there are",
        )
    return version.certificate.pem


def lines_of(status: Status) -> Iterator[str]:
    """The status for a person."""
    rotation = status.rotation
    yield status.secret
    state = "on" if rotation.enabled else "OFF"
    yield f"  rotation   {', '.join(filter(None, (state, rotation.schedule)))}"
    yield f"  function   {rotation.function or 'none'}"
    yield f"  last       {rotation.last or 'never yet'}"
    yield f"  next       {rotation.next or 'Secrets Manager tells no date'}"
    for app in status.apps or ():
        yield f"  app        {app.name} {app.text}"
    if not any(CURRENT in version.labels for version in status.versions):
        yield "  value      none yet: `onboard` stores its document"
    lost = any(PREVIOUS in version.labels and version.fingerprint is not None for version in status.versions)
    for version in status.versions:
        yield ""
        yield f"  {', '.join(version.labels)}"
        yield from (f"    {line}" for line in _lines_of_version(version, lost=lost and CURRENT in version.labels))
    if status.pending is not None:
        age = "" if status.pending.age_seconds is None else f" for {span(status.pending.age_seconds)}"
        yield ""
        yield f"  The rotation to {status.pending.version_id} waits{age}: {status.pending.waits_for}."
        yield f"  {status.pending.remedy}"


def _lines_of_version(version: VersionStatus, *, lost: bool) -> Iterator[str]:
    """With `lost`, a key that isn't there was there before."""
    yield f"version      {version.version_id}"
    if version.fingerprint is not None:
        yield f"fingerprint  {version.fingerprint}"
    if version.key_age_days is not None:
        yield f"key          {span(version.key_age_days * _DAY)} old"
    if version.certificate_days_left is not None:
        left = version.certificate_days_left * _DAY
        yield f"certificate  {'ends' if left > 0 else 'ENDED'} {version.certificate_ends}, " + (
            f"in {span(left)}" if left > 0 else f"{span(-left)} ago"
        )
    if version.in_apps:
        yield f"in the app   {', '.join(version.in_apps)}"
    if version.fingerprint is None and version.problem is None:
        yield "key          " + (
            "none, while AWSPREVIOUS holds one: somebody overwrote the secret; `rollback` goes back"
            if lost
            else "none yet: the first rotation makes it"
        )
    if version.problem is not None:
        yield f"can't be used: {version.problem}"


def _version(version: Version, apps: Sequence[Holding], now: float) -> VersionStatus:
    certificate = version.certificate
    ends = None if certificate is None else certificate.not_after
    return VersionStatus(
        version_id=version.version_id,
        labels=sorted(version.labels),
        fingerprint=None if certificate is None else shown(certificate),
        key_age_days=None if certificate is None else max(_days(now - certificate.made_at.timestamp()), 0.0),
        certificate_ends=_iso(ends),
        certificate_days_left=None if ends is None else _days(ends.timestamp() - now),
        in_apps=[holding.app_name for holding in apps if holding.holds(version)],
        problem=version.problem,
    )


def _app(holding: Holding) -> AppStatus:
    certificate = None if holding.installed is None else holding.installed.certificate
    return AppStatus(holding.app_name, None if certificate is None else shown(certificate), holding.text)


def _pending(looked: Looked, apps: Sequence[Holding] | None, now: float) -> PendingStatus | None:
    pending = looked.unfinished
    if pending is None:
        return None
    age = None if pending.created is None else now - pending.created.timestamp()
    waits_for, remedy = _what_it_waits_for(looked, pending, apps)
    return PendingStatus(pending.version_id, age, waits_for, remedy)


def _what_it_waits_for(looked: Looked, pending: Version, apps: Sequence[Holding] | None) -> tuple[str, str]:
    take_up = "If nothing moves, `resume` takes it up again and shows why it stands still."
    if not looked.schedule.enabled:
        return "rotation is off, so nothing is delivered", "`resume` turns it on and goes on."
    credential = pending.credential
    if credential is None or credential.private_key is None:
        return f"its key pair (createSecret); {pending.problem or 'it holds no privateKey'}", take_up
    if apps is not None and any(holding.holds(pending) for holding in apps):
        return "the app holds its certificate; its key must log in everywhere (testSecret, finishSecret)", take_up
    if credential.installation is Installation.MANUAL:
        return "somebody puts its certificate into the app", (
            "Save it with `status --certificate > certificate.pem`, put it in at "
            f"{where_to_upload(credential)}, then run `resume`."
        )
    if apps is None or all(holding.installed is None or not holding.installed.shown for holding in apps):
        return "its certificate in the app, or its key to log in everywhere (setSecret to finishSecret)", take_up
    return "its certificate isn't in the app yet (setSecret)", take_up


def _days(seconds: float) -> float:
    return round(seconds / _DAY, 5)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
