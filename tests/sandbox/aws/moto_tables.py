"""moto's DynamoDB without its patching of boto3: requests go in by hand, and each instance has tables of its own."""

import json
from collections.abc import Mapping
from typing import Any

from moto.core.request import Request
from moto.dynamodb.comparisons import COMPARATOR_CLASS, Op
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.responses import DynamoHandler

from tests.sandbox.aws.api_error import ApiError


def _false_across_types(comparison: type[Op]) -> type[Op]:
    # On AWS values of two types compare as false; moto ends in an error of Python's.
    def expr(self: Op, item: Item | None) -> Any:
        try:
            return comparison.expr(self, item)
        except TypeError:
            return False

    return type(comparison.__name__, (comparison,), {"expr": expr})


for _sign in ("<", "<=", ">", ">="):
    COMPARATOR_CLASS[_sign] = _false_across_types(COMPARATOR_CLASS[_sign])


class _Handler(DynamoHandler):
    # moto's own way to a backend is a registry of the whole process.
    def __init__(self, backend: DynamoDBBackend) -> None:
        super().__init__()
        self._backend = backend

    @property
    def dynamodb_backend(self) -> DynamoDBBackend:
        return self._backend


class MotoTables:
    """The tables of one account in one region. Not safe for threads."""

    def __init__(self, account: str, region: str) -> None:
        self._backend = DynamoDBBackend(region, account)
        self._url = f"https://dynamodb.{region}.amazonaws.com/"

    def attribute_types(self, table: str) -> Mapping[str, str]:
        """Attribute -> type, of those that keys are made of; none of a table that isn't there."""
        found = self._backend.tables.get(table)
        return {each["AttributeName"]: each["AttributeType"] for each in found.attr} if found else {}

    def perform(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Do it and return the answer's members. Raises ApiError."""
        headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        request = Request.from_primitives("POST", self._url, headers, json.dumps(parameters).encode())
        handler = _Handler(self._backend)
        try:
            handler.setup_class(request)
            status, _, body = handler.call_action()
        except Exception as error:
            # What AWS would say to it isn't known here, so the test shall end rather than go on with a guess.
            raise ApiError("NotImplementedException", f"moto can't do this {operation}: {type(error)}", 501) from error
        members: dict[str, Any] = json.loads(body)
        if status == 200:
            return members
        code = str(members.pop("__type")).rpartition("#")[2]
        raise ApiError(code, members.pop("message", ""), status, members)
