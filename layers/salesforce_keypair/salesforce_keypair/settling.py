"""Waiting until a new certificate is honoured everywhere.

A change of an app takes minutes to reach every server of Salesforce, and servers may disagree meanwhile. So one login
proves little; several in a row, some seconds apart and over connections of their own, are taken for settled.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from salesforce_keypair.errors import KeyPairError, LoginRefused, SalesforceUnavailable, UnprovedKey
from salesforce_keypair.timing import Clock, Deadline

logger = logging.getLogger(__name__)

# Asked again this soon at the soonest, so that a short interval can't use up the hour's logins.
_LEAST_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class SettlingRule:
    """How many logins in a row make a key settled, the seconds between them, and for how long refusals are borne."""

    logins: int
    interval: float
    patience: float


class Unsettled(Exception):
    """Time ran out on refusals; `last` is the last of them."""

    def __init__(self, last: KeyPairError) -> None:
        super().__init__(last.what)
        self.last = last


def wait_until_settled(
    prove: Callable[[], None], *, rule: SettlingRule, clock: Clock, refused_until: Deadline, deadline: Deadline
) -> int:
    """Call `prove` until it succeeds often enough in a row; returns how often it was called.

    Refusals are borne for the rule's patience, but not past `refused_until`, which leaves the time to undo the change;
    logins that succeed may go on until `deadline`. Raises Unsettled where refusals outlast that, UnprovedKey where
    only the deadline cut a row of successes short, SalesforceUnavailable where nothing was learnt for want of answers,
    and at once whatever no waiting helps.
    """
    patience = refused_until.within(rule.patience)
    in_a_row = 0
    calls = 0
    refusal: LoginRefused | None = None
    while True:
        calls += 1
        pause = max(rule.interval, _LEAST_PAUSE_SECONDS)
        try:
            prove()
        except LoginRefused as error:
            if not error.retryable:
                raise
            refusal, in_a_row = error, 0
            logger.info("not settled yet", extra={"calls": calls, "reason": error.what})
            if patience.remaining() <= pause:
                raise Unsettled(error) from error
        except SalesforceUnavailable as error:
            if not error.retryable:
                raise
            in_a_row = 0
            logger.info("no answer", extra={"calls": calls, "reason": error.what})
            if patience.remaining() <= pause:
                if refusal is None:
                    raise
                # No answer is no news: what the last one said still holds.
                raise Unsettled(refusal) from error
        else:
            refusal, in_a_row, pause = None, in_a_row + 1, rule.interval
            if in_a_row >= rule.logins:
                return calls
            if deadline.remaining() <= pause:
                raise UnprovedKey(
                    f"the key logs in, but the time was up after {in_a_row} of {rule.logins} logins in a row",
                    remedy="the next delivery goes on; if it lasts, give the function more time",
                )
        clock.sleep(pause)
