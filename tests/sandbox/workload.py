"""Callers that call the org all the time with tokens of the vendor, as serverless workloads do."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import requests

from tests.sandbox.aws import ApiError, Function

_CALL_EVERY_SECONDS = 0.15

# A call to the org: what went wrong, if anything, and the version of the key that its token is from.
Caller = Callable[[requests.Session], tuple[str | None, str]]


@dataclass(frozen=True)
class Failure:
    """What a caller was told instead of getting a token, and when: `at` is epoch seconds."""

    text: str
    at: float


@dataclass
class Tally:
    """What callers saw. A failure is a vend that ended in an error, or a token that the org refused."""

    tokens: int = 0
    """Calls to the org that a token was good for."""
    failures: list[Failure] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Seconds that the longest vend took, a cold start included."""


class Workload:
    """A context manager: so many callers get a token, use it and begin again, until the block ends.

    By default they ask the vendor for each call, all with the same `request`. With `cold` the vendor starts anew for
    each, as after a long silence. With `caller`, each of them is what that makes.
    """

    def __init__(
        self,
        vendor: Function,
        *,
        callers: int = 2,
        request: Mapping[str, Any] | None = None,
        cold: bool = False,
        caller: Callable[[], Caller] | None = None,
    ) -> None:
        self.tally = Tally()
        self._vendor = vendor
        self._make_caller = caller or (lambda: self._ask_and_use)
        self._request = dict(request or {})
        self._cold = cold
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(callers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        call = self._make_caller()
        with requests.Session() as session:
            while not self._stop.is_set():
                if self._cold:
                    self._vendor.recycle()
                failure, version = call(session)
                with self._lock:
                    if failure is None:
                        self.tally.tokens += 1
                        self.tally.versions[version] += 1
                    else:
                        self.tally.failures.append(Failure(failure, time.time()))
                time.sleep(_CALL_EVERY_SECONDS)

    def _ask_and_use(self, session: requests.Session) -> tuple[str | None, str]:
        try:
            result = self._vendor.invoke(self._request)
        except ApiError as error:
            return f"{error.code}: {error.message}", ""
        with self._lock:
            self.tally.slowest = max(self.tally.slowest, result.seconds)
        if result.error_type is not None:
            return f"{result.error_type}: {result.error_message}", ""
        reply = result.value
        answer = session.get(
            f"{reply['instance_url']}/services/data/v67.0/",
            headers={"Authorization": f"Bearer {reply['access_token']}"},
            timeout=10,
        )
        if answer.status_code != requests.codes.ok:
            return f"the org answered a vended token with HTTP {answer.status_code}", ""
        return None, reply["key_version"]
