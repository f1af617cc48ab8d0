"""The other end of every connection: it is seen who is called, and the answer is any bytes that a test makes up.

It stands below urllib3, which requests and the AWS SDK have in common, so all that they do with bad bytes is done.
"""

import io
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import boto3
import botocore.endpoint
import pytest
import urllib3.util.connection

from tests.unit.support import FakeClock

HOST = "127.0.0.1"
SALESFORCE_PORT = 8443
AWS_PORT = 4566
SALESFORCE = f"http://{HOST}:{SALESFORCE_PORT}"
ENVIRONMENT = {
    "AWS_ENDPOINT_URL": f"http://{HOST}:{AWS_PORT}",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_EC2_METADATA_DISABLED": "true",
    "EXTRA_SALESFORCE_HOSTS": f"{HOST}:{SALESFORCE_PORT}",
    "NO_PROXY": "*",
}

Answering = Callable[[bytes], bytes]
"""Whole request in, whole answer out."""


class Wire:
    """Answers each port as it is told, refuses all others; `called` holds the addresses that anybody connected to."""

    def __init__(self) -> None:
        self.called: list[tuple[str, int]] = []
        self.answers: dict[int, Answering] = {}

    def connect(self, address: tuple[str, int], *_: object, **__: object) -> "_Line":
        """In place of a connection over TCP."""
        self.called.append(address)
        host, port = address
        if host != HOST or port not in self.answers:
            raise ConnectionRefusedError
        return _Line(self.answers[port])

    def strangers(self) -> set[tuple[str, int]]:
        """Who was called besides AWS and the org."""
        return {(host, port) for host, port in self.called if (host, port) not in (_AWS, _ORG)}


_AWS = (HOST, AWS_PORT)
_ORG = (HOST, SALESFORCE_PORT)


class _Line:
    """As much of a socket as HTTP needs; closed by the other end once its answer is read."""

    def __init__(self, answer: Answering) -> None:
        self._answer = answer
        self._sent = bytearray()

    def sendall(self, data: bytes) -> None:
        self._sent += data

    def makefile(self, *_: object, **__: object) -> io.BytesIO:
        return io.BytesIO(self._answer(bytes(self._sent)))

    def settimeout(self, seconds: float | None) -> None:
        """Nothing here takes time."""

    def shutdown(self, how: int) -> None:
        """There is no other end."""

    def close(self) -> None:
        """There is nothing to give back."""


def http(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None, length: int | None = None
) -> bytes:
    """An answer as bytes, after which the connection ends; headers may be anything that latin-1 can write."""
    lines = [
        f"HTTP/1.1 {status} Because",
        "Connection: close",
        f"Content-Length: {len(body) if length is None else length}",
    ]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


@contextmanager
def wired(clock: FakeClock) -> Iterator[Wire]:
    """Let all connections of this process end here; AWS's pauses between two tries pass on the clock."""
    wire = Wire()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setattr(urllib3.util.connection, "create_connection", wire.connect)
        patch.setattr(socket, "create_connection", wire.connect)
        patch.setattr(botocore.endpoint, "time", clock)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        yield wire
