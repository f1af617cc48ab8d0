"""`make spread`: what counts as a broken promise, and that callers do what its columns say."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.sandbox.aws import Outcome
from tests.sandbox.org import LoginCount
from tests.sandbox.spreading_cells import Cell, Model, Seen, SetUp, Vendor, play
from tests.sandbox.workload import Failure, Workload
from tests.sandbox.world import Timing, World

NOW = 1_800_000_000.0
ROUTINE = [model for model in Model if model is not Model.NEITHER]


def failure(*, at: float = NOW, until: float | None = NOW + 40) -> Failure:
    """A failure that says until when to wait, if at all."""
    moment = "later" if until is None else datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Failure(f"LoginRefused: that may spread until {moment}: wait", at)


def seen(
    *failures: Failure,
    model: Model = Model.NEITHER,
    apps: int = 1,
    vendor: Vendor = Vendor.FORCED,
    table: bool = False,
    outcome: Outcome = Outcome.SUCCEEDED,
    vends: int = 10,
) -> Seen:
    return Seen(Cell(model, SetUp(apps, vendor, table)), outcome, vends, failures, LoginCount(3, 4), 0.1)


@pytest.mark.parametrize(
    ("vendor", "table"),
    [(Vendor.ENDING, False), (Vendor.COLD, False), (Vendor.FORCED, False), (Vendor.FORCED, True)],
)
def test_without_any_honoured_key_or_token_a_failure_that_says_until_when_is_no_broken_promise(
    vendor: Vendor, *, table: bool
) -> None:
    assert seen(failure(), failure(at=NOW + 39), vendor=vendor, table=table).broken() == []


@pytest.mark.parametrize(
    ("model", "apps", "vendor", "table"),
    [(model, 2, vendor, False) for model in Model for vendor in Vendor]
    + [(model, 1, vendor, table) for model in ROUTINE for vendor in Vendor for table in (False, True)]
    + [(Model.NEITHER, 1, vendor, False) for vendor in (Vendor.WARM, Vendor.STALE)]
    + [(Model.NEITHER, 1, vendor, True) for vendor in Vendor if vendor is not Vendor.FORCED],
)
def test_anywhere_else_a_single_failure_breaks_a_promise(
    model: Model, apps: int, vendor: Vendor, *, table: bool
) -> None:
    assert seen(model=model, apps=apps, vendor=vendor, table=table).broken() == []
    assert seen(failure(), model=model, apps=apps, vendor=vendor, table=table).broken()


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (seen(failure(until=None)), "doesn't say how long"),
        (seen(failure(until=NOW - 5)), "a time that was over"),
        (seen(failure(until=NOW + 40), failure(at=NOW + 41, until=NOW + 80)), "still failed after the time"),
        (seen(failure(), vends=1), "nobody got a token"),
        (seen(outcome=Outcome.GAVE_UP), "gave up"),
    ],
)
def test_what_is_broken_is_named(broken: Seen, named: str) -> None:
    assert any(named in problem for problem in broken.broken())


# Cold callers would fail without it, too, but not on a machine so busy that starting outlasts the change.
@pytest.mark.parametrize(
    ("vendor", "bridge"),
    [
        pytest.param(Vendor.ENDING, True, marks=pytest.mark.slow),
        pytest.param(Vendor.COLD, True, marks=pytest.mark.further),
        pytest.param(Vendor.ENDING, False, marks=pytest.mark.slow),
    ],
)
def test_callers_without_a_token_are_served_by_the_bridge_and_fail_without_it(vendor: Vendor, *, bridge: bool) -> None:
    set_up = SetUp(1, vendor, table=True)

    (seen,) = play(set_up, [Model.NEITHER], callers=1, seed=0, tell=lambda _: None, bridge=bridge)

    assert seen.outcome is Outcome.SUCCEEDED
    assert seen.vends > len(seen.failures)
    assert bool(seen.failures) is not bridge
    assert bool(seen.broken()) is not bridge


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A world whose secret holds a key."""
    with World(timing=Timing(settled_logins=1)) as made:
        made.turn_rotation_on()
        assert made.rotate() == Outcome.SUCCEEDED
        yield made


def ask(world: World, vendor: Vendor) -> tuple[int, int, int]:
    """One caller's vends, the logins that they took, and how many of them started cold."""
    world.vend()
    world.org.log.clear()
    before = len(world.vendor.results)
    request = {"force_refresh": True} if vendor is Vendor.FORCED else None
    with Workload(world.vendor, callers=1, request=request, cold=vendor is Vendor.COLD) as workload:
        give_up = time.monotonic() + 30
        while workload.tally.tokens < 3 and time.monotonic() < give_up:
            time.sleep(0.02)
    assert workload.tally.failures == []
    assert workload.tally.slowest > 0
    results = world.vendor.results[before:]
    return len(results), world.org.log.logins(world.user.username).accepted, sum(result.cold for result in results)


def test_warm_callers_are_served_without_a_login(world: World) -> None:
    vends, logins, cold = ask(world, Vendor.WARM)
    assert vends >= 3
    assert (logins, cold) == (0, 0)


def test_forced_callers_make_a_warm_vendor_log_in(world: World) -> None:
    _, logins, cold = ask(world, Vendor.FORCED)
    assert logins >= 1
    assert cold == 0


@pytest.mark.slow
def test_each_vend_of_a_cold_caller_is_a_login_of_a_new_environment(world: World) -> None:
    vends, logins, cold = ask(world, Vendor.COLD)
    assert logins == cold == vends
