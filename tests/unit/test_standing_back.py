"""How long a refusal holds, and what callers are told meanwhile."""

import pytest

from salesforce_keypair.errors import (
    InvalidSecret,
    KeyPairError,
    LoginRefused,
    LoginThrottled,
    SalesforceUnavailable,
    SecretUnavailable,
)
from salesforce_keypair.standing_back import THROTTLED_SECONDS, Refusal, StandingBack
from salesforce_keypair.timing import CLOCKS_DIFFER_SECONDS
from tests.unit.support import FakeClock

A, B = "secret-a", "secret-b"


def config() -> KeyPairError:
    return LoginRefused("audience is invalid", remedy="correct the audience")


def throttled() -> KeyPairError:
    return LoginThrottled("login rate exceeded", remedy="stop asking")


def settling() -> KeyPairError:
    return LoginRefused("invalid assertion", remedy="wait", retryable=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_800_000_000.25)


@pytest.fixture
def standing_back(clock: FakeClock) -> StandingBack:
    return StandingBack(settling=720, clock=clock)


def held(standing_back: StandingBack, secret_id: str = A) -> KeyPairError | None:
    """What is told instead of asking, if anything."""
    try:
        standing_back.check(secret_id)
    except KeyPairError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("error", "seconds", "until"),
    [(config(), 60, "2027-01-15T08:01:01Z"), (throttled(), 900, "2027-01-15T08:15:01Z")],
)
def test_nobody_asks_again_before_the_time_that_callers_are_told(
    standing_back: StandingBack, clock: FakeClock, error: KeyPairError, seconds: float, until: str
) -> None:
    first = standing_back.after(A, error)
    clock.advance(seconds - 0.1)
    again = held(standing_back)

    for told in (first, again):
        assert type(told) is type(error)
        assert told is not None
        assert f"isn't asked again before {until}" in told.what
        assert told.what.startswith(error.what)
        assert (told.remedy, told.retryable) == (error.remedy, error.retryable)
    assert again is not first
    clock.advance(0.2)
    assert held(standing_back) is None


@pytest.mark.parametrize("error", [config(), throttled()])
def test_after_the_clock_was_set_back_no_refusal_holds_for_longer_than_any_does(
    standing_back: StandingBack, clock: FakeClock, error: KeyPairError
) -> None:
    standing_back.after(A, error)
    clock.advance(-3600)

    assert held(standing_back) is None


def test_a_refusal_holds_where_the_clock_was_corrected_a_little(standing_back: StandingBack, clock: FakeClock) -> None:
    standing_back.after(A, throttled())
    clock.advance(-CLOCKS_DIFFER_SECONDS)

    assert held(standing_back)


def test_each_secret_stands_back_for_itself(standing_back: StandingBack) -> None:
    standing_back.after(A, config())

    assert held(standing_back, A)
    assert held(standing_back, B) is None
    assert standing_back.may_be_patient(B)


def test_a_success_ends_it(standing_back: StandingBack) -> None:
    standing_back.after(A, config())
    standing_back.reset(A)
    standing_back.reset(B)

    assert held(standing_back) is None


@pytest.mark.parametrize(
    "error",
    [
        SalesforceUnavailable("no answer", remedy="try again"),
        SecretUnavailable("refused", remedy="allow it"),
        InvalidSecret("username is missing", remedy="add it"),
    ],
)
def test_other_failures_are_passed_on_and_asked_about_again(standing_back: StandingBack, error: KeyPairError) -> None:
    assert standing_back.after(A, error) is error
    assert held(standing_back) is None


def test_a_settling_refusal_says_until_when_it_may_be_a_spreading_change(standing_back: StandingBack) -> None:
    told = standing_back.after(A, settling())

    assert type(told) is LoginRefused
    assert told.retryable
    assert told.what == (
        "invalid assertion; if the app was just changed, that may spread until 2027-01-15T08:12:01Z; "
        "Salesforce isn't asked again before 2027-01-15T08:00:02Z"
    )
    assert told.remedy == "wait"


def test_a_spreading_change_is_asked_about_more_and_more_seldom(standing_back: StandingBack, clock: FakeClock) -> None:
    """Some hundred logins in all the time that a change may take, of the 3,600 that a user has in an hour."""
    pauses = []
    for _ in range(5):
        standing_back.after(A, settling())
        start = clock.time()
        while held(standing_back):
            clock.advance(0.5)
        pauses.append(clock.time() - start)

    assert pauses == [1, 2, 4, 5, 5]


