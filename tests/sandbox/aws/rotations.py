"""Delivers a rotation's steps to its function as Secrets Manager does: in order, and all again after a failure.

How often AWS repeats and how long it waits isn't documented: both are settings.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


class Outcome(StrEnum):
    """How a rotation stands. SUCCEEDED: every step answered without an error, in one go."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    GAVE_UP = "gave up"
    CANCELLED = "cancelled"


class InvocationResult(Protocol):
    """What a function answered; `error_type` is None where it succeeded."""

    @property
    def error_type(self) -> str | None: ...
    @property
    def error_message(self) -> str | None: ...


@dataclass(frozen=True)
class RotationPolicy:
    """`repeats`: deliveries of the whole rotation after the first; `hand_out_tokens`: as for an assumed role."""

    repeats: int = 3
    pause_seconds: float = 1.0
    hand_out_tokens: bool = False


@dataclass(frozen=True)
class Delivery:
    """One step that was delivered, and what the function answered. `attempt` counts from 1."""

    step: str
    attempt: int
    error_type: str | None
    error_message: str | None
    started_at: float
    seconds: float


@dataclass(frozen=True)
class RotationRequest:
    """What every step of one rotation is told."""

    secret_arn: str
    version_id: str
    rotation_token: str | None = field(default=None, repr=False)

    def event(self, step: str) -> dict[str, str]:
        """The event of `step`, as the function gets it."""
        event = {"Step": step, "SecretId": self.secret_arn, "ClientRequestToken": self.version_id}
        return event | ({"RotationToken": self.rotation_token} if self.rotation_token else {})


class Rotation:
    """One rotation under way or ended, with the history of its deliveries."""

    def __init__(
        self,
        request: RotationRequest,
        invoke: Callable[[bytes], InvocationResult],
        policy: RotationPolicy,
        steps: Sequence[str] = STEPS,
        *,
        on_success: Callable[[], None] | None = None,
    ) -> None:
        self.request = request
        self._invoke = invoke
        self._policy = policy
        self._steps = steps
        self._on_success = on_success
        self._deliveries: list[Delivery] = []
        self._outcome = Outcome.RUNNING
        self._step: str | None = None
        self._stop = threading.Event()
        self._ended = threading.Event()

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The deliveries that were answered so far."""
        return tuple(self._deliveries)

    @property
    def step(self) -> str | None:
        """The step that the function is at work on, if any."""
        return self._step

    @property
    def outcome(self) -> Outcome:
        """How it stands now."""
        return self._outcome

    def start(self) -> None:
        """Deliver in the background."""
        threading.Thread(target=self.run, name=f"rotation-{self.request.version_id}", daemon=True).start()

    def cancel(self) -> None:
        """Deliver nothing more; a step that runs is left to end."""
        self._stop.set()

    def wait(self, timeout: float = 60.0) -> Outcome:
        """Wait until it ends. Raises TimeoutError, saying how far it came."""
        if not self._ended.wait(timeout):
            raise TimeoutError(f"The rotation still runs after {timeout:g} s: {self._deliveries}")
        return self._outcome

    def run(self) -> None:
        """Deliver until a whole pass succeeds, the repeats are used up, or it is cancelled."""
        try:
            outcome = self._run()
            if outcome is Outcome.SUCCEEDED and self._on_success:
                self._on_success()
            self._outcome = outcome
        finally:
            self._ended.set()

    def _run(self) -> Outcome:
        for attempt in range(1, self._policy.repeats + 2):
            if attempt > 1 and self._stop.wait(self._policy.pause_seconds):
                return Outcome.CANCELLED
            if self._deliver_all(attempt):
                return Outcome.SUCCEEDED
            if self._stop.is_set():
                return Outcome.CANCELLED
        return Outcome.GAVE_UP

    def _deliver_all(self, attempt: int) -> bool:
        # The labels aren't looked at between steps: that AWS stops once the token isn't pending is documented nowhere.
        for step in self._steps:
            if self._stop.is_set():
                return False
            self._step = step
            started_at = time.time()
            result = self._invoke(json.dumps(self.request.event(step)).encode())
            seconds = time.time() - started_at
            self._step = None
            self._deliveries.append(
                Delivery(step, attempt, result.error_type, result.error_message, started_at, seconds)
            )
            if result.error_type is not None:
                return False
        return True
