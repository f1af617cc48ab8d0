"""A token sealed into a row of the shared table, and back: only together with what the row and the secret say of it."""

import json
from dataclasses import replace

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.json_text import parse_json
from salesforce_keypair.sealing import NotSealed, seal, unseal
from salesforce_keypair.token_cache import Token
from salesforce_keypair.token_table import Row


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
        "forced": token.forced,
    }
    return replace(row, sealed=seal(key.private_key, json.dumps(content).encode(), context=_context(key, row)))


def unsealed(key: VersionedKey, row: Row) -> Token | None:
    """The token of a row; none where the row isn't, to the last member, as a holder of the key wrote it."""
    try:
        content = parse_json(unseal(key.private_key, row.sealed, context=_context(key, row)))
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
            forced=content["forced"],
        )
    except (NotSealed, ValueError, KeyError, TypeError):
        # Sealed, but not by this version of the program, is as good as not sealed.
        return None


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
