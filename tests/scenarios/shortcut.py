"""A shorter way yet to Secrets Manager, and who calls: for tests that play rotations by the thousand.

What is left out is the SDK's way there and back, which the cuts of every call go through.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3
from botocore.client import BaseClient

from tests.sandbox.aws.api_error import ApiError
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
def shortcut(world: World) -> Iterator[Crossing]:
    """Ask the Secrets Manager of a world without sockets without the SDK, too, and hear of every call."""
    crossing = Crossing()
    to_aws, over_http = vars(BaseClient)["_make_api_call"], urllib3.HTTPConnectionPool.urlopen

    def call_aws(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        if client.meta.service_model.service_name != "secretsmanager":
            return to_aws(client, operation, parameters)
        crossing.before_each()
        crossing.seen(operation, parameters)
        return _answer_of_aws(world, client, operation, parameters)

    def open_url(pool: urllib3.HTTPConnectionPool, method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse:
        crossing.before_each()
        return over_http(pool, method, url, **more)

    with pytest.MonkeyPatch.context() as patch:
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
