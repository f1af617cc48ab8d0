"""Not hammering an org that refuses: how long a refusal holds, and what callers are told meanwhile."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from salesforce_keypair.errors import KeyPairError, LoginRefused, LoginThrottled
from salesforce_keypair.timing import CLOCKS_DIFFER_SECONDS, Clock

# A person may be correcting the set-up right now; a minute is soon enough to notice.
CONFIG_SECONDS = 60.0
# Salesforce counts logins by the hour and blocks for up to one.
THROTTLED_SECONDS = 900.0
# While a change spreads: long enough that refused logins don't add up to the hour's limit, short beside the minutes
# that it takes. Doubles with every round that all keys were refused in.
FIRST_SETTLING_SECONDS = 1.0
MOST_SETTLING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal that holds until some moment. Times are epoch seconds; `settling_since`, if a change may explain it."""

    code: str
    what: str
    remedy: str
    retryable: bool
    until: float
    settling_since: float | None

    def error(self) -> KeyPairError:
        """What callers are told. Made anew each time: a raised exception keeps its frames, and each raise adds some."""
        text = f"{self.what}; Salesforce isn't asked again before {_iso(self.until)}"
        return _KINDS[self.code](text, remedy=self.remedy, retryable=self.retryable)


_KINDS: Mapping[str, type[KeyPairError]] = {kind.code: kind for kind in (LoginRefused, LoginThrottled)}


@dataclass(slots=True)
class _Refused:
    """What is remembered of a secret's refusals since its last login. Times are epoch seconds."""

    last: Refusal | None = None
    settling_since: float | None = None
    settling_last: float = 0.0
    settling_pause: float = FIRST_SETTLING_SECONDS


class StandingBack:
    """Remembers refusals by secret, and for how long nobody asks again. `settling` is in seconds."""

    def __init__(self, *, settling: float, clock: Clock) -> None:
        self._settling = settling
        self._clock = clock
        self._refused: dict[str, _Refused] = {}

    def check(self, secret_id: str) -> None:
        """Raise the last refusal again while it holds."""
        refusal = self.holding(secret_id)
        if refusal is not None:
            raise refusal.error()

    def holding(self, secret_id: str) -> Refusal | None:
        """The last refusal, while it holds."""
        refused = self._refused.get(secret_id)
        if refused is None or refused.last is None:
            return None
        # Not for longer than any does, should the clock be set back.
        left = refused.last.until - self._clock.time()
        return refused.last if 0 < left <= THROTTLED_SECONDS + CLOCKS_DIFFER_SECONDS else None

    def heed(self, secret_id: str, refusal: Refusal) -> None:
        """Take over a refusal that another environment met, unless what is known here holds for longer."""
        now = self._clock.time()
        if refusal.code not in _KINDS or refusal.until > now + THROTTLED_SECONDS + CLOCKS_DIFFER_SECONDS:
            return
        refused = self._refused.setdefault(secret_id, _Refused())
        if refused.last is not None and refused.last.until >= refusal.until:
            return
        refused.last = refusal
        if refusal.settling_since is not None:
            # By another's clock, which may be ahead.
            refused.settling_since = min(self._since(refused) or now, refusal.settling_since)
            # It may have lain there since a change of long ago.
            refused.settling_last = min(now, refusal.until)

    def may_be_patient(self, secret_id: str) -> bool:
        """Whether a settling refusal is worth several tries within one request: for the first that meets it."""
        refused = self._refused.get(secret_id)
        return refused is None or self._since(refused) is None

    def reset(self, secret_id: str) -> None:
        """A login succeeded."""
        self._refused.pop(secret_id, None)

    def after(self, secret_id: str, error: KeyPairError) -> KeyPairError:
        """Note how a login ended, and the error to tell the caller: until when nobody asks, or a change may spread."""
        if isinstance(error, LoginThrottled):
            return self._hold(secret_id, error, THROTTLED_SECONDS)
        if not isinstance(error, LoginRefused):
            return error
        if not error.retryable:
            return self._hold(secret_id, error, CONFIG_SECONDS)
        return self._after_settling(secret_id, error)

    def _after_settling(self, secret_id: str, error: LoginRefused) -> KeyPairError:
        refused = self._refused.setdefault(secret_id, _Refused())
        now = self._clock.time()
        since = self._since(refused)
        if since is None:
            since, refused.settling_pause = now, FIRST_SETTLING_SECONDS
        refused.settling_since, refused.settling_last = since, now
        spread_by = since + self._settling
        if now >= spread_by:
            lasting = LoginRefused(
                f"{error.what}; that has lasted longer than a change takes to spread", remedy=error.remedy
            )
            return self._hold(secret_id, lasting, CONFIG_SECONDS)
        spreading = LoginRefused(
            f"{error.what}; if the app was just changed, that may spread until {_iso(spread_by)}",
            remedy=error.remedy,
            retryable=True,
        )
        pause, refused.settling_pause = refused.settling_pause, min(refused.settling_pause * 2, MOST_SETTLING_SECONDS)
        return self._hold(secret_id, spreading, pause)

    def _since(self, refused: _Refused) -> float | None:
        """When the refusals that a change may explain began; those of a change long ago don't count."""
        if refused.settling_since is None or self._clock.time() - refused.settling_last > self._settling:
            return None
        return refused.settling_since

    def _hold(self, secret_id: str, error: KeyPairError, seconds: float) -> KeyPairError:
        refused = self._refused.setdefault(secret_id, _Refused())
        refused.last = Refusal(
            code=error.code,
            what=error.what,
            remedy=error.remedy,
            retryable=error.retryable,
            until=self._clock.time() + seconds,
            settling_since=refused.settling_since if error.retryable else None,
        )
        return refused.last.error()


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(math.ceil(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
