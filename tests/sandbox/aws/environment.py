"""One execution environment of a function: a process in AWS's runtime client, and the Runtime API that it talks to.

Source of the interface: "AWS Lambda Developer Guide", Runtime API. Each environment has a Runtime API port of its own,
so that who asks is known without asking.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.sandbox.aws.http_server import DroppedConnection, HttpServer, Request, Response

INIT_SECONDS = 10.0
_GRACE_SECONDS = 0.5
_POSTED = re.compile(r"/2018-06-01/runtime/invocation/(?P<id>[^/]+)/(?P<kind>response|error)")

# Runs in the new process before AWS's runtime client: if the process that holds the local world dies, even by SIGKILL,
# the kernel ends this one too (prctl PR_SET_PDEATHSIG = 1, SIGKILL = 9). Nothing of it is left after the exec.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.executable, [sys.executable, "-m", "awslambdaric", sys.argv[2]])
"""


@dataclass(frozen=True)
class Launch:
    """How a function's processes are started; `timeout` in seconds."""

    arn: str
    handler: str
    folder: Path
    variables: Mapping[str, str] = field(repr=False)
    timeout: float


@dataclass(frozen=True)
class Invocation:
    """What one invocation brings."""

    payload: bytes = field(repr=False)
    client_context: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Answer:
    """What came of it: the function's payload, or an error's with `failed`.

    `duration` is what Lambda would report: the seconds between the process being handed its work and answering.
    """

    payload: bytes = field(repr=False)
    failed: bool = False
    duration: float = 0.0


class Environment:
    """A process that takes one invocation at a time, until it ends or is killed."""

    def __init__(self, launch: Launch, log: Path) -> None:
        self._launch = launch
        self._log = log
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._ended: str | None = None
        self._waiting: tuple[Invocation, float] | None = None
        self._invocation: Invocation | None = None
        self._answer: Answer | None = None
        self._init_error: Answer | None = None
        self._started_at = self._ready_at = self._handed_over_at = 0.0
        self._api = HttpServer(self._serve)
        # The signal of the parent's death follows the thread that started the process, not its process: so this one
        # thread starts it and lives until it has ended.
        self._thread = threading.Thread(target=self._run_process, name=f"environment-{self._api.address}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        with self._changed:
            return self._ended is None and self._init_error is None

    def wait_until_ready(self) -> bool:
        """Wait for the end of its init; whether it takes invocations now."""
        with self._changed:
            # As in Lambda, an init that takes longer than its own limit is charged against the invocation.
            self._changed.wait_for(
                lambda: self._ready or self._init_error or self._ended, INIT_SECONDS + self._launch.timeout
            )
            return self._ready and self._ended is None

    @property
    def init_seconds(self) -> float | None:
        """From the start of the process to its first request for work; None before that."""
        with self._changed:
            return self._ready_at - self._started_at if self._ready else None

    def peak_memory(self) -> int | None:
        """Bytes of memory that the process has held at most; None where it has ended or the system doesn't tell."""
        with self._changed:
            process = self._process
        try:
            status = Path(f"/proc/{process.pid if process else 0}/status").read_text()
        except OSError:
            return None
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(peak[1]) * 1024 if peak else None

    def invoke(self, invocation: Invocation) -> Answer:
        """Hand the invocation over and wait for its answer; past the function's time-out the process is killed."""
        answer = self._wait_for_answer(invocation)
        if answer is None:
            self.kill()
            message = f"Task timed out after {self._launch.timeout:.2f} seconds"
            return _failure(invocation, "Sandbox.Timedout", message)
        return answer

    def _wait_for_answer(self, invocation: Invocation) -> Answer | None:
        timeout = self._launch.timeout
        self.wait_until_ready()
        with self._changed:
            if self._init_error:
                return self._init_error
            if self._ready and not self._ended:
                self._answer = None
                self._waiting = (invocation, time.time() + timeout)
                self._changed.notify_all()
                self._changed.wait_for(self._is_done, timeout)
            if self._ended and not self._answer:
                return _failure(invocation, "Runtime.ExitError", f"Runtime exited with error: {self._ended}")
            return self._answer

    def _is_done(self) -> bool:
        return self._answer is not None or self._ended is not None

    def kill(self) -> None:
        """End the process and its children at once, in the middle of whatever they do."""
        self._signal(signal.SIGKILL)
        self._thread.join()

    def close(self) -> None:
        """End the process: first asked, then killed."""
        self._signal(signal.SIGTERM)
        self._thread.join(_GRACE_SECONDS)
        self.kill()

    def _run_process(self) -> None:
        command = [sys.executable, "-m", "awslambdaric", self._launch.handler]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), self._launch.handler]
        variables = {**self._launch.variables, "AWS_LAMBDA_RUNTIME_API": self._api.address}
        self._started_at = time.monotonic()
        try:
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    cwd=self._launch.folder,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            self._end(f"couldn't start: {error}")
            return
        with self._changed:
            self._process = process
            self._changed.notify_all()
        code = process.wait()
        # What the function itself started goes with it.
        _signal_group(process.pid, signal.SIGKILL)
        self._end(f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}")

    def _end(self, how: str) -> None:
        with self._changed:
            self._ended = how
            self._changed.notify_all()
        self._api.close()

    def _signal(self, number: signal.Signals) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._process or self._ended)
            if self._process and self._ended is None:
                _signal_group(self._process.pid, number)

    def _serve(self, request: Request) -> Response:
        if request.path == "/2018-06-01/runtime/invocation/next":
            return self._next()
        if request.path == "/2018-06-01/runtime/init/error":
            with self._changed:
                self._init_error = Answer(request.body, failed=True)
                self._changed.notify_all()
            return _accepted()
        posted = _POSTED.fullmatch(request.path)
        with self._changed:
            if posted is None or self._invocation is None or posted["id"] != self._invocation.request_id:
                return Response(400, b'{"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}')
            duration = time.monotonic() - self._handed_over_at
            self._answer = Answer(request.body, failed=posted["kind"] == "error", duration=duration)
            self._invocation = None
            self._changed.notify_all()
        return _accepted()

    def _next(self) -> Response:
        with self._changed:
            if not self._ready:
                self._ready, self._ready_at = True, time.monotonic()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._waiting is None:
                raise DroppedConnection
            (invocation, deadline), self._waiting = self._waiting, None
            self._invocation = invocation
            self._handed_over_at = time.monotonic()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._launch.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        if invocation.client_context is not None:
            headers["Lambda-Runtime-Client-Context"] = invocation.client_context
        return Response(200, invocation.payload, headers)


def _accepted() -> Response:
    return Response(202, b'{"status": "OK"}', {"Content-Type": "application/json"})


def _failure(invocation: Invocation, error_type: str, message: str) -> Answer:
    body = {"errorType": error_type, "errorMessage": f"RequestId: {invocation.request_id} Error: {message}"}
    return Answer(json.dumps(body).encode(), failed=True)


def _signal_group(process_id: int, number: signal.Signals) -> None:
    try:
        os.killpg(process_id, number)
    except ProcessLookupError:
        # Everything in the group has ended, which is what a signal is sent for here.
        return
