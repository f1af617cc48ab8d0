"""The app as whoever may change it sees it: the certificate in it, and whether another could be put there."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from operate.checks.finding import Finding, failed, ok, task, warning
from operate.checks.logins import holds_another
from operate.checks.versions import Held
from salesforce_keypair.credential import Credential, Installation, Standby, certificate_in
from salesforce_keypair.errors import ForeignCertificate
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.salesforce.app_certificate import Installed
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.secret_store import CURRENT, PENDING


def judge_authority(credential: Credential) -> Finding:
    """Who may change the app."""
    if credential.installation is Installation.MANUAL:
        return ok("a person installs the certificates (installation manual)")
    if not credential.own_user_installs:
        return ok("an admin of its own installs the certificates (adminSecretArn)")
    return warning(
        "the key pair's own user installs the certificates",
        cause="adminSecretArn is missing, so every token that is handed out can change the app",
        remedy="store an admin's credential in a secret of its own, name it in adminSecretArn, and take the user's "
        "permission to modify metadata away",
    )


def judge_token_format(session: Session, credential: Credential) -> Finding:
    """Whether the org hands out JWTs, which not all of its APIs take."""
    if not session.is_jwt:
        return ok("the tokens are opaque, which every API takes")
    return warning(
        "the app issues JWT-format tokens",
        cause=f"SOAP refuses them below API v68.0 (apiVersion is v{credential.api_version})",
        remedy="turn 'Issue JWT-based access tokens' off in the app, unless no caller uses SOAP below v68.0",
    )


def seen(installed: Installed) -> Finding:
    """What a read of the app showed."""
    if installed.certificate is not None:
        return ok(f"the app is readable; it holds the certificate {installed.certificate.fingerprint[:16]}")
    return ok("the app is readable; it shows no certificate" if not installed.shown else "the app is readable")


@dataclass(frozen=True, slots=True)
class Owner:
    """The version whose certificate an app holds; `held` is none where the version has no label any more."""

    version_id: str
    held: Held | None


def owner_of(
    installed: Certificate, versions: Sequence[Held], unlabelled: Iterable[str], text_of: Callable[[str], str | None]
) -> Owner | None:
    """Whose certificate it is; values of unlabelled versions are read only if it is no labelled one's."""
    for held in versions:
        if installed.same_key(held.credential.certificate):
            return Owner(held.version.version_id, held)
    for version_id in unlabelled:
        text = text_of(version_id)
        certificate = None if text is None else certificate_in(text)
        if installed.same_key(certificate):
            return Owner(version_id, None)
    return None


def judge_installed(
    installed: Installed, owner: Owner | None, current: Credential, secret_id: str, *, logs_in: bool
) -> Finding:
    """Whether the app in use holds AWSCURRENT's certificate; `logs_in` is whether its key does."""
    if not installed.shown:
        return _judge_hidden(current, secret_id, logs_in=logs_in)
    if owner is None:
        return foreign(installed) if current.standby is None else _foreign_in_use(installed, current.standby, secret_id)
    labels = owner.held.version.labels if owner.held else frozenset()
    if CURRENT in labels:
        return ok("the app holds AWSCURRENT's certificate")
    name = owner.held.name if owner.held else f"an earlier version ({owner.version_id[:8]})"
    if PENDING in labels:
        return warning(
            "the app holds AWSPENDING's certificate",
            cause="a rotation is under way, or stopped before the new key was made current",
            remedy="wait until it ends; if it doesn't, take it up again",
            command=task("resume", secret_id),
        )
    what = f"the app holds the certificate of {name}"
    if current.private_key is None:
        return ok(f"{what}: a first rotation that was undone left it there, with no earlier one to go back to")
    return holds_another(what, "somebody or something put it back", current, secret_id)


def judge_standby(owner: Owner | None, installed: Installed) -> Finding:
    """Whether the second app holds a certificate that the next rotation may replace."""
    if owner is None and installed.shown:
        return foreign(installed)
    return ok("the second app holds " + ("no certificate that it shows" if owner is None else "a certificate of ours"))


def standby_of(credential: Credential) -> Credential | None:
    """The credential as it is about the second app, if there is one."""
    if credential.standby is None:
        return None
    return replace(credential, app_name=credential.standby.app_name, consumer_key=credential.standby.consumer_key)


def foreign(installed: Installed) -> Finding:
    """The app holds somebody else's certificate."""
    found = "one that can't be read" if installed.certificate is None else installed.certificate.fingerprint[:16]
    return failed(
        f"the app holds a certificate that no version of the secret knows ({found})",
        cause="somebody else uses this app, or replaced its certificate by hand",
        remedy="find out who put it there (Setup Audit Trail); give them an app of their own, or, if nobody needs it, "
        "set replaceForeignCertificate to true in the secret (make onboard with --replace-foreign-certificate) and "
        "start a rotation",
        error=ForeignCertificate.code,
    )


def _foreign_in_use(installed: Installed, standby: Standby, secret_id: str) -> Finding:
    return replace(
        foreign(installed),
        remedy=f"start a rotation, which goes over to the second app, {standby.app_name}; then find out who put it "
        "there (Setup Audit Trail), for the rotation after that would stop at it",
        command=task("rotate", secret_id),
    )


def _judge_hidden(current: Credential, secret_id: str, *, logs_in: bool) -> Finding:
    if logs_in or current.private_key is None:
        return ok("the app shows no certificate" + (", but AWSCURRENT logs in, which proves it" if logs_in else " yet"))
    return warning(
        "the app shows no certificate",
        cause="it has none, or is one of the apps that don't show it; then the login alone tells",
        remedy="if AWSCURRENT is refused, start a rotation, which puts a new certificate in",
        command=task("rotate", secret_id),
    )
