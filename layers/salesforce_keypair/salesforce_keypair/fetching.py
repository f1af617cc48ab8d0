"""Getting a new token: by a login, or from whoever logs in for all."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.key_choice import KeyChoice
from salesforce_keypair.logins import Logins
from salesforce_keypair.shared_tokens import KeyOf, Lease, SharedTokens
from salesforce_keypair.timing import Clock, Deadline
from salesforce_keypair.token_cache import NO_GAIN_SECONDS, Token, TokenState
from salesforce_keypair.vend_request import VendRequest

logger = logging.getLogger(__name__)

# A login takes a second or two, and a few more where a certificate spreads; a holder that died costs callers this.
LEASE_SECONDS = 8.0
# Many callers see one token refused at once. Those who ask within this time of a forced login share its token.
FORCED_SECONDS = 10.0
# What another environment got this lately is the newest that there is.
_NEWEST_SECONDS = 3.0
# After a failure nobody else tries for so long, while there is a token that lives.
_FAILED_SECONDS = 5.0
# While a refusal holds, the table is looked at no more often: another environment may have found a way.
_LOOK_SECONDS = 1.0
# Who waits for another's login keeps this much of the caller's time for one of its own.
_OWN_LOGIN_SECONDS = 8.0
_FIRST_PAUSE_SECONDS = 0.05
_MOST_PAUSE_SECONDS = 1.0


class Source(StrEnum):
    """Where a token came from."""

    CACHED = "cached"
    """The environment's memory."""
    SHARED = "shared"
    """The table."""
    FRESH = "fresh"
    """A login."""
    STALE = "stale"
    """One that is due for renewal, after a login had failed or while another environment logs in."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A token and where it came from."""

    token: Token
    source: Source


class Fetch(Protocol):
    """Gets a new token for a request; `known` is the last one, which the caller may have seen refused."""

    def __call__(self, request: VendRequest, known: Token | None, deadline: Deadline) -> Fetched:
        """Raises what a login ends with."""
        ...


