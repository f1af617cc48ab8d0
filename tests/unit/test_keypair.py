"""Keys and certificates in every form that people and Salesforce write them in."""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from salesforce_keypair.keypair import Certificate, KeyAlgorithm, PrivateKey, UnusableKey, make_key_pair
from tests.integration.org_client import certificate_of, key_pair
from tests.unit.support import mangled_pem, private_pem

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


def base64_of(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def folded(text: str) -> str:
    return "\n".join(text[start : start + 64] for start in range(0, len(text), 64)) + "\n"


# What openssl pkcs12 writes before each PEM, and Salesforce gives key pairs away as a keystore.
ATTRIBUTES = "Bag Attributes\n    friendlyName: billing\nKey Attributes: <No Attributes>\n"

PRIVATE_FORMS: dict[str, Callable[[], str]] = {
    "PKCS#8": lambda: private_pem(key_pair().key),
    "PKCS#1": lambda: private_pem(key_pair().key, PrivateFormat.TraditionalOpenSSL),
    "base64 of PKCS#8": lambda: base64_of(private_pem(key_pair().key)),
    "base64 of PKCS#1": lambda: base64_of(private_pem(key_pair().key, PrivateFormat.TraditionalOpenSSL)),
    "base64 in lines": lambda: folded(base64_of(private_pem(key_pair().key))),
    "line ends spelt out": lambda: private_pem(key_pair().key).replace("\n", "\\n"),
    "line ends of Windows": lambda: private_pem(key_pair().key).replace("\n", "\r\n"),
    "spaces around": lambda: "\n  " + private_pem(key_pair().key) + "  \n",
    "base64 of PKCS#8 with lines around": lambda: base64_of("\n" + private_pem(key_pair().key) + "\n"),
    "attributes before": lambda: ATTRIBUTES + private_pem(key_pair().key),
    "base64 of attributes and PEM": lambda: base64_of(ATTRIBUTES + private_pem(key_pair().key)),
    "base64 of key and certificate": lambda: base64_of(key_pair().private_pem + key_pair().pem),
}

CERTIFICATE_FORMS: dict[str, Callable[[], str]] = {
    "PEM": lambda: key_pair().pem,
    "base64 of DER": lambda: base64_of(key_pair().der),
    "base64 of DER in lines": lambda: folded(base64_of(key_pair().der)),
    "base64 of PEM": lambda: base64_of(key_pair().pem),
    "base64 of PEM with lines around": lambda: base64_of("\n" + key_pair().pem + "\n"),
    "line ends spelt out": lambda: key_pair().pem.replace("\n", "\\n"),
    "spaces around": lambda: " \n" + key_pair().pem + "\n ",
    "attributes before": lambda: ATTRIBUTES + key_pair().pem,
    "base64 of attributes and PEM": lambda: base64_of(ATTRIBUTES + key_pair().pem),
}


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("form", PRIVATE_FORMS)
def test_a_private_key_is_read_in_every_form_that_people_store(form: str, checked: bool) -> None:
    key = PrivateKey.parse(PRIVATE_FORMS[form](), checked=checked)

    assert key.rsa_key.private_numbers() == key_pair().key.private_numbers()
    assert "key" not in repr(key).lower().replace("privatekey", "")


@pytest.mark.parametrize("form", CERTIFICATE_FORMS)
def test_a_certificate_is_read_in_every_form_that_salesforce_answers_in(form: str) -> None:
    certificate = Certificate.parse(CERTIFICATE_FORMS[form]())

    assert certificate.fingerprint == key_pair().fingerprint
    assert certificate.pem == key_pair().pem
    assert certificate.not_after == key_pair().certificate.not_valid_after_utc
    assert "BEGIN" not in repr(certificate)


def test_fingerprints_of_key_and_certificate_can_be_compared() -> None:
    spki = key_pair().key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    expected = hashlib.sha256(spki).hexdigest()
    assert PrivateKey.parse(private_pem(key_pair().key), checked=True).key_fingerprint() == expected
    assert Certificate.parse(key_pair().pem).key_fingerprint == expected


def test_a_renewed_certificate_is_of_the_same_key() -> None:
    first, other = Certificate.parse(key_pair().pem), Certificate.parse(key_pair("second").pem)
    renewed = Certificate.parse(certificate_of(key_pair().key, "renewed").public_bytes(Encoding.PEM).decode())

    assert renewed.fingerprint != first.fingerprint
    assert renewed.same_key(first)
    assert not other.same_key(first)
    assert not first.same_key(None)


def encrypted(form: PrivateFormat) -> str:
    return key_pair().key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"hunter2")).decode()


def other_key_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def short_key() -> rsa.RSAPrivateKey:
    return key_pair("short", bits=1024).key


def mangled_key() -> str:
    """A key whose private exponent isn't the one to its modulus."""
    return mangled_pem(d=key_pair().key.private_numbers().d - 2)


