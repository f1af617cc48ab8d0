"""The same services without sockets between them and who calls: for tests that play rotations by the thousand.

What is left out is HTTP's way there and back and the SDK's, which the cuts of every call go through.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import urllib3
from botocore.client import BaseClient

from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.org.dispatch import handle
from tests.sandbox.org.exchange import Request
from tests.sandbox.org.state import Org
from tests.sandbox.world import World

# Those that the SDK adds a token to where there is none.
_WITH_TOKEN = frozenset({"PutSecretValue", "RotateSecret"})


class Crossing:
    """Where all calls come by. `before_each` is called before each of them, `seen` with what AWS is asked for."""

    def __init__(self) -> None:
        self.before_each: Callable[[], None] = lambda: None
        self.seen: Callable[[str, Mapping[str, Any]], None] = lambda operation, parameters: None

    @contextmanager
    def watched(self, before_each: Callable[[], None]) -> Iterator[None]:
        """Call that before each call, in place of what was called until now."""
        outer, self.before_each = self.before_each, before_each
        try:
            yield
        finally:
            self.before_each = outer


@contextmanager
def without_sockets(world: World) -> Iterator[Crossing]:
    """Answer calls to this world's org and Secrets Manager in the caller's own thread; DynamoDB's take the long way."""
    crossing = Crossing()
    to_aws, over_http = vars(BaseClient)["_make_api_call"], urllib3.HTTPConnectionPool.urlopen
    port = urlsplit(world.org.url).port

    def call_aws(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        if client.meta.service_model.service_name != "secretsmanager":
            return to_aws(client, operation, parameters)
        crossing.before_each()
        crossing.seen(operation, parameters)
        return _answer_of_aws(world, client, operation, parameters)

    def open_url(pool: urllib3.HTTPConnectionPool, method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse:
        crossing.before_each()
        if pool.port != port:
            return over_http(pool, method, url, **more)
        return _answer_of_org(world.org, method, url, more.get("headers") or {}, more.get("body") or b"")

    with pytest.MonkeyPatch.context() as patch:
        # Nothing passes through it that it could remember, and making one takes as long as half a rotation.
        patch.setattr(boto3, "client", cache(boto3.client))
        patch.setattr(BaseClient, "_make_api_call", call_aws)
        patch.setattr(urllib3.HTTPConnectionPool, "urlopen", open_url)
        yield crossing


def _answer_of_aws(world: World, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
    if operation in _WITH_TOKEN:
        parameters = {"ClientRequestToken": str(uuid.uuid4()), **parameters}
    try:
        return json.loads(world.aws.secrets_manager.perform(operation, parameters).body)
    except ApiError as error:
        answer = {
            "Error": {"Code": error.code, "Message": error.message},
            "ResponseMetadata": {"HTTPStatusCode": error.status},
        }
        kind: Any = client.exceptions.from_code(error.code)
        raise kind(answer, operation) from None


def _answer_of_org(
    org: Org, method: str, url: str, headers: Mapping[str, Any], body: str | bytes
) -> urllib3.BaseHTTPResponse:
    read = {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}
    content = body.encode() if isinstance(body, str) else body
    delivery = handle(org, Request(method, url, read, content, remote_port=0, connection=0), threading.Event())
    reply = delivery.reply
    assert reply is not None, "nothing is injected here"
    sent = {"Date": formatdate(delivery.date, usegmt=True), "Content-Type": reply.content_type, **dict(reply.headers)}
    return urllib3.HTTPResponse(
        BytesIO(reply.body), sent, reply.status, request_method=method, preload_content=False, decode_content=False
    )
