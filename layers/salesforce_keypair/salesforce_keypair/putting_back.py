"""Undoing a change whose certificate Salesforce didn't honour in time."""

from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import ForeignCertificate, KeyPairError, NotPending, NotSettled
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.rotating_secret import START_AGAIN, RotatingSecret
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.seams import OpenApp, SecretStore
from salesforce_keypair.secret_store import CURRENT, PENDING, ROLLED_BACK
from salesforce_keypair.settling import Unsettled
from salesforce_keypair.timing import Deadline

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
    ) -> KeyPairError:
        """Undo the change, and the error to end the step with."""
        secret.look_again()
        if PENDING not in secret.labels or CURRENT in secret.labels:
            return NotPending(
                "the new key didn't settle, and its labels were moved meanwhile, so nothing was put back",
                remedy="see who changes the secret's labels, and which certificate the app should hold",
            )
        done = self._restored(secret.current().certificate, pending, deadline)
        # First the label that stops all later deliveries, then the one that lets a new rotation start.
        self._store.move_label(
            request.secret_id, ROLLED_BACK, onto=request.version_id, off=secret.state.version_with(ROLLED_BACK)
        )
        self._store.move_label(request.secret_id, PENDING, onto=None, off=request.version_id)
        return NotSettled(
            f"Salesforce didn't honour the new certificate in time; {done}, and the version is labelled {ROLLED_BACK} "
            f"instead of {PENDING}. The last login: {unsettled.last.what}",
            remedy=f"nothing is urgent; see what the last login says, then {START_AGAIN}",
        )

    def _restored(self, current: Certificate | None, pending: Credential, deadline: Deadline) -> str:
        if current is None:
            return "the app keeps the new certificate, for there was no earlier key to go back to"
        try:
            return self._restore(current, pending, deadline)
        except ForeignCertificate:
            raise
        except KeyPairError as error:
            if error.retryable:
                raise
            raise NotSettled(
                f"Salesforce didn't honour the new certificate in time, and the old one can't be put back; "
                f"{error.what}",
                remedy=(
                    f"{error.remedy}; or an administrator puts the certificate of AWSCURRENT "
                    f"({current.fingerprint}) into the app {pending.app_name}"
                ),
            ) from error

    def _restore(self, current: Certificate, pending: Credential, deadline: Deadline) -> str:
        app = self._open_app(pending, deadline)
        installed = app.installed()
        if current.same_key(installed.certificate):
            return f"the app holds the certificate of AWSCURRENT again ({current.fingerprint[:16]})"
        ours = pending.certificate
        if installed.shown and (ours is None or not ours.same_key(installed.certificate)):
            raise ForeignCertificate(
                "the new key didn't settle, and meanwhile somebody put a third certificate into the app",
                remedy=f"find out who; then put in the certificate of AWSCURRENT ({current.fingerprint})",
            )
        app.replace(current)
        return f"the certificate of AWSCURRENT is back in the app ({current.fingerprint[:16]})"