def test_settling_counts_from_the_first_such_refusal(standing_back: StandingBack, clock: FakeClock) -> None:
    standing_back.after(A, settling())
    clock.advance(600)
    assert "may spread until 2027-01-15T08:12:01Z" in standing_back.after(A, settling()).what
    clock.advance(120)
    told = standing_back.after(A, settling())

    assert not told.retryable
    assert "lasted longer than a change takes to spread" in told.what
    assert "2027-01-15T08:13:01Z" in told.what
    assert told.remedy == "wait"
    assert held(standing_back)


def test_a_refusal_of_long_ago_is_of_another_change(standing_back: StandingBack, clock: FakeClock) -> None:
    standing_back.after(A, settling())
    clock.advance(3 * 86_400)

    assert standing_back.may_be_patient(A)
    assert standing_back.after(A, settling()).retryable


def test_after_a_success_settling_counts_anew(standing_back: StandingBack, clock: FakeClock) -> None:
    standing_back.after(A, settling())
    clock.advance(700)
    standing_back.reset(A)
    clock.advance(100)

    assert standing_back.after(A, settling()).retryable


@pytest.mark.parametrize(("before", "seconds"), [(throttled(), 901), (config(), 721)])
def test_settling_does_not_count_from_a_refusal_of_another_kind(
    standing_back: StandingBack, clock: FakeClock, before: KeyPairError, seconds: float
) -> None:
    standing_back.after(A, before)
    clock.advance(seconds)
    told = standing_back.after(A, settling())

    assert told.retryable
    assert "may spread until" in told.what


def test_a_key_that_stays_refused_is_asked_about_once_a_minute(standing_back: StandingBack, clock: FakeClock) -> None:
    standing_back.after(A, settling())
    asked = 0
    clock.advance(720)
    for _ in range(600):
        if held(standing_back) is None:
            standing_back.after(A, settling())
            asked += 1
        clock.advance(1)

    assert asked == 10


def test_only_the_first_request_that_meets_a_spreading_change_is_patient(
    standing_back: StandingBack, clock: FakeClock
) -> None:
    assert standing_back.may_be_patient(A)
    standing_back.after(A, settling())
    clock.advance(300)

    assert not standing_back.may_be_patient(A)


@pytest.mark.usefixtures("far_from_greenwich")
def test_callers_are_told_the_time_in_utc(standing_back: StandingBack) -> None:
    assert "2027-01-15T08:01:01Z" in standing_back.after(A, config()).what


# What another environment met


def heard(clock: FakeClock, *, lasts: float, settling_for: float | None = None) -> Refusal:
    """A refusal that holds for so many seconds from now, while a change may have spread for some before."""
    since = None if settling_for is None else clock.time() - settling_for
    return Refusal("LoginRefused", "told by another", "wait", since is not None, clock.time() + lasts, since)


@pytest.mark.parametrize(("beyond", "believed"), [(0.0, True), (0.5, False)])
def test_no_refusal_is_believed_that_lasts_longer_than_any_does(
    standing_back: StandingBack, clock: FakeClock, beyond: float, *, believed: bool
) -> None:
    standing_back.heed(A, heard(clock, lasts=THROTTLED_SECONDS + CLOCKS_DIFFER_SECONDS + beyond))

    assert (held(standing_back) is not None) is believed


def test_what_holds_longer_here_stays(standing_back: StandingBack, clock: FakeClock) -> None:
    standing_back.after(A, throttled())
    standing_back.heed(A, heard(clock, lasts=30))

    assert isinstance(held(standing_back), LoginThrottled)


@pytest.mark.parametrize(("settling_for", "left"), [(0, 620), (100, 620), (300, 420), (-50, 620)])
def test_settling_counts_from_whoever_met_it_first(
    standing_back: StandingBack, clock: FakeClock, settling_for: float, left: float
) -> None:
    """And by another's clock, which may be ahead, from now at the latest."""
    standing_back.after(A, settling())
    clock.advance(100)
    standing_back.heed(A, heard(clock, lasts=10, settling_for=settling_for))

    clock.advance(left - 1)
    assert standing_back.after(A, settling()).retryable
    clock.advance(1)
    assert not standing_back.after(A, settling()).retryable


def test_where_nobody_here_met_it_a_clock_that_is_ahead_gives_no_more_time(
    standing_back: StandingBack, clock: FakeClock
) -> None:
    standing_back.heed(A, heard(clock, lasts=10, settling_for=-50))

    clock.advance(720)
    assert not standing_back.after(A, settling()).retryable


def test_what_lasts_too_long_to_be_a_change_is_no_settling_for_others_either(
    standing_back: StandingBack, clock: FakeClock
) -> None:
    standing_back.after(A, settling())
    spreading = standing_back.holding(A)
    clock.advance(720)
    standing_back.after(A, settling())
    lasting = standing_back.holding(A)

    assert spreading is not None
    assert spreading.settling_since == clock.time() - 720
    assert lasting is not None
    assert lasting.settling_since is None
