"""Deadlines, and trying again while Salesforce is unavailable."""

import time

import pytest

from salesforce_keypair.errors import KeyPairError, LoginRefused, LoginThrottled, SalesforceUnavailable
from salesforce_keypair.timing import Deadline, SystemClock, retrying
from tests.unit.support import FakeClock


def unavailable(*, retryable: bool = True) -> SalesforceUnavailable:
    return SalesforceUnavailable("no answer", remedy="try again", retryable=retryable)


class Answers:
    """Raises its errors one after the other, then returns; `calls` counts."""

    def __init__(self, *errors: KeyPairError) -> None:
        self._errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "answer"


def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    before, monotonic = time.time(), time.monotonic()
    clock.sleep(0.01)

    assert before + 0.009 <= clock.time() <= time.time()
    assert monotonic + 0.01 <= clock.monotonic() <= time.monotonic()


def test_a_deadline_counts_down_and_below_zero(clock: FakeClock) -> None:
    deadline = Deadline.after(clock, 10)
    assert deadline.remaining() == 10
    clock.advance(12)
    assert deadline.remaining() == -2


@pytest.mark.parametrize(("seconds", "remaining"), [(4, 4), (10, 10), (25, 10)])
def test_a_nearer_deadline_never_lies_behind_the_first(clock: FakeClock, seconds: float, remaining: float) -> None:
    assert clock.deadline(10).within(seconds).remaining() == remaining


def test_time_can_be_kept_back_from_a_deadline(clock: FakeClock) -> None:
    assert clock.deadline(10).before(3).remaining() == 7


@pytest.mark.parametrize(
    ("failures", "pauses"),
    [(0, []), (1, [0.2]), (2, [0.2, 0.6]), (3, [0.2, 0.6, 1.8])],
)
def test_an_unavailable_salesforce_is_asked_again_after_growing_pauses(
    clock: FakeClock, failures: int, pauses: list[float]
) -> None:
    call = Answers(*(unavailable() for _ in range(failures)))

    assert retrying(call, clock=clock, deadline=clock.deadline()) == "answer"
    assert clock.slept == pytest.approx(pauses)


def test_the_fourth_failure_is_raised(clock: FakeClock) -> None:
    call = Answers(*(unavailable() for _ in range(9)))

    with pytest.raises(SalesforceUnavailable):
        retrying(call, clock=clock, deadline=clock.deadline())
    assert call.calls == 4


@pytest.mark.parametrize(
    "error",
    [
        LoginRefused("invalid assertion", remedy="wait", retryable=True),
        LoginThrottled("too many", remedy="stop"),
        unavailable(retryable=False),
    ],
)
def test_what_asking_again_does_not_help_is_raised_at_once(clock: FakeClock, error: KeyPairError) -> None:
    call = Answers(error)

    with pytest.raises(type(error)):
        retrying(call, clock=clock, deadline=clock.deadline())
    assert (call.calls, clock.slept) == (1, [])


@pytest.mark.parametrize(("seconds", "calls"), [(0.19, 1), (0.7, 2), (2.5, 3), (2.7, 4)])
def test_nobody_waits_past_the_deadline_to_ask_again(clock: FakeClock, seconds: float, calls: int) -> None:
    call = Answers(*(unavailable() for _ in range(9)))
    deadline = clock.deadline(seconds)

    with pytest.raises(SalesforceUnavailable):
        retrying(call, clock=clock, deadline=deadline)
    assert call.calls == calls
    assert deadline.remaining() > 0
