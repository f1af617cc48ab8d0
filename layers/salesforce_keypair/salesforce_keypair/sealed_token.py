"""A token sealed into a row of the shared table, and back: only together with what the row and the secret say of it."""

import json
from dataclasses import replace
from typing import Any

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.json_text import parse_json
from salesforce_keypair.sealing import NotSealed, seal, unseal
from salesforce_keypair.token_cache import Token
from salesforce_keypair.token_table import Row

_MEMBERS: dict[str, type | tuple[type, ...]] = {
    "access_token": str,
    "token_type": str,
    "org_id": str,
    "min_ttl": (int, float),
    "forced_at": (int, float),
}


def sealed(key: VersionedKey, token: Token) -> Row:
    """The row of a token. Its times are in whole seconds, which only shortens its life."""
    row = Row(
        key_version=key.version_id,
        instance_url=token.instance_url,
        issued_at=int(token.issued_at),
        expires_at=int(token.expires_at),
        sealed=b"",
    )
    content = {
        "access_token": token.value,
        "token_type": token.token_type,
        "org_id": token.org_id,
        "min_ttl": token.min_ttl,
        "forced_at": token.forced_at,
    }
    return replace(row, sealed=seal(key.private_key, json.dumps(content).encode(), context=_context(key, row)))


def unsealed(key: VersionedKey, row: Row) -> Token | None:
    """The token of a row; none where the row isn't, to the last member, as a holder of the key wrote it."""
    try:
        content = parse_json(unseal(key.private_key, row.sealed, context=_context(key, row)))
    except (NotSealed, ValueError):
        return None
    if not _is_ours(content):
        return None
    return Token(
        value=content["access_token"],
        token_type=content["token_type"],
        instance_url=row.instance_url,
        org_id=content["org_id"],
        username=key.credential.username,
        key_version=row.key_version,
        issued_at=float(row.issued_at),
        expires_at=float(row.expires_at),
        min_ttl=content["min_ttl"],
        forced_at=content["forced_at"],
    )


def _is_ours(content: Any) -> bool:
    """Whether this version of the program can take what was sealed for a token; one sealed by another may differ."""
    return (
        isinstance(content, dict)
        and all(isinstance(content.get(name), each) for name, each in _MEMBERS.items())
        and content["access_token"].isascii()
    )


def _context(key: VersionedKey, row: Row) -> list[str | int]:
    """What the sealed token is bound to: the secret's side from the secret, the row's side from the row."""
    return [
        key.secret_arn,
        row.key_version,
        key.credential.consumer_key,
        key.credential.username,
        row.instance_url,
        row.issued_at,
        row.expires_at,
    ]
