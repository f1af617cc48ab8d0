"""A token in a row is believed only as a holder of the key wrote it, and for what the row and the secret say of it."""

import base64
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.sealed_token import sealed, unsealed
from salesforce_keypair.sealing import seal
from salesforce_keypair.token_table import Row
from tests.unit.sharing import NOW, a_token, version
from tests.unit.support import FakeClock

TOKEN = a_token(FakeClock(), min_ttl=60.0, forced_at=float(NOW))


@pytest.fixture
def key() -> VersionedKey:
    return version()


@pytest.fixture
def row(key: VersionedKey) -> Row:
    return sealed(key, TOKEN)


def test_a_token_comes_back_to_the_last_member(key: VersionedKey, row: Row) -> None:
    assert unsealed(key, row) == TOKEN


def test_the_row_says_in_clear_what_is_needed_to_open_it_and_no_more(row: Row) -> None:
    told = asdict(row)
    assert told.pop("sealed") == row.sealed
    assert told == {
        "key_version": "v1",
        "instance_url": TOKEN.instance_url,
        "issued_at": 1_800_000_000,
        "expires_at": 1_800_000_900,
    }


def test_the_token_shows_nowhere_in_the_row(row: Row) -> None:
    text = TOKEN.value.partition("!")[2]
    value = text.encode()
    forms = [value, base64.b64encode(value), value.hex().encode(), text.encode("utf-16-le")]
    stored = row.sealed + repr(row).encode() + repr(asdict(row)).encode()

    assert not any(form[start : start + 8] in stored for form in forms for start in range(len(form) - 7))


def test_whole_seconds_only_shorten_a_life(key: VersionedKey) -> None:
    back = unsealed(key, sealed(key, replace(TOKEN, issued_at=1000.9, expires_at=1900.9)))

    assert back is not None
    assert (back.issued_at, back.expires_at) == (1000.0, 1900.0)


def test_two_rows_of_one_token_share_no_sealed_bytes(key: VersionedKey, row: Row) -> None:
    again = sealed(key, TOKEN)

    assert row.sealed[:12] != again.sealed[:12]
    assert row.sealed[12:] != again.sealed[12:]


CHANGES: dict[str, Callable[[Row], Row]] = {
    "version": lambda row: replace(row, key_version="v2"),
    "no version": lambda row: replace(row, key_version=""),
    "another host": lambda row: replace(row, instance_url="https://evil.my.salesforce.com"),
    "one more slash": lambda row: replace(row, instance_url=row.instance_url + "/"),
    "issued earlier": lambda row: replace(row, issued_at=row.issued_at - 1),
    "issued later": lambda row: replace(row, issued_at=row.issued_at + 1),
    "lives longer": lambda row: replace(row, expires_at=row.expires_at + 1),
    "lives shorter": lambda row: replace(row, expires_at=row.expires_at - 1),
    "times swapped": lambda row: replace(row, issued_at=row.expires_at, expires_at=row.issued_at),
    "nothing sealed": lambda row: replace(row, sealed=b""),
    "cut": lambda row: replace(row, sealed=row.sealed[:-1]),
    "longer": lambda row: replace(row, sealed=row.sealed + b"\0"),
    "flipped": lambda row: replace(row, sealed=row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])),
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_a_row_with_a_changed_member_is_not_believed(
    key: VersionedKey, row: Row, changed: Callable[[Row], Row]
) -> None:
    assert unsealed(key, changed(row)) is None


# The same key pair but for the first: elsewhere, or for somebody else.
OTHERS: dict[str, Callable[[], VersionedKey]] = {
    "another key": lambda: version("second"),
    "another secret": lambda: version(secret_id="another"),
    "another user": lambda: version(username="other@example.com"),
    "another app": lambda: version(consumerKey="3MVG9other"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_row_is_not_believed_with(other: Callable[[], VersionedKey], row: Row) -> None:
    assert unsealed(other(), row) is None


def test_what_the_row_is_not_bound_to_may_change(row: Row) -> None:
    """As when a document was edited in a member that no login depends on."""
    assert unsealed(version(appName="Renamed", certificateValidityDays=30), row) == TOKEN


CONTENT: dict[str, Any] = {
    "access_token": TOKEN.value,
    "token_type": "Bearer",
    "org_id": TOKEN.org_id,
    "min_ttl": 60.0,
    "forced_at": float(NOW),
}
Change = Callable[[dict[str, Any]], object]
STRANGE: dict[str, Change] = {
    "a list": lambda _: [],
    "a number": lambda _: 7,
    "nothing": lambda _: None,
    "no token": lambda content: {name: value for name, value in content.items() if name != "access_token"},
    "no min_ttl": lambda content: {name: value for name, value in content.items() if name != "min_ttl"},
    "a token that is no text": lambda content: content | {"access_token": 7},
    "a type that is no text": lambda content: content | {"token_type": None},
    "an org that is no text": lambda content: content | {"org_id": ["00D"]},
    "a min_ttl that is no number": lambda content: content | {"min_ttl": "60"},
    "a min_ttl that is nothing": lambda content: content | {"min_ttl": None},
    "a forced_at that is no number": lambda content: content | {"forced_at": "no"},
}


def sealed_anew(key: VersionedKey, row: Row, content: bytes) -> Row:
    """A row that a holder of the key made of anything, bound as the design says."""
    credential = key.credential
    who: list[str | int] = [key.secret_arn, row.key_version, credential.consumer_key, credential.username]
    context = [*who, row.instance_url, row.issued_at, row.expires_at]
    return replace(row, sealed=seal(key.private_key, content, context=context))


@pytest.mark.parametrize("content", [CONTENT, CONTENT | {"new": [1]}, CONTENT | {"min_ttl": 60}], ids=str)
def test_what_is_sealed_is_bound_to_the_secret_and_the_row_in_the_order_of_the_design(
    key: VersionedKey, row: Row, content: object
) -> None:
    assert unsealed(key, sealed_anew(key, row, json.dumps(content).encode())) == TOKEN


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
def test_what_another_version_of_the_program_sealed_is_no_token(key: VersionedKey, row: Row, strange: Change) -> None:
    assert unsealed(key, sealed_anew(key, row, json.dumps(strange(CONTENT)).encode())) is None


NO_JSON = {"nothing": b"", "no text": b"\xff\xfe", "half": b"{", "deep": b"[" * 100_000, "NaN": b'{"min_ttl": NaN}'}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON.keys())
def test_what_is_sealed_and_no_json_is_no_token(key: VersionedKey, row: Row, content: bytes) -> None:
    assert unsealed(key, sealed_anew(key, row, content)) is None
