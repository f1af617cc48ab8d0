"""The four steps of a rotation, each of which may come late, twice, out of order, or be killed anywhere.

The pending version is the write-ahead log: what a step needs to know it finds there, in the labels and in the app.
"""

import logging

from salesforce_keypair.bridge import Bridge
from salesforce_keypair.credential import Credential, Installation, holds_private_key
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret, LoginRefused, UnprovedKey
from salesforce_keypair.installing import OverMetadata
from salesforce_keypair.installing_by_hand import ByHand
from salesforce_keypair.keypair import Sign
from salesforce_keypair.rotating_secret import RotatingSecret
from salesforce_keypair.rotation_request import RotationRequest, Step
from salesforce_keypair.seams import CertificateAuthority, Notify, OpenApp, Parse, Prove, SecretStore
from salesforce_keypair.secret_store import CURRENT
from salesforce_keypair.settling import SettlingRule
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
        authority: CertificateAuthority,
        notify: Notify,
        parse: Parse,
        rule: SettlingRule,
        clock: Clock,
    ) -> None:
        self._store = store
        self._prove = prove
        self._authority = authority
        self._parse = parse
        self._clock = clock
        self._over_metadata = OverMetadata(
            store=store, open_app=open_app, prove=prove, bridge=bridge, rule=rule, clock=clock
        )
        self._by_hand = ByHand(store=store, notify=notify, prove=prove, bridge=bridge, rule=rule, clock=clock)

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
                self._create(request, secret, deadline)
            case Step.SET_SECRET:
                self._install(request, secret, deadline)
            case Step.TEST_SECRET:
                self._test(request, secret, deadline)
            case Step.FINISH_SECRET:
                return self._promote(request, secret, deadline)
        return False

    def _create(self, request: RotationRequest, secret: RotatingSecret, deadline: Deadline) -> None:
        """Make a key pair and store it under the request's version, unless that version holds one."""
        pending = secret.pending()
        if pending is not None:
            secret.required_key(pending)
            logger.info("the pending version holds its key pair already")
            return
        current = secret.current()
        # First, for what else its document lacks went with the key.
        secret.refuse_overwritten(current)
        current.check_installable()
        if current.admin_secret_arn == request.secret_id:
            raise InvalidSecret(
                "adminSecretArn names this very secret, whose key the change locks out",
                remedy="name an admin's secret, or leave adminSecretArn out if there is no admin",
            )
        if current.own_user_installs:
            logger.warning(
                "there is no adminSecretArn, so the user installs the certificate itself, and every token that is "
                "handed out can change the app: store an admin's credential in a secret of its own"
            )
        sign = self._signer(current, deadline)
        successor = current.successor(now=self._clock.time(), sign=sign)
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

    def _signer(self, current: Credential, deadline: Deadline) -> Sign | None:
        """What certifies the new key, where that is an authority's business."""
        authority_arn = current.certificate_authority_arn
        if authority_arn is None:
            return None
        return lambda unsigned: self._authority.sign(unsigned, authority_arn=authority_arn, deadline=deadline)

    def _install(self, request: RotationRequest, secret: RotatingSecret, deadline: Deadline) -> None:
        """Have the pending certificate put into the app."""
        pending = secret.required_pending()
        pending.check_installable()
        self._way_of(pending).install(request, secret, pending, deadline)

    def _test(self, request: RotationRequest, secret: RotatingSecret, deadline: Deadline) -> None:
        """Wait until the pending key is honoured everywhere, or end as its way of installation does."""
        pending = secret.to_be_tested()
        if pending is None or pending.private_key is None:
            self._test_current(secret, deadline)
            return
        logins = self._way_of(pending).settle(request, secret, pending, deadline)
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

    def _way_of(self, pending: Credential) -> OverMetadata | ByHand:
        """How a version's certificate gets into the app: what it says itself, for AWSCURRENT may be edited."""
        return self._by_hand if pending.installation is Installation.MANUAL else self._over_metadata
