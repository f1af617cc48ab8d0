"""A Lambda function: its environments, started as callers need them, and what it answered and printed."""

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.environment import Environment, Invocation, Launch
from tests.sandbox.aws.gateway import ACCOUNT, REGION


@dataclass(frozen=True)
class FunctionSettings:
    """What a template says of a function. `timeout` in seconds, `memory_size` in MB (not enforced)."""

    name: str
    folder: Path
    handler: str = "app.lambda_handler"
    layers: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 3.0
    memory_size: int = 128
    concurrency: int = 10


@dataclass(frozen=True)
class Result:
    """An invocation as it ended. `seconds` are the caller's and include a cold start.

    `duration` is what Lambda would report of the handler, `init_seconds` of a cold start before it.
    """

    request_id: str
    event: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    failed: bool
    cold: bool
    seconds: float
    duration: float
    init_seconds: float | None

    @property
    def value(self) -> Any:
        """What the function returned, or the members of its error."""
        return json.loads(self.payload)

    @property
    def error_type(self) -> str | None:
        """The name of the function's error; None where it succeeded."""
        return str(self.value.get("errorType", "")) if self.failed else None

    @property
    def error_message(self) -> str | None:
        """The text of the function's error; None where it succeeded."""
        return str(self.value.get("errorMessage", "")) if self.failed else None


class Function:
    """A function of the local Lambda. Safe for threads."""

    def __init__(self, settings: FunctionSettings, variables: Mapping[str, str], log_folder: Path) -> None:
        self.name = settings.name
        self.arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{settings.name}"
        self._settings = settings
        self._variables = dict(variables)
        self._log_folder = log_folder
        self._lock = threading.Lock()
        self._all: list[Environment] = []
        self._idle: list[Environment] = []
        self._retired: list[Environment] = []
        self._logs: list[Path] = []
        self._results: list[Result] = []
        self._closed = False

    @property
    def results(self) -> tuple[Result, ...]:
        """Every invocation so far, in the order in which they ended."""
        with self._lock:
            return tuple(self._results)

    @property
    def environments(self) -> int:
        """How many environments live now."""
        with self._lock:
            return sum(environment.alive for environment in self._all)

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables but for those that Lambda sets."""
        with self._lock:
            return dict(self._settings.environment)

    def peak_memory(self) -> int | None:
        """Bytes that the largest of the living environments has held at most; None where the system doesn't tell."""
        with self._lock:
            environments = list(self._all)
        peaks = [peak for environment in environments if (peak := environment.peak_memory()) is not None]
        return max(peaks, default=None)

    def output(self) -> str:
        """What all its environments, living or not, wrote to stdout and stderr."""
        with self._lock:
            logs = list(self._logs)
        return "".join(log.read_text(errors="replace") for log in logs)

    def set_concurrency(self, concurrency: int) -> None:
        """Let so many environments run at once."""
        with self._lock:
            self._settings = replace(self._settings, concurrency=concurrency)

    def provision(self, environments: int, *, at_once: int = 4) -> None:
        """Start so many environments ahead of their first invocation, and wait until they have initialised.

        As with provisioned concurrency. Raises ApiError: `TooManyRequestsException`; RuntimeError where an init fails.
        """

        def start(_: int) -> None:
            environment = self._start()
            if not environment.wait_until_ready():
                raise RuntimeError(f"An environment of {self.name} didn't initialise")
            self._give_back(environment)

        # More at once would only take turns on the processors, and each one's init has a limit.
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(start, range(environments)))

    def invoke(self, event: object, *, client_context: str | None = None) -> Result:
        """Invoke it with an event and wait. Raises ApiError: `TooManyRequestsException`."""
        return self.invoke_raw(Invocation(json.dumps(event).encode(), client_context))

    def invoke_raw(self, invocation: Invocation) -> Result:
        """Invoke it with a payload that is JSON already. Raises ApiError: `TooManyRequestsException`."""
        started = time.monotonic()
        environment, cold = self._take()
        try:
            answer = environment.invoke(invocation)
        finally:
            self._give_back(environment)
        result = Result(
            invocation.request_id,
            invocation.payload,
            answer.payload,
            answer.failed,
            cold,
            time.monotonic() - started,
            answer.duration,
            environment.init_seconds if cold else None,
        )
        with self._lock:
            self._results.append(result)
        return result

    def kill(self) -> None:
        """Kill every environment now; an invocation under way ends in `Runtime.ExitError`."""
        with self._lock:
            environments, self._idle = list(self._all), []
        for environment in environments:
            environment.kill()

    def recycle(self) -> None:
        """Start cold from the next invocation on; those under way are left to end."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._retired.extend(environment for environment in self._all if environment not in idle)
        for environment in idle:
            environment.close()

    def set_environment(self, environment: Mapping[str, str]) -> None:
        """Replace the environment variables; like an update of the function, this recycles it."""
        with self._lock:
            self._settings = replace(self._settings, environment=dict(environment))
        self.recycle()

    def close(self) -> None:
        """End every environment and start no more."""
        with self._lock:
            self._closed = True
            environments = list(self._all)
        for environment in environments:
            environment.close()

    def _take(self) -> tuple[Environment, bool]:
        with self._lock:
            while self._idle:
                environment = self._idle.pop()
                if environment.alive:
                    return environment, False
            return self._start_another(), True

    def _start(self) -> Environment:
        with self._lock:
            return self._start_another()

    def _start_another(self) -> Environment:
        self._all = [environment for environment in self._all if environment.alive]
        if self._closed or len(self._all) >= self._settings.concurrency:
            raise ApiError("TooManyRequestsException", "Rate Exceeded.", status=429)
        number = len(self._logs) + 1
        log = self._log_folder / f"{self.name}-{number}.log"
        log.touch()
        self._logs.append(log)
        environment = Environment(self._launch(), log)
        self._all.append(environment)
        return environment

    def _give_back(self, environment: Environment) -> None:
        with self._lock:
            reusable = environment.alive and environment not in self._retired and not self._closed
            if reusable:
                self._idle.append(environment)
        if not reusable:
            environment.close()

    def _launch(self) -> Launch:
        settings = self._settings
        layers = [_python_folder(layer) for layer in settings.layers]
        search_path = [str(settings.folder), *map(str, layers), settings.environment.get("PYTHONPATH", "")]
        day = time.strftime("%Y/%m/%d", time.gmtime())
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_size),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{day}/[$LATEST]{uuid.uuid4().hex}",
            "LAMBDA_TASK_ROOT": str(settings.folder),
            "_HANDLER": settings.handler,
        }
        variables |= self._variables
        variables |= settings.environment
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, search_path))
        return Launch(self.arn, settings.handler, settings.folder, variables, settings.timeout)


def _python_folder(layer: Path) -> Path:
    # A built layer has its modules under python/, as Lambda wants it; a layer's source folder has them at its top.
    built = layer / "python"
    return built if built.is_dir() else layer
