"""The org's own clock, which tests may set wrong or move ahead."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


class OrgClock:
    """Epoch seconds: a source (real time by default) plus an offset."""

    def __init__(self, offset: float = 0.0, *, source: Callable[[], float] = time.time) -> None:
        self.offset = offset
        self._source = source

    def now(self) -> float:
        return self._source() + self.offset

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass at once, for the org alone."""
        self.offset += seconds


def timestamp(epoch: float) -> str:
    """A time as the Metadata API writes it."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
