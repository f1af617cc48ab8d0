"""An existing private key and its certificate, as files hold them."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.keypair import Certificate, PrivateKey, UnusableKey, pem_of

_EXPECTED = "give an RSA key in PKCS#8 or PKCS#1 PEM, or the base64 of that, with or without a passphrase"


def is_encrypted(text: str) -> bool:
    """Whether a key can't be read without a passphrase. Raises InvalidSecret for what is no PEM."""
    return b"ENCRYPTED" in _pem(text)


def unlocked(text: str, passphrase: str) -> str:
    """The PEM of an encrypted key without its encryption. Raises InvalidSecret where the passphrase isn't the key's."""
    key = _decrypted(_pem(text), passphrase)
    if key is None:
        raise InvalidSecret("the passphrase doesn't open the private key", remedy="correct it; nothing was written")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def private_key_in(text: str) -> PrivateKey:
    """The key of a text that isn't encrypted, its numbers checked. Raises InvalidSecret."""
    try:
        return PrivateKey.parse(text, checked=True)
    except UnusableKey as error:
        raise InvalidSecret(f"the private key can't be used, {error}", remedy=_EXPECTED) from error


def pem_in(key: PrivateKey) -> str:
    """The key as the document holds it."""
    return key.rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def certificate_of(text: str, key: PrivateKey) -> Certificate:
    """The certificate of a file, which must be the key's. Raises InvalidSecret."""
    try:
        certificate = Certificate.parse(text)
    except UnusableKey as error:
        raise InvalidSecret(f"the certificate can't be used, {error}", remedy="give it as PEM, or as base64") from error
    if certificate.key_fingerprint != key.key_fingerprint():
        raise InvalidSecret(
            "the certificate isn't the one to the private key", remedy="give the two files that were made together"
        )
    return certificate


def _pem(text: str) -> bytes:
    try:
        return pem_of(text)
    except UnusableKey as error:
        raise InvalidSecret(f"the private key can't be used, {error}", remedy=_EXPECTED) from error


def _decrypted(pem: bytes, passphrase: str) -> PrivateKeyTypes | None:
    """None where it can't be read; what the parser says of it may quote it, so nothing of that goes on."""
    try:
        return serialization.load_pem_private_key(pem, password=passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
