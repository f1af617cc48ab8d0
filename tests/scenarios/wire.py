"""The wire between a rotation in this process and all others: calls are counted, and troubles befall some of them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

import pytest
import urllib3
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from tests.unit.support import FakeClock

Answer = urllib3.BaseHTTPResponse

_SNS = "SNS_20100331"
_PAGE = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We are down for maintenance.</body></html>"


class Stopped(BaseException):
    """The process ended here. Not an Exception, so that nothing in the code can go on after it."""


@dataclass(frozen=True)
class RemoteCall:
    """A call that is about to leave. `target` is AWS's name of the operation, empty where Salesforce is called."""

    number: int
    method: str
    url: str
    target: str
    make: Callable[[], Answer] = field(repr=False)
    fall_silent: Callable[[], ReadTimeoutError] = field(repr=False)

    def __str__(self) -> str:
        return f"call {self.number}, {self.target or f'{self.method} {self.url}'}"

    @property
    def is_soap(self) -> bool:
        return "/services/Soap/" in self.url


Trouble = Callable[[RemoteCall], Answer]
"""What befalls a call instead of going well: another answer, none, or the end of the process."""


def killed_before(call: RemoteCall) -> Answer:
    """The process ends, and nothing was done."""
    raise Stopped


def killed_after(call: RemoteCall) -> Answer:
    """The process ends when the call took effect and its answer hadn't arrived."""
    call.make()
    raise Stopped


def server_error(call: RemoteCall) -> Answer:
    """An internal error of theirs, and nothing was done."""
    if call.target:
        return _error_of_aws(call, "InternalServiceError", 500)
    return _answer(call, 500, _PAGE, "text/html")


def throttled(call: RemoteCall) -> Answer:
    """Too many calls, and nothing was done."""
    if call.target:
        return _error_of_aws(call, "ThrottlingException", 400)
    if call.is_soap:
        return _answer(call, 500, _fault("sf:REQUEST_LIMIT_EXCEEDED"), "text/xml")
    body = json.dumps([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]).encode()
    return _answer(call, 503, body, "application/json")


def reset_before(call: RemoteCall) -> Answer:
    """The connection is reset, and nothing was done."""
    raise _reset()


def reset_after(call: RemoteCall) -> Answer:
    """The call took effect, and its answer is lost."""
    call.make()
    raise _reset()


def silence_before(call: RemoteCall) -> Answer:
    """No answer until the caller's patience ends, and nothing was done."""
    raise call.fall_silent()


def silence_after(call: RemoteCall) -> Answer:
    """The call took effect, and no answer came until the caller's patience ended."""
    call.make()
    raise call.fall_silent()


def web_page(call: RemoteCall) -> Answer:
    """Somebody in between answers with a page and status 200, and nothing was done."""
    return _answer(call, 200, _PAGE, "text/html")


