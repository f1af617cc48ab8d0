"""The secret's versions: which labels may stand where, and whether each document can be used."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from operate.checks.described import Described, LabelledVersion, in_words
from operate.checks.finding import Finding, failed, ok, task, warning
from salesforce_keypair.credential import Credential, Installation, certificate_in
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret, KeyPairError
from salesforce_keypair.notices import where_to_upload
from salesforce_keypair.rotating_secret import RotatingSecret
from salesforce_keypair.rotation_request import RotationRequest, Step
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK, SecretsManager
from salesforce_keypair.ways_out import give_up_command

# As the alarm has it. Secrets Manager has long given up by then: nothing goes on by itself.
STUCK_AFTER = timedelta(hours=2)
EXPIRES_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Held:
    """A labelled version and the document that it holds."""

    version: LabelledVersion
    credential: Credential = field(repr=False)

    @property
    def name(self) -> str:
        """The label that it is called by."""
        return self.version.name

    @property
    def has_key(self) -> bool:
        """Whether somebody could log in with it."""
        return self.credential.private_key is not None


def judge_secret(secret: Described) -> Finding:
    """Whether there is a secret to look at."""
    if secret.deleted:
        return failed(
            f"{secret.name} is scheduled for deletion",
            cause="somebody deleted it; AWS keeps it for some days",
            remedy="restore it (aws secretsmanager restore-secret), or name the secret that took its place",
        )
    return ok(f"{secret.name} is there")


def judge_labels(secret: Described) -> Finding:
    """Whether there is a current version."""
    if secret.labelled(CURRENT) is None:
        return failed(
            "no version is AWSCURRENT",
            cause="the secret has no value yet",
            remedy="store its document, without a key: the first rotation makes one",
            command=task("onboard", secret.asked_as),
        )
    return ok(", ".join(f"{'+'.join(sorted(v.labels))} {v.version_id[:8]}" for v in secret.versions))


def judge_rotation(secret: Described, versions: Sequence[Held]) -> Finding:
    """Whether a rotation is under way, has stopped halfway, or waits for a person."""
    pending = unfinished(secret)
    if pending is None:
        return ok("no rotation is under way")
    what = f"AWSPENDING is on another version ({pending.version_id[:8]}) than AWSCURRENT"
    # Its label came with it, so what holds no value yet is at least as old as the last change of the secret.
    age = pending.age if pending.age is not None else secret.unchanged_for
    held = next((each for each in versions if each.version is pending and each.has_key), None)
    if held is not None and held.credential.installation is Installation.MANUAL:
        return _waits_for_upload(held.credential, secret)
    if age is not None and age >= STUCK_AFTER:
        return failed(
            f"{what} for {in_words(age)}",
            cause="a rotation stopped halfway, and until it ends no other can start",
            remedy="take it up again; its last error is in the rotation function's log",
            command=task("resume", secret.asked_as),
        )
    return warning(
        what if age is None else f"{what} for {in_words(age)}",
        cause="a rotation is under way, or has just stopped",
        remedy="wait until it ends; if it doesn't within 2 hours, take it up again (make resume)",
        command=task("status", secret.asked_as),
    )


def judge_rolled_back(secret: Described) -> Finding:
    """Whether the last rotation was undone."""
    undone, current = secret.labelled(ROLLED_BACK), secret.labelled(CURRENT)
    if undone is None:
        return ok("no rotation was undone")
    if undone.age is None or current is None or current.age is None or undone.age > current.age:
        return ok(f"a rotation that was undone ({undone.version_id[:8]}) is older than the current key")
    return warning(
        f"the last rotation was undone {in_words(undone.age)} ago ({undone.version_id[:8]})",
        cause="Salesforce didn't honour its certificate in time, or somebody rolled it back or gave it up",
        remedy="find the refusal in the rotation function's log, if there is one, mend what it names, and rotate again",
        command=task("rotate", secret.asked_as),
    )


def read(
    store: SecretsManager, parse: Callable[[str], Credential], secret: Described, version: LabelledVersion
) -> tuple[Finding, Held | None]:
    """A version's document, checked, its key against its certificate too. Raises InvalidSecret, HostNotAllowed."""
    value = store.read(secret.arn, version_id=version.version_id)
    if value is None:
        if PENDING in version.labels:
            return ok(f"{version} holds nothing yet: createSecret comes first"), None
        raise InvalidSecret(f"{version} has no value", remedy="move its label onto a version that has one")
    try:
        credential = parse(value.text)
    except (InvalidSecret, HostNotAllowed) as error:
        if CURRENT in version.labels and secret.labelled(PREVIOUS) is not None:
            back = f"go back to AWSPREVIOUS ({task('rollback', secret.asked_as)})"
            raise type(error)(error.what, remedy=f"{error.remedy}; or {back}") from error
        if CURRENT in version.labels:
            raise
        # What a version holds never changes, so nobody can correct it there.
        if PENDING in version.labels:
            give_up = f"give this rotation up ({give_up_command(secret.asked_as)}), then start another"
            raise type(error)(error.what, remedy=give_up) from error
        return _left_behind(version, error, secret), None
    held = Held(version, credential)
    if credential.certificate is not None and held.has_key:
        fingerprint = credential.certificate.fingerprint[:16]
        return ok(f"{version} is well-formed, and its key is the certificate's ({fingerprint})"), held
    rotating = _as_a_rotation_sees(store, parse, secret, version)
    if CURRENT in version.labels:
        rotating.refuse_overwritten(credential)
        return (_overwritten(version, secret) if _had_key(store, secret) else _without_key(version, secret)), held
    if PENDING in version.labels:
        rotating.required_key(credential)
    return ok(f"{version} is well-formed and holds no key"), held


