"""One request and its reply, apart from the sockets that carry them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from tests.sandbox.org.refusals import Refusal

Headers = tuple[tuple[str, str], ...]


class Kind(StrEnum):
    """What a request is for, as far as faults and the log tell requests apart."""

    TOKEN = "token"
    REVOKE = "revoke"
    SOAP = "soap"
    DEPLOY = "deploy"
    POLL = "poll"
    LIVENESS = "liveness"
    QUERY = "query"
    VERSIONS = "versions"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, read to its end. `connection` numbers the org's connections from 1."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    remote_port: int
    connection: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    def header(self, name: str) -> str:
        """A header's value, looked up without regard to case; empty when absent."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")

    @property
    def content_type(self) -> str:
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @property
    def bearer_token(self) -> str:
        scheme, _, token = self.header("Authorization").partition(" ")
        return token.strip() if scheme.lower() in {"bearer", "oauth"} else ""

    @property
    def form(self) -> dict[str, str] | None:
        """The fields of a form-encoded body; None for any other body."""
        if self.content_type != "application/x-www-form-urlencoded":
            return None
        fields = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[0] for name, values in fields.items()}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and for the log what came of the request and who asked."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json;charset=UTF-8"
    headers: Headers = ()
    outcome: str = "ok"
    username: str | None = None
    consumer_key: str | None = None


def json_reply(
    value: object,
    status: int = 200,
    *,
    outcome: str = "ok",
    username: str | None = None,
    consumer_key: str | None = None,
) -> Reply:
    """A JSON answer."""
    body = json.dumps(value).encode()
    return Reply(status, body, outcome=outcome, username=username, consumer_key=consumer_key)


def oauth_reply(refusal: Refusal, *, username: str | None = None, consumer_key: str | None = None) -> Reply:
    """The token endpoint's answer when it refuses."""
    body = {"error": refusal.error, "error_description": refusal.description}
    return json_reply(body, refusal.status, outcome=f"refused: {refusal}", username=username, consumer_key=consumer_key)


def rest_reply(status: int, error_code: str, message: str) -> Reply:
    """A REST error: an array of one."""
    return json_reply([{"message": message, "errorCode": error_code}], status, outcome=f"refused: {error_code}")
