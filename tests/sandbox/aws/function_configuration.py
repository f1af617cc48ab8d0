"""A function's configuration as Lambda shows it, and what it takes to change the environment variables.

Source: "AWS Lambda API Reference", GetFunctionConfiguration and UpdateFunctionConfiguration; "AWS Lambda Developer
Guide", environment variables.
"""

import json
import re
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from tests.sandbox.aws import shapes
from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.functions import Function

_CHANGEABLE = frozenset({"FunctionName", "Environment", "RevisionId"})
_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
_RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR|AWS_DEFAULT_REGION|AWS_REGION|AWS_EXECUTION_ENV|"
    r"AWS_ACCESS_KEY(_ID)?|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|AWS_LAMBDA_(FUNCTION|LOG|RUNTIME|INITIALIZATION)_.*"
)
_MAX_BYTES = 4096


class FunctionConfiguration:
    """What is known of one function. An update is under way until somebody has looked at it once. Safe for threads."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._revision = str(uuid.uuid4())
        self._updating = False

    def get(self) -> dict[str, Any]:
        """GetFunctionConfiguration."""
        with self._lock:
            shown = self._shown()
            self._updating = False
            return shown

    def update(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateFunctionConfiguration: the environment is replaced whole, and its processes start anew.

        Raises ApiError: `ResourceConflictException` while an update is under way, `PreconditionFailedException` for
        another revision than the latest, `InvalidParameterValueException`.
        """
        shapes.check("lambda", "UpdateFunctionConfiguration", parameters)
        others = sorted(parameters.keys() - _CHANGEABLE)
        if others:
            raise ApiError("NotImplementedException", f"This local Lambda doesn't change {others[0]}.", status=501)
        with self._lock:
            if self._updating:
                raise ApiError(
                    "ResourceConflictException",
                    "The operation cannot be performed at this time. An update is in progress for resource: "
                    f"{self._function.arn}",
                    status=409,
                )
            if parameters.get("RevisionId") not in (None, self._revision):
                raise ApiError(
                    "PreconditionFailedException",
                    "The Revision Id provided does not match the latest Revision Id. Call the "
                    "GetFunctionConfiguration API to retrieve the latest Revision Id",
                    status=412,
                )
            if "Environment" in parameters:
                variables = parameters["Environment"].get("Variables", {})
                _check_variables(variables)
                self._function.set_environment(variables)
            self._revision = str(uuid.uuid4())
            self._updating = True
            return self._shown()

    def _shown(self) -> dict[str, Any]:
        function = self._function
        return {
            "FunctionName": function.name,
            "FunctionArn": function.arn,
            "Version": "$LATEST",
            "State": "Active",
            "LastUpdateStatus": "InProgress" if self._updating else "Successful",
            "RevisionId": self._revision,
            "Environment": {"Variables": function.environment},
            "LoggingConfig": {"LogFormat": "JSON", "LogGroup": f"/aws/lambda/{function.name}"},
        }


def _check_variables(variables: Mapping[str, str]) -> None:
    for name in variables:
        if not _VARIABLE.fullmatch(name) or _RESERVED.fullmatch(name):
            raise ApiError(
                "InvalidParameterValueException",
                "Lambda was unable to configure your environment variables because the environment variables you have "
                f"provided contains reserved keys that are currently not supported for modification: {name}",
            )
    if len(json.dumps(dict(variables)).encode()) > _MAX_BYTES:
        raise ApiError(
            "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the {_MAX_BYTES} bytes limit.",
        )
