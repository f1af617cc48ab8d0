"""One environment logs in for all; the others take what it brings, and nobody waits in vain."""

from functools import partial

import pytest

from salesforce_keypair.fetching import LEASE_SECONDS, Source
from salesforce_keypair.sealed_token import sealed
from salesforce_keypair.token_cache import NO_GAIN_SECONDS
from tests.integration.org_client import key_pair
from tests.sandbox.aws import Act
from tests.unit.sharing import BROUGHT, ID, NOW, Office, S, a_token, version
from tests.unit.support import text_of

# One login for all


def test_one_logs_in_and_all_others_take_its_token(office: Office) -> None:
    first = office.environment().vend()
    others = [office.environment().vend() for _ in range(5)]

    assert first.source is Source.FRESH
    assert {each.source for each in others} == {Source.SHARED}
    assert {each.token.value for each in others} == {first.token.value}
    assert all(each.token == first.token for each in others)
    assert office.logins == 1


def test_what_it_costs_to_log_in_for_all(office: Office) -> None:
    office.environment().vend()

    asked = [call.operation for call in office.table.calls()]
    assert asked == ["GetItem", "UpdateItem", "UpdateItem"]
    assert office.secrets.calls == ["read AWSCURRENT"] * 2


def test_what_it_costs_to_take_the_shared_token(office: Office) -> None:
    office.environment().vend()
    before = len(office.table.calls())
    office.secrets.calls.clear()

    office.environment().vend()

    assert [call.operation for call in office.table.calls()[before:]] == ["GetItem"]
    assert office.secrets.calls == ["read AWSCURRENT"]


def test_a_warm_environment_asks_nobody(office: Office) -> None:
    environment = office.environment()
    environment.vend()
    before = len(office.table.calls())
    office.secrets.calls.clear()
    office.clock.advance(600)

    assert {environment.vend().source for _ in range(20)} == {Source.CACHED}
    assert len(office.table.calls()) == before
    assert office.secrets.calls == []


def test_over_many_lives_there_is_one_login_for_each(office: Office) -> None:
    environments = [office.environment() for _ in range(3)]
    for _ in range(5):
        assert len({each.vend().token.value for each in environments}) == 1
        office.clock.advance(676)

    assert office.logins == 5


def test_each_secret_has_a_token_of_its_own(office: Office) -> None:
    office.secrets.put("another", "v1", text_of(key_pair("first"), username="other@example.com"), "AWSCURRENT")

    office.environment().vend()
    assert office.environment().vend(secret_id="another").token.username == "other@example.com"
    assert office.environment().vend(secret_id="another").source is Source.SHARED
    assert office.environment().vend().token.username == "robot@example.com"
    assert office.logins == 2


def test_a_token_of_another_labelled_key_is_shared_as_well(office: Office) -> None:
    """As while a certificate spreads."""
    office.secrets.put(S, "v2", text_of(key_pair("second")), "AWSPENDING")
    office.login.servers = [{"second"}]

    first = office.environment().vend()
    second = office.environment().vend()

    assert (first.source, first.token.key_version) == (Source.FRESH, "v2")
    assert (second.source, second.token) == (Source.SHARED, first.token)


def test_a_row_that_is_not_believed_costs_a_login_and_is_written_over(office: Office) -> None:
    office.put(version("second", "unlabelled"), a_token(office.clock, value="00D!forged", expires_at=NOW + 80_000.0))

    assert office.environment().vend().source is Source.FRESH
    assert office.environment().vend().source is Source.SHARED


@pytest.mark.parametrize(("after", "source"), [(300.0, Source.SHARED), (675.0, Source.SHARED), (676.0, Source.FRESH)])
def test_a_shared_token_serves_those_who_come_later_until_it_is_due_for_renewal(
    office: Office, after: float, source: Source
) -> None:
    office.environment().vend()
    office.clock.advance(after)

    assert office.environment().vend().source is source


@pytest.mark.parametrize(
    ("after", "min_ttl", "source"),
    [
        (2.9, 60, Source.SHARED),
        (3.0, 60, Source.FRESH),
        (1.0, 199, Source.SHARED),
        (1.0, 200, Source.FRESH),
    ],
)
def test_a_token_that_is_due_for_renewal_from_its_first_moment_is_shared_for_three_seconds(
    office: Office, after: float, min_ttl: int, source: Source
) -> None:
    office.put(version(), a_token(office.clock, expires_at=NOW + 200.0))
    office.clock.advance(after)

    assert office.environment().vend(min_ttl_seconds=min_ttl).source is source


