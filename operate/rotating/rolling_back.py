"""Back to the previous version: its certificate into the app, proof that its key logs in, then the labels.

In this order, since at every moment the app honours the key of a version that is labelled, and AWSCURRENT never names
a key that nothing has logged in with. Killed anywhere, the same again finishes.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from operate.rotating.following import Tell
from operate.rotating.looking import Looked, Version, shown
from operate.rotating.starting import mark_rolled_back, refuse_unfinished
from salesforce_keypair.bridge import Bridge
from salesforce_keypair.credential import Credential, Installation
from salesforce_keypair.errors import (
    ForeignCertificate,
    InvalidRequest,
    InvalidSecret,
    KeyPairError,
    LoginRefused,
    NotSettled,
)
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.notices import where_to_upload
from salesforce_keypair.rotating_secret import RotatingSecret
from salesforce_keypair.rotation_request import RotationRequest, Step
from salesforce_keypair.salesforce.app_certificate import Installed
from salesforce_keypair.seams import AppCertificate, OpenApp, Parse, Prove, SecretStore
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK
from salesforce_keypair.settling import SettlingRule, Unsettled, wait_until_settled
from salesforce_keypair.timing import Clock, Deadline, retrying

logger = logging.getLogger(__name__)

# Left to bring the certificate back that was in the app before, where the other one isn't honoured.
_UNDO_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Target:
    """The version to go back to, and the one that is left. Both hold a key of the same user."""

    looked: Looked
    previous: Version
    previous_credential: Credential
    certificate: Certificate
    current: Version
    current_credential: Credential

    @classmethod
    def of(cls, looked: Looked) -> "Target":
        """What a rollback of this secret is about.

        Raises InvalidRequest while a rotation is unfinished or where it is done already, InvalidSecret where there is
        nothing to go back to, SecretUnavailable where AWS doesn't show it.
        """
        refuse_unfinished(looked)
        current, previous = looked.readable(CURRENT), looked.readable(PREVIOUS)
        credential = None if previous is None else previous.credential
        if current is None or previous is None or credential is None or credential.certificate is None:
            # Where AWSCURRENT can't be used either, its own trouble comes first: no rotation begins with it.
            looked.current()
            reason = "" if previous is None or previous.problem is None else f"; {previous.problem}"
            raise InvalidSecret(
                f"there is no version labelled AWSPREVIOUS that holds a key{reason}",
                remedy="`rotate` makes a new key instead",
            )
        # Nobody logs in with a document that can't be used: it is one that somebody overwrote, and more than the key.
        current_credential = current.credential or replace(credential, private_key=None, certificate=None)
        if ROLLED_BACK in previous.labels:
            raise InvalidRequest(
                f"AWSPREVIOUS, {previous.name}, is what was rolled back from (ROLLEDBACK)",
                remedy="nothing was changed; `rotate` makes a new key and goes on from there",
            )
        # Who overwrote the secret may have named another, and without a key nobody logs in as that one.
        if current_credential.private_key is not None and not credential.same_user(current_credential):
            raise InvalidSecret(
                "AWSPREVIOUS logs in as another user or to another org than AWSCURRENT",
                remedy="move AWSCURRENT by hand if that is what you want (update-secret-version-stage)",
            )
        return cls(looked, previous, credential, credential.certificate, current, current_credential)

    @property
    def same_app(self) -> bool:
        """Whether both log in through one app, whose certificate then has to change."""
        return self.previous_credential.same_app(self.current_credential)

    def plan(self) -> list[str]:
        """What will be done, named exactly."""
        app = self.previous_credential.app_name
        manual = self.previous_credential.installation is Installation.MANUAL
        who = "You put" if manual else "Put"
        if self.same_app:
            first = (
                f"{who} the certificate {shown(self.certificate)} of AWSPREVIOUS into the app {app}, if it isn't there"
            )
        else:
            first = f"See that the app {app} honours the key of AWSPREVIOUS; else {who.lower()} its certificate there"
        # Its successor dropped the leave, and with the document it comes back.
        again = (
            ["replaceForeignCertificate is true again: the next rotation replaces whatever certificate it finds."]
            if self.previous_credential.replace_foreign_certificate
            else []
        )
        return [
            f"{first}.",
            f"Wait until that key logs in, then move AWSCURRENT from {self.current.name} to {self.previous.name}.",
            f"Label {self.current.name} ROLLEDBACK, which callers still try.",
            *again,
        ]


class RollingBack:
    """Makes the previous version current again."""

    def __init__(
        self,
        *,
        store: SecretStore,
        parse: Parse,
        open_app: OpenApp,
        prove: Prove,
        bridge: Bridge,
        rule: SettlingRule,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._store = store
        self._parse = parse
        self._open_app = open_app
        self._prove = prove
        self._bridge = bridge
        self._rule = rule
        self._clock = clock
        self._tell = tell

    def roll_back(self, target: Target, deadline: Deadline) -> None:
        """Do it, or find it done in part. Raises an error of `errors` that says what a person must do."""
        self._refuse_moved(target, "nothing was changed")
        if target.same_app or not self._logs_in(target, deadline):
            undo = self._install(target, deadline)
            self._settle(target, undo, deadline)
        self._move_labels(target)

    def _install(self, target: Target, deadline: Deadline) -> Callable[[], None] | None:
        """See to it that the app holds the certificate; returns what undoes that, where something was done."""
        if target.previous_credential.installation is Installation.MANUAL:
            self._ask_for_upload(target, deadline)
            return None
        # An own user logs in with one of them, and AWSCURRENT has none where somebody overwrote the secret.
        both = (target.current_credential, target.previous_credential)
        own_keys = [key for key in both if key.private_key is not None]
        app = self._open_app(target.previous_credential, own_keys, deadline)
        installed = app.installed()
        if target.certificate.same_key(installed.certificate):
            self._tell("The app holds that certificate already.")
            return None
        secret = RotatingSecret(
            # Of a rotation to that version it would be the second step: it looks at the same things.
            request=RotationRequest(Step.SET_SECRET, target.looked.arn, target.previous.version_id),
            store=self._store,
            parse=self._parse,
        )
        _refuse_foreign(secret, installed)
        self._tell(
            f"Putting the certificate {shown(target.certificate)} into the app: rehearsal, deploy, reading back."
        )
        app.replace(target.certificate, just_before=lambda: self._leave_bridge(target, secret, deadline))
        self._tell("The app holds it.")
        return self._undo(target, app, installed)

    def _leave_bridge(self, target: Target, secret: RotatingSecret, deadline: Deadline) -> None:
        """The last moment before the app changes. Helps callers over that, where it is the app in use."""
        self._refuse_moved(target, "nothing was changed")
        if target.same_app:
            self._bridge.leave(secret.current_key, secret.labelled_key, deadline)

    def _undo(self, target: Target, app: AppCertificate, installed: Installed) -> Callable[[], None] | None:
        before = target.current_credential.certificate
        if before is None or not target.same_app or not before.same_key(installed.certificate):
            return None
        return lambda: app.replace(before)

    def _ask_for_upload(self, target: Target, deadline: Deadline) -> None:
        if self._logs_in(target, deadline):
            return
        self._tell(target.certificate.pem.strip())
        self._tell(
            f"Put this certificate, which is public, in at {where_to_upload(target.previous_credential)}. "
            "This command waits for it; if it ends before, run it again."
        )

    def _settle(self, target: Target, undo: Callable[[], None] | None, deadline: Deadline) -> None:
        self._tell(f"Waiting until the key logs in, {self._rule.logins} times in a row.")
        try:
            logins = wait_until_settled(
                lambda: self._prove(target.previous_credential, deadline),
                rule=self._rule,
                clock=self._clock,
                refused_until=deadline.before(_UNDO_SECONDS),
                deadline=deadline,
            )
        except Unsettled as unsettled:
            raise _not_settled(unsettled.last, undo) from unsettled.last
        except KeyPairError as error:
            # Of the user, the address or the org, perhaps: callers must not be left to depend on it.
            raise _not_settled(error, undo) from error
        self._tell(f"It does, at login {logins}.")

    def _logs_in(self, target: Target, deadline: Deadline) -> bool:
        prove = lambda: self._prove(target.previous_credential, deadline)  # noqa: E731 - a call to be tried again
        try:
            retrying(prove, clock=self._clock, deadline=deadline)
        except LoginRefused as error:
            if not error.retryable:
                raise
            return False
        self._tell("The key of AWSPREVIOUS logs in.")
        return True

    def _refuse_moved(self, target: Target, state_of_things: str) -> None:
        """Stop where a rotation, or somebody, moved the labels since they were looked at. Raises InvalidRequest."""
        state = self._store.state(target.looked.arn)
        pending = state.version_with(PENDING)
        if (
            state.version_with(CURRENT) == target.current.version_id
            and state.version_with(PREVIOUS) == target.previous.version_id
            and pending in (None, target.current.version_id)
        ):
            return
        raise InvalidRequest(
            "the secret's labels were moved meanwhile, or a rotation began",
            remedy=f"{state_of_things}; see `status`, then run this again",
        )

    def _move_labels(self, target: Target) -> None:
        arn, current = target.looked.arn, target.current
        self._refuse_moved(
            target, f"the app {target.previous_credential.app_name} may hold {shown(target.certificate)}"
        )
        # Before AWSCURRENT: it tells the same command, killed between the two and run again, that it was on its way.
        mark_rolled_back(self._store, arn, current.version_id)
        if PENDING in current.labels:
            # Left on a version that isn't current, it would keep rotations from starting.
            self._store.move_label(arn, PENDING, onto=None, off=current.version_id)
        self._store.move_label(arn, CURRENT, onto=target.previous.version_id, off=current.version_id)
        self._tell(f"AWSCURRENT is on {target.previous.name}; AWSPREVIOUS and ROLLEDBACK on {current.name}.")


def next_rotation(looked: Looked) -> str:
    """What comes next, unless somebody prevents it."""
    schedule = looked.schedule
    if not schedule.enabled:
        return "Rotation is off: `rotate` makes the next key."
    when = "by its schedule" if schedule.next is None else f"on {schedule.next.date().isoformat()}"
    return (
        f"The next rotation makes a new key {when}; to stay with this one for longer, turn rotation off: "
        f"aws secretsmanager cancel-rotate-secret --secret-id {looked.name}"
    )


def _refuse_foreign(secret: RotatingSecret, installed: Installed) -> None:
    if installed.shown and not secret.knows(installed):
        raise ForeignCertificate(
            f"the app holds a certificate that no version of the secret knows ({shown(installed.certificate)})",
            remedy="nothing was changed; find out whose it is before it is replaced",
        )


def _not_settled(last: KeyPairError, undo: Callable[[], None] | None) -> NotSettled:
    what = f"the key of AWSPREVIOUS doesn't log in; {last.what}"
    # What such a refusal says is about AWSCURRENT's certificate, and here it is the other one that must be in the app.
    spreading = isinstance(last, LoginRefused) and last.retryable
    if undo is None:
        remedy = (
            "see that the app holds the certificate of AWSPREVIOUS (`status --certificate --label AWSPREVIOUS` prints "
            "it), which may take Salesforce some minutes"
            if spreading
            else last.remedy
        )
        return NotSettled(
            f"{what}; no label was moved", remedy=f"{remedy}; then run this again, or `rotate` for a new key"
        )
    try:
        undo()
    except KeyPairError as error:
        return NotSettled(
            f"{what}; and the certificate of AWSCURRENT isn't back in the app; {error.what}",
            remedy=f"{error.remedy}; then run this again, or `rotate`, which puts a new one in",
        )
    return NotSettled(
        f"{what}; the certificate of AWSCURRENT is back in the app, and no label was moved",
        remedy=f"{'wait until that has spread' if spreading else last.remedy}; then run this again, or `rotate` for a "
        "new key",
    )
