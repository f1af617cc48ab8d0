"""Requests in AWS's JSON protocols: the operation in a header, its parameters in the body."""

import json
from typing import Any

from tests.sandbox.aws import shapes
from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.http_server import Request


def read(request: Request, *, service: str, target: str, title: str) -> tuple[str, Any]:
    """The operation and its parameters, which aren't checked yet; `target` comes before the name. Raises ApiError."""
    sent = request.headers.get("x-amz-target", "")
    operation = sent.removeprefix(target)
    if not sent.startswith(target) or operation not in shapes.service_model(service).operation_names:
        raise ApiError("UnknownOperationException", f"'{sent}' is no operation of {title}.")
    try:
        return operation, json.loads(request.body)
    except ValueError as error:
        raise ApiError("SerializationException", "The body isn't JSON.") from error
