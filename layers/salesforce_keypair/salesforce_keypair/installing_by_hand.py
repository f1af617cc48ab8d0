"""setSecret and testSecret where only a person may change the app: ask for the upload, and go on once the key logs in.

Nothing is read from the app and nothing written to it. So a login alone tells what it holds, a certificate of somebody
else isn't recognized before a person replaces it, and what a person did only a person takes back: a rotation that comes
to nothing keeps AWSPENDING, under which callers find the key that was uploaded meanwhile or is uploaded late.
"""

import logging
from dataclasses import dataclass, replace
from enum import StrEnum

from salesforce_keypair.bridge import Bridge
from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import KeyPairError, LoginRefused, NotSettled
from salesforce_keypair.notices import upload_notice, where_to_upload
from salesforce_keypair.rotating_secret import RotatingSecret
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.seams import Notify, Prove, SecretStore
from salesforce_keypair.secret_store import PENDING, UPLOAD_REQUESTED
from salesforce_keypair.settling import SettlingRule, Unsettled, wait_until_settled
from salesforce_keypair.timing import Clock, Deadline, retrying
from salesforce_keypair.ways_out import give_up_command

logger = logging.getLogger(__name__)

# For the login that tells what became of the key in use.
_LAST_LOOK_SECONDS = 30.0


class _InUse(StrEnum):
    """What became of the key in use, in the words of the errors."""

    LOGS_IN = "callers go on with the key of AWSCURRENT"
    REFUSED = "the key of AWSCURRENT doesn't log in either, so callers live on the tokens that there are"
    IN_ANOTHER_APP = "the app in use isn't the one to be changed"
    NONE = "there is no key in use yet"
    UNKNOWN = "whether the key of AWSCURRENT logs in isn't known"


@dataclass(frozen=True, slots=True)
class _Wait:
    """What a delivery knows of a certificate that isn't honoured, for the error that it ends with."""

    pending: Credential
    current: Credential
    in_use: _InUse
    request: RotationRequest

    @property
    def fingerprint(self) -> str:
        return self.pending.required_certificate().fingerprint[:16]

    @property
    def resume(self) -> str:
        return f"`make resume SECRET={self.request.secret_id}` or the next delivery goes on"

    @property
    def way_back(self) -> str:
        """How to give the rotation up without leaving the app with a certificate that no label leads to."""
        label = f"run `{give_up_command(self.request.secret_id)}`"
        if self.current.certificate is None or not self.pending.same_app(self.current):
            return label
        return f"put the certificate of AWSCURRENT ({self.current.certificate.fingerprint}) back first, then {label}"


