"""A refusal sealed into a row of the shared table, and back: one refused login is told to all, as one token is.

Sealed, because who can write to the table must not be able to make up one that keeps callers from their tokens; and
bound to the version of the secret that was refused, because a corrected document deserves a login of its own.
"""

import json
from dataclasses import asdict
from typing import Any

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.json_text import parse_json
from salesforce_keypair.sealing import NotSealed, seal, unseal
from salesforce_keypair.standing_back import Refusal

_NUMBER = (int, float)
_MEMBERS: dict[str, type | tuple[type, ...]] = {
    "code": str,
    "what": str,
    "remedy": str,
    "retryable": bool,
    "until": _NUMBER,
    "settling_since": (*_NUMBER, type(None)),
}


def sealed_refusal(key: VersionedKey, refusal: Refusal) -> bytes:
    """What is put into the row of the key's secret."""
    return seal(key.private_key, json.dumps(asdict(refusal)).encode(), context=_context(key))


def unsealed_refusal(key: VersionedKey, sealed: bytes) -> Refusal | None:
    """The refusal; none where it wasn't sealed with this key."""
    try:
        content = parse_json(unseal(key.private_key, sealed, context=_context(key)))
    except (NotSealed, ValueError):
        return None
    return Refusal(**content) if _is_ours(content) else None


def _is_ours(content: Any) -> bool:
    """Whether this version of the program can take what was sealed for a refusal; one sealed by another may differ."""
    return (
        isinstance(content, dict)
        and content.keys() == _MEMBERS.keys()
        and all(isinstance(content[name], each) for name, each in _MEMBERS.items())
    )


def _context(key: VersionedKey) -> list[str | int]:
    return ["refusal", key.secret_arn, key.version_id]
