"""Key pairs that all rotations of a test run share: nine tenths of the time would go into making and checking them."""

from functools import cache
from itertools import cycle

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from salesforce_keypair import keypair

# More than the rotations of one stage ever ask for.
_next_key = cycle(range(8))
_made = cache(lambda number: rsa.generate_private_key(public_exponent=65537, key_size=2048))
_loaded_once = cache(serialization.load_pem_private_key)


def share_keys(patch: pytest.MonkeyPatch) -> None:
    """Hand a few keys out by turns, and load each text once."""
    patch.setattr(keypair, "rsa", _QuickRsa)
    patch.setattr(serialization, "load_pem_private_key", _loaded_once)


class _QuickRsa:
    """The part of cryptography's module that makes keys."""

    RSAPrivateKey = rsa.RSAPrivateKey
    RSAPublicKey = rsa.RSAPublicKey

    @staticmethod
    def generate_private_key(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        if key_size != 2048:
            return rsa.generate_private_key(public_exponent=public_exponent, key_size=key_size)
        return _made(next(_next_key))
