"""Tokens that were refused, logins that fail or bring nothing, and a table that fails: each caller gets its due."""

import pytest

from salesforce_keypair.errors import KeyPairError, LoginRefused, LoginThrottled, SalesforceUnavailable
from salesforce_keypair.fetching import FORCED_SECONDS, Source
from salesforce_keypair.shared_tokens import TABLE_PAUSE_SECONDS
from salesforce_keypair.token_cache import NO_GAIN_SECONDS
from tests.sandbox.aws import THROTTLED, Act, DropConnection, Garble, Refuse
from tests.sandbox.aws.faults import Disturbance
from tests.unit.sharing import BROUGHT, NOW, Office, a_token, version

CONFIG_REFUSAL = LoginRefused("audience is invalid", remedy="correct it")


# A caller has seen a token refused


def test_who_forces_a_refresh_gets_another_token_than_the_one_that_is_shared(office: Office) -> None:
    environment, other = office.environment(), office.environment()
    refused = environment.vend().token
    other.vend()

    for each in (environment, office.environment()):
        office.clock.advance(FORCED_SECONDS)
        forced = each.vend(force_refresh=True)
        assert forced.source is Source.FRESH
        assert forced.token.value != refused.value
    assert office.logins == 3
    assert office.environment().vend().token.value == forced.token.value


@pytest.mark.parametrize(("after", "logins_in_all"), [(0.0, 2), (9.9, 2), (10.0, 3)])
def test_those_who_force_a_refresh_at_once_share_a_login(office: Office, after: float, logins_in_all: int) -> None:
    environments = [office.environment() for _ in range(4)]
    refused = {each.vend().token.value for each in environments}
    office.clock.advance(100)
    first = environments[0].vend(force_refresh=True)
    office.clock.advance(after)

    rest = [each.vend(force_refresh=True) for each in environments[1:]]

    assert not refused & {each.token.value for each in (first, *rest)}
    assert len({each.token.value for each in rest}) == 1
    assert office.logins == logins_in_all


@pytest.mark.parametrize("began_after", [0.0, 2.0])
def test_a_login_that_began_after_the_refusal_is_as_good_as_one_s_own(office: Office, began_after: float) -> None:
    refused = office.environment().vend().token.value
    office.clock.advance(100)
    began = office.clock.time() + began_after
    holder = office.hold_lease()
    office.clock.at(2.0, lambda: office.bring(holder, issued_at=began, expires_at=began + 900))

    fetched = office.environment().vend(force_refresh=True)

    assert (fetched.source, fetched.token.value) == (Source.SHARED, BROUGHT)
    assert fetched.token.value != refused


def test_a_login_that_began_before_the_refusal_is_not(office: Office) -> None:
    """Its session may be the one that was refused."""
    holder = office.hold_lease()
    office.clock.advance(3)
    office.clock.at(1.0, lambda: office.bring(holder, issued_at=float(NOW), expires_at=NOW + 900.0))

    fetched = office.environment().vend(force_refresh=True)

    assert (fetched.source, fetched.token.value != BROUGHT) == (Source.FRESH, True)


@pytest.mark.parametrize("failure", [CONFIG_REFUSAL, SalesforceUnavailable("no answer", remedy="try again")], ids=str)
def test_a_forced_refresh_that_fails_never_gives_a_token_that_was_there(office: Office, failure: KeyPairError) -> None:
    environment = office.environment()
    environment.vend()
    office.clock.advance(100)
    office.login.error = failure

    assert type(environment.error(force_refresh=True)) is type(failure)
    assert type(office.environment().error(force_refresh=True)) is type(failure)


def test_after_a_forced_refresh_that_failed_the_next_one_need_not_wait(office: Office) -> None:
    office.environment().vend()
    office.clock.advance(100)
    office.login.error = SalesforceUnavailable("no answer", remedy="try again")
    office.environment().error(force_refresh=True)
    office.login.error = None
    began = office.clock.time()

    assert office.environment().vend(force_refresh=True).source is Source.FRESH
    assert office.clock.time() == began


def test_a_forced_refresh_that_failed_keeps_nobody_from_a_login(office: Office) -> None:
    office.environment().vend()
    office.clock.advance(700)
    office.login.error = SalesforceUnavailable("no answer", remedy="try again")
    office.environment().error(force_refresh=True)
    office.login.error = None

    assert office.environment().vend().source is Source.FRESH


# Logins that bring nothing


def test_an_org_that_returns_the_session_it_has_is_not_asked_by_everybody(office: Office) -> None:
    office.login.same_token = True
    environments = [office.environment() for _ in range(4)]
    first = environments[0].vend()
    office.clock.advance(700)
    again = environments[0].vend()
    served = [each.vend() for each in (*environments[1:], office.environment())]

    assert (again.token.issued_at, again.token.expires_at) == (first.token.issued_at, first.token.expires_at)
    assert {each.source for each in served} == {Source.STALE}
    assert {each.token.expires_at for each in served} == {first.token.expires_at}
    assert office.logins == 2

    office.clock.advance(NO_GAIN_SECONDS)
    assert environments[1].vend().source is Source.FRESH
    assert office.logins == 3


