"""What goes wrong on purpose: answers replaced, delayed, cut short or lost, for chosen requests."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from tests.sandbox.org.exchange import Kind, Reply, Request, oauth_reply, rest_reply
from tests.sandbox.org.refusals import Refusal
from tests.sandbox.org.soap_messages import fault_reply


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request. `acts` says whether the org does what it was asked before things go wrong.

    `delay` is in seconds and comes before the org acts; `keep` is how many bytes of the body are sent before the
    connection ends, `hangs_up` closes it after a whole answer; `date_offset` is added to the `Date` header; `before`
    and `after` are called around the act, the second one before the answer leaves, so that a test can stop a client at
    either moment.
    """

    name: str
    acts: bool = True
    answer: Reply | None = None
    delay: float = 0.0
    reset: bool = False
    keep: int | None = None
    hangs_up: bool = False
    date_offset: float = 0.0
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None


def answering(
    status: int, body: str = "", *, content_type: str = "text/plain", acts: bool = False, name: str | None = None
) -> Fault:
    """Any status and body in place of the org's answer; with `acts` only the answer is wrong."""
    return Fault(name or f"status {status}", acts=acts, answer=Reply(status, body.encode(), content_type))


def html_page(status: int = 503, *, acts: bool = False) -> Fault:
    """A maintenance page where JSON or XML was expected."""
    page = (
        "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We are down for maintenance.</body></html>"
    )
    return answering(status, page, content_type="text/html;charset=UTF-8", acts=acts, name=f"html {status}")


def oversize(size: int, status: int = 200) -> Fault:
    """A body of that many bytes."""
    return answering(status, "[" + " " * (size - 2) + "]", content_type="application/json", name=f"oversize {size}")


def redirected(location: str, status: int = 307) -> Fault:
    """A redirect to another address, which an assertion must not follow."""
    return Fault(f"redirect {status}", acts=False, answer=Reply(status, headers=(("Location", location),)))


def oauth_error(refusal: Refusal) -> Fault:
    """A refusal by the token endpoint, whatever the state of app and user."""
    return Fault(f"oauth {refusal}", acts=False, answer=oauth_reply(refusal))


def rest_error(status: int, error_code: str, message: str = "injected") -> Fault:
    """A REST error array, such as an early 500 INVALID_CROSS_REFERENCE_KEY while polling."""
    return Fault(f"rest {status} {error_code}", acts=False, answer=rest_reply(status, error_code, message))


def soap_fault(code: str, message: str = "injected") -> Fault:
    """A SOAP fault; `code` with its prefix, such as `sf:UNKNOWN_EXCEPTION`."""
    return Fault(f"soap {code}", acts=False, answer=fault_reply(code, message))


def reset_before_acting() -> Fault:
    """The connection is reset and nothing was done."""
    return Fault("reset before acting", acts=False, reset=True)


def reset_after_acting() -> Fault:
    """The request took effect, and its answer is lost."""
    return Fault("reset after acting", reset=True)


def truncated(keep: int = 20) -> Fault:
    """The connection ends after some bytes of the body, though its length promised more."""
    return Fault("truncated", keep=keep)


def hung_up() -> Fault:
    """The connection is closed without a word after the answer, so that the next request on it fails."""
    return Fault("hung up", hangs_up=True)


def delayed(seconds: float) -> Fault:
    """The answer comes late."""
    return Fault(f"delay {seconds} s", delay=seconds)


def wrong_date(offset: float) -> Fault:
    """The answer's `Date` is that many seconds off."""
    return Fault(f"date off by {offset} s", date_offset=offset)


@dataclass(eq=False)
class FaultRule:
    """Which requests a fault befalls. `hits` counts them."""

    fault: Fault
    kinds: frozenset[Kind]
    remaining: int | None
    skip: int
    probability: float
    where: Callable[[Request], bool] | None
    hits: int = field(default=0)

    def applies(self, kind: Kind, request: Request, rng: Random) -> bool:
        if self.remaining == 0 or kind not in self.kinds or not (self.where is None or self.where(request)):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.probability < 1 and rng.random() >= self.probability:
            return False
        if self.remaining is not None:
            self.remaining -= 1
        self.hits += 1
        return True

    def cancel(self) -> None:
        """Stop; what has hit has hit."""
        self.remaining = 0


class Faults:
    """The rules in force. The first that applies to a request decides alone."""

    def __init__(self, rng: Random) -> None:
        self._lock = threading.Lock()
        self._rng = rng
        self._rules: list[FaultRule] = []

    def add(
        self,
        fault: Fault,
        on: Kind | str | Iterable[Kind | str] = tuple(Kind),
        *,
        times: int | None = 1,
        skip: int = 0,
        probability: float = 1.0,
        where: Callable[[Request], bool] | None = None,
    ) -> FaultRule:
        """Let a fault befall requests of some kinds: after the first `skip`, the next `times` (None: all)."""
        kinds = frozenset({Kind(on)} if isinstance(on, str) else map(Kind, on))
        rule = FaultRule(fault, kinds, times, skip, probability, where)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def draw(self, kind: Kind, request: Request) -> Fault | None:
        """The fault that befalls this request, if any; it counts as used."""
        with self._lock:
            return next((rule.fault for rule in self._rules if rule.applies(kind, request, self._rng)), None)