class OwnLogins:
    """Each environment logs in for itself."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    def __call__(self, request: VendRequest, known: Token | None, deadline: Deadline) -> Fetched:
        """A login."""
        _, token = self._logins.log_in(request, [] if known is None else [known], deadline)
        return Fetched(token, Source.FRESH)


class SharedLogins:
    """One environment logs in for all, under a lease in the table; the others wait for what it writes there.

    Where the table fails, each logs in for itself.
    """

    def __init__(
        self,
        *,
        keys: KeyChoice,
        logins: Logins,
        shared: SharedTokens,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._keys = keys
        self._logins = logins
        self._shared = shared
        self._clock = clock
        self._chance = chance
        self._own = OwnLogins(logins)
        self._looked_at: dict[str, float] = {}

    def __call__(self, request: VendRequest, known: Token | None, deadline: Deadline) -> Fetched:
        """The table's token where it will do, else a login under the lease, else what another's login brings."""
        if not self._shared.available:
            return self._own(request, known, deadline)
        secret_id, started = request.secret_id, self._clock.time()
        if started < self._looked_at.get(secret_id, 0.0) + _LOOK_SECONDS:
            self._logins.check(secret_id)
        self._looked_at[secret_id] = started
        current = self._keys.current(secret_id)
        quest = _Quest(
            request=request,
            known=known,
            current=current,
            key_of=lambda version_id: self._keys.labelled(secret_id, version_id, current),
            started=started,
            deadline=deadline,
        )
        try:
            return self._fetch(quest)
        except KeyPairError as error:
            stand_in = quest.stand_in(self._clock.time())
            if stand_in is None or stand_in is known:
                raise
            logger.warning("no new token; the shared one is served while it lives", extra={"reason": str(error)})
            return Fetched(stand_in, Source.STALE)

    def _fetch(self, quest: "_Quest") -> Fetched:
        request, deadline = quest.request, quest.deadline
        patience = deadline.before(min(_OWN_LOGIN_SECONDS, max(deadline.remaining(), 0.0) / 2))
        pause = _FIRST_PAUSE_SECONDS
        while True:
            shared = self._shared.look(quest.current, quest.key_of)
            if shared is None:
                return self._log_in_alone(quest)
            quest.note(shared.token)
            if shared.token is not None and self._will_do(shared.token, quest):
                return Fetched(shared.token, Source.SHARED)
            if shared.refusal is not None:
                self._logins.heed(request.secret_id, shared.refusal)
            self._logins.check(request.secret_id)
            now = self._clock.time()
            stand_in = quest.stand_in(now)
            if stand_in is not None and shared.held_until > now:
                return Fetched(stand_in, Source.STALE)
            if shared.leased_until <= now:
                taken = self._shared.take_lease(
                    quest.current.secret_arn, quest.key_of, seconds=LEASE_SECONDS, though_held=stand_in is None
                )
                if taken is not None:
                    return self._lead(quest, *taken)
            is_over = patience.remaining() <= pause
            stand_in = quest.stand_in(self._clock.time())
            if stand_in is not None:
                # A login takes no longer than a lease: who holds one after the other brings nothing.
                in_vain = is_over or self._clock.time() - quest.started >= LEASE_SECONDS
                if in_vain or stand_in.expires_at - self._clock.time() >= request.min_ttl:
                    return Fetched(stand_in, Source.STALE)
            if is_over:
                return self._log_in_alone(quest)
            # Each at moments of its own: those who began together mustn't go on asking together.
            self._clock.sleep(pause * (0.5 + self._chance()))
            pause = min(pause * 1.5, _MOST_PAUSE_SECONDS)

    def _log_in_alone(self, quest: "_Quest") -> Fetched:
        """A login without the lease, which nobody else hears of."""
        _, token = self._logins.log_in(quest.request, quest.tokens(), quest.deadline)
        return Fetched(token, Source.FRESH)

    def _lead(self, quest: "_Quest", lease: Lease, found: Token | None) -> Fetched:
        """Log in for all who wait."""
        quest.note(found)
        if found is not None and self._will_do(found, quest):
            self._shared.release(lease)
            return Fetched(found, Source.SHARED)
        known = quest.tokens()
        try:
            key, token = self._logins.log_in(quest.request, known, quest.deadline)
        except KeyPairError:
            hold = 0.0 if quest.stand_in(self._clock.time()) is None else _FAILED_SECONDS
            refusal = self._logins.refusal(quest.request.secret_id)
            if refusal is None:
                self._shared.release(lease, hold=hold)
            else:
                self._shared.refuse(quest.current, refusal, lease=lease, hold=hold)
            raise
        gained = all(token.value != each.value for each in known)
        left = token.expires_at - self._clock.time()
        self._shared.put(key, token, lease=lease, hold=0.0 if gained else max(0.0, min(NO_GAIN_SECONDS, left)))
        return Fetched(token, Source.FRESH)

    def _will_do(self, token: Token, quest: "_Quest") -> bool:
        """Whether a token from the table answers the request."""
        request, now = quest.request, self._clock.time()
        if request.force_refresh:
            forced_just_now = now < token.forced_at + FORCED_SECONDS
            if not forced_just_now and token.issued_at < quest.started:
                return False
        if token.state(now, min_ttl=request.min_ttl) is TokenState.FRESH:
            return True
        # Some tokens are due for renewal from their first moment; not by each environment, for all that.
        is_newest = now < token.issued_at + _NEWEST_SECONDS and token.expires_at - now >= request.min_ttl
        return is_newest or token.is_as_good_as_new(now, min_ttl=request.min_ttl)


@dataclass(slots=True)
class _Quest:
    """A request on its way to a token: what it knows, and what it found in the table."""

    request: VendRequest
    known: Token | None
    current: VersionedKey
    key_of: KeyOf
    started: float
    deadline: Deadline
    found: Token | None = None

    def note(self, shared: Token | None) -> None:
        """Keep what the table holds; where it told of none, it was busy, and the last one may still live."""
        if shared is not None:
            self.found = shared

    def tokens(self) -> list[Token]:
        """All that it has come across."""
        return [token for token in (self.known, self.found) if token is not None]

    def stand_in(self, now: float) -> Token | None:
        """The token that may be served where no new one comes: the one that lives the longest.

        None for who forces a refresh: they saw one of these refused, and none would be a help.
        """
        living = [token for token in self.tokens() if token.state(now, min_ttl=0) is not TokenState.DEAD]
        if self.request.force_refresh or not living:
            return None
        return max(living, key=lambda token: token.expires_at)
