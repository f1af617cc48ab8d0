"""The JWT of a bearer login, taken apart and verified without any JWT library's leniency."""

import base64
import binascii
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.sandbox.org.certificates import Certificate


class MalformedAssertionError(Exception):
    """Not three base64url parts with a JSON header and JSON claims."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """Header and claims as sent, believed only after `is_signed_by`."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Assertion":
        """Raises MalformedAssertionError."""
        parts = text.split(".")
        try:
            header_part, claims_part, signature_part = parts
            header = json.loads(_decode(header_part))
            claims = json.loads(_decode(claims_part))
            signature = _decode(signature_part)
        except (ValueError, binascii.Error) as error:
            raise MalformedAssertionError from error
        if not isinstance(header, dict) or not isinstance(claims, dict):
            raise MalformedAssertionError
        return cls(header, claims, f"{header_part}.{claims_part}".encode(), signature)

    def is_signed_by(self, certificates: Iterable[Certificate]) -> bool:
        """Whether one of the certificates' keys made this RS256 signature. A certificate's expiry isn't looked at."""
        return self.header.get("alg") == "RS256" and any(self._verifies(certificate) for certificate in certificates)

    def text(self, claim: str) -> str:
        """A claim that should be a string; empty when it isn't one."""
        value = self.claims.get(claim)
        return value if isinstance(value, str) else ""

    @property
    def audiences(self) -> tuple[str, ...]:
        value = self.claims.get("aud")
        return tuple(str(item) for item in value) if isinstance(value, list) else (self.text("aud"),)

    @property
    def expires_at(self) -> float | None:
        """`exp`, which may be a number or a numeric string; None when it is neither."""
        value = self.claims.get("exp")
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            expiry = float(value)
        except (ValueError, OverflowError):
            return None
        return expiry if math.isfinite(expiry) else None

    def _verifies(self, certificate: Certificate) -> bool:
        try:
            certificate.public_key.verify(self.signature, self.signing_input, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


def _decode(part: str) -> bytes:
    return base64.b64decode(part.encode() + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
