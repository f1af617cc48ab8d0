"""Undoing a change whose certificate Salesforce didn't honour in time."""

from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import ForeignCertificate, KeyPairError, LoginRefused, NotPending, NotSettled
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.rotating_secret import RotatingSecret
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.seams import AppCertificate, OpenApp, SecretStore
from salesforce_keypair.secret_store import CURRENT, PENDING, ROLLED_BACK
from salesforce_keypair.settling import Unsettled
from salesforce_keypair.timing import Deadline
from salesforce_keypair.ways_out import START_AGAIN

# What it takes at most: reading, a rehearsal, a deploy, reading back, two labels.
PUT_BACK_SECONDS = 120.0


class PuttingBack:
    """Brings AWSCURRENT's certificate back into the app, then closes the rotation for all later deliveries."""

    def __init__(self, *, store: SecretStore, open_app: OpenApp) -> None:
        self._store = store
        self._open_app = open_app

    def put_back(
        self,
        request: RotationRequest,
        secret: RotatingSecret,
        pending: Credential,
        unsettled: Unsettled,
        deadline: Deadline,
        *,
        app: AppCertificate | None = None,
    ) -> KeyPairError:
        """Undo the change, and the error to end the step with.

        `app` is one already open, whose session the change of the certificate didn't end.
        """
        secret.look_again()
        moved = secret.moved_meanwhile()
        if moved is not None:
            return moved
        current = secret.current()
        opened = app or self._open_app(pending, (pending, current), deadline)
        done = _restored(opened, current, pending)
        secret.look_again()
        if CURRENT in secret.labels:
            return self._caught_up(opened, pending)
        # First the label that stops all later deliveries, then the one that lets a new rotation start.
        self._store.move_label(
            request.secret_id, ROLLED_BACK, onto=request.version_id, off=secret.state.version_with(ROLLED_BACK)
        )
        secret.close()
        return NotSettled(
            f"Salesforce didn't honour the new certificate in time; {done}, and the version is labelled {ROLLED_BACK} "
            f"instead of {PENDING}. The last login: {unsettled.last.what}",
            remedy=f"nothing is urgent; for the last login's refusal: {unsettled.last.remedy}; then {START_AGAIN}",
        )

    def _caught_up(self, app: AppCertificate, pending: Credential) -> KeyPairError:
        """Another delivery promoted the version while its certificate was taken out: it goes in again."""
        app.replace(pending.required_certificate())
        return NotPending(
            "another delivery made this version current while its certificate was put back, so it was installed again",
            remedy="see that nobody invokes the rotation function by hand while a rotation is under way",
        )


def _restored(app: AppCertificate, current: Credential, pending: Credential) -> str:
    """Bring the certificate of AWSCURRENT back, and say what was found or done."""
    if not pending.same_app(current):
        return "the app in use was never touched"
    if current.certificate is None:
        return "the app stays as it is, for there was no earlier key to go back to"
    try:
        return _restore(app, current.certificate, pending)
    except ForeignCertificate:
        raise
    except KeyPairError as error:
        # An own user whom neither key logs in any more has to be helped; what else passes, the next delivery does.
        locked_out = pending.own_user_installs and isinstance(error, LoginRefused)
        raise NotSettled(
            "Salesforce didn't honour the new certificate in time, and the old one isn't back in the app; "
            f"{error.what}",
            remedy=(
                f"{error.remedy}; the next delivery tests and puts back again, or an administrator puts the "
                f"certificate of AWSCURRENT ({current.certificate.fingerprint}) into the app {pending.app_name}"
            ),
            retryable=error.retryable and not locked_out,
        ) from error


def _restore(app: AppCertificate, current: Certificate, pending: Credential) -> str:
    installed = app.installed()
    if current.same_key(installed.certificate):
        # Somebody put it back by hand, or setSecret wasn't here. Closed all the same: to swap again would undo that.
        return f"the app holds the certificate of AWSCURRENT ({current.fingerprint[:16]})"
    ours = pending.certificate
    if installed.shown and (ours is None or not ours.same_key(installed.certificate)):
        raise ForeignCertificate(
            "the new key didn't settle, and meanwhile somebody put a third certificate into the app",
            remedy=f"find out who; then put in the certificate of AWSCURRENT ({current.fingerprint})",
        )
    app.replace(current)
    return f"the certificate of AWSCURRENT is back in the app ({current.fingerprint[:16]})"
