"""The container engine that SAM CLI would use, if one answers, and the address at which its containers reach us."""

import http.client
import ipaddress
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# An engine in a virtual machine (Docker Desktop, Finch, Podman on a Mac) forwards this name to the machine's loopback.
CONTAINERS_NAME = "host.docker.internal"

WITHOUT_ONE = """\
`sam local` runs functions in containers. Start Docker or Finch, or Podman with DOCKER_HOST=unix://<its socket>.
Without a container engine: `make demo` plays all of it, and beside `make sandbox` the AWS CLI calls the functions:
  aws lambda invoke --function-name token-vendor --payload fileb://events/vend-default.json /dev/stdout"""

_DOCKER_SOCKET = "/var/run/docker.sock"
_FINCH_SOCKET = (
    "/Applications/Finch/lima/data/finch/sock/finch.sock" if sys.platform == "darwin" else "/var/run/finch.sock"
)
_TIMEOUT_SECONDS = 5


class NoEngine(Exception):
    """No container engine answers; the text says what was tried and what to do."""


@dataclass(frozen=True)
class Engine:
    """An engine that answers. `bridge` is this machine's address on the network of its containers.

    It is None where the engine runs in a machine of its own.
    """

    name: str
    bridge: str | None


def find_engine(environ: Mapping[str, str] = os.environ) -> Engine:
    """Docker, or what DOCKER_HOST names, or Finch, in SAM's own order. Raises NoEngine."""
    tried = []
    for url in _candidates(environ):
        try:
            info = _get(url, "/info")
            return Engine(str(info.get("OperatingSystem", "container engine")), _bridge(_get(url, "/networks/bridge")))
        except (OSError, ValueError, http.client.HTTPException) as error:
            tried.append(f"{url}: {error}")
    raise NoEngine(f"No container engine answers ({'; '.join(tried)}).\n{WITHOUT_ONE}")


def _candidates(environ: Mapping[str, str]) -> list[str]:
    return [environ.get("DOCKER_HOST") or f"unix://{_DOCKER_SOCKET}", f"unix://{_FINCH_SOCKET}"]


def _get(url: str, path: str) -> dict[str, Any]:
    connection = _connection(url)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        # Another engine than Docker's may have no network of that name.
        return {}
    members = json.loads(body)
    return members if isinstance(members, dict) else {}


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return _UnixConnection(parts.path)
    if parts.scheme in ("tcp", "http") and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=_TIMEOUT_SECONDS)
    raise ValueError("only unix:// and tcp:// addresses of an engine on this machine are of use here")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _bridge(network: Mapping[str, Any]) -> str | None:
    for subnet in (network.get("IPAM") or {}).get("Config") or []:
        # The engine names the gateway once a container has run; until then it is the subnet's first address.
        address = subnet.get("Gateway") or str(next(ipaddress.ip_network(subnet["Subnet"]).hosts()))
        if is_of_this_machine(address):
            return str(address)
    return None


def is_of_this_machine(address: str) -> bool:
    """Whether something can be listened for at an IPv4 address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
