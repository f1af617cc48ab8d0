"""One request from its fault, through its endpoint, to the log."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from tests.sandbox.org import deploy_endpoint, rest_endpoint, soap_endpoint, token_endpoint
from tests.sandbox.org.exchange import Kind, Reply, Request
from tests.sandbox.org.faults import Fault
from tests.sandbox.org.request_log import LogEntry
from tests.sandbox.org.state import Org

_NO_FAULT = Fault("")
_DATA = r"/services/data/v(?P<version>\d+)\.0"
_POLL = re.compile(_DATA + r"/metadata/deployRequest/(?P<id>[A-Za-z0-9]+)/?")
_ROUTES: tuple[tuple[Kind, str, re.Pattern[str]], ...] = (
    (Kind.TOKEN, "POST", re.compile(r"/services/oauth2/token")),
    (Kind.REVOKE, "POST", re.compile(r"/services/oauth2/revoke")),
    (Kind.SOAP, "POST", re.compile(r"/services/Soap/m/(?P<version>[^/]*)(/.*)?")),
    (Kind.DEPLOY, "POST", re.compile(_DATA + r"/metadata/deployRequest/?")),
    (Kind.POLL, "GET", _POLL),
    (Kind.QUERY, "GET", re.compile(_DATA + r"/query/?")),
    (Kind.LIVENESS, "GET", re.compile(_DATA + r"/?")),
    (Kind.VERSIONS, "GET", re.compile(r"/services/data/?")),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What leaves over the wire. `date` is epoch seconds; `reply` is None where the connection is reset."""

    reply: Reply | None
    date: float
    keep: int | None = None
    hangs_up: bool = False


def handle(org: Org, request: Request, closing: threading.Event) -> Delivery:
    """Do what was asked, unless a fault says otherwise, and log it before the answer leaves."""
    kind, act = _route(org, request)
    fault = org.faults.draw(kind, request) or _NO_FAULT
    if fault.before:
        fault.before()
    if fault.delay:
        closing.wait(fault.delay)
    reply: Reply | None = None
    if fault.acts:
        with org.lock:
            org.settle()
            reply = act()
            # A deploy that takes no time is over by now, though its own answer says Pending.
            org.settle()
    sent = None if fault.reset else fault.answer or reply
    now = org.clock.now()
    org.log.append(
        LogEntry(
            time=now,
            kind=kind,
            method=request.method,
            path=request.path,
            query=urlsplit(request.target).query,
            username=reply.username if reply else None,
            consumer_key=reply.consumer_key if reply else None,
            outcome=reply.outcome if reply else "not acted",
            status=sent.status if sent else None,
            fault=fault.name or None,
            remote_port=request.remote_port,
            connection=request.connection,
            headers=tuple(request.headers.items()),
            body=request.body,
        )
    )
    if fault.after:
        fault.after()
    return Delivery(sent, now + fault.date_offset, fault.keep, fault.hangs_up)


def _route(org: Org, request: Request) -> tuple[Kind, Callable[[], Reply]]:
    for kind, method, pattern in _ROUTES:
        found = pattern.fullmatch(request.path)
        if found and request.method == method:
            return kind, partial(_act, org, request, kind, found.groupdict())
    return Kind.OTHER, lambda: rest_endpoint.NOT_FOUND


def _act(org: Org, request: Request, kind: Kind, found: dict[str, str]) -> Reply:
    match kind:
        case Kind.TOKEN:
            return token_endpoint.token(org, request)
        case Kind.REVOKE:
            return token_endpoint.revoke(org, request)
        case Kind.SOAP:
            return soap_endpoint.soap(org, request, found["version"])
        case Kind.DEPLOY:
            return deploy_endpoint.submit(org, request, int(found["version"]))
        case Kind.POLL:
            return deploy_endpoint.poll(org, request, int(found["version"]), found["id"])
        case Kind.QUERY:
            return rest_endpoint.query(org, request, int(found["version"]))
        case Kind.LIVENESS:
            return rest_endpoint.liveness(org, request, int(found["version"]))
        case _:
            return rest_endpoint.versions(org, request)
