"""The functions' handlers in this process, as Lambda loads them: by path, in an environment, and with a context."""

import importlib.util
import io
import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from salesforce_keypair import timing
from tests.sandbox.aws.environment import Invocation
from tests.sandbox.aws.functions import Result
from tests.sandbox.aws.gateway import ACCOUNT, REGION
from tests.sandbox.world import FUNCTIONS
from tests.scenarios.auditing import LOUD
from tests.scenarios.hearing import told_by
from tests.unit.support import FakeClock


class Place(Protocol):
    """Where a handler runs, such as a stage: what time it is there, and what its environment says."""

    clock: FakeClock
    variables: dict[str, str]

    def note(self, text: str) -> None:
        """Hear what came out of it."""
        ...


@dataclass
class Context:
    """The part of Lambda's context that handlers and Powertools look at."""

    function_name: str = "function"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    seconds: float = 900.0
    client_context: Any = None
    identity: Any = None

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class Handler:
    """A loaded `app.py`, and what it has printed."""

    module: Any
    _output: io.StringIO
    _note: Callable[[str], None]
    _looked_at: int = 0

    def __call__(self, event: Mapping[str, Any], context: Context | None = None) -> Any:
        with redirect_stdout(self._output):
            try:
                return self.module.lambda_handler(event, context or Context())
            except Exception as error:
                self._note(told_by(error))
                raise

    def printed(self) -> list[dict[str, Any]]:
        """Lines of the log and metrics since the last look; every line is JSON."""
        new = self._output.getvalue()[self._looked_at :]
        self._looked_at += len(new)
        return [json.loads(line) for line in new.splitlines()]


def metrics_in(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Name -> sum of what CloudWatch would read from those lines."""
    found: dict[str, float] = {}
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert directive["Namespace"] == "SalesforceKeyPair"
            for metric in directive["Metrics"]:
                found[metric["Name"]] = found.get(metric["Name"], 0.0) + sum(line[metric["Name"]])
    return found


def logged_in(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that aren't metrics."""
    return [line for line in lines if "_aws" not in line]


@dataclass
class Deployed:
    """A loaded handler that stands in for a function of the local Lambda."""

    name: str
    handler: Handler

    @property
    def arn(self) -> str:
        """As Lambda names it."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    def invoke_raw(self, invocation: Invocation) -> Result:
        """Invoke it; an exception is answered as Lambda does."""
        try:
            answer, failed = self.handler(json.loads(invocation.payload)), False
        except Exception as error:  # noqa: BLE001 - as the runtime client does
            answer, failed = {"errorType": type(error).__name__, "errorMessage": str(error)}, True
        payload = json.dumps(answer).encode()
        return Result(invocation.request_id, invocation.payload, payload, failed, False, 0.0, 0.0, None)


@contextmanager
def loaded(function: str, stage: Place, **variables: str) -> Iterator[Handler]:
    """Load a function's handler on a stage, on the stage's clock; its loggers are taken back at the end."""
    with pytest.MonkeyPatch.context() as patch, _loggers_as_they_were():
        patch.setattr(timing, "SystemClock", lambda: stage.clock)
        # Powertools keeps loggers by the name of the service: a name of its own makes a new one.
        service = f"{function}-{uuid.uuid4().hex}"
        for name, value in (stage.variables | LOUD | {"POWERTOOLS_SERVICE_NAME": service} | variables).items():
            patch.setenv(name, value)
        specification = importlib.util.spec_from_file_location(f"{function}_app", FUNCTIONS / function / "app.py")
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        output = io.StringIO()
        # Powertools' logger keeps the stream that it finds here.
        with redirect_stdout(output):
            specification.loader.exec_module(module)
        handler = Handler(module, output, stage.note)
        try:
            yield handler
        finally:
            stage.note(output.getvalue())


@contextmanager
def _loggers_as_they_were() -> Iterator[None]:
    known = {name: each for name, each in logging.root.manager.loggerDict.items() if isinstance(each, logging.Logger)}
    before = {name: (each.level, each.handlers[:], each.propagate, each.filters[:]) for name, each in known.items()}
    try:
        yield
    finally:
        for name, (level, handlers, propagate, filters) in before.items():
            each = known[name]
            each.setLevel(level)
            each.handlers, each.propagate, each.filters = handlers, propagate, filters
