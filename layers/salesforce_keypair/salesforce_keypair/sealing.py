"""Sealing what leaves the process with the key pair that it belongs to, so that who holds the key alone can open it.

AES-256-GCM under a key that HKDF-SHA256 (RFC 5869) derives from the PKCS#8 DER of the private key. What is sealed is
bound to a context: the same bytes in another place don't open.
"""

import json
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from salesforce_keypair.keypair import PrivateKey

# Another use of the same key pair must never arrive at the same key.
_INFO = b"salesforce-keypair shared access token v1"
_KEY_BYTES = 32
# NIST SP 800-38D: 96 bits, and random ones for at most 2**32 messages a key. One is sealed in a token's life.
_NONCE_BYTES = 12


class NotSealed(Exception):
    """It wasn't sealed with this key in this context, or was changed since."""


def seal(key: PrivateKey, content: bytes, *, context: Sequence[str | int]) -> bytes:
    """The content as only holders of the key can read it, and only together with its context."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_derived(key)).encrypt(nonce, content, _bound(context))


def unseal(key: PrivateKey, sealed: bytes, *, context: Sequence[str | int]) -> bytes:
    """What was sealed. Raises NotSealed."""
    try:
        return AESGCM(_derived(key)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(context))
    except (InvalidTag, ValueError) as error:
        raise NotSealed from error


def _derived(key: PrivateKey) -> bytes:
    material = key.rsa_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=_INFO).derive(material)


def _bound(context: Sequence[str | int]) -> bytes:
    # JSON, because joined with any separator two contexts could read the same.
    return json.dumps(list(context), separators=(",", ":")).encode()
