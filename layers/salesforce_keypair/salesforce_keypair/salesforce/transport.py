"""HTTP as this project speaks it to Salesforce: allowed hosts, no redirects, bounded answers, bounded time."""

import io
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection

from salesforce_keypair.errors import SalesforceUnavailable
from salesforce_keypair.salesforce.hosts import Origin
from salesforce_keypair.timing import Deadline

MAX_ANSWER_BYTES = 8 * 1024 * 1024
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0

_CHUNK_BYTES = 64 * 1024
_LEAST_SECONDS = 0.05
_TRY_AGAIN = "try again; see Salesforce's status page if it lasts"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. The body may hold a token, so it doesn't print."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_redirect(self) -> bool:
        """Whether it points elsewhere, where nothing of ours will follow."""
        return 300 <= self.status < 400


class Transport:
    """Sends requests over connections that are kept alive."""

    def __init__(self) -> None:
        self._session = _session()

    def send(
        self,
        method: str,
        origin: Origin,
        path: str,
        *,
        deadline: Deadline,
        headers: Mapping[str, str] | None = None,
        bearer: str | None = None,
        data: Any = None,
        files: Any = None,
        new_connection: bool = False,
    ) -> Answer:
        """The answer, whatever its status. Raises SalesforceUnavailable where none came, or not in time."""
        with self._session_for(new_connection) as session:
            try:
                request = session.prepare_request(
                    requests.Request(
                        method, origin.url + path, headers=headers, auth=_Bearer(bearer), data=data, files=files
                    )
                )
                with closing(_sent(session, request, deadline)) as response:
                    body = _bounded_body(response, deadline)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                if isinstance(error, requests.RequestException):
                    # It goes on as the cause of ours, and shouldn't take the assertion or the token along.
                    error.request = None
                raise SalesforceUnavailable(
                    f"no answer from {origin} to {method} {path} ({type(error).__name__})", remedy=_TRY_AGAIN
                ) from error
        return Answer(status=response.status_code, headers=response.headers, body=body)

    @contextmanager
    def _session_for(self, new_connection: bool) -> Iterator[requests.Session]:
        if not new_connection:
            yield self._session
            return
        with _session() as session:
            yield session


class _Bearer(AuthBase):
    """Sets the bearer token if there is one; being there at all keeps requests from looking into a .netrc file."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Incoming(io.RawIOBase):
    """What a socket receives, until no time `remains`: its own time-out would begin anew with each byte."""

    def __init__(self, sock: socket.socket, received: Any, remains: Callable[[], float]) -> None:
        super().__init__()
        self._sock = sock
        self._received = received
        self.remains = remains

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self.remains()
        if remaining <= 0:
            raise TimeoutError
        self._sock.settimeout(max(min(READ_SECONDS, remaining), _LEAST_SECONDS))
        count: int = self._received.readinto1(buffer)
        return count

    def close(self) -> None:
        self._received.close()
        super().close()


class _InTime:
    """Mixed into a connection: the head of an answer, a proxy's too, comes within the time-out as a whole."""

    timeout: float
    incoming: _Incoming

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:
        response = HTTPResponse(sock, *args, **kwargs)
        ends = time.monotonic() + self.timeout
        self.incoming = _Incoming(sock, response.fp, lambda: ends - time.monotonic())
        response.fp = io.BufferedReader(self.incoming)
        return response


class _Http(_InTime, HTTPConnection):  # type: ignore[misc]
    pass


class _Https(_InTime, HTTPSConnection):  # type: ignore[misc]
    pass


class _Adapter(HTTPAdapter):
    """Makes such connections, also through a proxy."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _Https if pool.scheme == "https" else _Http
        return pool


def _session() -> requests.Session:
    session = requests.Session()
    session.mount("https://", _Adapter())
    session.mount("http://", _Adapter())
    # Salesforce's cookies would tie us to one of its servers and one login to the next.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _sent(session: requests.Session, request: requests.PreparedRequest, deadline: Deadline) -> requests.Response:
    """The answer, its body unread and whatever it points to left alone.

    Past Session.send, which even where it follows no redirect reads the body of one without bound, and parses what
    stands in its Location.
    """
    url = request.url or ""
    environment = session.merge_environment_settings(url, {}, True, None, None)
    return session.get_adapter(url).send(
        request,
        stream=True,
        timeout=_time_outs(deadline),
        verify=True if environment["verify"] is None else environment["verify"],
        proxies=environment["proxies"],
    )


def _time_outs(deadline: Deadline) -> tuple[float, float]:
    remaining = deadline.remaining()
    if remaining <= _LEAST_SECONDS:
        raise SalesforceUnavailable("no time is left to ask Salesforce", remedy="give the function more time")
    return min(CONNECT_SECONDS, remaining), min(READ_SECONDS, remaining)


def _bounded_body(response: requests.Response, deadline: Deadline) -> bytes:
    """The decoded body. Read as it arrives: whoever waits for a whole chunk can be held up byte by byte."""
    body = bytearray()
    _check_in_time(deadline)
    connection: Any = response.raw.connection
    if connection is not None:
        connection.incoming.remains = deadline.remaining
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise SalesforceUnavailable(f"an answer exceeds {MAX_ANSWER_BYTES} bytes", remedy=_TRY_AGAIN)
        _check_in_time(deadline)
    return bytes(body)


def _check_in_time(deadline: Deadline) -> None:
    if deadline.remaining() <= 0:
        raise SalesforceUnavailable("an answer took longer than the time left", remedy=_TRY_AGAIN)