@pytest.mark.parametrize(("after", "source"), [(0.0, Source.SHARED), (29.9, Source.SHARED), (31.0, Source.FRESH)])
def test_for_a_whole_life_a_token_of_a_moment_ago_is_as_good_as_new(
    office: Office, after: float, source: Source
) -> None:
    office.environment().vend(min_ttl_seconds=900)
    office.clock.advance(after)

    assert office.environment().vend(min_ttl_seconds=900).source is source


def test_who_needs_a_token_longer_than_it_was_fetched_for_gets_another(office: Office) -> None:
    office.environment().vend()
    office.clock.advance(10)

    assert office.environment().vend(min_ttl_seconds=895).source is Source.FRESH


def test_after_a_login_the_next_one_that_is_needed_need_not_wait(office: Office) -> None:
    office.environment().vend()
    office.clock.advance(0.5)
    began = office.clock.time()

    assert office.environment().vend(min_ttl_seconds=900).source is Source.FRESH
    assert office.clock.time() == began


# Another environment fetches it


def test_a_token_that_came_just_before_the_lease_was_taken_saves_the_login(office: Office) -> None:
    brought = Act(lambda: office.put(version(), a_token(office.clock, value=BROUGHT)))
    office.table.aws.faults.inject("UpdateItem", brought)

    fetched = office.environment().vend()

    assert (fetched.source, fetched.token.value, office.logins) == (Source.SHARED, BROUGHT, 0)
    # Nor does its lease keep anybody from a login that is needed.
    office.clock.advance(0.5)
    began = office.clock.time()
    assert office.environment().vend(force_refresh=True).source is Source.FRESH
    assert office.clock.time() == began


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_who_waits_takes_what_the_holder_brings(office: Office, chance: float) -> None:
    holder = office.hold_lease()
    office.clock.at(2.0, lambda: office.bring(holder))
    waiting = office.environment(chance=chance)

    fetched = waiting.vend()

    assert (fetched.source, fetched.token.value) == (Source.SHARED, BROUGHT)
    assert office.logins == 0
    assert 2.0 <= office.clock.time() - NOW < 3.6
    # The holder's own two; who waits only reads.
    assert len(office.table.calls("UpdateItem")) == 2


def test_nobody_waits_in_step_with_another_nor_asks_all_the_time(office: Office) -> None:
    pauses = []
    for chance in (0.0, 0.5, 1.0):
        office.table.forge(ID, lease_until={"N": "0"})
        holder = office.hold_lease()
        office.clock.at(6.0, partial(office.bring, holder))
        office.clock.slept.clear()
        before = len(office.table.calls("GetItem"))
        office.environment(chance=chance).vend(force_refresh=True)
        pauses.append(list(office.clock.slept))
        assert len(office.table.calls("GetItem")) - before <= 25

    low, middle, high = pauses
    assert low[0] < middle[0] < high[0] <= 0.1
    assert max(low) == pytest.approx(0.5)
    assert max(high) == pytest.approx(1.5)
    assert all(low[i] <= low[i + 1] for i in range(len(low) - 2))


def test_a_holder_that_died_is_replaced_when_its_lease_ends(office: Office) -> None:
    office.hold_lease()

    fetched = office.environment().vend()

    assert fetched.source is Source.FRESH
    assert 8.0 <= office.clock.time() - NOW < 9.5
    assert office.environment().vend().source is Source.SHARED
    assert office.logins == 1


def test_a_lease_is_over_at_the_moment_that_it_names(office: Office) -> None:
    office.hold_lease()
    office.clock.advance(LEASE_SECONDS)

    assert office.environment().vend().source is Source.FRESH
    assert office.clock.time() == NOW + LEASE_SECONDS


def test_of_those_who_wait_for_a_holder_that_died_one_logs_in(office: Office) -> None:
    office.hold_lease()
    found = []
    # The second one begins to wait while the first one does.
    office.clock.at(1.0, lambda: found.append(office.environment(chance=0.9).vend()))
    found.append(office.environment(chance=0.1).vend())

    assert sorted(each.source for each in found) == [Source.FRESH, Source.SHARED]
    assert office.logins == 1


