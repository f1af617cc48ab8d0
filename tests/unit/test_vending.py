"""Which token a caller gets: one already paid for, a new one, or an error that says when to ask again."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from salesforce_keypair.errors import (
    InvalidRequest,
    InvalidSecret,
    KeyPairError,
    LoginRefused,
    LoginThrottled,
    SalesforceUnavailable,
)
from salesforce_keypair.fetching import Fetched, OwnLogins, Source
from salesforce_keypair.http_request import asked_of
from salesforce_keypair.key_choice import KeyChoice
from salesforce_keypair.logins import Logins
from salesforce_keypair.standing_back import StandingBack
from salesforce_keypair.timing import ATTEMPTS
from salesforce_keypair.token_cache import MemoryCache, Token
from salesforce_keypair.vend_request import VendRequest
from salesforce_keypair.vending import TokenVendor, reply
from tests.integration.org_client import key_pair
from tests.unit.support import ORG_ID, FakeClock, MemoryLogin, MemorySecrets, parse, text_of

S = "salesforce/keypair"
LIFETIME = 900.0
EVENTS = Path(__file__).parents[2] / "events"


class Vendor:
    """A vendor whose secret's current version holds the pair `first`, honoured by the org."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.secrets = MemorySecrets()
        self.secrets.put(S, "v1", text_of(key_pair("first")), "AWSCURRENT")
        self.login = MemoryLogin(clock, {"first", "second"})
        self.parses = 0
        logins = Logins(
            keys=KeyChoice(store=self.secrets, login=self.login, parse=self._parse, clock=clock),
            standing_back=StandingBack(settling=720, clock=clock),
            token_lifetime=LIFETIME,
            clock=clock,
        )
        self._vendor = TokenVendor(fetch=OwnLogins(logins), cache=MemoryCache(), clock=clock)

    def vend(self, **event: Any) -> Fetched:
        request = VendRequest.parse(event, secret_ids=(S, "another"), token_lifetime=LIFETIME)
        return self._vendor.vend(request, deadline=self.clock.deadline(30))

    def error(self, **event: Any) -> KeyPairError:
        with pytest.raises(KeyPairError) as caught:
            self.vend(**event)
        return caught.value

    def _parse(self, text: str) -> Any:
        self.parses += 1
        return parse(text)


@pytest.fixture
def vendor(clock: FakeClock) -> Vendor:
    return Vendor(clock)


# Requests


def test_an_empty_request_means_the_first_secret_and_a_minute() -> None:
    request = VendRequest.parse({}, secret_ids=("one", "two"), token_lifetime=900)
    assert request == VendRequest(secret_id="one", min_ttl=60, force_refresh=False)


def test_the_default_minute_never_exceeds_a_tokens_life() -> None:
    assert VendRequest.parse({}, secret_ids=("one",), token_lifetime=30).min_ttl == 30


@pytest.mark.parametrize("value", [0, 0.5, 60, 900])
def test_a_min_ttl_up_to_a_tokens_life_is_taken(value: float) -> None:
    assert VendRequest.parse({"min_ttl_seconds": value}, secret_ids=("one",), token_lifetime=900).min_ttl == value


@pytest.mark.parametrize("path", sorted(EVENTS.glob("vend-*.json")), ids=lambda path: str(path.stem))
def test_the_requests_that_people_try_are_understood(path: Path) -> None:
    asked: Any = asked_of(json.loads(path.read_text()))
    secret_id = asked.get("secret_id", "one")
    assert VendRequest.parse(asked, secret_ids=(secret_id,), token_lifetime=900).secret_id == secret_id


