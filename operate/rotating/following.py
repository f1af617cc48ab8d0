"""Following a rotation from outside: by the labels of the secret, which is all that Secrets Manager shows of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from operate.rotating.looking import shown, span
from salesforce_keypair.credential import Installation
from salesforce_keypair.errors import (
    HostNotAllowed,
    InvalidRequest,
    InvalidSecret,
    NotPending,
    NotSettled,
    SecretUnavailable,
)
from salesforce_keypair.notices import where_to_upload
from salesforce_keypair.seams import Parse, SecretStore
from salesforce_keypair.secret_history import SecretState
from salesforce_keypair.secret_store import CURRENT, PENDING, ROLLED_BACK
from salesforce_keypair.timing import Clock, Deadline

logger = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 2.0
_TELL_EVERY_SECONDS = 60.0

Tell = Callable[[str], None]
"""What a person reads while a command goes on, a line at a time."""


@dataclass(frozen=True, slots=True)
class Following:
    """A rotation on its way to `version_id`. `log_group` is the rotation function's."""

    store: SecretStore
    parse: Parse
    clock: Clock
    secret_arn: str
    version_id: str
    log_group: str

    def to_the_end(self, *, deadline: Deadline, tell: Tell, uploads_itself: bool = True) -> None:
        """Wait until the version is current.

        Raises what it ended with instead: NotSettled where it was undone, waits for somebody (unless that one
        `uploads_itself` meanwhile) or is late, NotPending where it was given up, InvalidRequest where rotation is off.
        """
        made = False
        began = told = self.clock.monotonic()
        while True:
            state = self._state()
            if state is not None and self._is_over(state):
                tell("The new key is current.")
                return
            if not made:
                made = self._look_at_key(tell, uploads_itself)
            if deadline.remaining() <= 0:
                raise self._late()
            if self.clock.monotonic() - told >= _TELL_EVERY_SECONDS:
                told = self.clock.monotonic()
                tell(f"Under way for {span(told - began)}: the certificate is put in, or spreads.")
            self.clock.sleep(_LOOK_EVERY_SECONDS)

    def _state(self) -> SecretState | None:
        """The labels; none where AWS doesn't answer just now."""
        try:
            return self.store.state(self.secret_arn)
        except SecretUnavailable as error:
            if not error.retryable:
                raise
            logger.warning("no look at the labels", extra={"reason": str(error)})
            return None

    def _is_over(self, state: SecretState) -> bool:
        labels = state.labels_of(self.version_id)
        if CURRENT in labels:
            return True
        if ROLLED_BACK in labels:
            raise NotSettled(
                f"the rotation to {self.version_id} was undone or given up: AWSCURRENT is as it was",
                remedy=f"`status` tells which certificate the app holds; see why, {self._where()}; then `rotate` again",
            )
        if PENDING not in labels:
            raise NotPending(
                f"the rotation to {self.version_id} was given up: somebody took AWSPENDING off",
                remedy="see `status`, then `rotate` again",
            )
        if not state.rotation_enabled:
            raise InvalidRequest("rotation was turned off meanwhile", remedy="`resume` turns it on and goes on")
        return False

    def _look_at_key(self, tell: Tell, uploads_itself: bool) -> bool:
        """Tell of the new key once it is there."""
        try:
            value = self.store.read(self.secret_arn, version_id=self.version_id)
            credential = None if value is None else self.parse(value.text)
        except (InvalidSecret, HostNotAllowed, SecretUnavailable) as error:
            # Not to be read by whoever runs this, perhaps; the rotation itself goes on.
            logger.warning("no look at the pending version", extra={"reason": str(error)})
            return True
        if credential is None:
            return False
        tell(f"A new key pair is stored; its certificate is {shown(credential.certificate)}.")
        if credential.installation is Installation.MANUAL and not uploads_itself:
            raise NotSettled(
                "the rotation waits for somebody to put the new certificate into the app",
                remedy=(
                    "`status --certificate > certificate.pem` saves it; put it in at "
                    f"{where_to_upload(credential)}; then run `resume`"
                ),
            )
        return True

    def _late(self) -> NotSettled:
        return NotSettled(
            f"the rotation to {self.version_id} hasn't ended in the time given",
            remedy=f"see why, {self._where()}; then `resume`, or give it up with `resume --give-up`",
            retryable=True,
        )

    def _where(self) -> str:
        return (
            "in the rotation function's log, where this version is the correlation id: "
            f"aws logs tail {self.log_group} --since 1h --filter-pattern '\"{self.version_id}\"'"
        )
