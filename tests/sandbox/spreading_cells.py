"""The cells of `make spread`: a rotation under traffic for each way of spreading, and what callers saw of it."""

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tests.sandbox.aws import Outcome, Rotation, RotationPolicy
from tests.sandbox.org import LoginCount
from tests.sandbox.org.spreading import (
    AtOnce,
    BackOnce,
    BothUntil,
    FlappingUntil,
    NeitherUntil,
    OldUntil,
    Spreading,
)
from tests.sandbox.workload import Failure, Workload
from tests.sandbox.world import Timing, World

# Seconds for what takes minutes. A vendor goes round the keys for 6 s before it gives a caller up, so whatever is over
# sooner would be ridden out and prove nothing: each phase, the one before the promotion included, lasts longer.
SPREADS_SECONDS = 8.0
# And it hands a token that was forced out for another 5 s.
NEITHER_SECONDS = 14.0
_TIMING = Timing(settling=40.0, settled_logins=8, settled_interval=1.0, rotation_timeout=90.0)
_AFTERWARDS_SECONDS = 1.0
_LOOK_EVERY_SECONDS = 0.02

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Model(StrEnum):
    """How the change of the certificate spreads."""

    AT_ONCE = "at once"
    OLD = "old"
    BOTH = "both"
    FLAPPING = "flapping"
    BACK = "back"
    BACK_LATE = "back late"
    NEITHER = "neither"


@dataclass(frozen=True)
class Course:
    """A model in seconds: until when it differs from the new certificate alone, and what it means."""

    spreading: Spreading
    ends: float
    meaning: str


T = SPREADS_SECONDS
COURSES: Mapping[Model, Course] = {
    Model.AT_ONCE: Course(AtOnce(), 0, "the new certificate is honoured at once"),
    Model.OLD: Course(OldUntil(T), T, "the old one alone until T"),
    Model.BOTH: Course(BothUntil(T), T, "both until T"),
    Model.FLAPPING: Course(FlappingUntil(T), T, "either one, by chance, until T"),
    Model.BACK: Course(BackOnce(2, T), 2 + T, "the new one, the old one again for T while it is tested, the new"),
    Model.BACK_LATE: Course(BackOnce(12, T), 12 + T, "the new one, the old one for T after the promotion, the new"),
    Model.NEITHER: Course(NeitherUntil(NEITHER_SECONDS), NEITHER_SECONDS, f"none at all for {NEITHER_SECONDS:g} s"),
}


class Vendor(StrEnum):
    """What the vendor's environments hold when callers ask."""

    WARM = "warm"
    """A fresh token, all along."""
    STALE = "stale"
    """A token that is due for renewal once a second, and lives on where that fails."""
    ENDING = "ending"
    """A token that ends while the change spreads. Callers ask from the change on, so that it isn't renewed before."""
    COLD = "cold"
    """Nothing: each request starts a new environment. With a table, callers ask from the change on, as if after a
    silence: else the table would hold one of their own tokens."""
    FORCED = "forced"
    """A token that no caller wants: each asks for a new one, and gets one that is a few seconds old at most."""


# A vendor renews tokens 225 s before their end.
_LIFETIMES = {Vendor.STALE: 226.0}
# Tokens that a caller holds may be near their end when the certificate changes; the rotation's own is new.
_ENDING_SECONDS = 8.0
_REQUESTS = {Vendor.FORCED: {"force_refresh": True}}


@dataclass(frozen=True)
class SetUp:
    """A world to play in: one app or two, a vendor, and perhaps a table in which its environments share tokens."""

    apps: int
    vendor: Vendor
    table: bool = False

    @property
    def kind(self) -> str:
        """Its apps, and its table if there is one."""
        return ("one app" if self.apps == 1 else "two apps") + (" + table" if self.table else "")

    @property
    def is_quiet_before(self) -> bool:
        """Whether callers begin to ask when the certificate has changed."""
        return self.vendor is Vendor.ENDING or (self.vendor is Vendor.COLD and self.table)


@dataclass(frozen=True)
class Cell:
    """A way of spreading in a set-up."""

    model: Model
    set_up: SetUp

    @property
    def may_fail(self) -> bool:
        """Whether no labelled key is honoured for a while and no token is left: nobody could get one then."""
        # What the rotation leaves in the table is for all but those who want no token that is there already.
        without_token = (Vendor.FORCED,) if self.set_up.table else (Vendor.ENDING, Vendor.COLD, Vendor.FORCED)
        return self.set_up.apps == 1 and self.model is Model.NEITHER and self.set_up.vendor in without_token

    def __str__(self) -> str:
        return f"{self.model}, {self.set_up.kind}, {self.set_up.vendor}"


