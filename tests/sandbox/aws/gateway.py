"""The one address behind which the services stand: knows the caller, disturbs and logs every call."""

import hashlib
import re
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.faults import Act, Crash, Delay, Disturbance, DropConnection, FaultPlan, Garble, Refuse
from tests.sandbox.aws.http_server import DroppedConnection, Request, Response

REGION = "us-east-1"
ACCOUNT = "123456789012"

_CREDENTIAL = re.compile(r"Credential=(?P<access_key>[^/,]+)/\d{8}/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request")


class Service(Protocol):
    """A service of AWS, in its own wire protocol."""

    def read(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """The operation and the parameters that a request means. Raises ApiError."""
        ...

    def perform(self, operation: str, parameters: Mapping[str, Any]) -> Response:
        """Do it. Raises ApiError."""
        ...

    def refusal(self, error: ApiError) -> Response:
        """The answer by which it refuses."""
        ...


@dataclass(frozen=True)
class Call:
    """One call as it ended. `outcome` is `ok`, AWS's error code, `dropped` or `garbled`; `at` is epoch seconds.

    `took_effect` tells a call whose answer alone was lost from one that never arrived.
    """

    at: float
    service: str
    operation: str
    caller: str
    outcome: str
    took_effect: bool
    parameters: Mapping[str, Any] = field(repr=False)


class Callers:
    """Names for access keys, so that the log says who called."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def access_key(self, name: str) -> str:
        """The access key id by which `name` is known from now on."""
        access_key = "AKIA" + hashlib.sha256(name.encode()).hexdigest()[:16].upper()
        self._names[access_key] = name
        return access_key

    def name(self, access_key: str) -> str:
        """Who uses it; a key that was never handed out stands for itself."""
        return self._names.get(access_key, access_key)


class Gateway:
    """Sends a request to its service by the name in its signature; signatures themselves aren't verified."""

    def __init__(self, services: Mapping[str, Service], callers: Callers) -> None:
        self.faults = FaultPlan()
        self._services = services
        self._callers = callers
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def calls(self, operation: str | None = None, *, caller: str | None = None) -> list[Call]:
        """The calls so far in the order in which they ended, all or those of one operation or caller."""
        with self._lock:
            calls = list(self._calls)
        return [c for c in calls if operation in (None, c.operation) and caller in (None, c.caller)]

    def answer(self, request: Request) -> Response:
        """The handler of the HTTP server."""
        try:
            response = self._answer(request)
        except ApiError as error:
            response = error.response()
        request_id = {"x-amzn-RequestId": str(uuid.uuid4())}
        return replace(response, headers=request_id | dict(response.headers))

    def _answer(self, request: Request) -> Response:
        credential = _CREDENTIAL.search(request.headers.get("authorization", ""))
        if credential is None:
            raise ApiError("MissingAuthenticationTokenException", "Request is missing Authentication Token", status=403)
        name = credential["service"]
        service = self._services.get(name)
        if service is None:
            known = ", ".join(sorted(self._services))
            raise ApiError("NotImplementedException", f"This local AWS has {known}, and no '{name}'.", status=501)
        caller = self._callers.name(credential["access_key"])
        try:
            operation, parameters = service.read(request)
        except ApiError as error:
            return service.refusal(error)
        call = Call(time.time(), name, operation, caller, "ok", took_effect=False, parameters=parameters)
        return self._perform(service, call, self.faults.take(operation, caller))

    def _perform(self, service: Service, call: Call, disturbance: Disturbance | None) -> Response:
        match disturbance:
            case Refuse(code, status, message):
                self._log(call, code)
                return service.refusal(ApiError(code, message, status))
            case DropConnection(after_effect=False):
                self._log(call, "dropped")
                raise DroppedConnection
            case Crash(kill, after_effect=False):
                self._log(call, "dropped")
                kill()
                raise DroppedConnection
            case Delay(seconds):
                time.sleep(seconds)
            case Act(action, after_effect=False):
                action()
        try:
            response = service.perform(call.operation, call.parameters)
            call = replace(call, took_effect=True)
        except ApiError as error:
            response = service.refusal(error)
            call = replace(call, outcome=error.code)
        return self._respond(call, response, disturbance)

    def _respond(self, call: Call, response: Response, disturbance: Disturbance | None) -> Response:
        # Logged first: who waits for a crash, or for the answer, finds the call in the log.
        match disturbance:
            case DropConnection():
                self._log(call, "dropped")
                raise DroppedConnection
            case Crash(kill):
                self._log(call, "dropped")
                kill()
                raise DroppedConnection
            case Garble(body, status):
                self._log(call, "garbled")
                return Response(status, body, {"Content-Type": "text/html"})
            case Act(action, after_effect=True):
                self._log(call, call.outcome)
                action()
            case _:
                self._log(call, call.outcome)
        return response

    def _log(self, call: Call, outcome: str) -> None:
        with self._lock:
            self._calls.append(replace(call, outcome=outcome))