@pytest.mark.parametrize(
    ("event", "member"),
    [
        (None, "object"),
        ([], "object"),
        ("hunter2", "object"),
        ({"secret": "hunter2"}, "secret_id"),
        ({"min_ttl": 1}, "min_ttl_seconds"),
        ({7: 1}, "min_ttl_seconds"),
        ({"secret_id": "hunter2"}, "secret_id"),
        ({"secret_id": None}, "secret_id"),
        ({"secret_id": ["one"]}, "secret_id"),
        ({"force_refresh": "hunter2"}, "force_refresh"),
        ({"force_refresh": 1}, "force_refresh"),
        ({"force_refresh": None}, "force_refresh"),
        ({"min_ttl_seconds": "hunter2"}, "min_ttl_seconds"),
        ({"min_ttl_seconds": True}, "min_ttl_seconds"),
        ({"min_ttl_seconds": None}, "min_ttl_seconds"),
        ({"min_ttl_seconds": -1}, "min_ttl_seconds"),
        ({"min_ttl_seconds": float("nan")}, "min_ttl_seconds"),
        ({"min_ttl_seconds": float("inf")}, "min_ttl_seconds"),
        ({"min_ttl_seconds": 900.5}, "min_ttl_seconds is longer than a token lives"),
        ({"min_ttl_seconds": 10**400}, "min_ttl_seconds"),
        ({"min_ttl_seconds": -(10**400)}, "min_ttl_seconds"),
    ],
)
def test_a_bad_request_is_refused_by_the_members_name(event: object, member: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        VendRequest.parse(event, secret_ids=("one", "two"), token_lifetime=900)

    assert member in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_unknown_members_are_named_unless_they_look_like_a_credential() -> None:
    with pytest.raises(InvalidRequest, match=r"\(\[redacted\], min_ttl, secret\)"):
        VendRequest.parse({"secret": 1, "min_ttl": 2, "A1" * 30: 3}, secret_ids=("one",), token_lifetime=900)


# Replies


def test_a_reply_says_everything_in_oauths_names(vendor: Vendor, clock: FakeClock) -> None:
    clock.now = 1_800_000_000.7
    vended = vendor.vend()
    clock.advance(100.5)

    assert reply(vended.token, clock.time()) == {
        "access_token": f"{ORG_ID[:15]}!1",
        "token_type": "Bearer",
        "instance_url": "https://acme.my.salesforce.com",
        "issued_at": 1_800_000_000,
        "expires_in": 799,
        "expires_at": 1_800_000_900,
        "org_id": ORG_ID,
        "username": "robot@example.com",
        "key_version": "v1",
    }
    clock.advance(5000)
    assert reply(vended.token, clock.time())["expires_in"] == 0
    assert f"{ORG_ID[:15]}!1" not in repr(vended)


def test_a_tokens_life_counts_from_before_the_login(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.takes = 7.0
    start = clock.time()
    token = vendor.vend().token

    assert (token.issued_at, token.expires_at) == (start, start + LIFETIME)


def test_what_the_token_itself_says_of_its_life_counts_first(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.lifetime = 300
    assert vendor.vend().token.expires_at == clock.time() + 300


# Fresh, stale, dead


def test_a_warm_request_touches_neither_aws_nor_salesforce(vendor: Vendor, clock: FakeClock) -> None:
    first = vendor.vend()
    vendor.secrets.calls.clear()
    clock.advance(600)
    again = [vendor.vend() for _ in range(50)]

    assert first.source is Source.FRESH
    assert {each.source for each in again} == {Source.CACHED}
    assert {each.token for each in again} == {first.token}
    assert vendor.secrets.calls == []
    assert (len(vendor.login.asked), vendor.parses) == (1, 1)


@pytest.mark.parametrize(
    ("age", "min_ttl", "source"),
    [
        (675, 60, Source.CACHED),
        (675.1, 60, Source.FRESH),
        (0, 900, Source.CACHED),
        (1, 900, Source.FRESH),
        (300, 600, Source.CACHED),
        (300, 601, Source.FRESH),
        (900, 0, Source.FRESH),
    ],
)
def test_a_token_is_renewed_when_it_gets_old_or_is_too_short_for_the_caller(
    vendor: Vendor, clock: FakeClock, age: float, min_ttl: float, source: Source
) -> None:
    vendor.vend()
    clock.advance(age)

    assert vendor.vend(min_ttl_seconds=min_ttl).source is source
    assert len(vendor.login.asked) == (1 if source is Source.CACHED else 2)


def test_the_key_is_parsed_once_over_many_logins(vendor: Vendor, clock: FakeClock) -> None:
    for _ in range(5):
        vendor.vend()
        clock.advance(900)

    assert (len(vendor.login.asked), vendor.parses) == (5, 1)


def test_a_new_token_takes_the_place_of_the_old_one(vendor: Vendor, clock: FakeClock) -> None:
    vendor.vend()
    clock.advance(700)
    renewed = vendor.vend()

    assert renewed.token.value.endswith("!2")
    assert vendor.vend().token == renewed.token


def test_a_forced_refresh_logs_in_though_the_token_is_fresh(vendor: Vendor) -> None:
    vendor.vend()
    forced = vendor.vend(force_refresh=True)

    assert (forced.source, forced.token.value[-2:]) == (Source.FRESH, "!2")
    assert vendor.vend().token == forced.token


def test_each_secret_has_its_own_token(vendor: Vendor) -> None:
    vendor.secrets.put("another", "w1", text_of(key_pair("second"), username="other@example.com"), "AWSCURRENT")

    assert vendor.vend(secret_id="another").token.username == "other@example.com"
    assert vendor.vend().token.username == "robot@example.com"
    assert vendor.login.asked == ["second", "first"]


def test_the_version_that_logged_in_is_named(vendor: Vendor) -> None:
    vendor.secrets.put(S, "v2", text_of(key_pair("second")), "AWSPENDING")
    vendor.login.servers = [{"second"}]

    assert vendor.vend().token.key_version == "v2"


# Failures


FAILURES = [
    SalesforceUnavailable("no answer", remedy="try again"),
    LoginRefused("audience is invalid", remedy="correct it"),
    LoginRefused("invalid assertion", remedy="wait", retryable=True),
    LoginThrottled("login rate exceeded", remedy="stop"),
    InvalidSecret("privateKey can't sign", remedy="rotate"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.what)
def test_a_stale_token_is_served_while_it_lives_if_no_new_one_comes(
    vendor: Vendor, clock: FakeClock, failure: KeyPairError, caplog: pytest.LogCaptureFixture
) -> None:
    first = vendor.vend()
    vendor.login.error = failure
    clock.advance(700)
    stale = vendor.vend()

    assert (stale.source, stale.token) == (Source.STALE, first.token)
    assert next(record.__dict__["reason"] for record in caplog.records).startswith(failure.what)
    assert first.token.value not in "".join(str(record.__dict__) for record in caplog.records)
    clock.advance(200)
    assert type(vendor.error()) is type(failure)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.what)
def test_a_forced_refresh_that_fails_never_gives_the_old_token(vendor: Vendor, failure: KeyPairError) -> None:
    """Who forces one has seen the old token refused."""
    vendor.vend()
    vendor.login.error = failure

    assert type(vendor.error(force_refresh=True)) is type(failure)


def test_a_renewal_that_was_long_in_vain_is_not_tried_again_at_once(vendor: Vendor, clock: FakeClock) -> None:
    """Somebody doesn't answer, and callers would wait for that each time."""
    first = vendor.vend()
    vendor.login.error = InvalidSecret("privateKey can't sign", remedy="rotate")
    vendor.login.takes = 3.5
    clock.advance(700)
    vendor.vend()
    served = [vendor.vend() for _ in range(5)]
    clock.advance(29)
    served.append(vendor.vend())

    assert {(each.token, each.source) for each in served} == {(first.token, Source.STALE)}
    assert len(vendor.login.asked) == 2
    clock.advance(1)
    vendor.vend()
    assert len(vendor.login.asked) == 3


@pytest.mark.parametrize(
    ("request_", "tries"),
    [({}, 1), ({"min_ttl_seconds": 200}, 1), ({"min_ttl_seconds": 201}, ATTEMPTS), ({"force_refresh": True}, ATTEMPTS)],
)
def test_an_org_that_answers_503_does_not_hold_up_who_has_a_token_that_will_do(
    vendor: Vendor, clock: FakeClock, request_: dict[str, Any], tries: int
) -> None:
    """Whoever needs it for longer than it lives, or saw it refused, waits for some more tries."""
    first = vendor.vend()
    vendor.login.error = SalesforceUnavailable("HTTP 503", remedy="try again")
    clock.advance(700)

    if request_.get("force_refresh"):
        assert type(vendor.error(**request_)) is SalesforceUnavailable
    else:
        assert vendor.vend(**request_) == Fetched(first.token, Source.STALE)

    assert len(vendor.login.asked) == 1 + tries


def test_a_burst_at_an_org_that_answers_503_is_served_at_once_and_the_first_that_can_be_renewed_is(
    vendor: Vendor, clock: FakeClock
) -> None:
    vendor.vend()
    vendor.login.error = SalesforceUnavailable("HTTP 503", remedy="try again")
    clock.advance(700)
    began = clock.time()
    for _ in range(20):
        vendor.vend()

    assert clock.time() == began
    vendor.login.error = None
    assert vendor.vend().source is Source.FRESH


def test_a_renewal_that_fails_quickly_is_tried_at_the_next_request(vendor: Vendor, clock: FakeClock) -> None:
    vendor.vend()
    vendor.login.error = InvalidSecret("privateKey can't sign", remedy="rotate")
    vendor.login.takes = 3.0
    clock.advance(700)
    vendor.vend()
    vendor.login.error = None

    assert vendor.vend().source is Source.FRESH


def test_a_token_that_dies_during_the_failed_login_is_not_served(vendor: Vendor, clock: FakeClock) -> None:
    vendor.vend()
    vendor.login.error = LoginRefused("audience is invalid", remedy="correct it")
    vendor.login.takes = 10
    clock.advance(895)

    assert isinstance(vendor.error(), LoginRefused)


@pytest.mark.parametrize(
    ("failure", "seconds", "until"),
    [
        (LoginRefused("audience is invalid", remedy="correct it"), 60, "2027-01-15T08:01:00Z"),
        (LoginThrottled("login rate exceeded", remedy="stop"), 900, "2027-01-15T08:15:00Z"),
    ],
)
def test_a_refused_vendor_stands_back_and_says_until_when(
    vendor: Vendor, clock: FakeClock, failure: KeyPairError, seconds: float, until: str
) -> None:
    vendor.login.error = failure
    first = vendor.error()
    clock.advance(seconds - 1)
    for _ in range(20):
        assert until in str(vendor.error())
        assert until in str(vendor.error(force_refresh=True))

    assert until in str(first)
    assert first.__cause__ is failure
    assert len(vendor.login.asked) == 1
    clock.advance(1)
    vendor.login.error = None
    assert vendor.vend().source is Source.FRESH


def test_while_it_stands_back_a_stale_token_is_served_without_asking(vendor: Vendor, clock: FakeClock) -> None:
    first = vendor.vend()
    vendor.login.error = LoginThrottled("login rate exceeded", remedy="stop")
    clock.advance(700)
    served = [vendor.vend() for _ in range(20)]

    assert {each.token for each in served} == {first.token}
    assert len(vendor.login.asked) == 2


def test_a_failure_of_one_secret_is_none_of_the_others(vendor: Vendor) -> None:
    vendor.secrets.put("another", "w1", text_of(key_pair("third")), "AWSCURRENT")
    vendor.login.refusal = LoginRefused("audience is invalid", remedy="correct it")
    vendor.error(secret_id="another")

    assert vendor.vend().source is Source.FRESH


def test_a_settling_refusal_says_how_long_a_change_may_spread(vendor: Vendor) -> None:
    vendor.login.servers = [set()]
    error = vendor.error()

    assert type(error) is LoginRefused
    assert error.retryable
    assert "may spread until 2027-01-15T08:12:0" in error.what


def test_a_settling_refusal_that_outlasts_its_time_is_one_of_configuration(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.servers = [set()]
    vendor.error()
    clock.advance(720)
    late = vendor.error()

    assert not late.retryable
    assert "isn't asked again before" in late.what
    asked = len(vendor.login.asked)
    vendor.error()
    assert len(vendor.login.asked) == asked


def test_after_a_success_the_next_settling_refusal_counts_anew(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.servers = [set()]
    vendor.error()
    vendor.login.servers = [{"first"}]
    clock.advance(5)
    vendor.vend()
    vendor.login.servers = [set()]
    clock.advance(900)

    assert vendor.error().retryable


def test_only_the_first_of_many_refused_requests_is_patient(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.servers = [set()]
    vendor.error()
    first = len(vendor.login.asked)
    slept = len(clock.slept)
    for _ in range(5):
        clock.advance(5)
        vendor.error()

    assert first > 5
    assert len(vendor.login.asked) == first + 5
    assert len(clock.slept) == slept


def test_other_failures_pass_through_as_they_are(vendor: Vendor) -> None:
    failure = InvalidSecret("privateKey can't sign", remedy="rotate")
    vendor.login.error = failure

    assert vendor.error() is failure
    vendor.login.error = None
    assert vendor.vend().source is Source.FRESH


# Somebody else who fetches it


def test_who_got_the_old_token_back_asks_for_the_next_one_a_second_later(clock: FakeClock) -> None:
    old = Token(
        value="00D!old",
        token_type="Bearer",
        instance_url="https://acme.my.salesforce.com",
        org_id=ORG_ID,
        username="robot@example.com",
        key_version="v1",
        issued_at=clock.time(),
        expires_at=clock.time() + 200,
    )
    brought = [
        Fetched(old, Source.SHARED),
        Fetched(old, Source.STALE),
        Fetched(replace(old, value="00D!new"), Source.SHARED),
    ]
    vendor = TokenVendor(fetch=lambda *_: brought.pop(0), cache=MemoryCache(), clock=clock)
    ask = partial(vendor.vend, VendRequest(S, min_ttl=60, force_refresh=False), deadline=clock.deadline(30))
    clock.advance(100)
    ask()
    ask()

    assert [ask() for _ in range(3)] == [Fetched(old, Source.STALE)] * 3
    assert len(brought) == 1
    clock.advance(1.0)
    assert ask().token.value == "00D!new"


# An org that returns the session it has


def test_the_same_token_got_again_is_no_younger(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.same_token = True
    first = vendor.vend()
    clock.advance(700)
    again = vendor.vend()

    assert again.source is Source.FRESH
    assert (again.token.issued_at, again.token.expires_at) == (first.token.issued_at, first.token.expires_at)


def test_a_login_that_gained_nothing_is_not_repeated_at_once(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.same_token = True
    vendor.vend()
    clock.advance(700)
    vendor.vend()
    served = [vendor.vend() for _ in range(20)]
    clock.advance(29)
    served.append(vendor.vend())

    assert {each.source for each in served} == {Source.STALE}
    assert len({each.token for each in served}) == 1
    assert len(vendor.login.asked) == 2
    clock.advance(1)
    assert vendor.vend().source is Source.FRESH


def test_a_forced_refresh_that_brings_the_same_token_makes_it_no_younger(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.same_token = True
    first = vendor.vend().token
    clock.advance(100)
    forced = vendor.vend(force_refresh=True).token

    assert (forced.issued_at, forced.expires_at) == (first.issued_at, first.expires_at)


def test_a_login_that_gains_again_ends_the_pause_after_one_that_did_not(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.same_token = True
    vendor.vend()
    clock.advance(700)
    vendor.vend()
    vendor.login.same_token = False
    vendor.vend(force_refresh=True)
    clock.advance(15)

    assert vendor.vend(min_ttl_seconds=890).source is Source.FRESH
    assert len(vendor.login.asked) == 4


@pytest.mark.parametrize(("lifetime", "min_ttl"), [(300, 600), (900, 900)])
def test_tokens_that_live_shorter_than_is_asked_for_do_not_cost_a_login_each_time(
    vendor: Vendor, lifetime: float, min_ttl: float
) -> None:
    """As where JWT-format tokens end before the configured life; 3,600 logins an hour are all that a user has."""
    vendor.login.lifetime = lifetime
    for _ in range(20):
        assert vendor.vend(min_ttl_seconds=min_ttl).token.value
    assert len(vendor.login.asked) <= 2


@pytest.mark.parametrize(("lifetime", "logins"), [(60, 10), (200, 10), (20, 30)])
def test_tokens_that_are_due_for_renewal_from_the_first_moment_do_not_cost_a_login_each_time(
    vendor: Vendor, clock: FakeClock, lifetime: float, logins: int
) -> None:
    """As JWT-format tokens where the app's policy lets them live for a minute."""
    vendor.login.lifetime = lifetime
    for _ in range(300):
        token = vendor.vend().token
        assert token.expires_at - clock.time() > 0
        clock.advance(1)
    assert len(vendor.login.asked) == logins


def test_a_login_that_gained_nothing_does_not_hold_up_a_forced_refresh(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.same_token = True
    vendor.vend()
    clock.advance(700)
    vendor.vend()
    vendor.vend(force_refresh=True)

    assert len(vendor.login.asked) == 3


def test_the_same_token_got_again_after_its_counted_end_starts_anew(vendor: Vendor, clock: FakeClock) -> None:
    vendor.login.same_token = True
    vendor.vend()
    clock.advance(1000)
    token = vendor.vend().token

    assert (token.issued_at, token.expires_at) == (clock.time(), clock.time() + LIFETIME)