@dataclass(frozen=True)
class Seen:
    """What came of a cell. Logins are all with the key pair while it lasted, the rotation's own among them."""

    cell: Cell
    outcome: Outcome
    vends: int
    failures: tuple[Failure, ...]
    logins: LoginCount
    slowest: float

    def broken(self) -> list[str]:
        """The promises that didn't hold, in words."""
        found = []
        if self.outcome is not Outcome.SUCCEEDED:
            found.append(f"the rotation ended with '{self.outcome}'")
        if self.vends == len(self.failures):
            found.append("nobody got a token")
        if self.failures and not self.cell.may_fail:
            found.append(f"{len(self.failures)} callers failed, first with {self.failures[0].text}")
        problems = dict.fromkeys(problem for failure in self.failures if (problem := self._wrong_with(failure)))
        return found + list(problems)

    def _wrong_with(self, failure: Failure) -> str | None:
        """Even a failure that can't be avoided must say until when to wait, and that must be so."""
        moment = _MOMENT.search(failure.text)
        if moment is None:
            return f"a failure doesn't say how long to wait: {failure.text}"
        until = datetime.fromisoformat(moment[0]).timestamp()
        if until < failure.at - 1:
            return f"a failure names a time that was over: {failure.text}"
        if any(other.at > until for other in self.failures):
            return f"callers still failed after the time that they were told: {failure.text}"
        return None


def play(
    set_up: SetUp,
    models: Sequence[Model],
    *,
    callers: int,
    seed: int,
    tell: Callable[[Seen], None],
    bridge: bool = True,
) -> list[Seen]:
    """Rotate once for each model while callers ask; `tell` hears of each cell as it ends.

    Without a `bridge` the rotation doesn't know of the table, so that it leaves no token there.
    """
    all_seen: list[Seen] = []
    while len(all_seen) < len(models):
        with _world(set_up, seed) as world:
            if not bridge:
                known = {name: value for name, value in world.rotation_variables.items() if name != "TOKEN_TABLE"}
                world.rotation.set_environment(known)
            _install(world, set_up)
            if set_up.vendor is not Vendor.COLD:
                _warm(world, callers)
            for model in models[len(all_seen) :]:
                seen = _play_cell(world, Cell(model, set_up), callers)
                all_seen.append(seen)
                tell(seen)
                if seen.outcome is not Outcome.SUCCEEDED:
                    break  # What it left behind is no beginning for the next one.
    return all_seen


def _world(set_up: SetUp, seed: int) -> World:
    timing = replace(_TIMING, token_lifetime=_LIFETIMES.get(set_up.vendor, _TIMING.token_lifetime))
    policy = RotationPolicy(repeats=1, pause_seconds=0.2)
    return World(timing=timing, rotation_policy=policy, seed=seed, shared_tokens=set_up.table)


def _install(world: World, set_up: SetUp) -> None:
    """A first key."""
    if set_up.apps == 2:
        world.add_standby()
    if set_up.vendor is Vendor.ENDING:
        world.vendor.set_environment({**world.vendor_variables, "TOKEN_LIFETIME_SECONDS": f"{_ENDING_SECONDS:g}"})
    world.turn_rotation_on()
    if world.rotate() != Outcome.SUCCEEDED:
        raise RuntimeError("the first installation didn't succeed")


def _warm(world: World, callers: int) -> None:
    """An environment that holds a token for each caller."""
    world.vendor.provision(callers)
    with ThreadPoolExecutor(callers) as pool:
        results = list(pool.map(lambda _: world.vend(), range(callers)))
    if any(result.failed for result in results):
        raise RuntimeError("the vendor's environments couldn't be warmed")


def _play_cell(world: World, cell: Cell, callers: int) -> Seen:
    course = COURSES[cell.model]
    for app in world.org.apps:
        app.spreading = course.spreading
    vendor = cell.set_up.vendor
    workload = Workload(world.vendor, callers=callers, request=_REQUESTS.get(vendor), cold=vendor is Vendor.COLD)
    if cell.set_up.is_quiet_before:
        _forget_tokens(world, cell.set_up, callers)
    world.org.log.clear()
    with ExitStack() as stack:
        if not cell.set_up.is_quiet_before:
            stack.enter_context(workload)
        world.secrets.rotate_secret(SecretId=world.secret_arn, ClientRequestToken=str(uuid.uuid4()))
        rotation = world.aws.secrets_manager.rotations(world.secret_arn)[-1]
        if cell.set_up.is_quiet_before:
            _wait_for_change(rotation)
            stack.enter_context(workload)
        outcome = rotation.wait(2 * world.timing.rotation_timeout)
        # The change took effect before setSecret ended, so by then it has spread.
        spread = max(each.started_at + each.seconds for each in rotation.deliveries if each.step == "setSecret")
        time.sleep(max(spread + course.ends - time.time(), 0) + _AFTERWARDS_SECONDS)
    return Seen(
        cell=cell,
        outcome=outcome,
        vends=workload.tally.tokens + len(workload.tally.failures),
        failures=tuple(workload.tally.failures),
        logins=world.org.log.logins(world.user.username),
        slowest=workload.tally.slowest,
    )


def _forget_tokens(world: World, set_up: SetUp, callers: int) -> None:
    """Let nothing be left of the rotation before, whose bridge lives on: neither in a memory nor in the table."""
    world.vendor.recycle()
    if set_up.table:
        world.clear_table()
    if set_up.vendor is Vendor.ENDING:
        _warm(world, callers)


def _wait_for_change(rotation: Rotation) -> None:
    while rotation.outcome is Outcome.RUNNING and all(each.step != "setSecret" for each in rotation.deliveries):
        time.sleep(_LOOK_EVERY_SECONDS)
