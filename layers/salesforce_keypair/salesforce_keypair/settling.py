"""Waiting until a new certificate is honoured everywhere.

A change of an app takes minutes to reach every server of Salesforce, and servers may disagree meanwhile. So one login
proves little; several in a row, some seconds apart and over connections of their own, are taken for settled.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from salesforce_keypair.errors import KeyPairError, LoginRefused, SalesforceUnavailable
from salesforce_keypair.timing import Clock, Deadline

logger = logging.getLogger(__name__)

# Asked again this soon at the soonest, so that a short interval can't use up the hour's logins.
_LEAST_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class SettlingRule:
    """How many logins in a row make a key settled, the seconds between them, and the seconds they may take in all."""

    logins: int
    interval: float
    patience: float


class Unsettled(Exception):
    """Time ran out; `last` is what the last try met."""

    def __init__(self, last: KeyPairError) -> None:
        super().__init__(last.what)
        self.last = last


def wait_until_settled(prove: Callable[[], None], *, rule: SettlingRule, clock: Clock, deadline: Deadline) -> int:
    """Call `prove` until it succeeds often enough in a row; returns how often it was called.

    Raises Unsettled when the time is up, SalesforceUnavailable where even the last try got no answer, and at once
    whatever no waiting helps.
    """
    end = deadline.within(rule.patience)
    in_a_row = 0
    calls = 0
    while True:
        calls += 1
        pause = rule.interval
        try:
            prove()
        except (LoginRefused, SalesforceUnavailable) as error:
            if not error.retryable:
                raise
            failure: KeyPairError | None = error
            in_a_row = 0
            pause = max(pause, _LEAST_PAUSE_SECONDS)
            logger.info("not settled yet", extra={"calls": calls, "reason": error.what})
        else:
            failure = None
            in_a_row += 1
            if in_a_row >= rule.logins:
                return calls
        if end.remaining() <= pause:
            raise _out_of_time(failure, in_a_row)
        clock.sleep(pause)


def _out_of_time(failure: KeyPairError | None, in_a_row: int) -> Exception:
    if isinstance(failure, SalesforceUnavailable):
        return failure
    return Unsettled(
        failure
        or LoginRefused(
            f"the key logged in only {in_a_row} times in a row before the time was up",
            remedy="give the function more time, or ask for fewer logins",
        )
    )
