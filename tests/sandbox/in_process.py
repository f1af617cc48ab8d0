"""The local world without sockets: its org and its AWS answer in the caller's own thread, below urllib3.

For tests by the thousand. All that the clients do is done, but for the connections themselves: a delay is waited out
whatever the caller's time-out, and nothing can be reset in the middle of an answer.
"""

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from io import BytesIO
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, unquote, urlsplit

import urllib3
from botocore.retries.quota import RetryQuota
from botocore.useragent import UserAgentString
from urllib3.exceptions import ProtocolError

from tests.sandbox.aws.http_server import DroppedConnection
from tests.sandbox.aws.http_server import Request as AwsRequest
from tests.sandbox.aws.local import LocalAws
from tests.sandbox.org.dispatch import handle
from tests.sandbox.org.exchange import Request
from tests.sandbox.org.state import Org

# Nobody listens there. The one of AWS is its own to say.
ORG_URL = "http://127.0.0.1:1"

_BOUNDARY = "0123456789abcdef0123456789abcdef"

Answer = urllib3.BaseHTTPResponse


@contextmanager
def answered_here(aws: LocalAws, org: Org | None = None) -> Iterator[None]:
    """Answer all requests of this process that go to their addresses."""
    over_http = urllib3.HTTPConnectionPool.urlopen
    port_of_aws = urlsplit(aws.url).port
    port_of_org = None if org is None else urlsplit(org.url).port
    connections = itertools.count(1)

    def urlopen(pool: urllib3.HTTPConnectionPool, method: str, url: str, **more: Any) -> Answer:
        if pool.port not in (port_of_aws, port_of_org):
            return over_http(pool, method, url, **more)
        headers = {name: _text(value) for name, value in (more.get("headers") or {}).items()}
        body = more.get("body") or b""
        content = body.encode() if isinstance(body, str) else bytes(body)
        if org is None or pool.port == port_of_aws:
            return _answer_of_aws(aws, method, url, headers, content)
        # A session of requests has a pool of its own, which one after another uses one connection.
        number = vars(pool).setdefault("number", next(connections))
        return _answer_of_org(org, Request(method, url, headers, content, remote_port=number, connection=number))

    with (
        patch.object(urllib3.HTTPConnectionPool, "urlopen", urlopen),
        # Clients outlive a world here, and what one world's failures used up mustn't be missing in another.
        patch.object(RetryQuota, "acquire", lambda quota, amount: True),
        # Put together anew for each call, which takes a tenth of the call's time, and nobody reads it.
        patch.object(UserAgentString, "to_string", lambda agent: "boto3"),
        # Werkzeug compiles patterns for each boundary that it meets, which takes longer than the whole deploy.
        patch("urllib3.filepost.choose_boundary", lambda: _BOUNDARY),
    ):
        yield


def _answer_of_aws(aws: LocalAws, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    target = urlsplit(url)
    lowered = {name.lower(): value for name, value in headers.items()}
    request = AwsRequest(method, unquote(target.path), dict(parse_qsl(target.query)), lowered, body)
    try:
        response = aws.answer(request)
    except DroppedConnection:
        raise _reset() from None
    return _answer(method, response.status, response.headers, response.body, len(response.body))


def _answer_of_org(org: Org, request: Request) -> Answer:
    delivery = handle(org, request, threading.Event())
    reply = delivery.reply
    if reply is None:
        raise _reset()
    sent = {"Date": formatdate(delivery.date, usegmt=True), "Content-Type": reply.content_type, **dict(reply.headers)}
    return _answer(request.method, reply.status, sent, reply.body[: delivery.keep], len(reply.body))


def _answer(method: str, status: int, headers: Mapping[str, str], body: bytes, length: int) -> Answer:
    return urllib3.HTTPResponse(
        BytesIO(body),
        {**headers, "Content-Length": str(length)},
        status,
        request_method=method,
        preload_content=False,
        decode_content=False,
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _reset() -> ProtocolError:
    return ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
