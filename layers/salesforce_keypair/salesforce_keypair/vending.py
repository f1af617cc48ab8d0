"""Which token to give: one already paid for, or a new one by a login with the right version of the key."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from salesforce_keypair.errors import InvalidRequest, KeyPairError
from salesforce_keypair.key_choice import KeyChoice
from salesforce_keypair.redaction import foreign_words
from salesforce_keypair.standing_back import StandingBack
from salesforce_keypair.timing import Clock, Deadline
from salesforce_keypair.token_cache import MemoryCache, Token, TokenState

logger = logging.getLogger(__name__)

DEFAULT_MIN_TTL_SECONDS = 60

# A login that returned the token already known won't return another one a moment later, nor one that lives longer.
NO_GAIN_SECONDS = 30.0
# With a living token in hand a caller needn't wait longer for the next one.
RENEWAL_SECONDS = 6.0
# A renewal that took so long was waiting for somebody who doesn't answer; that isn't tried at every request.
_SLOW_SECONDS = 3.0


class Source(StrEnum):
    """Where a token came from."""

    CACHE = "cache"
    LOGIN = "login"
    STALE = "stale"
    """From the cache, after a login that was due had failed."""


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


@dataclass(frozen=True, slots=True)
class Vended:
    """A token and where it came from."""

    token: Token
    source: Source

    def reply(self, now: float) -> dict[str, Any]:
        """What the caller gets, in OAuth's names (RFC 6749, section 5.1). Holds the token: not for a log."""
        token = self.token
        return {
            "access_token": token.value,
            "token_type": token.token_type,
            "instance_url": token.instance_url,
            "issued_at": math.floor(token.issued_at),
            "expires_in": max(0, math.floor(token.expires_at - now)),
            "expires_at": math.floor(token.expires_at),
            "org_id": token.org_id,
            "username": token.username,
            "key_version": token.key_version,
        }


class TokenVendor:
    """Hands out tokens, one login for each life of a token."""

    def __init__(
        self, *, keys: KeyChoice, standing_back: StandingBack, cache: MemoryCache, token_lifetime: float, clock: Clock
    ) -> None:
        self._keys = keys
        self._standing_back = standing_back
        self._cache = cache
        self._token_lifetime = token_lifetime
        self._clock = clock
        self._attempts: dict[str, _Attempt] = {}

    def vend(self, request: VendRequest, *, deadline: Deadline) -> Vended:
        """A token for the request. Raises what a login ends with, where no living token can stand in."""
        known = self._cache.get(request.secret_id)
        if known is None or self._state(known, request) is TokenState.DEAD:
            return Vended(self._log_in(request, None, deadline), Source.LOGIN)
        if request.force_refresh:
            # Who forces a refresh has seen the known token refused; it would be no help if this fails.
            return Vended(self._log_in(request, known, deadline), Source.LOGIN)
        if self._state(known, request) is TokenState.FRESH or self._is_as_good_as_new(known, request):
            return Vended(known, Source.CACHE)
        return self._renewed(request, known, deadline)

    def _renewed(self, request: VendRequest, known: Token, deadline: Deadline) -> Vended:
        """A new token in place of one that still lives, or that one where there is no new one."""
        attempt = self._attempts.get(request.secret_id)
        started = self._clock.time()
        if attempt is not None and started < attempt.not_before:
            return Vended(known, Source.STALE)
        try:
            return Vended(self._log_in(request, known, deadline.within(RENEWAL_SECONDS)), Source.LOGIN)
        except KeyPairError as error:
            now = self._clock.time()
            if self._state(known, request) is TokenState.DEAD:
                raise
            if now - started > _SLOW_SECONDS:
                self._attempts[request.secret_id] = _Attempt(not_before=now + NO_GAIN_SECONDS)
            logger.warning("no new token; the old one is served while it lives", extra={"reason": str(error)})
            return Vended(known, Source.STALE)

    def _state(self, token: Token, request: VendRequest) -> TokenState:
        return token.state(self._clock.time(), min_ttl=request.min_ttl)

    def _is_as_good_as_new(self, token: Token, request: VendRequest) -> bool:
        """Whether the token was got a moment ago for as demanding a request, so that another login gains nothing."""
        attempt = self._attempts.get(request.secret_id)
        return (
            attempt is not None
            and request.min_ttl <= attempt.min_ttl
            and token.state(self._clock.time(), min_ttl=0) is TokenState.FRESH
            and self._clock.time() < attempt.at + NO_GAIN_SECONDS
        )

    def _log_in(self, request: VendRequest, known: Token | None, deadline: Deadline) -> Token:
        secret_id = request.secret_id
        self._standing_back.check(secret_id)
        # From before the login: what the token's life is counted from must not be later than its real beginning.
        issued_at = self._clock.time()
        try:
            key, session = self._keys.log_in(
                secret_id, deadline=deadline, patient=self._standing_back.may_be_patient(secret_id)
            )
        except KeyPairError as error:
            told = self._standing_back.after(secret_id, error)
            if told is error:
                raise
            raise told from error
        self._standing_back.reset(secret_id)
        token = Token(
            value=session.access_token,
            token_type=session.token_type,
            instance_url=session.instance.url,
            org_id=session.org_id,
            username=key.credential.username,
            key_version=key.version_id,
            issued_at=issued_at,
            expires_at=session.expires_at or issued_at + self._token_lifetime,
        )
        attempt = _Attempt(at=issued_at, min_ttl=request.min_ttl)
        if known is not None and known.value == token.value:
            token = token.first_seen(known)
            attempt = replace(attempt, not_before=issued_at + NO_GAIN_SECONDS)
        self._attempts[secret_id] = attempt
        self._cache.put(secret_id, token)
        return token


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The last login, or renewal that failed slowly, of a secret. Times are epoch seconds."""

    at: float = 0.0
    min_ttl: float = -1.0
    not_before: float = 0.0
    """When the next renewal is worth trying."""


_MEMBERS = frozenset({"secret_id", "min_ttl_seconds", "force_refresh"})
_KNOWN = f"only {', '.join(sorted(_MEMBERS))} are known"


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
