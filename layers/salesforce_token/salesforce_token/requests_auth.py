"""The token on calls of requests, without importing requests: that takes any callable as `auth`."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from salesforce_token.asking import Token

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

_UNAUTHORIZED = 401
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ForeignHost(Exception):
    """A call was to another host than the org's, or not over https: the token didn't go there."""


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """Sets what `get` gives; `refused` hears of a token that Salesforce no longer takes."""

    get: Callable[[], Token]
    refused: Callable[[Token], None]

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        """Prepare a call. Raises ForeignHost, TokenUnavailable."""
        token = self.get()
        _authorize(request, token)
        repeat_if_refused = partial(self._repeat_if_refused, token, _position(request.body))
        request.register_hook("response", repeat_if_refused)  # type: ignore[no-untyped-call]
        return request

    def _repeat_if_refused(
        self, token: Token, position: int | None, response: "Response", **sending: Any
    ) -> "Response | None":
        """The answer to the call's repetition; None leaves the answer as it is."""
        # Also called after a redirect, which requests has taken the token off. Another host's answer isn't the org's.
        if not _is_of_org(response.request, token):
            response.close()
            raise _foreign(response.request, token)
        if response.status_code != _UNAUTHORIZED or b"INVALID_SESSION_ID" not in response.content:
            return None
        self.refused(token)
        if not _rewound(response.request.body, position):
            return None
        newer = self.get()
        if newer.access_token == token.access_token:
            return None
        # As requests' own digest authentication does it: the connection goes back, and the adapter sends a copy.
        response.close()
        request = response.request.copy()
        _authorize(request, newer)
        repeated: Response = response.connection.send(request, **sending)
        repeated.history.append(response)
        return repeated


def _authorize(request: "PreparedRequest", token: Token) -> None:
    if not _is_of_org(request, token):
        raise _foreign(request, token)
    request.headers["Authorization"] = f"Bearer {token.access_token}"


def _foreign(request: "PreparedRequest", token: Token) -> ForeignHost:
    parts = urlsplit(str(request.url))
    # Without user, path and query: who knows what they hold.
    called = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return ForeignHost(
        f"a call to {called} doesn't get the token for {token.instance_url}: with this auth call that host alone, over "
        "https, and others without it"
    )


def _is_of_org(request: "PreparedRequest", token: Token) -> bool:
    origin = _origin(str(request.url))
    return origin is not None and origin == _origin(token.instance_url)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address that a token may be sent to; None for any other."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return None
    # Test orgs speak plain http, which nobody else hears as long as it stays on this machine.
    if scheme != "https" and not (scheme == "http" and _is_loopback(host)):
        return None
    return scheme, host, _DEFAULT_PORTS[scheme] if port is None else port


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _position(body: Any) -> int | None:
    """Where a file is read from; None where it can't be put back."""
    try:
        return int(body.tell())
    except (AttributeError, OSError, ValueError):
        return None


def _rewound(body: Any, position: int | None) -> bool:
    """Whether a body can be sent again; a file has been put back for it."""
    if body is None or isinstance(body, (str, bytes, bytearray)):
        return True
    if position is None:
        return False
    try:
        body.seek(position)
    except (AttributeError, OSError, ValueError):
        return False
    return True
