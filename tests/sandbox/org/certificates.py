"""The certificate an app holds: the forms it is sent and answered in, and what the org refuses."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from enum import Enum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

MAX_CERTIFICATE_BYTES = 4096
MIN_KEY_BITS = 2048


class CertificateEncoding(Enum):
    """How the org writes a certificate when a component is read; public tools report each of them."""

    PEM = "pem"
    DER_BASE64 = "der-base64"
    PEM_BASE64 = "pem-base64"
    ABSENT = "absent"


class CertificateRefusedError(Exception):
    """A sent certificate that Salesforce doesn't take; the text is the component failure's problem."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate the org has taken. Equal when the DER is."""

    der: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Certificate":
        """Read PEM, bare base64 of DER or base64 of PEM; raises CertificateRefusedError. Expiry isn't looked at."""
        if len(text.strip().encode()) > MAX_CERTIFICATE_BYTES:
            raise CertificateRefusedError("The certificate is too large: the maximum size is 4 KB")
        certificate = _load(text)
        try:
            key = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise CertificateRefusedError("The certificate's public key can't be read") from error
        if not isinstance(key, RSAPublicKey):
            raise CertificateRefusedError("The certificate must hold an RSA public key")
        if key.key_size < MIN_KEY_BITS:
            raise CertificateRefusedError(f"The certificate's RSA key must have at least {MIN_KEY_BITS} bits")
        return cls(certificate.public_bytes(Encoding.DER))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER, lower-case hex."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def public_key(self) -> RSAPublicKey:
        key = x509.load_der_x509_certificate(self.der).public_key()
        assert isinstance(key, RSAPublicKey)
        return key

    def written(self, encoding: CertificateEncoding) -> str | None:
        """The text of the component's `certificate` element; None where the org leaves it out."""
        pem = x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM)
        match encoding:
            case CertificateEncoding.PEM:
                return pem.decode()
            case CertificateEncoding.DER_BASE64:
                return base64.b64encode(self.der).decode()
            case CertificateEncoding.PEM_BASE64:
                return base64.b64encode(pem).decode()
            case CertificateEncoding.ABSENT:
                return None


def _load(text: str) -> x509.Certificate:
    data = text.strip().encode()
    try:
        if not data.startswith(b"-----BEGIN"):
            data = base64.b64decode(re.sub(rb"\s", b"", data), validate=True)
        if not data.startswith(b"-----BEGIN"):
            return x509.load_der_x509_certificate(data)
        certificates = x509.load_pem_x509_certificates(data)
    except (ValueError, binascii.Error) as error:
        raise CertificateRefusedError("The certificate is invalid: it can't be parsed") from error
    # Nobody documents a chain in this field, so a client that sends one must not pass here.
    if len(certificates) != 1:
        raise CertificateRefusedError("The certificate is invalid: exactly one is expected")
    return certificates[0]
