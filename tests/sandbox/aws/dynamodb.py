"""DynamoDB: moto's, one for each local AWS, behind the checks in which moto is more lenient than AWS.

Sources: "DynamoDB API Reference" and botocore's model of the service. Expired items stay, as they do on AWS for days.
"""

import base64
import json
import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.sandbox.aws import dynamodb_rules, json_protocol, shapes
from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.gateway import ACCOUNT, REGION
from tests.sandbox.aws.http_server import Request, Response

if TYPE_CHECKING:
    from tests.sandbox.aws.moto_tables import MotoTables

_NAMESPACE = "com.amazonaws.dynamodb.v20120810#"
_TARGET = "DynamoDB_20120810."
_CONTENT_TYPE = "application/x-amz-json-1.0"
# Those whose parameters are checked here; moto has more.
_OPERATIONS = frozenset(
    {
        "CreateTable",
        "DeleteItem",
        "DeleteTable",
        "DescribeTable",
        "DescribeTimeToLive",
        "GetItem",
        "ListTables",
        "PutItem",
        "Scan",
        "UpdateItem",
        "UpdateTimeToLive",
    }
)

Parameters = Mapping[str, Any]


class DynamoDb:
    """The service, and what a test looks at without going through HTTP. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: MotoTables | None = None

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every item of a table, expired ones too: numbers as Decimal, the rest as Python has it. Raises ApiError."""
        answer = self._perform("Scan", {"TableName": table})
        return [{name: _plain(value) for name, value in item.items()} for item in answer["Items"]]

    def read(self, request: Request) -> tuple[str, Parameters]:
        """The operation and its parameters, checked against AWS's model. Raises ApiError."""
        operation, parameters = json_protocol.read(request, service="dynamodb", target=_TARGET, title="DynamoDB")
        if operation in _OPERATIONS:
            shapes.check("dynamodb", operation, parameters)
            dynamodb_rules.check(parameters)
        return operation, parameters

    def perform(self, operation: str, parameters: Parameters) -> Response:
        """Do it. Raises ApiError."""
        if operation not in _OPERATIONS:
            raise ApiError("NotImplementedException", f"This local DynamoDB has no {operation}.", status=501)
        answer = self._perform(operation, parameters)
        return Response(200, json.dumps(answer).encode(), {"Content-Type": _CONTENT_TYPE})

    def refusal(self, error: ApiError) -> Response:
        """The answer by which DynamoDB refuses."""
        body = {"__type": _NAMESPACE + error.code, "message": error.message, **error.members}
        return Response(error.status, json.dumps(body).encode(), {"Content-Type": _CONTENT_TYPE})

    def _perform(self, operation: str, parameters: Parameters) -> dict[str, Any]:
        # moto checks a condition and writes in two steps, so on its own two writers could both find it true.
        with self._lock:
            tables = self._tables()
            if "Key" in parameters:
                dynamodb_rules.check_key(parameters["Key"], tables.attribute_types(parameters["TableName"]))
            return tables.perform(operation, parameters)

    def _tables(self) -> "MotoTables":
        if self._made is None:
            # A third of a second, which those who need no table don't pay.
            from tests.sandbox.aws.moto_tables import MotoTables

            self._made = MotoTables(ACCOUNT, REGION)
        return self._made


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, held),) = value.items()
    match kind:
        case "N":
            return Decimal(held)
        case "B":
            return base64.b64decode(held)
        case "NULL":
            return None
        case "L":
            return [_plain(each) for each in held]
        case "M":
            return {name: _plain(each) for name, each in held.items()}
        case _:
            return held
