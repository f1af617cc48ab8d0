"""The functions of `make bench`, and what is measured of them: all in one world, taking turns."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from statistics import median

from tests.sandbox.aws import Function, Outcome, Result
from tests.sandbox.prices import Use
from tests.sandbox.world import TOKEN_TABLE, Code, World

PEERS = Path(__file__).with_name("peers")

# Who is measured alone for long is measured in another hour of the machine; who takes turns at every call finds the
# processor's caches full of the others.
_TURN = 50
# simple-salesforce can be given no other host than one of Salesforce's own.
_DOMAIN = "bench.my"
_WRITES = frozenset({"DeleteItem", "PutItem", "UpdateItem"})


class Peer(StrEnum):
    """What is compared."""

    VENDOR = "token vendor"
    SHARED = "token vendor, table"
    EMPTY = "empty handler"
    CLIENT = "boto3 client, unused"
    EACH_TIME = "login at each call"
    """Reads the secret and logs in with simple-salesforce."""


@dataclass(frozen=True)
class Plan:
    """How much is measured: so many cold starts of each function, and so many calls after each."""

    environments: int
    calls: int
    slow_calls: int
    """For the one that logs in at every call."""

    def calls_of(self, peer: Peer) -> int:
        """How many calls an environment gets."""
        return self.slow_calls if peer is Peer.EACH_TIME else self.calls


@dataclass(frozen=True)
class Figures:
    """What was measured of a function. Times in seconds; None where there is no such thing."""

    init: float
    first_by_login: float | None
    first_from_table: float | None
    warm: tuple[float, ...] = field(repr=False)
    peak_memory: int | None
    logins: int
    use: Use

    def warm_quantile(self, share: float) -> float:
        """The time within which that share of the warm calls was answered, as the caller sees it."""
        ordered = sorted(self.warm)
        return ordered[min(math.ceil(share * len(ordered)), len(ordered)) - 1]

    def per_thousand(self, number: int) -> float:
        """A number of all calls, for a thousand of them."""
        return 1000 * number / self.use.invocations


def measure(plan: Plan, code: Code, *, memory_mb: int, tell: Callable[[str], None]) -> dict[Peer, Figures]:
    """Measure all of them; `tell` hears how far it has come. Raises RuntimeError where a call fails."""
    # As the template has it.
    logs = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    with World(code=code, shared_tokens=True, extra_environment=logs) as world:
        world.org.accepted_audiences.add(f"https://{_DOMAIN}.salesforce.com")
        world.turn_rotation_on()
        if world.rotate() != Outcome.SUCCEEDED:
            raise RuntimeError("the first installation didn't succeed")
        _empty_table(world)
        runs = [_Run(world, peer, _create(world, code, peer, memory_mb)) for peer in Peer]
        for number in range(1, plan.environments + 1):
            tell(f"environment {number} of {plan.environments}")
            _live(runs, plan)
        figures = {run.peer: run.figures() for run in runs}
        tell("first tokens with an empty table")
        (shared,) = (run for run in runs if run.peer is Peer.SHARED)
        for _ in range(plan.environments // 3):
            _empty_table(world)
            shared.start()
        # Of these starts only the first token counts: a table is empty once in its life.
        figures[Peer.SHARED] = shared.with_first_by_login(figures[Peer.SHARED])
        return figures


def _create(world: World, code: Code, peer: Peer, memory_mb: int) -> Function:
    folder, layers, variables = {
        Peer.VENDOR: (code.vendor, [code.layer], _without_table(world)),
        Peer.SHARED: (code.vendor, [code.layer], world.vendor_variables),
        Peer.EMPTY: (PEERS / "empty", [], {}),
        Peer.CLIENT: (PEERS / "boto3_client", [code.layer], {}),
        Peer.EACH_TIME: (
            PEERS / "simple_salesforce",
            [code.layer],
            {"SECRET_ID": world.secret_arn, "SALESFORCE_DOMAIN": _DOMAIN},
        ),
    }[peer]
    return world.aws.create_function(
        f"bench-{peer.name.lower().replace('_', '-')}",
        folder,
        layers=layers,
        environment=variables,
        timeout=30,
        memory_size=memory_mb,
    )


def _without_table(world: World) -> dict[str, str]:
    return {name: value for name, value in world.vendor_variables.items() if name != "TOKEN_TABLE"}


def _empty_table(world: World) -> None:
    tables = world.aws.client("dynamodb")
    for row in world.table_rows():
        tables.delete_item(TableName=TOKEN_TABLE, Key={"id": {"S": row["id"]}})


def _live(runs: Sequence["_Run"], plan: Plan) -> None:
    """One life of an environment of each: a cold start, then calls by turns."""
    for run in runs:
        run.start()
    left = {run.peer: plan.calls_of(run.peer) - 1 for run in runs}
    while any(left.values()):
        for run in runs:
            turn = min(left[run.peer], _TURN)
            run.call(turn)
            left[run.peer] -= turn
    for run in runs:
        run.note_memory()


class _Run:
    """A function being measured."""

    def __init__(self, world: World, peer: Peer, function: Function) -> None:
        self.peer = peer
        self._world = world
        self._function = function
        self._cold: list[Result] = []
        self._warm: list[Result] = []
        self._first_by_login: list[float] = []
        self._first_from_table: list[float] = []
        self._peaks: list[int] = []
        self._logins = 0

    def start(self) -> None:
        """Call it in an environment of its own."""
        self._function.recycle()
        before = self._logins
        result = self._call()
        self._cold.append(result)
        if self._logins > before:
            self._first_by_login.append(result.duration)
        elif self.peer is Peer.SHARED:
            self._first_from_table.append(result.duration)

    def call(self, times: int) -> None:
        """Call it where it is warm."""
        self._warm += [self._call() for _ in range(times)]

    def note_memory(self) -> None:
        """Look how much memory it has held up to now."""
        peak = self._function.peak_memory()
        if peak is not None:
            self._peaks.append(peak)

    def figures(self) -> Figures:
        """What was measured up to now."""
        results = self._cold + self._warm
        calls = self._world.aws.calls(caller=self._function.name)
        tables = [call.operation for call in calls if call.service == "dynamodb"]
        return Figures(
            init=median(result.init_seconds or 0.0 for result in self._cold),
            first_by_login=_median(self._first_by_login),
            first_from_table=_median(self._first_from_table),
            warm=tuple(result.seconds for result in self._warm),
            peak_memory=round(median(self._peaks)) if self._peaks else None,
            logins=self._logins,
            use=Use(
                invocations=len(results),
                billed_milliseconds=sum(map(_billed_milliseconds, results)),
                secret_calls=sum(call.service == "secretsmanager" for call in calls),
                table_reads=sum(operation not in _WRITES for operation in tables),
                table_writes=sum(operation in _WRITES for operation in tables),
                log_bytes=len(self._function.output().encode()),
            ),
        )

    def with_first_by_login(self, figures: Figures) -> Figures:
        """The figures, with the first tokens by a login of more starts."""
        return replace(figures, first_by_login=_median(self._first_by_login))

    def _call(self) -> Result:
        before = self._world.org.log.logins(self._world.user.username).accepted
        result = self._function.invoke({})
        self._logins += self._world.org.log.logins(self._world.user.username).accepted - before
        if result.failed:
            raise RuntimeError(f"{self.peer} failed with {result.error_type}: {result.error_message}")
        return result


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    return median(known) if known else None


def _billed_milliseconds(result: Result) -> int:
    return math.ceil(((result.init_seconds or 0.0) + result.duration) * 1000)