def reader(store: SecretsManager, secret_arn: str) -> Callable[[str], str | None]:
    """What reads a version's value, whatever it holds."""

    def text_of(version_id: str) -> str | None:
        try:
            value = store.read(secret_arn, version_id=version_id)
        except InvalidSecret:
            return None
        return None if value is None else value.text

    return text_of


def judge_rotatable(
    store: SecretsManager, parse: Callable[[str], Credential], secret: Described, versions: Sequence[Held]
) -> Finding:
    """Whether a rotation can begin with the current document, or go on with the pending one. Raises InvalidSecret."""
    current, pending = (next((v for v in versions if label in v.version.labels), None) for label in (CURRENT, PENDING))
    if current is not None:
        current.credential.check_installable()
        if current.credential.admin_secret_arn in (secret.arn, secret.name):
            raise InvalidSecret(
                "adminSecretArn names this very secret, whose key a rotation locks out",
                remedy="name an admin's secret, or leave adminSecretArn out if there is no admin",
            )
        if pending is not None and pending is not current:
            rotating = _as_a_rotation_sees(store, parse, secret, pending.version)
            rotating.refuse_changed_settings(pending.credential, current.credential)
    return ok("a rotation can use the document as it is")


def judge_expiry(held: Held, now: float, secret: Described) -> Finding:
    """How long the certificate is valid, which Salesforce doesn't look at and policies do."""
    certificate = held.credential.certificate
    if certificate is None or not held.has_key:
        return ok("there is no certificate yet")
    left = certificate.not_after - datetime.fromtimestamp(now, UTC)
    day = certificate.not_after.date().isoformat()
    if left > EXPIRES_SOON:
        return ok(f"the certificate is valid until {day}, for {in_words(left)}")
    expired = left <= timedelta()
    under_way = unfinished(secret) is not None
    return warning(
        f"the certificate {'expired' if expired else 'expires'} on {day}",
        cause=(
            "Salesforce still honours it, for it looks at the key alone, but a rotation should have come first"
            if expired
            else f"no rotation has replaced it, and {in_words(left)} are left"
        ),
        remedy="let the rotation come to its end that has begun (see rotation)"
        if under_way
        else "start a rotation, and see why the schedule didn't",
        command=task("status" if under_way else "rotate", secret.asked_as),
    )


def unfinished(secret: Described) -> LabelledVersion | None:
    """The version of a rotation that has begun and not ended: pending, and not current."""
    pending = secret.labelled(PENDING)
    return None if pending is None or CURRENT in pending.labels else pending


def _waits_for_upload(credential: Credential, secret: Described) -> Finding:
    return warning(
        f"a rotation waits until the certificate of AWSPENDING is in the app {credential.app_name}",
        cause="a person installs the certificates (installation manual)",
        remedy=(
            f"save it ({task('status', secret.asked_as)} ARGS=--certificate > certificate.pem), put it in at "
            f"{where_to_upload(credential)}, then let the rotation go on ({task('resume', secret.asked_as)})"
        ),
        command=task("status", secret.asked_as),
    )


def _left_behind(version: LabelledVersion, error: KeyPairError, secret: Described) -> Finding:
    return warning(
        f"the document of {version} can't be used",
        cause=error.what,
        remedy="start a rotation, unless one is under way: no token rests on that version, but no rollback leads to it",
        error=error.code,
        command=task("status" if unfinished(secret) else "rotate", secret.asked_as),
    )


def _had_key(store: SecretsManager, secret: Described) -> bool:
    """Whether a rotation has succeeded, and a version without a label holds a key that may be its."""
    if secret.schedule.since_rotated is None or unfinished(secret) is not None:
        return False
    text_of = reader(store, secret.arn)
    return any(certificate_in(text_of(version_id) or "") is not None for version_id in secret.unlabelled)


def _overwritten(version: LabelledVersion, secret: Described) -> Finding:
    return failed(
        f"{version} holds no key any more",
        cause="somebody overwrote the secret more than once, so that no label leads to the key that there was",
        remedy="start a rotation, which makes a new key, and change single members of the document only",
        error=InvalidSecret.code,
        command=task("rotate", secret.asked_as),
    )


def _without_key(version: LabelledVersion, secret: Described) -> Finding:
    what = f"{version} is well-formed and holds no key yet"
    if unfinished(secret) is not None:
        return warning(
            what,
            cause="the first rotation, which makes it, hasn't ended",
            remedy="see what that waits for",
            command=task("status", secret.asked_as),
        )
    undone = secret.labelled(ROLLED_BACK) is not None
    return warning(
        what,
        cause="the first rotation, which makes it, " + ("was undone" if undone else "hasn't succeeded"),
        remedy="see why (rolled_back), mend that, and start a rotation" if undone else "start a rotation",
        command=task("rotate", secret.asked_as),
    )


def _as_a_rotation_sees(
    store: SecretsManager, parse: Callable[[str], Credential], secret: Described, version: LabelledVersion
) -> RotatingSecret:
    request = RotationRequest(Step.SET_SECRET, secret.arn, version.version_id)
    return RotatingSecret(request=request, store=store, parse=parse)
