"""The rounds of `make burst`: many environments of the vendor without a token, asked at the same moment."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from tests.sandbox.aws import ApiError, Call, Function, Outcome, Result
from tests.sandbox.org import Kind
from tests.sandbox.org.faults import Fault, delayed
from tests.sandbox.world import Timing, World

_TIMING = Timing(settled_logins=1)
_CONDITION_FALSE = "ConditionalCheckFailedException"
# The holder is killed when the others have found its lease, or after this many seconds: its lease lasts longer.
_KILLED_AFTER_SECONDS = 5.0


class Round(StrEnum):
    """What the environments have between them, and what goes wrong."""

    SHARED = "table"
    """A table; nothing goes wrong."""
    KILLED = "holder killed"
    """A table; who logs in for all is killed in its login."""
    ALONE = "no table"
    """Nothing: each logs in for itself."""


MEANINGS: Mapping[Round, str] = {
    Round.SHARED: "a table between the environments: one logs in, the others wait for its token",
    Round.KILLED: "the one that logs in is killed in its login: another takes over when the lease ends",
    Round.ALONE: "no table, for comparison: each environment logs in",
}
_MOST_LOGINS: Mapping[Round, int | None] = {Round.SHARED: 1, Round.KILLED: 2, Round.ALONE: None}


@dataclass(frozen=True)
class Seen:
    """What came of a round. `waits` are seconds, one for each caller that wasn't killed, shortest first.

    `calls` counts the vendor's calls of AWS by operation, and by outcome where that isn't success.
    """

    round: Round
    environments: int
    logins: int
    tokens: int
    calls: Mapping[str, int]
    waits: tuple[float, ...]
    failures: tuple[str, ...]

    @property
    def promised(self) -> int:
        """How many logins there may be."""
        return _MOST_LOGINS[self.round] or self.environments

    def waited(self, share: float) -> float:
        """The seconds within which that share of the callers had an answer."""
        return self.waits[max(0, round(share * len(self.waits)) - 1)]

    def broken(self) -> list[str]:
        """The promises that didn't hold, in words."""
        found = []
        if self.logins > self.promised:
            found.append(f"{self.logins} logins, where {self.promised} were promised")
        if self.failures:
            found.append(f"{len(self.failures)} callers failed, first with {self.failures[0]}")
        return found


def play(played: Round, *, environments: int, login_seconds: float, tell: Callable[[str], None]) -> Seen:
    """Ask so many environments at once, while each login takes that long; `tell` hears what is being waited for."""
    with World(timing=_TIMING, shared_tokens=played is not Round.ALONE) as world:
        world.turn_rotation_on()
        if world.rotate() != Outcome.SUCCEEDED:
            raise RuntimeError("the first installation didn't succeed")
        holder = _add_holder(world) if played is Round.KILLED else None
        many = environments - (holder is not None)
        world.vendor.set_concurrency(many)
        tell(f"starting {environments} environments")
        started = time.monotonic()
        world.vendor.provision(many)
        tell(f"{environments} environments have initialised, in {time.monotonic() - started:.0f} s; asking all of them")
        before = len(world.aws.calls())
        world.org.log.clear()
        if holder is None:
            world.org.faults.add(delayed(login_seconds), Kind.TOKEN, times=None)
            answers = _ask_at_once(world.vendor, many)
        else:
            answers = _ask_and_kill(world, holder, many, login_seconds)
        return _seen(world, played, environments, answers, before)


def _add_holder(world: World) -> Function:
    """The same vendor as a function of its own, so that the one environment that is killed is known."""
    holder = world.add_vendor("token-vendor-holder")
    holder.provision(1)
    return holder


def _ask_at_once(vendor: Function, callers: int) -> list[Result | str]:
    at_once = threading.Barrier(callers)

    def ask(_: int) -> Result | str:
        at_once.wait()
        try:
            return vendor.invoke({})
        except ApiError as error:
            return str(error)

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(ask, range(callers)))


def _ask_and_kill(world: World, holder: Function, callers: int, login_seconds: float) -> list[Result | str]:
    """Ask the holder, then, when its login has begun, all the others, and kill it when they wait for it."""
    logging_in, over = threading.Event(), threading.Event()

    def stay() -> None:
        logging_in.set()
        over.wait()

    world.org.faults.add(Fault("stays until the client was killed", before=stay), Kind.TOKEN)
    world.org.faults.add(delayed(login_seconds), Kind.TOKEN, times=None)
    with ThreadPoolExecutor(2) as pool:
        killed = pool.submit(holder.invoke, {})
        try:
            if not logging_in.wait(_TIMING.vendor_timeout):
                raise RuntimeError("the holder didn't log in")
            answers = pool.submit(_ask_at_once, world.vendor, callers)
            give_up = time.monotonic() + _KILLED_AFTER_SECONDS
            while _readers(world) < callers and time.monotonic() < give_up:
                time.sleep(0.02)
            holder.kill()
        finally:
            over.set()
        if killed.result().error_type != "Runtime.ExitError":
            raise RuntimeError("the holder wasn't killed in its login")
        return answers.result()


def _readers(world: World) -> int:
    """How many of the others' reads of the table there were, which is at most how many have found the lease."""
    return len(world.aws.calls("GetItem", caller=world.vendor.name))


def _seen(world: World, played: Round, environments: int, answers: list[Result | str], before: int) -> Seen:
    results = [answer for answer in answers if isinstance(answer, Result)]
    calls = world.aws.calls()[before:]
    failed = [f"{result.error_type}: {result.error_message}" for result in results if result.failed]
    return Seen(
        round=played,
        environments=environments,
        logins=len(world.org.log.entries(Kind.TOKEN)),
        tokens=len({result.value["access_token"] for result in results if not result.failed}),
        calls=Counter(map(_named, calls)),
        waits=tuple(sorted(result.seconds for result in results)),
        failures=(*failed, *(answer for answer in answers if isinstance(answer, str))),
    )


def _named(call: Call) -> str:
    if call.outcome == "ok":
        return call.operation
    # What each writer but one is told, so no failure.
    return f"{call.operation}, {'condition false' if call.outcome == _CONDITION_FALSE else call.outcome}"
