"""When a new key counts as settled, and how long that is waited for."""

from collections.abc import Callable

import pytest

from salesforce_keypair.errors import (
    InvalidSecret,
    KeyPairError,
    LoginRefused,
    LoginThrottled,
    SalesforceUnavailable,
    UnprovedKey,
)
from salesforce_keypair.settling import SettlingRule, Unsettled, wait_until_settled
from salesforce_keypair.timing import Deadline
from tests.scenarios.promises import assert_tells_what_to_do
from tests.unit.support import FakeClock

RULE = SettlingRule(logins=3, interval=10, patience=720)
REFUSED = LoginRefused("invalid assertion", remedy="wait", retryable=True)
UNAVAILABLE = SalesforceUnavailable("no answer", remedy="try again")


def settle(prove: Callable[[], None], rule: SettlingRule, clock: FakeClock, deadline: Deadline) -> int:
    """Wait with all of the time for refusals too."""
    return wait_until_settled(prove, rule=rule, clock=clock, refused_until=deadline, deadline=deadline)


class Logins:
    """Logs in by a script: "." succeeds, "x" is refused while it settles, "u" gets no answer; the last one repeats."""

    def __init__(self, script: str, clock: FakeClock, *, takes: float = 0.0) -> None:
        self._script = script
        self._clock = clock
        self._takes = takes
        self.calls = 0

    def __call__(self) -> None:
        outcome = self._script[min(self.calls, len(self._script) - 1)]
        self.calls += 1
        assert self.calls < 5000, "asked without end"
        self._clock.advance(self._takes)
        if outcome != ".":
            raise {"x": REFUSED, "u": UNAVAILABLE}[outcome]


@pytest.mark.parametrize(
    ("script", "calls"),
    [("...", 3), ("x...", 4), ("..x...", 6), (".x.x.x...", 9), ("u...", 4), ("..u...", 6), ("xxxxxxxxxx...", 13)],
)
def test_only_successes_in_a_row_make_a_key_settled(clock: FakeClock, script: str, calls: int) -> None:
    prove = Logins(script, clock)

    assert settle(prove, RULE, clock, clock.deadline(900)) == calls == prove.calls


def test_the_tries_are_an_interval_apart_and_nobody_waits_after_the_last(clock: FakeClock) -> None:
    settle(Logins(".x...", clock), RULE, clock, clock.deadline(900))

    assert clock.slept == [10, 10, 10, 10]


def test_a_short_interval_does_not_use_up_the_hours_logins(clock: FakeClock) -> None:
    rule = SettlingRule(logins=2, interval=0, patience=4)
    prove = Logins("x", clock)
    with pytest.raises(Unsettled):
        settle(prove, rule, clock, clock.deadline(900))

    assert prove.calls <= 9
    assert set(clock.slept) == {0.5}


def test_successes_need_no_pause_that_the_rule_does_not_ask_for(clock: FakeClock) -> None:
    rule = SettlingRule(logins=3, interval=0, patience=4)
    settle(Logins(".", clock), rule, clock, clock.deadline(900))

    assert clock.slept == [0, 0]


@pytest.mark.parametrize(("patience", "remaining"), [(720, 300), (300, 900), (0, 900)])
def test_a_key_that_is_never_honoured_is_given_up_within_patience_and_deadline(
    clock: FakeClock, patience: float, remaining: float
) -> None:
    rule = SettlingRule(logins=3, interval=10, patience=patience)
    start = clock.time()
    prove = Logins("x", clock, takes=0.3)
    with pytest.raises(Unsettled) as caught:
        settle(prove, rule, clock, clock.deadline(remaining))

    waited = clock.time() - start
    assert caught.value.last is REFUSED
    assert str(caught.value) == REFUSED.what
    assert prove.calls >= 1
    assert waited <= max(min(patience, remaining), 0.3)
    assert waited >= min(patience, remaining) - 10.3


def test_a_row_of_successes_may_go_on_when_patience_is_over(clock: FakeClock) -> None:
    rule = SettlingRule(logins=5, interval=10, patience=0)

    assert settle(Logins(".", clock), rule, clock, clock.deadline(900)) == 5


def test_a_key_that_works_is_not_given_up_because_the_time_is_short(clock: FakeClock) -> None:
    rule = SettlingRule(logins=5, interval=10, patience=720)

    with pytest.raises(UnprovedKey, match="after 3 of 5 logins") as caught:
        settle(Logins(".", clock), rule, clock, clock.deadline(25))
    assert_tells_what_to_do(caught.value)


@pytest.mark.parametrize(("script", "raised"), [("x", Unsettled), ("u", SalesforceUnavailable), (".", UnprovedKey)])
def test_nobody_waits_just_to_find_the_time_over(clock: FakeClock, script: str, raised: type[Exception]) -> None:
    """A try at the very end has no time left for an answer."""
    prove = Logins(script, clock)
    with pytest.raises(raised):
        settle(prove, RULE, clock, clock.deadline(2 * RULE.interval))

    assert (prove.calls, clock.slept) == (2, [RULE.interval])


def test_refusals_leave_the_time_that_undoing_needs(clock: FakeClock) -> None:
    start = clock.time()
    with pytest.raises(Unsettled):
        wait_until_settled(
            Logins("x", clock),
            rule=RULE,
            clock=clock,
            refused_until=clock.deadline(100),
            deadline=clock.deadline(900),
        )

    assert 80 <= clock.time() - start <= 100


def test_a_salesforce_that_does_not_answer_proves_nothing_against_the_key(clock: FakeClock) -> None:
    with pytest.raises(SalesforceUnavailable) as caught:
        settle(Logins("u", clock), RULE, clock, clock.deadline(50))
    assert caught.value is UNAVAILABLE


@pytest.mark.parametrize("script", ["xxu", "x.xu"])
def test_what_the_last_answer_said_holds_while_no_other_comes(clock: FakeClock, script: str) -> None:
    with pytest.raises(Unsettled) as caught:
        settle(Logins(script, clock), RULE, clock, clock.deadline(50))
    assert caught.value.last is REFUSED


def test_a_success_forgets_the_refusals_before_it(clock: FakeClock) -> None:
    with pytest.raises(SalesforceUnavailable):
        settle(Logins("x.u", clock), RULE, clock, clock.deadline(50))


@pytest.mark.parametrize(
    "error",
    [
        LoginRefused("audience is invalid", remedy="correct it"),
        LoginThrottled("too many logins", remedy="stop"),
        SalesforceUnavailable("no time is left", remedy="give more", retryable=False),
        InvalidSecret("privateKey is missing", remedy="rotate"),
    ],
)
def test_what_waiting_does_not_help_is_raised_at_once(clock: FakeClock, error: KeyPairError) -> None:
    calls = []

    def prove() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)) as caught:
        settle(prove, RULE, clock, clock.deadline(900))
    assert caught.value is error
    assert (len(calls), clock.slept) == (1, [])
