"""Ending the process of a rotation at any of its calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3


class Stopped(BaseException):
    """The process ended here. Not an Exception, so that nothing in the code can go on after it."""


@contextmanager
def stopped_before_call(number: int | None) -> Iterator[list[str]]:
    """Let the process end just before its `number`-th call over the wire, counted from 1; None only counts.

    Yields the calls that were made. Stopped before a call is, for everybody else, stopped after the call before it.
    """
    made: list[str] = []
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def counted(pool: urllib3.HTTPConnectionPool, method: str, url: str, *rest: Any, **more: Any) -> Any:
        if number is not None and len(made) + 1 >= number:
            raise Stopped
        headers = more.get("headers") or {}
        target = headers.get("X-Amz-Target", b"")
        made.append(target.decode() if isinstance(target, bytes) and target else f"{method} {url}")
        return urlopen(pool, method, url, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(urllib3.HTTPConnectionPool, "urlopen", counted)
        yield made
