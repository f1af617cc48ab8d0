"""A caller's request for a token, as the vendor's event has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from salesforce_keypair.errors import InvalidRequest
from salesforce_keypair.redaction import foreign_words

DEFAULT_MIN_TTL_SECONDS = 60

_MEMBERS = frozenset({"secret_id", "min_ttl_seconds", "force_refresh"})
_KNOWN = f"only {', '.join(sorted(_MEMBERS))} are known"


@dataclass(frozen=True, slots=True)
class VendRequest:
    """What a caller asks for."""

    secret_id: str
    min_ttl: float
    force_refresh: bool

    @classmethod
    def parse(cls, event: object, *, secret_ids: tuple[str, ...], token_lifetime: float) -> "VendRequest":
        """Read a request; `secret_ids` are those served, the first being meant by default. Raises InvalidRequest."""
        if not isinstance(event, Mapping):
            raise InvalidRequest("the request isn't an object", remedy="send a JSON object; {} is one")
        unknown = sorted(str(name) for name in event if name not in _MEMBERS)
        if unknown:
            shown = foreign_words(", ".join(unknown))
            raise InvalidRequest(f"the request has unknown members ({shown})", remedy=_KNOWN)
        secret_id = event.get("secret_id", secret_ids[0])
        if not isinstance(secret_id, str) or secret_id not in secret_ids:
            raise InvalidRequest(
                "secret_id isn't one that this vendor serves", remedy="use a name or ARN as listed in SECRET_ID"
            )
        force_refresh = event.get("force_refresh", False)
        if not isinstance(force_refresh, bool):
            raise InvalidRequest("force_refresh must be true or false", remedy="correct it or leave it out")
        return cls(secret_id=secret_id, min_ttl=_min_ttl(event, token_lifetime), force_refresh=force_refresh)


def _min_ttl(event: Mapping[Any, Any], token_lifetime: float) -> float:
    value = event.get("min_ttl_seconds", min(DEFAULT_MIN_TTL_SECONDS, token_lifetime))
    # Compared before anything else is done with it: an integer may be too large to be a float, a float no number.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise InvalidRequest("min_ttl_seconds must be a number of seconds", remedy="correct it or leave it out")
    if value > token_lifetime:
        raise InvalidRequest(
            "min_ttl_seconds is longer than a token lives", remedy=f"ask for {token_lifetime:g} seconds at most"
        )
    return float(value)
