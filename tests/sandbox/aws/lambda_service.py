"""Lambda over HTTP: Invoke, the functions that it reaches, and their configurations.

Source: "AWS Lambda API Reference".
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.environment import Invocation
from tests.sandbox.aws.function_configuration import FunctionConfiguration
from tests.sandbox.aws.functions import Function, Result
from tests.sandbox.aws.http_server import Request, Response

_PATH = re.compile(r"/2015-03-31/functions/(?P<function>[^/]+)/(?P<what>invocations|configuration)")
_OPERATIONS = {
    ("POST", "invocations"): "Invoke",
    ("GET", "configuration"): "GetFunctionConfiguration",
    ("PUT", "configuration"): "UpdateFunctionConfiguration",
}
_ARN = re.compile(r"arn:aws:lambda:[^:]+:\d{12}:function:(?P<name>[^:]+)(:(?P<qualifier>[^:]+))?")

F = TypeVar("F", bound="Invocable")


class Invocable(Protocol):
    """What is invoked under a function's name."""

    @property
    def name(self) -> str:
        """Of the function."""
        ...

    @property
    def arn(self) -> str:
        """Of the function."""
        ...

    def invoke_raw(self, invocation: Invocation) -> Result:
        """Invoke it and wait. Raises ApiError where it can't be invoked."""
        ...


class LambdaService:
    """The local Lambda. Functions are found by name or ARN; the only version is $LATEST."""

    def __init__(self) -> None:
        self._functions: dict[str, Function] = {}
        self._configurations: dict[str, FunctionConfiguration] = {}
        self._elsewhere: dict[str, Invocable] = {}

    def add(self, function: Function) -> None:
        """Make a function known. Raises ValueError where its name is taken."""
        if function.name in self._functions:
            raise ValueError(f"There is a function {function.name} already")
        self._functions[function.name] = function
        self._configurations[function.name] = FunctionConfiguration(function)

    def stand_in(self, function: Invocable) -> None:
        """Let something else answer for the function of that name, in place of a process."""
        self._elsewhere[function.name] = function

    @property
    def functions(self) -> list[Function]:
        """All of them, in the order in which they were made."""
        return list(self._functions.values())

    def exists(self, arn: str) -> bool:
        """Whether there is a function of that name or ARN."""
        return self._find(arn, self._functions) is not None

    def invoke(self, name: str, payload: bytes) -> Result:
        """Invoke the function of that name or ARN. Raises ApiError where it can't be invoked."""
        return self._invoke(name, Invocation(payload))

    def close(self) -> None:
        """End every function's environments."""
        for function in self._functions.values():
            function.close()

    def read(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """The operation and its parameters. Raises ApiError."""
        path = _PATH.fullmatch(request.path)
        operation = None if path is None else _OPERATIONS.get((request.method, path["what"]))
        if path is None or operation is None:
            known = ", ".join(_OPERATIONS.values())
            raise ApiError("NotImplementedException", f"This local Lambda has {known}, not {request.path}.", status=501)
        qualifier = request.query.get("Qualifier", "$LATEST")
        if qualifier != "$LATEST":
            raise _not_found(f"{path['function']}:{qualifier}")
        name = {"FunctionName": path["function"]}
        if operation != "Invoke":
            return operation, _members(request.body) | name
        return operation, name | {
            "InvocationType": request.headers.get("x-amz-invocation-type", "RequestResponse"),
            "ClientContext": request.headers.get("x-amz-client-context"),
            "Payload": request.body or b"{}",
        }

    def perform(self, operation: str, parameters: Mapping[str, Any]) -> Response:
        """Do it; an invocation is waited for. Raises ApiError."""
        if operation != "Invoke":
            configuration = self._configurations[self._found(parameters["FunctionName"]).name]
            update = operation == "UpdateFunctionConfiguration"
            shown = configuration.update(parameters) if update else configuration.get()
            return Response(200, json.dumps(shown).encode(), {"Content-Type": "application/json"})
        if parameters["InvocationType"] != "RequestResponse":
            raise ApiError("InvalidParameterValueException", "This local Lambda answers RequestResponse only.")
        try:
            json.loads(parameters["Payload"])
        except ValueError as error:
            raise ApiError("InvalidRequestContentException", "Could not parse request body into json.") from error
        context = parameters["ClientContext"]
        invocation = Invocation(parameters["Payload"], base64.b64decode(context).decode() if context else None)
        result = self._invoke(parameters["FunctionName"], invocation)
        headers = {
            "Content-Type": "application/json",
            "X-Amz-Executed-Version": "$LATEST",
            "x-amzn-RequestId": result.request_id,
        }
        if result.failed:
            headers["X-Amz-Function-Error"] = "Unhandled"
        return Response(200, result.payload, headers)

    def refusal(self, error: ApiError) -> Response:
        """The answer by which Lambda refuses."""
        return error.response()

    def _invoke(self, name: str, invocation: Invocation) -> Result:
        stand_in = self._find(name, self._elsewhere)
        return (stand_in or self._found(name)).invoke_raw(invocation)

    def _found(self, name: str) -> Function:
        function = self._find(name, self._functions)
        if function is None:
            raise _not_found(name)
        return function

    def _find(self, name: str, functions: Mapping[str, F]) -> F | None:
        arn = _ARN.fullmatch(name)
        if arn is None:
            return functions.get(name)
        if arn["qualifier"] not in (None, "$LATEST"):
            return None
        function = functions.get(arn["name"])
        # An ARN of another account or region names another function.
        return function if function and name.startswith(function.arn) else None


def _members(body: bytes) -> dict[str, Any]:
    try:
        members = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError("SerializationException", "The body isn't JSON.") from error
    if not isinstance(members, dict):
        raise ApiError("SerializationException", "The body isn't an object.")
    return members


def _not_found(name: str) -> ApiError:
    return ApiError("ResourceNotFoundException", f"Function not found: {name}", status=404)
