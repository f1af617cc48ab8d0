"""What may go wrong on the way to AWS and back, on demand."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Refuse:
    """Answer with an error instead of doing what was asked."""

    code: str
    status: int = 400
    message: str = "Injected by a test"


@dataclass(frozen=True)
class DropConnection:
    """Reset the connection: before anything was done, or after, so that only the answer is lost."""

    after_effect: bool = False


@dataclass(frozen=True)
class Delay:
    """Do what was asked, that many seconds late."""

    seconds: float


@dataclass(frozen=True)
class Garble:
    """Do what was asked and answer with something that isn't AWS's."""

    body: bytes = b"<html><body>Service Unavailable</body></html>"
    status: int = 200


@dataclass(frozen=True)
class Crash:
    """Kill the caller: before anything was done, as if the request never left, or after, before the answer arrives."""

    kill: Callable[[], object]
    after_effect: bool = False


@dataclass(frozen=True)
class Act:
    """Do something else, for instance what a competitor would do, just before or after doing what was asked."""

    action: Callable[[], object]
    after_effect: bool = False


Disturbance = Refuse | DropConnection | Crash | Delay | Garble | Act

THROTTLED = Refuse("ThrottlingException", message="Rate exceeded")
SERVER_ERROR = Refuse("InternalServiceError", status=500, message="An error occurred on the server side.")


@dataclass
class _Fault:
    operation: str
    disturbance: Disturbance
    caller: str | None
    skip: int
    times: int | None


@dataclass
class FaultPlan:
    """The faults to come. The first one that fits a call disturbs it; one call meets one fault."""

    _faults: list[_Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def inject(
        self,
        operation: str,
        disturbance: Disturbance,
        *,
        times: int | None = 1,
        skip: int = 0,
        caller: str | None = None,
    ) -> None:
        """Disturb the next `times` calls (None: all) of `operation`, after `skip` that pass.

        With `caller`, only the calls of that one count.
        """
        with self._lock:
            self._faults.append(_Fault(operation, disturbance, caller, skip, times))

    def clear(self) -> None:
        """Let everything pass again."""
        with self._lock:
            self._faults.clear()

    @property
    def unspent(self) -> int:
        """How many injected faults still wait for a call to disturb."""
        with self._lock:
            return len(self._faults)

    def take(self, operation: str, caller: str) -> Disturbance | None:
        """The disturbance of this call, if one is due."""
        with self._lock:
            for fault in self._faults:
                if fault.operation != operation or fault.caller not in (None, caller):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._faults.remove(fault)
                return fault.disturbance
        return None
