"""How long a token may be served."""

from dataclasses import replace

import pytest

from salesforce_keypair.token_cache import MemoryCache, Token, TokenState

TOKEN = Token(
    value="00D!token",
    token_type="Bearer",
    instance_url="https://acme.my.salesforce.com",
    org_id="00D000000000001AAA",
    username="robot@example.com",
    key_version="v1",
    issued_at=1000.0,
    expires_at=1900.0,
)


@pytest.mark.parametrize(
    ("now", "min_ttl", "state"),
    [
        # Another computer's clock may be so much ahead; more than that, and this one was set back.
        (939.9, 60, TokenState.DEAD),
        (940, 60, TokenState.FRESH),
        (1000, 60, TokenState.FRESH),
        (1675, 60, TokenState.FRESH),
        (1675.1, 60, TokenState.STALE),
        (1675, 225.1, TokenState.STALE),
        (1000, 900, TokenState.FRESH),
        (1001, 900, TokenState.STALE),
        (1899.9, 0, TokenState.STALE),
        (1900, 0, TokenState.DEAD),
        (5000, 0, TokenState.DEAD),
    ],
)
def test_a_token_is_fresh_then_stale_then_dead(now: float, min_ttl: float, state: TokenState) -> None:
    assert TOKEN.state(now, min_ttl=min_ttl) is state


@pytest.mark.parametrize(("age", "min_ttl", "good"), [(29.9, 60, True), (30, 60, False), (0, 60.1, False)])
def test_for_half_a_minute_no_login_would_gain_on_it(age: float, min_ttl: float, *, good: bool) -> None:
    token = replace(TOKEN, min_ttl=60)
    assert token.is_as_good_as_new(token.issued_at + age, min_ttl=min_ttl) is good


@pytest.mark.parametrize(
    ("lifetime", "age", "good"),
    [
        (20, 9.9, True),
        (20, 10, False),
        (60, 29.9, True),
        (60, 30, False),
        (224.9, 29.9, True),
        (225, 0, True),
        (225, 0.1, False),
        (20, -60.1, False),
    ],
)
def test_on_a_jwt_that_was_never_fresh_for_half_its_life_at_most(lifetime: float, age: float, *, good: bool) -> None:
    token = replace(TOKEN, value="header.claims.signature", expires_at=TOKEN.issued_at + lifetime, min_ttl=60)
    assert token.is_as_good_as_new(token.issued_at + age, min_ttl=60) is good
    assert not token.is_as_good_as_new(token.issued_at + age, min_ttl=60.1)


def test_an_opaque_token_whose_life_was_set_shorter_than_that_is_renewed_each_time() -> None:
    """No session of Salesforce ends so soon: whoever says so wants it."""
    token = replace(TOKEN, expires_at=TOKEN.issued_at + 200, min_ttl=60)
    assert not token.is_as_good_as_new(token.issued_at, min_ttl=60)


@pytest.mark.parametrize(
    ("issued_at", "times"),
    [(1500.0, (1000.0, 1900.0)), (1899.9, (1000.0, 1900.0)), (1900.0, (1900.0, 2800.0))],
)
def test_the_same_session_got_again_is_no_younger_unless_it_outlived_its_count(
    issued_at: float, times: tuple[float, float]
) -> None:
    again = replace(TOKEN, issued_at=issued_at, expires_at=issued_at + 900, key_version="v2").first_seen(TOKEN)

    assert (again.issued_at, again.expires_at) == times
    assert again.key_version == "v2"


def test_each_secret_has_its_own_last_token() -> None:
    cache = MemoryCache()
    other = replace(TOKEN, value="00D!other")
    cache.put("a", replace(TOKEN, value="00D!old"))
    cache.put("a", TOKEN)
    cache.put("b", other)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (TOKEN, other, None)


def test_a_token_does_not_print() -> None:
    assert "00D!token" not in repr(TOKEN)
