"""Which token to give: one already paid for, or a new one."""

import logging
import math
from typing import Any

from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.fetching import Fetch, Fetched, Source
from salesforce_keypair.timing import Clock, Deadline
from salesforce_keypair.token_cache import NO_GAIN_SECONDS, MemoryCache, Token, TokenState
from salesforce_keypair.vend_request import VendRequest

logger = logging.getLogger(__name__)

# With a living token in hand a caller needn't wait longer for the next one.
RENEWAL_SECONDS = 6.0
# A renewal that took so long was waiting for somebody who doesn't answer; that isn't tried at every request.
_SLOW_SECONDS = 3.0
# Somebody else fetches the next token; soon enough to look whether they have it.
_FETCHED_BY_ANOTHER_SECONDS = 1.0


class TokenVendor:
    """Hands out tokens, one fetch for each life of a token."""

    def __init__(self, *, fetch: Fetch, cache: MemoryCache, clock: Clock) -> None:
        self._fetch = fetch
        self._cache = cache
        self._clock = clock
        self._renew_at: dict[str, float] = {}

    def vend(self, request: VendRequest, *, deadline: Deadline) -> Fetched:
        """A token for the request. Raises what a login ends with, where no living token can stand in."""
        known = self._cache.get(request.secret_id)
        if known is None or self._state(known, request) is TokenState.DEAD:
            return self._fetched(request, None, deadline)
        if request.force_refresh:
            # Who forces a refresh has seen the known token refused; it would be no help if this fails.
            return self._fetched(request, known, deadline)
        now = self._clock.time()
        if self._state(known, request) is TokenState.FRESH or known.is_as_good_as_new(now, min_ttl=request.min_ttl):
            return Fetched(known, Source.CACHED)
        return self._renewed(request, known, deadline)

    def _renewed(self, request: VendRequest, known: Token, deadline: Deadline) -> Fetched:
        """A new token in place of one that still lives, or that one where there is no new one."""
        started = self._clock.time()
        if started < self._renew_at.get(request.secret_id, 0.0):
            return Fetched(known, Source.STALE)
        try:
            return self._fetched(request, known, deadline.within(RENEWAL_SECONDS))
        except KeyPairError as error:
            now = self._clock.time()
            if self._state(known, request) is TokenState.DEAD:
                raise
            if now - started > _SLOW_SECONDS:
                self._renew_at[request.secret_id] = now + NO_GAIN_SECONDS
            logger.warning("no new token; the old one is served while it lives", extra={"reason": str(error)})
            return Fetched(known, Source.STALE)

    def _fetched(self, request: VendRequest, known: Token | None, deadline: Deadline) -> Fetched:
        started = self._clock.time()
        fetched = self._fetch(request, known, deadline)
        if fetched.source is Source.STALE:
            self._renew_at[request.secret_id] = self._clock.time() + _FETCHED_BY_ANOTHER_SECONDS
        elif known is not None and known.value == fetched.token.value:
            self._renew_at[request.secret_id] = started + NO_GAIN_SECONDS
        else:
            self._renew_at.pop(request.secret_id, None)
        self._cache.put(request.secret_id, fetched.token)
        return fetched

    def _state(self, token: Token, request: VendRequest) -> TokenState:
        return token.state(self._clock.time(), min_ttl=request.min_ttl)


def reply(token: Token, now: float) -> dict[str, Any]:
    """What the caller gets, in OAuth's names (RFC 6749, section 5.1). Holds the token: not for a log."""
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
