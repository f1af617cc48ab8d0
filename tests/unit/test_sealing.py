"""Only who holds the key reads what was sealed, only unchanged, and only in the place that it was sealed for."""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from salesforce_keypair.keypair import PrivateKey
from salesforce_keypair.sealing import NotSealed, seal, unseal
from tests.integration.org_client import key_pair
from tests.unit.support import private_pem

CONTEXT: tuple[str | int, ...] = ("arn", "v1", 1_800_000_000)
CONTENT = b'{"access_token": "00D!AQ"}'
# What AES-GCM adds: a nonce of 96 bits before, a tag of 128 bits after.
NONCE, TAG = 12, 16
INFO = b"salesforce-keypair shared access token v1"


def key(name: str = "first") -> PrivateKey:
    return PrivateKey(key_pair(name).key)


def hkdf_sha256(material: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 without a salt, by the letter."""
    pseudorandom = hmac.digest(b"\0" * hashlib.sha256().digest_size, material, "sha256")
    output, block = b"", b""
    for number in range(1, 256):
        block = hmac.digest(pseudorandom, block + info + bytes([number]), "sha256")
        output += block
        if len(output) >= length:
            break
    return output[:length]


def test_the_test_s_own_hkdf_is_rfc_5869_s() -> None:
    """Test case 3 of the RFC's appendix."""
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert hkdf_sha256(b"\x0b" * 22, b"", 42).hex() == expected


def by_hand() -> AESGCM:
    """The cipher, as anybody makes it who knows only the document and the design."""
    der = key_pair("first").key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return AESGCM(hkdf_sha256(der, INFO, 32))


def bound(context: tuple[str | int, ...]) -> bytes:
    return json.dumps(context, separators=(",", ":")).encode()


def test_what_is_sealed_is_read_by_who_knows_the_key_and_the_design() -> None:
    sealed = seal(key(), CONTENT, context=CONTEXT)

    assert by_hand().decrypt(sealed[:NONCE], sealed[NONCE:], bound(CONTEXT)) == CONTENT


def test_what_they_seal_is_read() -> None:
    nonce = b"\1" * NONCE
    sealed = nonce + by_hand().encrypt(nonce, CONTENT, bound(CONTEXT))

    assert unseal(key(), sealed, context=CONTEXT) == CONTENT


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_the_form_that_the_secret_has_the_key_in_makes_no_difference(form: PrivateFormat) -> None:
    other_form = PrivateKey.parse(private_pem(key_pair("first").key, form), checked=False)

    assert unseal(other_form, seal(key(), CONTENT, context=CONTEXT), context=CONTEXT) == CONTENT


@settings(deadline=None, derandomize=True, max_examples=50)
@given(content=st.binary(max_size=300), context=st.lists(st.text() | st.integers(), max_size=7))
def test_whatever_is_sealed_comes_back(content: bytes, context: list[str | int]) -> None:
    sealed = seal(key(), content, context=context)

    assert unseal(key(), sealed, context=context) == content
    assert len(sealed) == NONCE + len(content) + TAG


def test_no_two_seals_are_alike() -> None:
    seals = {seal(key(), CONTENT, context=CONTEXT) for _ in range(100)}

    assert len({sealed[:NONCE] for sealed in seals}) == 100
    assert len({sealed[NONCE:] for sealed in seals}) == 100


def test_nothing_of_the_content_shows() -> None:
    sealed = seal(key(), CONTENT * 20, context=CONTEXT)

    assert not any(CONTENT[start : start + 4] in sealed for start in range(len(CONTENT) - 3))


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(NotSealed):
        unseal(key("second"), seal(key(), CONTENT, context=CONTEXT), context=CONTEXT)


@pytest.mark.parametrize(
    "changed",
    [
        ("another", "v1", 1_800_000_000),
        ("arn", "v2", 1_800_000_000),
        ("arn", "v1", 1_800_000_001),
        ("arn", "v1", "1800000000"),
        ("arn", "v1"),
        ("arn", "v1", 1_800_000_000, ""),
        ("v1", "arn", 1_800_000_000),
        ("arnv", "1", 1_800_000_000),
        ("arn,v1", 1_800_000_000),
        ('arn","v1', 1_800_000_000),
        (),
    ],
)
def test_in_another_context_it_does_not_open(changed: tuple[str | int, ...]) -> None:
    with pytest.raises(NotSealed):
        unseal(key(), seal(key(), CONTENT, context=CONTEXT), context=changed)


def test_every_single_bit_counts() -> None:
    sealed = seal(key(), CONTENT, context=CONTEXT)

    for place in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(NotSealed):
            unseal(key(), bytes(flipped), context=CONTEXT)


def test_no_part_of_it_opens_nor_does_more_than_it() -> None:
    sealed = seal(key(), CONTENT, context=CONTEXT)

    cut = [sealed[:end] for end in range(len(sealed))] + [sealed[start:] for start in range(1, len(sealed))]
    for wrong in (*cut, sealed + b"\0", b"\0" + sealed, sealed + sealed, sealed[NONCE:] + sealed[:NONCE]):
        with pytest.raises(NotSealed):
            unseal(key(), wrong, context=CONTEXT)


def test_the_nonce_of_one_and_the_rest_of_another_do_not_open() -> None:
    one, other = (seal(key(), CONTENT, context=CONTEXT) for _ in range(2))

    with pytest.raises(NotSealed):
        unseal(key(), one[:NONCE] + other[NONCE:], context=CONTEXT)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(garbage=st.binary(max_size=200))
def test_garbage_is_told_apart_and_does_nothing_else(garbage: bytes) -> None:
    with pytest.raises(NotSealed):
        unseal(key(), garbage, context=CONTEXT)
