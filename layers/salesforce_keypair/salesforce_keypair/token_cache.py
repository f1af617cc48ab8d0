"""Tokens already paid for."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

# google-auth's figure: a token is renewed this long before its end, so that a caller can hold it for its own work.
REFRESH_EARLY_SECONDS = 225.0


class TokenState(StrEnum):
    """How a token may be used."""

    FRESH = "fresh"
    """Served."""
    STALE = "stale"
    """A new one is fetched; served if that fails."""
    DEAD = "dead"
    """Never served."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and how long it may be served. Times are epoch seconds of our own clock."""

    value: str = field(repr=False)
    token_type: str
    instance_url: str
    org_id: str
    username: str
    key_version: str
    issued_at: float
    expires_at: float

    def state(self, now: float, *, min_ttl: float) -> TokenState:
        """How it may be used by a caller who needs it for `min_ttl` seconds."""
        if now >= self.expires_at:
            return TokenState.DEAD
        if self.expires_at - now < max(min_ttl, REFRESH_EARLY_SECONDS):
            return TokenState.STALE
        return TokenState.FRESH

    def first_seen(self, known: "Token") -> "Token":
        """This token with the times of `known`, which is the same one got by an earlier login.

        Whether a second login returns the same session isn't documented. If it does, the session isn't younger for it,
        unless it outlived what was counted for it: then the count was wrong and starts again.
        """
        if self.issued_at >= known.expires_at:
            return self
        return replace(self, issued_at=known.issued_at, expires_at=known.expires_at)


class MemoryCache:
    """One token a secret, for as long as the execution environment lives."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def get(self, secret_id: str) -> Token | None:
        """The last token of a secret, whatever its state."""
        return self._tokens.get(secret_id)

    def put(self, secret_id: str, token: Token) -> None:
        """Keep a token in place of the last one."""
        self._tokens[secret_id] = token
