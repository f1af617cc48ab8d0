"""Every request the org has seen, for assertions on who asked for what, how often and over which connections."""

import threading
from dataclasses import dataclass, field

from tests.sandbox.org.exchange import Headers, Kind


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One request. `time` is by the org's clock; `fault` names what was injected. Logged before the answer is sent."""

    time: float
    kind: Kind
    method: str
    path: str
    username: str | None
    consumer_key: str | None
    outcome: str
    query: str
    status: int | None
    fault: str | None
    remote_port: int
    connection: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoginCount:
    """Logins of one user that the org itself judged; answers that a fault put in their place don't count."""

    accepted: int
    refused: int


class RequestLog:
    """The requests in the order in which they were answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[LogEntry] = []

    def append(self, entry: LogEntry) -> None:
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def entries(self, *kinds: Kind | str) -> tuple[LogEntry, ...]:
        """All requests, or those of some kinds."""
        with self._lock:
            return tuple(entry for entry in self._entries if not kinds or entry.kind in kinds)

    def connections(self, *kinds: Kind | str) -> int:
        """How many connections carried those requests."""
        return len({entry.connection for entry in self.entries(*kinds)})

    def logins(self, username: str | None = None) -> LoginCount:
        """Logins accepted and refused, of one user or of all."""
        entries = [entry for entry in self.entries(Kind.TOKEN) if username is None or entry.username == username]
        return LoginCount(
            accepted=sum(entry.outcome == "accepted" for entry in entries),
            refused=sum(entry.outcome.startswith("refused") for entry in entries),
        )