def test_while_logins_are_held_back_nobody_waits_for_one_nor_tries_to_begin_one(office: Office) -> None:
    office.login.same_token = True
    office.environment().vend()
    office.clock.advance(700)
    office.environment().vend()
    began, writes = office.clock.time(), len(office.table.calls("UpdateItem"))

    assert office.environment().vend(min_ttl_seconds=400).source is Source.STALE
    assert office.clock.time() == began
    assert len(office.table.calls("UpdateItem")) == writes
    # But for those whom no token that is there would help.
    assert office.environment().vend(force_refresh=True).source is Source.FRESH
    assert office.clock.time() == began


def test_while_a_shared_token_lives_it_is_served_where_the_login_fails(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    first = office.environment().vend()
    office.clock.advance(700)
    office.login.error = CONFIG_REFUSAL
    caplog.clear()

    cold = office.environment().vend()

    assert (cold.source, cold.token) == (Source.STALE, first.token)
    assert any(CONFIG_REFUSAL.what in str(line.__dict__.get("reason")) for line in caplog.records)
    assert first.token.value not in str([line.__dict__ for line in caplog.records])
    # Nor do the others all try the same in vain.
    assert {office.environment().vend().source for _ in range(5)} == {Source.STALE}
    assert office.logins == 2


def test_a_token_that_came_just_before_the_lease_was_taken_is_served_where_the_login_fails(office: Office) -> None:
    """One that is due for renewal, so that a login is tried all the same."""
    came = a_token(office.clock, issued_at=NOW - 700.0, expires_at=NOW + 200.0)
    office.table.aws.faults.inject("UpdateItem", Act(lambda: office.put(version(), came)))
    office.login.error = CONFIG_REFUSAL

    fetched = office.environment().vend()

    assert (fetched.source, fetched.token.value, office.logins) == (Source.STALE, came.value, 1)


def test_where_salesforce_does_not_answer_while_a_token_lives_nobody_else_tries_for_some_seconds(
    office: Office,
) -> None:
    office.environment().vend()
    office.clock.advance(700)
    office.login.error = SalesforceUnavailable("no answer", remedy="try again")
    tried = office.environment().vend()
    asked = office.logins

    assert [office.environment().vend().source for _ in range(3)] == [Source.STALE] * 3
    assert (tried.source, office.logins) == (Source.STALE, asked)
    office.clock.advance(5)
    assert office.environment().vend().source is Source.STALE
    assert office.logins > asked


def test_while_a_token_lives_a_refusal_that_may_pass_soon_is_not_tried_again_by_others_at_once(office: Office) -> None:
    office.environment().vend()
    office.clock.advance(700)
    office.login.servers = [set()]
    tried = office.environment().vend()
    asked = office.logins
    # The refusal itself holds for a second.
    office.clock.advance(4)

    assert [each.source for each in (tried, office.environment().vend())] == [Source.STALE] * 2
    assert office.logins == asked
    office.clock.advance(1)
    assert office.environment().vend().source is Source.STALE
    assert office.logins > asked


def test_where_no_token_lives_each_says_why(office: Office) -> None:
    office.login.error = CONFIG_REFUSAL
    began = office.clock.time()

    assert [type(office.environment().error()) for _ in range(3)] == [LoginRefused] * 3
    # No one waits for the lease of one that failed.
    assert office.clock.time() == began


@pytest.mark.parametrize("failure", [CONFIG_REFUSAL, LoginThrottled("rate exceeded", remedy="stop")], ids=str)
def test_while_a_refusal_holds_neither_the_org_nor_the_table_is_asked_at_each_request(
    office: Office, failure: KeyPairError
) -> None:
    environment = office.environment()
    office.login.error = failure
    environment.error()
    before = len(office.table.calls()), len(office.secrets.calls)
    for _ in range(30):
        assert "isn't asked again before" in str(environment.error())
        office.clock.advance(0.1)

    assert office.logins == 1
    assert len(office.table.calls("UpdateItem")) <= 2
    assert len(office.table.calls()) - before[0] <= 3
    assert len(office.secrets.calls) - before[1] <= 3


def test_a_token_that_is_there_after_all_ends_the_standing_back(office: Office) -> None:
    """As where a rotation left one."""
    environment = office.environment()
    office.login.error = CONFIG_REFUSAL
    environment.error()
    token = a_token(office.clock)
    office.put(version(), token)
    environment.error()
    office.clock.advance(1.0)

    fetched = environment.vend()

    assert (fetched.source, fetched.token.value) == (Source.SHARED, token.value)


# A table that fails


TROUBLES = [Refuse("AccessDeniedException"), DropConnection(), DropConnection(after_effect=True), Garble(b"[]")]
# The calls of a request that logs in for all, in order.
CALLS = {"look": ("GetItem", 0), "take the lease": ("UpdateItem", 0), "put the token": ("UpdateItem", 1)}


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
@pytest.mark.parametrize(("operation", "skip"), CALLS.values(), ids=CALLS.keys())
def test_a_caller_gets_a_token_whichever_call_of_the_table_fails(
    office: Office, operation: str, skip: int, trouble: Disturbance, caplog: pytest.LogCaptureFixture
) -> None:
    environment = office.environment()
    office.table.aws.faults.inject(operation, trouble, skip=skip, times=None)

    fetched = environment.vend(seconds=20)

    assert (fetched.source, office.logins, environment.failures) == (Source.FRESH, 1, 1)
    assert office.login.given == [pytest.approx(20.0, abs=0.5)]
    assert office.clock.time() - NOW < 0.5
    assert len(caplog.records) == 1
    assert fetched.token.value not in str([line.__dict__ for line in caplog.records])

    # All that follows is as without a table, and asks it nothing.
    before = len(office.table.calls())
    office.secrets.calls.clear()
    assert environment.vend().source is Source.CACHED
    assert environment.vend(force_refresh=True).source is Source.FRESH
    assert (len(office.table.calls()), environment.failures) == (before, 1)
    assert office.secrets.calls == ["read AWSCURRENT"]


def test_while_the_table_fails_a_session_that_is_returned_again_is_no_younger_for_that(office: Office) -> None:
    environment = office.environment()
    office.table.aws.faults.inject("GetItem", Refuse("AccessDeniedException"), times=None)
    office.login.same_token = True
    first = environment.vend().token
    office.clock.advance(10)

    again = environment.vend(force_refresh=True).token

    assert (again.issued_at, again.expires_at) == (first.issued_at, first.expires_at)


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_a_lease_that_cannot_be_given_back_fails_nobody(office: Office, trouble: Disturbance) -> None:
    environment = office.environment()
    office.login.error = CONFIG_REFUSAL
    office.table.aws.faults.inject("UpdateItem", trouble, skip=1, times=None)

    assert CONFIG_REFUSAL.what in str(environment.error())
    assert environment.failures == 1


def test_a_stale_token_is_renewed_though_the_table_fails(office: Office) -> None:
    environment = office.environment()
    first = environment.vend()
    office.clock.advance(700)
    office.table.aws.faults.inject("GetItem", Refuse("AccessDeniedException"), times=None)

    renewed = environment.vend()

    assert renewed.source is Source.FRESH
    assert renewed.token.value != first.token.value


def test_while_the_table_fails_a_refused_login_leaves_the_stale_token_in_use(office: Office) -> None:
    environment = office.environment()
    first = environment.vend()
    office.clock.advance(700)
    office.table.aws.faults.inject("GetItem", Refuse("AccessDeniedException"), times=None)
    office.login.error = CONFIG_REFUSAL

    assert environment.vend().token == first.token
    office.clock.advance(200)
    assert CONFIG_REFUSAL.what in str(environment.error())


def test_once_the_table_answers_again_tokens_are_shared_again(office: Office) -> None:
    environment = office.environment()
    office.table.aws.faults.inject("GetItem", Refuse("AccessDeniedException"))
    environment.vend()
    other = office.environment().vend()
    office.clock.advance(TABLE_PAUSE_SECONDS + FORCED_SECONDS)
    office.environment().vend(force_refresh=True)

    taken = environment.vend(force_refresh=True)

    assert other.source is Source.FRESH
    assert (taken.source, office.logins) == (Source.SHARED, 3)


def test_a_rush_on_the_table_is_none_on_salesforce(office: Office) -> None:
    office.table.aws.faults.inject("GetItem", THROTTLED, times=8)
    holder = office.hold_lease()
    office.clock.at(1.5, lambda: office.bring(holder))
    environment = office.environment()

    assert environment.vend().source is Source.SHARED
    assert (office.logins, environment.failures) == (0, 0)


def test_a_token_that_was_found_before_the_table_grew_busy_is_served_while_it_lives(office: Office) -> None:
    office.environment().vend()
    office.clock.advance(700)
    office.hold_lease(60)
    office.table.aws.faults.inject("GetItem", THROTTLED, skip=1, times=None)

    fetched = office.environment().vend(min_ttl_seconds=300, seconds=6)

    assert (fetched.source, office.logins) == (Source.STALE, 1)


@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
def test_a_table_that_stays_busy_fails_nobody(office: Office, operation: str) -> None:
    office.table.aws.faults.inject(operation, THROTTLED, times=None)
    environment = office.environment()

    assert environment.vend(seconds=10).source is Source.FRESH
    assert office.clock.time() - NOW < 10
    assert environment.failures == 0
