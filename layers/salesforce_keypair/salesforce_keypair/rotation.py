"""The four steps of a rotation, each of which may come late, twice, out of order, or be killed anywhere.

The pending version is the write-ahead log: what a step needs to know it finds there, in the labels and in the app.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from salesforce_keypair.bridge import Bridge
from salesforce_keypair.credential import Credential, holds_private_key
from salesforce_keypair.errors import (
    ForeignCertificate,
    HostNotAllowed,
    InvalidSecret,
    LoginRefused,
    NotSettled,
    UnprovedKey,
)
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.putting_back import PUT_BACK_SECONDS, PuttingBack
from salesforce_keypair.rotating_secret import RotatingSecret
from salesforce_keypair.rotation_request import RotationRequest, Step
from salesforce_keypair.salesforce.app_certificate import Installed
from salesforce_keypair.seams import AppCertificate, OpenApp, Parse, Prove, SecretStore
from salesforce_keypair.secret_store import CURRENT
from salesforce_keypair.settling import SettlingRule, Unsettled, wait_until_settled
from salesforce_keypair.timing import Clock, Deadline, retrying

logger = logging.getLogger(__name__)


class Rotation:
    """Replaces the key pair of a secret, step by step as Secrets Manager calls for them."""

    def __init__(
        self,
        *,
        store: SecretStore,
        open_app: OpenApp,
        prove: Prove,
        bridge: Bridge,
        parse: Parse,
        rule: SettlingRule,
        clock: Clock,
    ) -> None:
        self._store = store
        self._open_app = open_app
        self._prove = prove
        self._bridge = bridge
        self._parse = parse
        self._rule = rule
        self._clock = clock
        self._putting_back = PuttingBack(store=store, open_app=open_app)

    def run(self, request: RotationRequest, *, deadline: Deadline) -> bool:
        """Do a step, or find it done; true where this delivery made the new version current.

        Raises an error of `errors` that says what a person must do.
        """
        secret = RotatingSecret(request=request, store=self._store, parse=self._parse)
        if secret.is_over():
            logger.info("this version is current already; nothing to do")
            return False
        match request.step:
            case Step.CREATE_SECRET:
                self._create(request, secret)
            case Step.SET_SECRET:
                self._install(request, secret, deadline)
            case Step.TEST_SECRET:
                self._test(request, secret, deadline)
            case Step.FINISH_SECRET:
                return self._promote(request, secret, deadline)
        return False

    def _create(self, request: RotationRequest, secret: RotatingSecret) -> None:
        """Make a key pair and store it under the request's version, unless that version holds one."""
        pending = secret.pending()
        if pending is not None:
            secret.required_key(pending)
            logger.info("the pending version holds its key pair already")
            return
        current = secret.current()
        current.check_installable()
        if current.admin_secret_arn == request.secret_id:
            raise InvalidSecret(
                "adminSecretArn names this very secret, whose key the change locks out",
                remedy="name an admin's secret, or leave adminSecretArn out if there is no admin",
            )
        secret.refuse_overwritten(current)
        if current.own_user_installs:
            logger.warning(
                "there is no adminSecretArn, so the user installs the certificate itself, and every token that is "
                "handed out can change the app: store an admin's credential in a secret of its own"
            )
        successor = current.successor(now=self._clock.time())
        stored = self._store.put_pending(
            request.secret_id, request.version_id, successor.text, rotation_token=request.rotation_token
        )
        if not stored:
            secret.required_pending()
            logger.info("another delivery stored its key pair first, and that one stands")
            return
        certificate = successor.certificate
        logger.info(
            "new key pair stored",
            extra={"fingerprint": certificate.fingerprint, "expires": certificate.not_after.isoformat()},
        )

    def _install(self, request: RotationRequest, secret: RotatingSecret, deadline: Deadline) -> None:
        """Put the pending certificate into the app, unless it is there or somebody else's is."""
        pending = secret.required_pending()
        pending.check_installable()
        certificate = _certificate_of(pending)
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
        app.replace(certificate, just_before=lambda: self._leave_bridge(secret, current, pending, deadline))
        logger.info("certificate deployed and read back", extra={"fingerprint": certificate.fingerprint})
        if pending.own_user_installs and pending.same_app(current):
            self._hold_the_session(request, secret, pending, app, deadline)

    def _leave_bridge(
        self, secret: RotatingSecret, current: Credential, pending: Credential, deadline: Deadline
    ) -> None:
        """Help callers over the change, where it is the app in use that changes."""
        if current.private_key is not None and pending.same_app(current):
            self._bridge.leave(secret.current_key, secret.labelled_key, deadline)

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

    def _test(self, request: RotationRequest, secret: RotatingSecret, deadline: Deadline) -> None:
        """Wait until the pending key is honoured everywhere, or undo the change."""
        pending = secret.pending()
        if pending is None or pending.private_key is None:
            self._test_current(secret, deadline)
            return
        try:
            logins = self._wait(lambda: self._prove(pending, deadline), deadline, logins=self._rule.logins)
        except Unsettled as unsettled:
            raise self._putting_back.put_back(request, secret, pending, unsettled, deadline) from unsettled.last
        logger.info("the new key is settled", extra={"logins": logins})

    def _test_current(self, secret: RotatingSecret, deadline: Deadline) -> None:
        """A schedule is being set up: that must succeed before there is a key, but not with one that doesn't work."""
        text = secret.current_text()
        if text is None:
            logger.warning("the secret has no value yet: store its document before the first rotation")
            return
        try:
            current = self._parse(text)
            if current.private_key is None:
                current.check_installable()
                logger.warning("the secret has no key yet: its first rotation makes one")
                return
        except (InvalidSecret, HostNotAllowed) as error:
            if holds_private_key(text):
                raise
            logger.warning("the document isn't ready for its first rotation", extra={"reason": str(error)})
            return
        retrying(lambda: self._prove(current, deadline), clock=self._clock, deadline=deadline)
        logger.info("the current key logs in")

    def _promote(self, request: RotationRequest, secret: RotatingSecret, deadline: Deadline) -> bool:
        """Make the pending version current, once this delivery itself has logged in with it."""
        pending = secret.pending()
        if pending is None or pending.private_key is None:
            raise UnprovedKey(
                "the pending version holds no key that could have logged in",
                remedy="let the rotation begin with createSecret again",
            )
        try:
            retrying(lambda: self._prove(pending, deadline), clock=self._clock, deadline=deadline)
        except LoginRefused as error:
            if not error.retryable:
                raise
            raise UnprovedKey(
                f"the pending key doesn't log in, so it isn't made current; {error.what}",
                remedy="the next delivery installs and tests it again; see its error if it fails too",
            ) from error
        # While the login took its time, another delivery may have promoted the version or undone it.
        secret.look_again()
        if secret.is_over():
            return False
        if not pending.is_successor_of(secret.current()):
            # Not to promote would leave AWSCURRENT with a key that the app no longer honours.
            logger.warning(
                "the document was changed during the rotation, and the new current version doesn't have that change: "
                "make it again, it is kept in the version that was current",
                extra={"version": secret.state.version_with(CURRENT)},
            )
        self._store.move_label(
            request.secret_id, CURRENT, onto=request.version_id, off=secret.state.version_with(CURRENT)
        )
        secret.close()
        logger.info("the new key is current")
        return True

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


def _certificate_of(credential: Credential) -> Certificate:
    """The certificate beside a private key; parsing has seen to it that there is one."""
    if credential.certificate is None:
        raise InvalidSecret("certificate is missing beside privateKey", remedy="rotate the secret again")
    return credential.certificate
