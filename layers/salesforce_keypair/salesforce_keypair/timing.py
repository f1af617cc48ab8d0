"""Time as the rules see it: a clock that is given to them, and the moment by which they must be done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from salesforce_keypair.errors import SalesforceUnavailable

T = TypeVar("T")

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.2
# What two machines' clocks may differ by before what one says of time is no longer believed by the other.
CLOCKS_DIFFER_SECONDS = 60.0


class Clock(Protocol):
    """Where time comes from, and how it passes. All in seconds."""

    def time(self) -> float:
        """Epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, never set back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since the machine started, roughly."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment by which work must be done, in the clock's monotonic seconds."""

    clock: Clock = field(repr=False)
    at: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> "Deadline":
        """The deadline that is so many seconds away."""
        return cls(clock, clock.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left; negative once it has passed."""
        return self.at - self.clock.monotonic()

    def within(self, seconds: float) -> "Deadline":
        """This deadline or the one so many seconds away, whichever comes first."""
        return Deadline(self.clock, min(self.at, self.clock.monotonic() + seconds))

    def before(self, seconds: float) -> "Deadline":
        """The deadline that leaves so many seconds of this one."""
        return Deadline(self.clock, self.at - seconds)


def retrying(call: Callable[[], T], *, clock: Clock, deadline: Deadline, attempts: int = ATTEMPTS) -> T:
    """What `call` returns, tried so many times at most while Salesforce is unavailable and there is time.

    A library's retry would send the same request again; here each try must sign an assertion of its own, and the
    pauses must go by the clock and the deadline of the rules.
    """
    pause = FIRST_PAUSE_SECONDS
    for _ in range(attempts - 1):
        try:
            return call()
        except SalesforceUnavailable as error:
            if not error.retryable or deadline.remaining() <= pause:
                raise
        clock.sleep(pause)
        pause *= 3
    return call()