def test_a_holder_that_took_too_long_does_not_undo_what_came_meanwhile(office: Office) -> None:
    holder = office.hold_lease()
    office.clock.advance(LEASE_SECONDS)
    newer = office.environment().vend()
    late = a_token(office.clock, value="00D!late", issued_at=float(NOW), expires_at=NOW + 900.0)
    assert not office.table.opened().put(ID, sealed(version(), late), owner=holder)
    assert office.environment().vend().token.value == newer.token.value


@pytest.mark.parametrize("min_ttl", [60, 200])
@pytest.mark.parametrize("cold", [True, False])
def test_a_stale_token_is_served_at_once_while_another_environment_fetches(
    office: Office, min_ttl: int, *, cold: bool
) -> None:
    environment = office.environment()
    first = environment.vend()
    office.clock.advance(700)
    office.hold_lease()
    now = office.clock.time()

    fetched = (office.environment() if cold else environment).vend(min_ttl_seconds=min_ttl)

    assert (fetched.source, fetched.token.value) == (Source.STALE, first.token.value)
    assert office.clock.time() == now
    assert office.logins == 1


def test_a_stale_token_of_its_own_is_served_at_once_though_the_table_has_lost_it(office: Office) -> None:
    environment = office.environment()
    first = environment.vend()
    office.clock.advance(700)
    office.table.forge(ID, expires_at={"N": "0"})
    office.hold_lease()
    now = office.clock.time()

    fetched = environment.vend()

    assert (fetched.source, fetched.token) == (Source.STALE, first.token)
    assert office.clock.time() == now


def test_who_was_served_a_stale_token_looks_again_after_a_second_and_not_before(office: Office) -> None:
    environment = office.environment()
    environment.vend()
    office.clock.advance(700)
    holder = office.hold_lease()
    environment.vend()
    before = len(office.table.calls())

    assert {environment.vend().source for _ in range(10)} == {Source.STALE}
    assert len(office.table.calls()) == before
    office.bring(holder)
    office.clock.advance(1.0)
    assert environment.vend().token.value == BROUGHT


@pytest.mark.parametrize("cold", [True, False])
def test_who_needs_it_longer_than_the_stale_one_lives_waits_for_the_new_one(office: Office, *, cold: bool) -> None:
    environment = office.environment()
    environment.vend()
    office.clock.advance(700)
    holder = office.hold_lease()
    office.clock.at(2.0, lambda: office.bring(holder))

    fetched = (office.environment() if cold else environment).vend(min_ttl_seconds=300)

    assert (fetched.source, fetched.token.value) == (Source.SHARED, BROUGHT)


@pytest.mark.parametrize("cold", [True, False])
def test_nobody_who_could_have_a_living_token_waits_long_for_a_new_one(office: Office, *, cold: bool) -> None:
    """As where the holder's login returned the session that is known, and keeps others from trying that, too."""
    environment = office.environment()
    environment.vend()
    office.clock.advance(500)
    office.hold_lease(NO_GAIN_SECONDS)
    began = office.clock.time()

    fetched = (office.environment() if cold else environment).vend(min_ttl_seconds=600)

    assert fetched.source is Source.STALE
    assert office.clock.time() - began <= LEASE_SECONDS + 1.5


# Deadlines


def test_a_login_for_all_has_the_time_that_its_caller_has(office: Office) -> None:
    office.environment().vend(seconds=20)

    assert office.login.given == [20.0]


@pytest.mark.parametrize("seconds", [0.05, 0.5, 2.0, 6.0, 10.0, 20.0])
@pytest.mark.parametrize("forced", [True, False])
def test_who_has_little_time_logs_in_before_it_is_over(office: Office, seconds: float, *, forced: bool) -> None:
    office.hold_lease(60)

    fetched = office.environment(chance=0.999).vend(seconds=seconds, force_refresh=forced)

    waited = office.clock.time() - NOW
    assert fetched.source is Source.FRESH
    # The last pause may be half as long again as it is planned.
    assert waited <= seconds - min(8.0, seconds / 2) + 0.5
    assert waited < seconds


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_who_has_no_time_at_all_does_not_wait(office: Office, seconds: float) -> None:
    office.hold_lease(60)

    assert office.environment().vend(seconds=seconds).source is Source.FRESH
    assert office.clock.slept == []
