"""Any row in the table of shared tokens, even one that was sealed right: a token that can be used, or none."""

import json
from contextlib import suppress
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.errors import KeyPairError, LoginRefused
from salesforce_keypair.keypair import PrivateKey
from salesforce_keypair.sealed_refusal import sealed_refusal, unsealed_refusal
from salesforce_keypair.sealed_token import sealed, unsealed
from salesforce_keypair.sealing import seal
from salesforce_keypair.standing_back import Refusal, StandingBack
from salesforce_keypair.token_cache import Token, TokenState
from salesforce_keypair.token_table import Row
from salesforce_keypair.vending import reply
from tests.borders.counting import examples
from tests.borders.odd import bodies, weighted
from tests.integration.org_client import key_pair
from tests.unit.support import FakeClock, parse, text_of

_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf"
_NOW = 1_800_000_000
_TOKEN = {
    "access_token": "00D!x",
    "token_type": "Bearer",
    "org_id": "00D000000000001AAA",
    "min_ttl": 60.0,
    "forced": False,
}
_REFUSAL = {
    "code": "LoginRefused",
    "what": "Salesforce refused the login",
    "remedy": "wait",
    "retryable": True,
    "until": _NOW + 5.0,
    "settling_since": _NOW - 5.0,
}


@cache
def _key() -> VersionedKey:
    credential = parse(text_of(key_pair()))
    assert isinstance(credential.private_key, PrivateKey)
    return VersionedKey(_ARN, "v1", credential, credential.private_key)


def _token() -> Token:
    return Token(
        "00D!x", "Bearer", "https://acme.my.salesforce.com", "00D", "robot@example.com", "v1", _NOW, _NOW + 900
    )


def _row(content: bytes) -> Row:
    """A row whose seal is right, whatever was sealed."""
    right = sealed(_key(), _token())
    credential = _key().credential
    context: list[str | int] = [
        _ARN,
        "v1",
        credential.consumer_key,
        credential.username,
        right.instance_url,
        right.issued_at,
        right.expires_at,
    ]
    return Row(
        "v1", right.instance_url, right.issued_at, right.expires_at, seal(_key().private_key, content, context=context)
    )


@given(content=weighted((5, bodies(_TOKEN)), (1, st.binary(max_size=30))))
@examples(3_000)
def test_whatever_was_sealed_as_a_token_is_one_or_none(content: bytes) -> None:
    token = unsealed(_key(), _row(content))

    if token is not None:
        assert token.state(_NOW, min_ttl=0) is TokenState.FRESH
        assert token.is_as_good_as_new(_NOW, min_ttl=0) in (True, False)
        assert len(token.fingerprint) == 12
        told = reply(token, _NOW)
        assert all(isinstance(told[name], str) for name in ("access_token", "token_type", "org_id"))
        assert unsealed(_key(), sealed(_key(), token)) == token


@given(sealed_bytes=st.binary(max_size=200), cut=st.integers(0, 400))
@examples(8_600)
def test_bytes_that_nobody_sealed_are_no_token_and_no_refusal(sealed_bytes: bytes, cut: int) -> None:
    right = sealed(_key(), _token())

    for each in (sealed_bytes, right.sealed[:cut] + sealed_bytes[:1] + right.sealed[cut + 1 :]):
        if each != right.sealed:
            row = Row(right.key_version, right.instance_url, right.issued_at, right.expires_at, each)
            assert unsealed(_key(), row) is None
        assert unsealed_refusal(_key(), each) is None


@given(content=weighted((5, bodies(_REFUSAL)), (1, st.binary(max_size=30))))
@examples(2_000)
def test_whatever_was_sealed_as_a_refusal_holds_for_a_while_at_most(content: bytes) -> None:
    refusal = unsealed_refusal(_key(), seal(_key().private_key, content, context=["refusal", _ARN, "v1"]))
    clock = FakeClock(_NOW)
    standing_back = StandingBack(settling=720, clock=clock)

    if refusal is not None:
        standing_back.heed("x", refusal)
        with suppress(KeyPairError):
            standing_back.check("x")
        assert standing_back.may_be_patient("x") in (True, False)
        clock.advance(901)
        standing_back.check("x")
        assert isinstance(standing_back.after("x", LoginRefused("no", remedy="wait", retryable=True)), LoginRefused)


def test_a_refusal_that_was_sealed_right_is_read() -> None:
    refusal = Refusal(**_REFUSAL)  # type: ignore[arg-type]

    assert unsealed_refusal(_key(), sealed_refusal(_key(), refusal)) == refusal
    assert json.loads(json.dumps(_REFUSAL)) == _REFUSAL
