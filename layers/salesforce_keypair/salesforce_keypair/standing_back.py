"""Not hammering an org that refuses: how long a refusal holds, and what callers are told meanwhile."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from salesforce_keypair.errors import KeyPairError, LoginRefused, LoginThrottled
from salesforce_keypair.timing import Clock

# A person may be correcting the set-up right now; a minute is soon enough to notice.
CONFIG_SECONDS = 60.0
# Salesforce counts logins by the hour and blocks for up to one.
THROTTLED_SECONDS = 900.0
# After a settling refusal that outlasted a caller's patience, the next ones try once each instead of again and again.
_IMPATIENT_SECONDS = 10.0


@dataclass(slots=True)
class _Refused:
    """What is remembered of a secret's refusals. Times are epoch seconds."""

    since: float
    """The first settling refusal after the last success."""
    last: float
    until: float = 0.0
    told: Callable[[], KeyPairError] | None = None


class StandingBack:
    """Remembers refusals by secret, and for how long nobody asks again."""

    def __init__(self, *, settling: float, clock: Clock) -> None:
        self._settling = settling
        self._clock = clock
        self._refused: dict[str, _Refused] = {}

    def check(self, secret_id: str) -> None:
        """Raise the last refusal again while it holds."""
        refused = self._refused.get(secret_id)
        if refused is not None and refused.told is not None and self._clock.time() < refused.until:
            # Made anew: a raised exception keeps its frames, and each raise would add to them.
            raise refused.told()

    def may_be_patient(self, secret_id: str) -> bool:
        """Whether a settling refusal is worth several tries within one request."""
        refused = self._refused.get(secret_id)
        return refused is None or self._clock.time() >= refused.last + _IMPATIENT_SECONDS

    def reset(self, secret_id: str) -> None:
        """A login succeeded."""
        self._refused.pop(secret_id, None)

    def after(self, secret_id: str, error: KeyPairError) -> KeyPairError:
        """Note how a login ended, and the error to tell the caller: until when nobody asks, or a change may spread."""
        now = self._clock.time()
        if isinstance(error, LoginThrottled):
            return self._hold(secret_id, error, THROTTLED_SECONDS)
        if not isinstance(error, LoginRefused):
            return error
        if not error.retryable:
            return self._hold(secret_id, error, CONFIG_SECONDS)
        refused = self._refused.setdefault(secret_id, _Refused(since=now, last=now))
        refused.last = now
        spreads_until = refused.since + self._settling
        if now >= spreads_until:
            return self._hold(
                secret_id,
                LoginRefused(
                    f"{error.what}; that has lasted longer than a change takes to spread", remedy=error.remedy
                ),
                CONFIG_SECONDS,
            )
        return LoginRefused(
            f"{error.what}; if the app was just changed, that may spread until {_iso(spreads_until)}",
            remedy=error.remedy,
            retryable=True,
        )

    def _hold(self, secret_id: str, error: KeyPairError, seconds: float) -> KeyPairError:
        now = self._clock.time()
        until = now + seconds
        kind, what, remedy, retryable = type(error), error.what, error.remedy, error.retryable

        def told() -> KeyPairError:
            text = f"{what}; Salesforce isn't asked again before {_iso(until)}"
            return kind(text, remedy=remedy, retryable=retryable)

        refused = self._refused.setdefault(secret_id, _Refused(since=now, last=now))
        refused.until = until
        refused.told = told
        return told()


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(math.ceil(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
