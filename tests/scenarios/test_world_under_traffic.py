"""The functions in processes of their own, with callers that ask for tokens all the time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.sandbox.aws import Outcome, Result
from tests.sandbox.org import Kind, OrgClock
from tests.sandbox.org.spreading import AtOnce, BackOnce, BothUntil, FlappingUntil, OldUntil, Spreading
from tests.sandbox.world import Timing, World
from tests.scenarios.support import event

CALLERS = 2
PAUSE_SECONDS = 0.03
# Each of them leaves some labelled key honoured at every moment.
SPREADINGS = [
    OldUntil(1.0),
    *(pytest.param(each, marks=pytest.mark.slow) for each in (AtOnce(), BothUntil(1.0), FlappingUntil(1.5))),
    pytest.param(BackOnce(0.25, 1.0), marks=pytest.mark.slow),
]


@contextmanager
def traffic(world: World) -> Iterator[list[Result]]:
    """Callers that want a new token each time, so that no cache hides a moment without a key."""
    results: list[Result] = []
    enough = threading.Event()

    def call_again_and_again() -> None:
        while not enough.wait(PAUSE_SECONDS):
            results.append(world.vendor.invoke(event("vend-force-refresh")))

    with ThreadPoolExecutor(CALLERS) as callers:
        calls = [callers.submit(call_again_and_again) for _ in range(CALLERS)]
        try:
            yield results
        finally:
            enough.set()
        for call in calls:
            call.result()


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    """A world with a key and both functions warm."""
    # The interval makes three logins in a row outlast most of a server's moods.
    with World(timing=Timing(settled_interval=0.3)) as world:
        world.turn_rotation_on(immediately=True)
        assert world.aws.secrets_manager.wait_for_rotation(world.secret_arn).outcome is Outcome.SUCCEEDED
        assert not world.vend().failed
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The shared world, left as it was found."""
    yield shared
    shared.app.spreading = AtOnce()


@pytest.mark.parametrize("spreading", SPREADINGS, ids=str)
def test_no_caller_notices_a_rotation_however_the_certificate_spreads(world: World, spreading: Spreading) -> None:
    world.app.spreading = spreading

    with traffic(world) as results:
        outcome = world.rotate()

    assert [result.error_message for result in results if result.failed] == []
    assert outcome is Outcome.SUCCEEDED
    assert len(results) >= 5
    now = world.org.clock.now()
    assert all(world.org.sessions.find(result.value["access_token"], now) for result in results)
    current = world.version_with("AWSCURRENT")
    assert current is not None
    assert world.vend(force_refresh=True).value["key_version"] == current.version_id


def test_a_burst_on_a_warm_function_asks_neither_aws_nor_salesforce(world: World) -> None:
    first = world.vendor.invoke(event("vend-default"))
    to_aws, to_salesforce = len(world.aws.calls()), len(world.org.log.entries())

    replies = [world.vendor.invoke(event("vend-default")) for _ in range(100)]

    assert {reply.value["access_token"] for reply in replies} == {first.value["access_token"]}
    assert len(world.aws.calls()) == to_aws
    assert len(world.org.log.entries()) == to_salesforce
    assert not any(reply.cold for reply in replies)


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [10, -10])
def test_an_org_whose_clock_is_ten_minutes_off_is_rotated_and_vended_from(minutes: int) -> None:
    with World(clock=OrgClock(minutes * 60)) as world:
        world.turn_rotation_on(immediately=True)
        assert world.aws.secrets_manager.wait_for_rotation(world.secret_arn).outcome is Outcome.SUCCEEDED

        replies = [world.vendor.invoke(event("vend-force-refresh")) for _ in range(3)]

        assert [reply.error_type for reply in replies] == [None] * 3
        # Once corrected, the clock stays so: one login of either function was refused for it, if any.
        expired = [entry for entry in world.org.log.entries(Kind.TOKEN) if "expired" in entry.outcome]
        assert len(expired) == (2 if minutes > 0 else 0)
        for reply in replies:
            assert world.org.sessions.find(reply.value["access_token"], world.org.clock.now())
            assert abs(reply.value["expires_in"] - 900) <= 5