def cut_short(call: RemoteCall) -> Answer:
    """The call took effect, and half of its answer arrives."""
    answer = call.make()
    return _answer(call, answer.status, answer.data[: len(answer.data) // 2], answer.headers.get("Content-Type", ""))


class Wire:
    """What has passed while it was strung up. `befallen` are the calls that met a trouble."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._troubles: dict[int, Trouble] = {}
        self._lasting: tuple[bool, Trouble] | None = None
        self._seen: Callable[[RemoteCall], None] = lambda call: None
        self._is_looked_at = False
        self.made: list[str] = []
        self.befallen: list[str] = []

    def on_trouble(self, see: Callable[[RemoteCall], None]) -> None:
        """Call this at the moment of each trouble, when its effect is there and its caller doesn't know of it yet."""
        self._seen = see

    def befall(self, troubles: Mapping[int, Trouble]) -> None:
        """Let troubles befall calls by their number, from 1."""
        self._troubles |= troubles

    def let_last(self, trouble: Trouble) -> Trouble:
        """The same trouble for all further calls to the same party as well, until `recover`."""

        def lasting(call: RemoteCall) -> Answer:
            self._lasting = (bool(call.target), trouble)
            return trouble(call)

        return lasting

    def recover(self) -> None:
        """End what lasts."""
        self._lasting = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let the calls of somebody else in this process pass, neither counted nor befallen."""
        before, self._is_looked_at = self._is_looked_at, True
        try:
            yield
        finally:
            self._is_looked_at = before

    @contextmanager
    def strung_up(self) -> Iterator[None]:
        """Let all calls over HTTP of this process pass through here, for the length of a delivery."""
        real = urllib3.HTTPConnectionPool.urlopen

        def urlopen(pool: urllib3.HTTPConnectionPool, method: str, url: str, **more: Any) -> Answer:
            return self._send(pool, real, {"method": method, "url": url, **more})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(urllib3.HTTPConnectionPool, "urlopen", urlopen)
            yield

    def _send(self, pool: urllib3.HTTPConnectionPool, real: Callable[..., Answer], sent: Mapping[str, Any]) -> Answer:
        """Make a call, or let its trouble befall it; those aside aren't counted."""
        if self._is_looked_at:
            return real(pool, **sent)

        def make() -> Answer:
            answer = real(pool, **sent)
            # Read to its end, so that the connection can be used again.
            return _again(answer, answer.data)

        def fall_silent() -> ReadTimeoutError:
            patience = sent.get("timeout") or pool.timeout
            self._clock.sleep(patience.read_timeout or 0.0)
            return ReadTimeoutError(pool, sent["url"], "Read timed out.")

        call = RemoteCall(
            number=len(self.made) + 1,
            method=sent["method"],
            url=sent["url"],
            target=_target_of(sent),
            make=make,
            fall_silent=fall_silent,
        )
        self.made.append(str(call))
        trouble = self._troubles.get(call.number) or self._lasting_for(call)
        if trouble is None:
            return real(pool, **sent)
        self.befallen.append(str(call))
        try:
            answer = trouble(call)
        except BaseException:
            self._look(call)
            raise
        self._look(call)
        return answer

    def _lasting_for(self, call: RemoteCall) -> Trouble | None:
        if self._lasting is None or self._lasting[0] != bool(call.target):
            return None
        return self._lasting[1]

    def _look(self, call: RemoteCall) -> None:
        with self.aside():
            self._seen(call)


def _target_of(sent: Mapping[str, Any]) -> str:
    """AWS's name of the operation: in a header, or in the form of a service as old as SNS; empty where it isn't AWS."""
    target = (sent.get("headers") or {}).get("X-Amz-Target", "")
    if target:
        return target.decode() if isinstance(target, bytes) else str(target)
    body = sent.get("body") or b""
    form = parse_qs(body if isinstance(body, str) else body.decode("latin-1"))
    return f"{_SNS}.{form['Action'][0]}" if "Action" in form else ""


def _reset() -> ProtocolError:
    return ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))


def _error_of_aws(call: RemoteCall, code: str, status: int) -> Answer:
    if call.target.startswith(_SNS):
        error = f"<ErrorResponse><Error><Code>{code}</Code><Message>Injected</Message></Error></ErrorResponse>"
        return _answer(call, status, error.encode(), "text/xml")
    body = json.dumps({"__type": code, "message": "Injected"}).encode()
    return _answer(call, status, body, "application/x-amz-json-1.1")


def _fault(code: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        f"<e:Fault><faultcode>{code}</faultcode><faultstring>Injected</faultstring></e:Fault></e:Body></e:Envelope>"
    ).encode()


def _answer(call: RemoteCall, status: int, body: bytes, content_type: str) -> Answer:
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    return urllib3.HTTPResponse(
        BytesIO(body), headers, status, request_method=call.method, preload_content=False, decode_content=False
    )


def _again(answer: Answer, body: bytes) -> Answer:
    return urllib3.HTTPResponse(
        BytesIO(body), answer.headers, answer.status, preload_content=False, decode_content=False
    )
