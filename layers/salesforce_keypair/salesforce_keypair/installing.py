"""setSecret and testSecret where the Metadata API puts the certificate in: install it, wait for it, or undo it."""

import logging
from collections.abc import Callable
from dataclasses import replace

from salesforce_keypair.bridge import Bridge
from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import ForeignCertificate, LoginRefused, NotSettled
from salesforce_keypair.putting_back import PUT_BACK_SECONDS, PuttingBack
from salesforce_keypair.rotating_secret import RotatingSecret
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.salesforce.app_certificate import Installed
from salesforce_keypair.seams import AppCertificate, OpenApp, Prove, SecretStore
from salesforce_keypair.settling import SettlingRule, Unsettled, wait_until_settled
from salesforce_keypair.timing import Clock, Deadline, retrying

logger = logging.getLogger(__name__)


class OverMetadata:
    """Installs a pending certificate as an admin or as the key pair's own user, who can both take it out again."""

    def __init__(
        self, *, store: SecretStore, open_app: OpenApp, prove: Prove, bridge: Bridge, rule: SettlingRule, clock: Clock
    ) -> None:
        self._open_app = open_app
        self._prove = prove
        self._bridge = bridge
        self._rule = rule
        self._clock = clock
        self._putting_back = PuttingBack(store=store, open_app=open_app)

    def install(
        self, request: RotationRequest, secret: RotatingSecret, pending: Credential, deadline: Deadline
    ) -> None:
        """Put the pending certificate into the app, unless it is there or somebody else's is."""
        certificate = pending.required_certificate()
        current = secret.current()
        app = self._open_app(pending, _own_keys(current, pending), deadline)
        installed = self._first_look(app, pending, current, deadline)
        if certificate.same_key(installed.certificate):
            logger.info("the app holds the certificate already")
            return
        if not installed.shown and self._logs_in(pending, deadline):
            logger.info("the app doesn't show its certificate, but the pending key logs in already")
            return
        secret.refuse_changed_settings(pending, current)
        if installed.shown:
            _refuse_foreign(secret, current, installed)
        app.replace(
            certificate, just_before=lambda: self._bridge.leave_before_change(secret, current, pending, deadline)
        )
        logger.info("certificate deployed and read back", extra={"fingerprint": certificate.fingerprint})
        if pending.own_user_installs and pending.same_app(current):
            self._hold_the_session(request, secret, pending, app, deadline)

    def settle(self, request: RotationRequest, secret: RotatingSecret, pending: Credential, deadline: Deadline) -> int:
        """Wait until the pending key is honoured everywhere, or undo the change; returns the logins that it took."""
        try:
            return self._wait(lambda: self._prove(pending, deadline), deadline, logins=self._rule.logins)
        except Unsettled as unsettled:
            raise self._putting_back.put_back(request, secret, pending, unsettled, deadline) from unsettled.last

    def _first_look(
        self, app: AppCertificate, pending: Credential, current: Credential, deadline: Deadline
    ) -> Installed:
        """What the app holds. An own user whom a killed delivery left without a key that logs in waits for one."""
        if not pending.own_user_installs:
            return app.installed()
        looks: list[Installed] = []
        try:
            self._wait(lambda: looks.append(app.installed()), deadline, logins=1)
        except Unsettled as unsettled:
            fingerprint = "" if current.certificate is None else f" ({current.certificate.fingerprint})"
            raise NotSettled(
                f"neither the key of AWSCURRENT nor the pending one logs in; {unsettled.last.what}",
                remedy=(
                    f"{unsettled.last.remedy}; or an administrator puts the certificate of AWSCURRENT{fingerprint} "
                    f"into the app {current.app_name}; then the next delivery goes on"
                ),
            ) from unsettled.last
        return looks[-1]

    def _hold_the_session(
        self,
        request: RotationRequest,
        secret: RotatingSecret,
        pending: Credential,
        app: AppCertificate,
        deadline: Deadline,
    ) -> None:
        """Wait for the first login with the new key while this session, opened with the old one, can still undo it."""
        try:
            self._wait(lambda: self._prove(pending, deadline), deadline, logins=1)
        except Unsettled as unsettled:
            raise self._putting_back.put_back(
                request, secret, pending, unsettled, deadline, app=app
            ) from unsettled.last

    def _wait(self, prove: Callable[[], None], deadline: Deadline, *, logins: int) -> int:
        reserve = min(PUT_BACK_SECONDS, max(deadline.remaining(), 0.0) / 3)
        return wait_until_settled(
            prove,
            rule=replace(self._rule, logins=logins),
            clock=self._clock,
            refused_until=deadline.before(reserve),
            deadline=deadline,
        )

    def _logs_in(self, credential: Credential, deadline: Deadline) -> bool:
        try:
            retrying(lambda: self._prove(credential, deadline), clock=self._clock, deadline=deadline)
        except LoginRefused as error:
            if not error.retryable:
                raise
            return False
        return True


def _own_keys(current: Credential, pending: Credential) -> list[Credential]:
    """The keys that the own user may log in with, AWSCURRENT's first."""
    return [key for key in (current, pending) if key.private_key is not None]


def _refuse_foreign(secret: RotatingSecret, current: Credential, installed: Installed) -> None:
    """Stop where the app's certificate is of no version of the secret: somebody else uses this app."""
    if secret.knows(installed):
        return
    found = "one that can't be read" if installed.certificate is None else installed.certificate.fingerprint[:16]
    if current.replace_foreign_certificate:
        logger.warning("replacing a certificate that no version of the secret knows", extra={"fingerprint": found})
        return
    raise ForeignCertificate(
        f"the app holds a certificate that no version of the secret knows ({found})",
        remedy=(
            "give the other user of this app an app of its own; or, if nobody needs it, set "
            "replaceForeignCertificate to true in the secret for one rotation"
        ),
    )
