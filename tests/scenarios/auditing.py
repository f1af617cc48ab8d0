"""Nothing secret leaves: all that a world printed, raised, sent and stored is searched when it ends, at DEBUG.

What is secret has places where it belongs: a token in the header that authorizes a call, an assertion in the form that
logs in, a key in the value that is stored. Everything else is searched whole.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from tests.sandbox.org import Kind, LogEntry
from tests.sandbox.world import World
from tests.scenarios.hearing import Heard
from tests.scenarios.leaks import found_in, know_the_world
from tests.unit.support import header_of

# What makes Powertools, Lambda's runtime client and the package talk as much as they can.
LOUD = {
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
}
# As a file sitecustomize.py it runs in a function's process before anything of its own.
ROOT_AT_DEBUG = "import logging; logging.getLogger().setLevel(logging.DEBUG)\n"

_SESSION_ID = re.compile(rb"(?<=<m:sessionId>)[^<]*(?=</m:sessionId>)")
_END_OF_ZIP = b"PK\x05\x06"
_END_OF_ZIP_BYTES = 22
# Callers whose requests are a test's own.
_OUTSIDER = "outsider"
_NOT_OURS = frozenset({"test", "shell"})
# Where it belongs, by service and operation.
_KEPT_SECRET = {"PutSecretValue": frozenset({"SecretString", "RotationToken"})}


class Audit:
    """Looks at one world after another. `heard` is what this process logged."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def look(self, world: World) -> None:
        """Search all that came out of a world. Raises AssertionError, which names the place and the kind of secret."""
        searcher = know_the_world(world)
        results = [result for function in world.aws.functions for result in function.results]
        places: dict[str, object] = {
            "what was logged": self._heard.taken(),
            "what was raised or printed": world.notes,
            "requests to Salesforce": [list(_searched(entry)) for entry in world.org.log.entries()],
            "requests to AWS": [
                _without(call.parameters, _KEPT_SECRET.get(call.operation, frozenset()))
                for call in world.aws.calls()
                if call.caller not in _NOT_OURS
            ],
            "rows of the table": world.table_rows() if world.shares_tokens else [],
            "what functions printed": [function.output() for function in world.aws.functions],
            "errors that callers got": [result.payload.decode() for result in results if result.failed],
        }
        found = {place: kinds for place, held in places.items() if (kinds := found_in(searcher, held))}
        assert not found, f"leaked: {found}"


def _searched(entry: LogEntry) -> Iterator[object]:
    """A request to Salesforce without what belongs there."""
    if header_of(entry.headers, "User-Agent") == _OUTSIDER:
        return
    yield [entry.path, entry.query]
    yield [(name, value) for name, value in entry.headers if name.lower() != "authorization"]
    match entry.kind:
        case Kind.TOKEN | Kind.REVOKE:
            return
        case Kind.SOAP:
            yield _SESSION_ID.sub(b"", entry.body).decode()
        case Kind.DEPLOY:
            yield from _unpacked(entry.body)
        case _:
            yield entry.body.decode("latin-1")


def _unpacked(body: bytes) -> Iterator[object]:
    """The parts of a deploy: its options, and the files of its package."""
    start, end = body.find(b"PK\x03\x04"), body.rfind(_END_OF_ZIP) + _END_OF_ZIP_BYTES
    if start < 0 or end < start:
        yield body.decode("latin-1")
        return
    yield body[:start].decode("latin-1")
    with zipfile.ZipFile(io.BytesIO(body[start:end])) as archive:
        yield from (archive.read(name).decode() for name in archive.namelist())


def _without(parameters: Mapping[str, Any], members: frozenset[str]) -> str:
    return json.dumps({name: value for name, value in parameters.items() if name not in members}, default=str)
