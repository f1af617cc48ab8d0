"""Tokens already paid for."""

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from salesforce_keypair.salesforce.session import Session, is_jwt
from salesforce_keypair.timing import CLOCKS_DIFFER_SECONDS

# google-auth's figure: a token is renewed this long before its end, so that a caller can hold it for its own work.
REFRESH_EARLY_SECONDS = 225.0
# A login that returned the token already known won't return another one a moment later, nor one that lives longer.
NO_GAIN_SECONDS = 30.0


class TokenState(StrEnum):
    """How a token may be used."""

    FRESH = "fresh"
    """Served."""
    STALE = "stale"
    """A new one is fetched; served if that fails."""
    DEAD = "dead"
    """Never served."""


@dataclass(frozen=True)
class Token:
    """An access token and how long it may be served. Times are epoch seconds of our own clock.

    It was fetched for a request of `min_ttl` seconds; `forced_at`, if its caller had seen the last one refused, is when
    that login began.
    """

    value: str = field(repr=False)
    token_type: str
    instance_url: str
    org_id: str
    username: str
    key_version: str
    issued_at: float
    expires_at: float
    min_ttl: float = 0.0
    forced_at: float = 0.0

    @classmethod
    def of_login(
        cls, session: Session, *, username: str, key_version: str, issued_at: float, lifetime: float
    ) -> "Token":
        """The token of a login; `lifetime` in seconds counts where the token doesn't say itself when it ends.

        `issued_at` is from before the login: what the life is counted from must not be later than its beginning.
        """
        return cls(
            value=session.access_token,
            token_type=session.token_type,
            instance_url=session.instance.url,
            org_id=session.org_id,
            username=username,
            key_version=key_version,
            issued_at=issued_at,
            expires_at=session.expires_at or issued_at + lifetime,
        )

    @cached_property
    def fingerprint(self) -> str:
        """The first 12 hex digits of its SHA-256: names it in a log without giving it away."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:12]

    def state(self, now: float, *, min_ttl: float) -> TokenState:
        """How it may be used by a caller who needs it for `min_ttl` seconds."""
        # From the future: the clock was set back since, or another's is ahead, and it would be served after its end.
        if now >= self.expires_at or now < self.issued_at - CLOCKS_DIFFER_SECONDS:
            return TokenState.DEAD
        if self.expires_at - now < max(min_ttl, REFRESH_EARLY_SECONDS):
            return TokenState.STALE
        return TokenState.FRESH

    def is_as_good_as_new(self, now: float, *, min_ttl: float) -> bool:
        """Whether it was got a moment ago for as demanding a request, so that another login gains nothing."""
        if min_ttl > self.min_ttl:
            return False
        state, life = self.state(now, min_ttl=0), self.expires_at - self.issued_at
        if is_jwt(self.value) and life < REFRESH_EARLY_SECONDS:
            # Salesforce lets these live for a minute where an app's policy says so: never fresh, and each request for
            # one would cost a login.
            return now < self.issued_at + min(NO_GAIN_SECONDS, life / 2) and state is not TokenState.DEAD
        return now < self.issued_at + NO_GAIN_SECONDS and state is TokenState.FRESH

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
