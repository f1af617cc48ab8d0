"""Foreign words are shown; whatever looks like a credential in them isn't."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salesforce_keypair.redaction import MAX_LENGTH, foreign_words
from tests.integration.org_client import key_pair
from tests.unit.support import private_pem

BASE64URL = string.ascii_letters + string.digits + "-_"


@pytest.mark.parametrize(
    "words",
    [
        "invalid assertion",
        "user hasn\N{RIGHT SINGLE QUOTATION MARK}t approved this consumer",
        "INVALID_CROSS_REFERENCE_KEY: invalid cross reference id",
        "Das Zertifikat ist ungültig \N{EN DASH} bitte prüfen",
        "not allowed: arn:aws:secretsmanager:eu-west-1:123456789012:secret:salesforce/keypair-AbCdEf",
        "no GetItem on arn:aws:dynamodb:eu-west-1:123456789012:table/salesforce-keypair-TokenTable-1A2B3C4D5E6F7",
        "User: arn:aws:sts::123456789012:assumed-role/rotation-function-role/salesforce-rotation is not authorized",
    ],
)
def test_the_words_that_a_person_needs_stay(words: str) -> None:
    assert foreign_words(words) == words


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    token=st.text(BASE64URL + "!.+/=~%", min_size=32, max_size=700),
    before=st.text(string.ascii_letters + " ", max_size=40),
    after=st.text(string.ascii_letters + " ", max_size=40),
)
def test_no_long_token_comes_through_whole_or_in_part(token: str, before: str, after: str) -> None:
    shown = foreign_words(f"{before} {token} {after}")

    assert "[redacted]" in shown
    assert not any(token[start : start + 16] in shown for start in range(len(token) - 15))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(secret=st.text(string.ascii_letters + string.digits + " '\"\\{}", min_size=4, max_size=31))
def test_a_short_secret_that_was_sent_is_known_by_its_value(secret: str) -> None:
    assert secret not in foreign_words(f"#{secret}# is wrong", sent=("", secret)).replace("[redacted]", "")


@pytest.mark.parametrize("cut", [None, 300])
def test_no_line_of_a_private_key_is_shown(cut: int | None) -> None:
    pem = private_pem(key_pair().key)
    shown = foreign_words(f"bad key {pem[:cut]}")

    assert shown == "bad key [redacted]"


def test_a_private_key_on_one_line_is_not_shown() -> None:
    assert foreign_words("bad " + private_pem(key_pair().key).replace("\n", "\\n") + "end") == "bad [redacted]\\nend"


def test_one_line_of_printable_characters_is_left() -> None:
    assert foreign_words("one\r\n\ttwo\x1b[31m \u202ethree\x00") == "one two [31m three"


def test_a_long_text_is_cut() -> None:
    shown = foreign_words("word " * 200)

    assert len(shown) == MAX_LENGTH
    assert shown.endswith("…")
    whole = "a " * (MAX_LENGTH // 2 - 1) + "bb"
    assert foreign_words(whole) == whole


def test_anything_can_be_shown() -> None:
    assert foreign_words(None) == "None"
    assert foreign_words({"a": 1}) == "{'a': 1}"
