"""A refusal as AWS's services word it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.aws.http_server import Response


@dataclass
class ApiError(Exception):
    """An error answer: AWS's error code, its words, its HTTP status, and what else it tells."""

    code: str
    message: str
    status: int = 400
    members: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def response(self) -> Response:
        """The answer, readable in the JSON protocol (body) and in REST-JSON (header)."""
        body = {"__type": self.code, "message": self.message, "Message": self.message}
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": self.code}
        return Response(self.status, json.dumps(body).encode(), headers)
