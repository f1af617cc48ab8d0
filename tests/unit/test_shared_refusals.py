"""One refused login is told to all environments, and nobody but a holder of the key can make them believe in one."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from salesforce_keypair.errors import KeyPairError, LoginRefused, LoginThrottled, SalesforceUnavailable
from salesforce_keypair.fetching import Source
from salesforce_keypair.sealed_refusal import sealed_refusal, unsealed_refusal
from salesforce_keypair.sealed_token import sealed, unsealed
from salesforce_keypair.sealing import seal
from salesforce_keypair.standing_back import CONFIG_SECONDS, THROTTLED_SECONDS, Refusal
from salesforce_keypair.token_table import Row
from tests.integration.org_client import key_pair
from tests.unit.sharing import ID, NOW, Office, S, a_token, version
from tests.unit.support import FakeClock, arn_of, text_of

CONFIG = LoginRefused("audience is invalid", remedy="correct it")
THROTTLED = LoginThrottled("login rate exceeded", remedy="stop")
REFUSAL = Refusal("LoginRefused", "audience is invalid", "correct it", False, NOW + 60.0, None)
SETTLING = replace(REFUSAL, retryable=True, settling_since=NOW - 5.0)


# Its seal


@pytest.mark.parametrize("refusal", [REFUSAL, SETTLING, replace(REFUSAL, code="LoginThrottled")], ids=str)
def test_a_refusal_comes_back_to_the_last_member(refusal: Refusal) -> None:
    assert unsealed_refusal(version(), sealed_refusal(version(), refusal)) == refusal


def test_it_is_sealed_anew_each_time_and_shows_nothing() -> None:
    one, other = (sealed_refusal(version(), REFUSAL) for _ in range(2))

    assert one[:12] != other[:12]
    assert b"audience" not in one


def test_it_is_not_believed_elsewhere_or_of_another_version_or_changed() -> None:
    held = sealed_refusal(version(), REFUSAL)

    for key in (version("second"), version(version_id="v2"), version(secret_id="another")):
        assert unsealed_refusal(key, held) is None
    for changed in (b"", held[:-1], held + b"\0", held[:20] + bytes([held[20] ^ 1]) + held[21:], bytes(200)):
        assert unsealed_refusal(version(), changed) is None


def test_no_token_can_be_taken_for_a_refusal_nor_the_other_way_round() -> None:
    row = sealed(version(), a_token(FakeClock()))
    token_as_refusal = unsealed_refusal(version(), row.sealed)
    refusal_as_token = unsealed(version(), replace(row, sealed=sealed_refusal(version(), REFUSAL)))

    assert (token_as_refusal, refusal_as_token) == (None, None)


STRANGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "a list": lambda _: [],
    "nothing": lambda _: None,
    "no end": lambda content: {name: value for name, value in content.items() if name != "until"},
    "a new member": lambda content: content | {"new": 1},
    "an end that is no number": lambda content: content | {"until": "soon"},
    "a beginning that is no number": lambda content: content | {"settling_since": "then"},
    "a text that is none": lambda content: content | {"what": 7},
    "a remedy that is none": lambda content: content | {"remedy": None},
    "a code that is none": lambda content: content | {"code": ["LoginRefused"]},
    "a flag that is none": lambda content: content | {"retryable": "no"},
    "an unknown code": lambda content: content | {"code": "SystemExit"},
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
def test_what_another_version_of_the_program_sealed_fails_nobody(
    office: Office, strange: Callable[[dict[str, Any]], object]
) -> None:
    key = version()
    content = json.dumps(strange(asdict(REFUSAL))).encode()
    held = seal(key.private_key, content, context=["refusal", key.secret_arn, key.version_id])
    office.table.forge(ID, refusal={"B": held})

    assert office.environment().vend().source is Source.FRESH


# One is refused, all are told


@pytest.mark.parametrize(
    ("failure", "seconds", "until"),
    [(CONFIG, CONFIG_SECONDS, "2027-01-15T08:01:00Z"), (THROTTLED, THROTTLED_SECONDS, "2027-01-15T08:15:00Z")],
    ids=str,
)
def test_one_login_is_refused_for_all(office: Office, failure: KeyPairError, seconds: float, until: str) -> None:
    office.login.error = failure
    errors = [office.environment().error() for _ in range(5)]
    office.clock.advance(seconds - 1)
    errors += [office.environment().error(force_refresh=forced) for forced in (True, False)]

    assert {type(error) for error in errors} == {type(failure)}
    assert all(failure.what in error.what and until in error.what for error in errors)
    assert {error.remedy for error in errors} == {failure.remedy}
    assert office.logins == 1

    office.clock.advance(1)
    office.login.error = None
    assert office.environment().vend().source is Source.FRESH


def test_the_document_s_next_version_gets_a_login_of_its_own(office: Office) -> None:
    office.login.error = CONFIG
    office.environment().error()
    office.login.error = None
    office.secrets.put(S, "v2", text_of(key_pair("second")), "AWSCURRENT")

    assert office.environment().vend().source is Source.FRESH


def test_no_answer_is_no_refusal(office: Office) -> None:
    office.login.error = SalesforceUnavailable("no answer", remedy="try again")
    office.environment().error()
    office.login.error = None

    assert office.environment().vend().source is Source.FRESH


def test_a_token_that_lives_is_served_in_spite_of_it(office: Office) -> None:
    first = office.environment().vend()
    office.clock.advance(700)
    office.login.error = CONFIG
    office.environment().vend()
    asked = office.logins

    served = [office.environment().vend() for _ in range(3)]

    assert {each.token.value for each in served} == {first.token.value}
    assert office.logins == asked


def test_all_count_a_change_that_spreads_from_the_first_refusal(office: Office) -> None:
    office.login.servers = [set()]
    first = office.environment().error()
    began = office.logins
    office.clock.advance(5)
    late = office.environment().error()
    office.clock.advance(720)
    lasting = office.environment().error()

    assert "may spread until 2027-01-15T08:12:0" in first.what
    assert "may spread until 2027-01-15T08:12:0" in late.what
    assert not lasting.retryable
    # Only the very first goes round the keys again and again.
    assert office.logins - began <= 4


def test_a_login_that_succeeded_since_ends_it(office: Office) -> None:
    """As the one with which a rotation leaves a token."""
    office.login.error = CONFIG
    office.environment().error()
    office.login.error = None
    assert office.environment().shared.put(version(), a_token(office.clock))

    assert office.environment().vend().source is Source.SHARED
    office.clock.advance(20)
    assert office.environment().vend(force_refresh=True).source is Source.FRESH


# What isn't one


@pytest.mark.parametrize("attribute", [{"S": "audience"}, {"NULL": True}, {"M": {}}, {"B": b""}, {"B": bytes(99)}])
def test_what_was_never_sealed_keeps_nobody_out(office: Office, attribute: dict[str, Any]) -> None:
    office.table.forge(ID, refusal=attribute)

    assert office.environment().vend().source is Source.FRESH


def test_one_that_was_copied_from_another_secret_keeps_nobody_out(office: Office) -> None:
    """The two have the same key pair and version id, and only one of them was refused."""
    office.secrets.put("another", "v1", text_of(key_pair("first")), "AWSCURRENT")
    office.login.error = CONFIG
    office.environment().error(secret_id="another")
    office.login.error = None
    office.table.forge(ID, refusal={"B": office.table.rows()[arn_of("another")]["refusal"]})

    assert office.environment().vend().source is Source.FRESH


@pytest.mark.parametrize(("until", "heeded"), [(959.0, True), (961.0, False), (1e12, False), (0.0, False)])
def test_none_is_believed_for_longer_than_one_lasts(office: Office, until: float, *, heeded: bool) -> None:
    """As of an environment whose clock is ahead."""
    held = sealed_refusal(version(), replace(REFUSAL, until=NOW + until))
    office.table.forge(ID, refusal={"B": held})

    if heeded:
        assert REFUSAL.what in str(office.environment().error())
    else:
        assert office.environment().vend().source is Source.FRESH


def test_an_old_one_put_back_is_over(office: Office) -> None:
    office.login.error = CONFIG
    office.environment().error()
    held = office.table.rows()[ID]["refusal"]
    office.login.error = None
    office.clock.advance(CONFIG_SECONDS)
    office.environment().vend()
    office.clock.advance(676)
    office.table.forge(ID, refusal={"B": held})

    assert office.environment().vend().source is Source.FRESH


def test_a_row_keeps_its_token_beside_a_refusal(office: Office) -> None:
    token = a_token(office.clock)
    office.put(version(), token)
    office.table.forge(ID, refusal={"B": sealed_refusal(version(), REFUSAL)})

    entry = office.table.opened().read(ID)

    assert isinstance(entry.row, Row)
    assert entry.refusal is not None
    assert office.environment().vend().token == token
