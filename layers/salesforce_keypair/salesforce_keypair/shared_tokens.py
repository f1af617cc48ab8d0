"""Tokens shared between execution environments: sealed with the key that logged in, kept in a DynamoDB table.

Who can read the table can't read the tokens; who can write to it can make environments wait and log in themselves, and
put back what was genuine for as long as it holds. A row is believed where it opens with the key of a labelled version
of the secret, for what that version's document says of app and user, and for the times that the row itself states.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.sealed_refusal import sealed_refusal, unsealed_refusal
from salesforce_keypair.sealed_token import sealed, unsealed
from salesforce_keypair.standing_back import Refusal
from salesforce_keypair.timing import CLOCKS_DIFFER_SECONDS, Clock
from salesforce_keypair.token_cache import Token
from salesforce_keypair.token_table import Entry, Row, TableBusy, TableUnavailable, TokenTable

T = TypeVar("T")

logger = logging.getLogger(__name__)

# After a failure the table isn't asked for this long: each of its time-outs would be a caller's.
TABLE_PAUSE_SECONDS = 30.0
_BUSY_SECONDS = 0.5

KeyOf = Callable[[str], VersionedKey | None]
"""The key of a version, if that version is labelled and logs in as the same user; none otherwise."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the table has for a secret: a token and a refusal that are genuine, and until when somebody logs in.

    `held_until` is until when no login brings a better token than the one that lives.
    """

    token: Token | None
    refusal: Refusal | None
    leased_until: float
    held_until: float


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to fetch the next token of a secret."""

    row_id: str
    owner: str


class SharedTokens:
    """The table's tokens, as far as they are genuine. Where the table fails, everything here does nothing and says so.

    `failed` hears of each failure, for a metric.
    """

    def __init__(self, *, table: TokenTable, clock: Clock, failed: Callable[[], None]) -> None:
        self._table = table
        self._clock = clock
        self._failed = failed
        self._asked_again_at = 0.0

    @property
    def available(self) -> bool:
        """Whether the table is worth asking: it didn't fail a moment ago."""
        # Not for longer than the pause, should the clock be set back.
        return not 0 < self._asked_again_at - self._clock.time() <= TABLE_PAUSE_SECONDS

    def look(self, current: VersionedKey, key_of: KeyOf) -> Shared | None:
        """What the table has; None where it fails."""
        # Busy with others who want the same: as if one of them had the lease.
        busy = Entry(row=None, leased_until=self._clock.time() + _BUSY_SECONDS)
        entry = self._ask(lambda: self._table.read(current.secret_arn), busy=busy)
        if entry is None:
            return None
        refusal = None if entry.refusal is None else unsealed_refusal(current, entry.refusal)
        return Shared(self._opened(entry.row, key_of), refusal, entry.leased_until, entry.held_until)

    def take_lease(
        self, secret_arn: str, key_of: KeyOf, *, seconds: float, though_held: bool = False
    ) -> tuple[Lease, Token | None] | None:
        """The lease, and the token that was there when it was taken; None where another has it or the table fails."""
        lease = Lease(row_id=secret_arn, owner=uuid.uuid4().hex)
        entry = self._ask(
            lambda: self._table.take_lease(lease.row_id, lease.owner, seconds=seconds, though_held=though_held)
        )
        return None if entry is None else (lease, self._opened(entry.row, key_of))

    def put(self, key: VersionedKey, token: Token, *, lease: Lease | None = None, hold: float = 0.0) -> bool:
        """Share a token; false where a later one is there, or the table fails.

        Ends the lease, and holds the next one back for `hold` seconds.
        """
        row = sealed(key, token)
        owner = None if lease is None else lease.owner
        return self._ask(lambda: self._table.put(key.secret_arn, row, owner=owner, hold=hold)) or False

    def release(self, lease: Lease, *, hold: float = 0.0) -> None:
        """End a lease without a login's end to tell of, and hold the next one back for `hold` seconds."""
        self._ask(lambda: self._table.release(lease.row_id, lease.owner, hold=hold))

    def refuse(self, current: VersionedKey, refusal: Refusal, *, lease: Lease, hold: float) -> None:
        """End a lease, hold the next one back for `hold` seconds, and tell all who wait what the login ended with."""
        sealed_bytes = sealed_refusal(current, refusal)
        self._ask(lambda: self._table.release(lease.row_id, lease.owner, hold=hold, refusal=sealed_bytes))

    def _ask(self, call: Callable[[], T], *, busy: T | None = None) -> T | None:
        if not self.available:
            return None
        try:
            return call()
        except TableBusy as error:
            # No failure: to log in for that would turn a rush on the table into one on Salesforce.
            logger.info("the table is busy", extra={"reason": str(error)})
            return busy
        except TableUnavailable as error:
            self._asked_again_at = self._clock.time() + TABLE_PAUSE_SECONDS
            logger.warning(
                "tokens aren't shared for now; each environment logs in itself",
                extra={"reason": str(error), "seconds": TABLE_PAUSE_SECONDS},
            )
            self._failed()
            return None

    def _opened(self, row: Row | None, key_of: KeyOf) -> Token | None:
        """The token of a row, if it is genuine and still lives."""
        now = self._clock.time()
        if row is None or row.expires_at <= now:
            return None
        # Counted by a clock that is ahead, it would be served after its end.
        if row.issued_at > now + CLOCKS_DIFFER_SECONDS:
            logger.warning("the shared token is from the future by this clock, so it isn't believed")
            return None
        key = key_of(row.key_version)
        token = None if key is None else unsealed(key, row)
        if token is None:
            logger.warning(
                "the shared token isn't one that a labelled version of the secret sealed, so it isn't believed",
                extra={"key_version": row.key_version[:64]},
            )
        return token