class ByHand:
    """Has a person install a pending certificate."""

    def __init__(
        self, *, store: SecretStore, notify: Notify, prove: Prove, bridge: Bridge, rule: SettlingRule, clock: Clock
    ) -> None:
        self._store = store
        self._notify = notify
        self._prove = prove
        self._bridge = bridge
        self._rule = rule
        # One login might meet a server that doesn't know of the upload yet, so for as long as a settled key takes to
        # prove itself. Not for minutes: a person takes hours, and every delivery would wait in vain for most of them.
        self._brief = replace(rule, logins=1, patience=rule.logins * rule.interval)
        self._clock = clock

    def install(
        self, request: RotationRequest, secret: RotatingSecret, pending: Credential, deadline: Deadline
    ) -> None:
        """Find the pending certificate uploaded, or ask for that. Raises NotSettled until it is."""
        try:
            self._wait(self._brief, pending, deadline)
        except Unsettled as unsettled:
            _refuse_moved(secret, unsettled)
            current = secret.current()
            secret.refuse_changed_settings(pending, current)
            # Before anybody is told, and again with each delivery, for the upload may come at any time from now on. Who
            # uploads later than its token lives depends on logins, for which the vendor has both keys.
            self._bridge.leave_before_change(secret, current, pending, deadline)
            # Nobody may be asked to upload a certificate to whose key no label leads any more.
            _refuse_moved(secret, unsettled)
            self._ask(request, secret, pending)
            wait = _Wait(pending, current, self._in_use(pending, current, deadline), request)
            raise _not_uploaded(wait, asked=UPLOAD_REQUESTED in secret.labels) from unsettled.last
        logger.info("the pending key logs in, so its certificate was uploaded")

    def settle(self, request: RotationRequest, secret: RotatingSecret, pending: Credential, deadline: Deadline) -> int:
        """Wait until the pending key is honoured everywhere; returns the logins that it took. Raises NotSettled."""
        try:
            return self._wait(self._rule, pending, deadline)
        except Unsettled as unsettled:
            _refuse_moved(secret, unsettled)
            current = secret.current()
            wait = _Wait(pending, current, self._in_use(pending, current, deadline), request)
            raise _not_honoured(wait, unsettled.last) from unsettled.last

    def _wait(self, rule: SettlingRule, pending: Credential, deadline: Deadline) -> int:
        return wait_until_settled(
            lambda: self._prove(pending, deadline),
            rule=rule,
            clock=self._clock,
            refused_until=deadline.before(_LAST_LOOK_SECONDS),
            deadline=deadline,
        )

    def _ask(self, request: RotationRequest, secret: RotatingSecret, pending: Credential) -> None:
        """Publish the notice once for each version.

        The label on the version is the memory of it. Put on afterwards, so that a process that ends in between tells
        people twice and not never; a topic that failed is tried again by the next delivery.
        """
        if UPLOAD_REQUESTED in secret.labels:
            return
        if self._notify(upload_notice(pending, pending.required_certificate(), secret_id=request.secret_id)):
            before = secret.state.version_with(UPLOAD_REQUESTED)
            self._store.move_label(request.secret_id, UPLOAD_REQUESTED, onto=request.version_id, off=before)
            secret.look_again()

    def _in_use(self, pending: Credential, current: Credential, deadline: Deadline) -> _InUse:
        if current.private_key is None:
            return _InUse.NONE
        if not pending.same_app(current):
            return _InUse.IN_ANOTHER_APP
        try:
            retrying(lambda: self._prove(current, deadline), clock=self._clock, deadline=deadline)
        except LoginRefused:
            return _InUse.REFUSED
        except KeyPairError as error:
            logger.info("the current key couldn't be tried", extra={"reason": error.what})
            return _InUse.UNKNOWN
        return _InUse.LOGS_IN


def _refuse_moved(secret: RotatingSecret, unsettled: Unsettled) -> None:
    """Stop where the rotation ended while this delivery waited. Raises NotPending."""
    secret.look_again()
    moved = secret.moved_meanwhile()
    if moved is not None:
        raise moved from unsettled.last


def _not_uploaded(wait: _Wait, *, asked: bool) -> NotSettled:
    source = "a notice with it was published, and" if asked else "no notice could be published, but"
    remedy = (
        f"unless that was done within the last 10 minutes, upload it ({where_to_upload(wait.pending)}); {source} "
        f"`make status ARGS=--certificate` prints it; then {wait.resume}"
    )
    if wait.in_use is _InUse.REFUSED:
        remedy += f"; or {wait.way_back}"
    return NotSettled(
        f"the new certificate ({wait.fingerprint}) waits for somebody to upload it to the app {wait.pending.app_name} "
        f"in {wait.pending.base_uri.url}, or Salesforce doesn't honour it yet; nothing was changed, and its version "
        f"stays {PENDING}; {wait.in_use}",
        remedy=remedy,
        retryable=True,
    )


def _not_honoured(wait: _Wait, last: KeyPairError) -> NotSettled:
    return NotSettled(
        "Salesforce didn't honour the new certificate everywhere in time; nothing was put back, for only a person "
        f"changes this app, and its version stays {PENDING}; {wait.in_use}. The last login: {last.what}",
        remedy=(
            f"see that the app {wait.pending.app_name} holds the certificate {wait.fingerprint} and no other "
            f"({where_to_upload(wait.pending)}); then {wait.resume}; to give the rotation up, {wait.way_back}"
        ),
        retryable=True,
    )