UNUSABLE_KEYS: dict[str, tuple[Callable[[], str], str]] = {
    "encrypted PKCS#8": (lambda: encrypted(PrivateFormat.PKCS8), "encrypted PEM"),
    "encrypted PKCS#1": (lambda: encrypted(PrivateFormat.TraditionalOpenSSL), "encrypted PEM"),
    "base64 of encrypted": (lambda: base64_of(encrypted(PrivateFormat.PKCS8)), "encrypted PEM"),
    "elliptic curve": (lambda: other_key_pem(ec.generate_private_key(ec.SECP256R1())), "RSA only"),
    "Ed25519": (lambda: other_key_pem(ed25519.Ed25519PrivateKey.generate()), "RSA only"),
    "1024 bits": (lambda: private_pem(short_key()), "it has 1024 bits"),
    "certificate": (lambda: key_pair().pem, "isn't a private key"),
    "half a PEM": (lambda: private_pem(key_pair().key)[:400], "isn't a private key"),
    "wrong numbers": (mangled_key, "isn't a private key"),
    "garbage": (lambda: "garbage", "neither PEM nor the base64 of PEM"),
    "more than base64": (lambda: "*" + base64_of(private_pem(key_pair().key)), "neither PEM nor the base64 of PEM"),
    "empty": (lambda: "", "neither PEM nor the base64 of PEM"),
    "base64 of garbage": (lambda: base64_of("garbage"), "neither PEM nor the base64 of PEM"),
    "unicode": (lambda: "ключ", "neither PEM nor the base64 of PEM"),
    "lone surrogate in PEM": (lambda: "-----BEGIN PRIVATE KEY-----\n\ud800", "isn't a private key"),
}


@pytest.mark.parametrize("case", UNUSABLE_KEYS)
def test_a_private_key_that_cannot_be_used_says_why_and_is_not_quoted(case: str) -> None:
    make, reason = UNUSABLE_KEYS[case]
    text = make()
    with pytest.raises(UnusableKey, match=reason) as caught:
        PrivateKey.parse(text, checked=True)
    assert len(text) < 8 or text[-100:] not in str(caught.value)


@pytest.mark.parametrize("read", [Certificate.parse, lambda text: PrivateKey.parse(text, checked=False)])
@pytest.mark.parametrize("broken", ["-----\n", "-----END", "PRIVATE KEY-----\n-----BEGIN"])
def test_a_pem_whose_marks_are_nearly_right_is_not_quoted_by_what_the_error_came_from(
    read: Callable[[str], object], broken: str
) -> None:
    pair = key_pair()
    text = (pair.private_pem + pair.pem).replace(broken, broken[1:], 1)

    with pytest.raises(UnusableKey) as refused:
        read(text)

    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None, "the parser quotes what stands between the marks"


def test_the_numbers_of_a_key_that_was_checked_before_are_not_checked_again() -> None:
    assert PrivateKey.parse(mangled_key(), checked=False).rsa_key.key_size == 2048


def unknown_algorithm() -> str:
    """A certificate for a key of an algorithm that nothing here knows, as one of a later time may be."""
    rsa_encryption, unknown = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f")
    return base64_of(key_pair().der.replace(rsa_encryption, unknown))


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


UNUSABLE_CERTIFICATES: dict[str, tuple[Callable[[], str], str]] = {
    "elliptic curve": (lambda: pem_of(certificate_of(ec.generate_private_key(ec.SECP256R1()))), "RSA only"),
    "algorithm unknown here": (unknown_algorithm, "RSA only"),
    "1024 bits": (lambda: pem_of(certificate_of(short_key())), "its key has 1024 bits"),
    "private key": (lambda: private_pem(key_pair().key), "isn't an X.509 certificate"),
    "base64 of garbage": (lambda: base64_of("garbage"), "isn't an X.509 certificate"),
    "half of DER": (lambda: base64_of(key_pair().der[:200]), "isn't an X.509 certificate"),
    "no base64": (lambda: "garb-age!", "neither PEM nor base64"),
    "unicode": (lambda: "сертификат", "neither PEM nor base64"),
}


@pytest.mark.parametrize("case", UNUSABLE_CERTIFICATES)
def test_a_certificate_that_cannot_be_used_says_why(case: str) -> None:
    make, reason = UNUSABLE_CERTIFICATES[case]
    with pytest.raises(UnusableKey, match=reason):
        Certificate.parse(make())


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_3072])
def test_a_new_pair_has_the_length_that_was_asked_for(algorithm: KeyAlgorithm) -> None:
    pair = make_key_pair(algorithm, common_name="Billing", validity_days=30, now=NOW.timestamp())
    key = PrivateKey.parse(pair.private_key_pem, checked=True)

    assert key.rsa_key.key_size == algorithm.bits == int(algorithm.removeprefix("RSA_"))
    assert key.rsa_key.public_key().public_numbers().e == 65537
    assert key.key_fingerprint() == pair.certificate.key_fingerprint
    assert pair.private_key_pem.startswith("-----BEGIN PRIVATE KEY-----\n")
    assert "PRIVATE" not in repr(pair)


@pytest.mark.usefixtures("far_from_greenwich")
def test_a_new_certificate_is_what_salesforce_takes() -> None:
    pair = make_key_pair(KeyAlgorithm.RSA_2048, common_name="B" * 80, validity_days=30, now=NOW.timestamp())
    certificate = x509.load_pem_x509_certificate(pair.certificate.pem.encode())

    certificate.verify_directly_issued_by(certificate)
    assert isinstance(certificate.signature_hash_algorithm, SHA256)
    assert certificate.subject.rfc4514_string() == "CN=" + "B" * 64
    assert certificate.not_valid_before_utc < NOW - timedelta(minutes=10)
    assert pair.certificate.made_at == NOW
    assert certificate.not_valid_after_utc == pair.certificate.not_after == NOW + timedelta(days=30)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    # A leaf, to whoever can read certificates at all.
    assert (constraints.value.ca, constraints.critical) == (False, True)
    assert len(pair.certificate.pem) < 4096
    assert "\r" not in pair.certificate.pem


def test_two_pairs_are_never_the_same() -> None:
    one, two = (
        make_key_pair(KeyAlgorithm.RSA_2048, common_name="Billing", validity_days=30, now=0.0) for _ in range(2)
    )

    assert one.certificate.key_fingerprint != two.certificate.key_fingerprint
