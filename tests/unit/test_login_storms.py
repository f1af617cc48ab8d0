"""Nobody logs in again and again where tokens are short, sessions come back, or answers of the table get lost."""

from dataclasses import replace

import pytest

from salesforce_keypair.errors import LoginRefused
from salesforce_keypair.fetching import Source
from salesforce_keypair.sealed_refusal import sealed_refusal
from salesforce_keypair.standing_back import THROTTLED_SECONDS, Refusal
from salesforce_keypair.token_cache import NO_GAIN_SECONDS
from tests.sandbox.aws import Refuse
from tests.unit.sharing import ID, NOW, Office, version

REFUSED = LoginRefused("invalid assertion", remedy="wait", retryable=True)


@pytest.mark.parametrize("lifetime", [30.0, 100.0, 200.0])
def test_tokens_that_are_due_for_renewal_from_the_first_moment_are_not_renewed_by_each_environment(
    office: Office, lifetime: float
) -> None:
    """As where JWT-format tokens live for less than the 225 seconds that renewal begins before the end."""
    office.login.lifetime = lifetime
    environments = [office.environment() for _ in range(5)]
    for round_ in range(1, 4):
        assert len({each.vend(min_ttl_seconds=10).token.value for each in environments}) == 1
        assert office.logins == round_
        office.clock.advance(30)


def test_a_living_token_that_was_seen_in_the_table_is_served_though_the_table_gets_busy_afterwards(
    office: Office,
) -> None:
    first = office.environment().vend()
    office.clock.advance(700)
    office.hold_lease(60)
    office.login.error = REFUSED
    office.table.aws.faults.inject("GetItem", Refuse("ProvisionedThroughputExceededException"), times=None, skip=1)

    fetched = office.environment().vend(min_ttl_seconds=400, seconds=10.0)

    assert (fetched.source, fetched.token.value) == (Source.STALE, first.token.value)


def test_a_session_that_was_seen_in_the_table_is_no_younger_for_a_login_without_the_lease(office: Office) -> None:
    office.login.same_token = True
    first = office.environment().vend()
    office.clock.advance(300)
    office.hold_lease(60)

    again = office.environment().vend(force_refresh=True, seconds=4.0)

    assert again.token.value == first.token.value
    assert again.token.expires_at == first.token.expires_at


def test_those_who_force_a_refresh_at_once_share_a_login_that_brings_the_same_session(office: Office) -> None:
    office.login.same_token = True
    environments = [office.environment() for _ in range(5)]
    for each in environments:
        each.vend()
    office.clock.advance(100)
    began = office.clock.time()

    sources = [each.vend(force_refresh=True).source for each in environments]

    assert sources == [Source.FRESH] + [Source.SHARED] * 4
    assert office.logins == 2
    assert office.clock.time() == began


def test_a_login_that_gained_nothing_does_not_hold_up_who_forces_a_refresh(office: Office) -> None:
    office.login.same_token = True
    environment = office.environment()
    environment.vend()
    office.clock.advance(700)
    environment.vend()
    office.clock.advance(1)
    office.login.same_token = False
    began = office.clock.time()

    assert office.environment().vend(force_refresh=True).source is Source.FRESH
    assert office.clock.time() == began
    assert began < NOW + 700 + NO_GAIN_SECONDS


def test_a_throttle_that_an_environment_with_a_faster_clock_met_is_heeded(office: Office) -> None:
    told = Refusal("LoginThrottled", "login rate exceeded", "wait", False, NOW + THROTTLED_SECONDS + 2, None)
    office.table.forge(ID, refusal={"B": sealed_refusal(version(), told)})

    office.environment().error()
    assert office.logins == 0


def test_a_change_that_spreads_is_not_taken_for_one_that_a_refusal_of_long_ago_told_of(office: Office) -> None:
    """Nobody has asked since, so that refusal still lies in the table."""
    long_ago = Refusal("LoginRefused", "invalid assertion", "wait", True, NOW - 80_000, NOW - 80_001)
    office.table.forge(ID, refusal={"B": sealed_refusal(version(), long_ago)})
    office.login.error = REFUSED

    error = office.environment().error()
    assert error.retryable
    assert "may spread until" in error.what

    recent = replace(long_ago, until=office.clock.time() - 5, settling_since=office.clock.time() - 719)
    office.table.forge(ID, refusal={"B": sealed_refusal(version(), recent)})
    office.clock.advance(6)
    assert not office.environment().error().retryable


@pytest.mark.parametrize("shared", [True, False])
def test_after_the_clock_was_set_back_no_token_is_served_for_an_hour_more_than_it_lives(
    office: Office, *, shared: bool
) -> None:
    environment = office.environment()
    first = environment.vend()
    if not shared:
        office.table.forge(ID, sealed=None)
    office.clock.advance(-3600)

    again = environment.vend()

    assert again.source is Source.FRESH
    assert again.token.expires_at < first.token.expires_at
    assert office.environment().vend().token == again.token


def test_after_the_clock_was_set_back_the_table_is_asked_again(office: Office) -> None:
    office.table.aws.faults.inject("GetItem", Refuse("AccessDeniedException"), times=1)
    environment = office.environment()
    environment.vend()
    office.clock.advance(-3600)

    environment.vend()

    assert office.environment().vend().source is Source.SHARED
