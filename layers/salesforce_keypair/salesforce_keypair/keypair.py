"""RSA keys and their certificates: make, load, tell apart."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

MIN_BITS = 2048
# Salesforce takes no larger file as an app's certificate.
MAX_CERTIFICATE_BYTES = 4096

# RFC 7468, section 5.2: a text that explains may stand before it, as openssl pkcs12 writes one.
_BEGIN = "-----BEGIN "
_PUBLIC_EXPONENT = 65537
_MAX_COMMON_NAME = 64
# A certificate made a moment ago isn't valid yet on a machine whose clock is a little behind.
_BACKDATING = timedelta(hours=1)


class KeyAlgorithm(StrEnum):
    """The key pairs that Salesforce takes for the JWT bearer flow: RSA only, and no fewer than 2048 bits."""

    RSA_2048 = "RSA_2048"
    RSA_3072 = "RSA_3072"
    RSA_4096 = "RSA_4096"

    @property
    def bits(self) -> int:
        """Length of the modulus."""
        return int(self.value.removeprefix("RSA_"))


class UnusableKey(ValueError):
    """A key or certificate can't be used; the text says why and never quotes it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """An X.509 certificate with an RSA key. Fingerprints are SHA-256 in hex, of the DER and of the public key."""

    pem: str = field(repr=False)
    fingerprint: str
    key_fingerprint: str
    not_before: datetime
    not_after: datetime

    @classmethod
    def parse(cls, text: str) -> "Certificate":
        """Read PEM, or the base64 of DER or PEM: the forms that Salesforce answers in. Raises UnusableKey."""
        certificate = _load_certificate(text)
        try:
            return cls._of(certificate)
        except UnusableKey:
            raise
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UnusableKey("it holds a key or dates that can't be read, and Salesforce takes RSA only") from error

    @classmethod
    def _of(cls, certificate: x509.Certificate) -> "Certificate":
        public_key = certificate.public_key()
        if not isinstance(public_key, rsa.RSAPublicKey):
            raise UnusableKey("it isn't for an RSA key, and Salesforce takes RSA only")
        if public_key.key_size < MIN_BITS:
            raise UnusableKey(f"its key has {public_key.key_size} bits, and Salesforce takes {MIN_BITS} or more")
        return cls(
            pem=certificate.public_bytes(Encoding.PEM).decode(),
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
            key_fingerprint=_key_fingerprint(public_key),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )

    @property
    def made_at(self) -> datetime:
        """When it was made: those from here are backdated by an hour, and so are those from AWS Private CA."""
        return self.not_before + _BACKDATING

    def same_key(self, other: "Certificate | None") -> bool:
        """Whether both are for one key pair, which is all that a login depends on."""
        return other is not None and self.key_fingerprint == other.key_fingerprint


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An RSA private key, ready to sign with."""

    rsa_key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def parse(cls, text: str, *, checked: bool) -> "PrivateKey":
        """Read PKCS#8 or PKCS#1 PEM, or the base64 of either. Raises UnusableKey.

        `checked` also tests the numbers for being a key, which costs a hundred signatures: worth it once, when a key
        comes into the secret, and not at each start of a function that only signs with it.
        """
        pem = pem_of(text)
        if b"ENCRYPTED" in pem:
            raise UnusableKey("it is an encrypted PEM, whose passphrase nothing here knows; decrypt it first")
        key = _load_private_key(pem, checked=checked)
        if key is None:
            raise UnusableKey("it isn't a private key in PKCS#8 or PKCS#1 PEM, or the base64 of that")
        if not isinstance(key, rsa.RSAPrivateKey):
            raise UnusableKey("it isn't an RSA key, and Salesforce takes RSA only")
        if key.key_size < MIN_BITS:
            raise UnusableKey(f"it has {key.key_size} bits, and Salesforce takes {MIN_BITS} or more")
        return cls(key)

    def key_fingerprint(self) -> str:
        """SHA-256 of the public key in hex, comparable to a certificate's."""
        return _key_fingerprint(self.rsa_key.public_key())


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new private key as PKCS#8 PEM, and the certificate to it."""

    private_key_pem: str = field(repr=False)
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """What an authority needs to certify a key: the CSR as PEM, and how many days the certificate shall be valid."""

    pem: str
    key_fingerprint: str
    validity_days: int


Sign = Callable[[SigningRequest], Certificate]
"""What certifies a key in place of the key itself. Raises what `errors` has for it."""


def make_key_pair(
    algorithm: KeyAlgorithm, *, common_name: str, validity_days: int, now: float, sign: Sign | None = None
) -> KeyPair:
    """A fresh key with a certificate by `sign`, or self-signed, valid for so many days from `now`, epoch seconds."""
    key = rsa.generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=algorithm.bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_MAX_COMMON_NAME])])
    if sign is None:
        certificate = _self_signed(key, name, validity_days, now)
    else:
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        certificate = sign(
            SigningRequest(
                pem=request.public_bytes(Encoding.PEM).decode(),
                key_fingerprint=_key_fingerprint(key.public_key()),
                validity_days=validity_days,
            )
        )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return KeyPair(private_key_pem=pem, certificate=certificate)


def _self_signed(key: rsa.RSAPrivateKey, name: x509.Name, validity_days: int, now: float) -> Certificate:
    moment = datetime.fromtimestamp(now, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _BACKDATING)
        .not_valid_after(moment + timedelta(days=validity_days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Certificate._of(certificate)


def _key_fingerprint(public_key: rsa.RSAPublicKey) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def pem_of(text: str) -> bytes:
    """The PEM that a text holds or is the base64 of; what stands before it is no part of it. Raises UnusableKey."""
    start = text.find(_BEGIN)
    if start >= 0:
        # Secrets that went through a form or a shell variable come back with their line ends spelt out.
        return text[start:].replace("\\n", "\n").encode(errors="replace")
    decoded = _base64(text)
    start = decoded.find(_BEGIN.encode())
    if start < 0:
        raise UnusableKey("it is neither PEM nor the base64 of PEM")
    return decoded[start:]


def _load_private_key(pem: bytes, *, checked: bool) -> object | None:
    """The key in a PEM, whatever its kind; none where it can't be read.

    What the parser says of a PEM whose marks are nearly right quotes all that stands between them, so nothing of it
    goes on, not as a cause either.
    """
    try:
        return serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=not checked)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _load_certificate(text: str) -> x509.Certificate:
    content = pem_of(text) if _BEGIN in text else _base64(text)
    if not content:
        raise UnusableKey("it is neither PEM nor base64")
    certificate = _x509(content)
    if certificate is None:
        raise UnusableKey("it isn't an X.509 certificate")
    return certificate


def _x509(content: bytes) -> x509.Certificate | None:
    """The certificate in PEM or DER, if it is one; without the parser's words, for a key may stand in its place."""
    is_pem = _BEGIN.encode() in content
    try:
        return x509.load_pem_x509_certificate(content) if is_pem else x509.load_der_x509_certificate(content)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None


def _base64(text: str) -> bytes:
    """What a text is the base64 of; empty where it is none."""
    try:
        return base64.b64decode(re.sub(r"\s+", "", text), validate=True)
    except (binascii.Error, ValueError):
        return b""
