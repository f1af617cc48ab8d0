"""A step ends before Lambda ends it, with an error that says why, and leaves what the next delivery can go on from."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import Deadline, SystemClock
from salesforce_keypair.wiring.rotation import build_rotation
from tests.sandbox.org import DeployPace, Kind, faults
from tests.sandbox.org.spreading import AtOnce, OldUntil
from tests.scenarios.promises import Promises, assert_tells_what_to_do
from tests.scenarios.support import CREATE, FINISH, SET, STEPS, TEST, Stage, step_event

ALL = tuple(Kind)
ASKS_SALESFORCE = (SET, TEST, FINISH)


@pytest.mark.parametrize("step", ASKS_SALESFORCE)
@pytest.mark.parametrize("seconds", [5.0, 30.0])
@pytest.mark.parametrize("answered", [True, False], ids=["answered", "in vain"])
def test_where_every_request_takes_seven_seconds_none_begins_after_the_deadline(
    running: Stage, step: str, seconds: float, answered: bool
) -> None:
    request = running.begin()
    running.deliver(request, *STEPS[: STEPS.index(step)])
    running.world.org.log.clear()
    end = running.clock.monotonic() + seconds
    begun: list[float] = []

    def take_seven_seconds() -> None:
        begun.append(running.clock.monotonic())
        running.clock.advance(7)

    slow = faults.Fault("slow") if answered else faults.html_page(503)
    running.world.org.faults.add(replace(slow, before=take_seven_seconds), ALL, times=None)
    try:
        running.deliver(request, step, seconds=seconds)
    except KeyPairError as error:
        assert_tells_what_to_do(error)

    assert max(begun) <= end
    # The last request is cut off at the deadline, not after seven seconds; no pause comes after it.
    assert running.clock.monotonic() < end + 7
    running.world.org.faults.clear()
    assert_goes_on(running, request)


def assert_goes_on(stage: Stage, request: object) -> None:
    """The rotation, or the one after it where this one was put back, succeeds."""
    labels = stage.labels()
    if "ROLLEDBACK" in labels:
        stage.rotate()
        return
    open_request = stage.world.aws.secrets_manager.rotations(stage.arn)[-1].request
    assert open_request is request
    assert stage.deliver_all(open_request) is None


@pytest.fixture
def served() -> Iterator[Stage]:
    """A stage that is spoken to over sockets."""
    with Stage(served=True) as made:
        made.install_key()
        yield made


@pytest.mark.parametrize("step", ASKS_SALESFORCE)
def test_a_step_ends_in_time_where_the_org_doesnt_answer(served: Stage, step: str) -> None:
    request = served.begin()
    served.deliver(request, *STEPS[: STEPS.index(step)])
    # In real time here, for it is the socket that must not wait too long.
    clock = SystemClock()
    settings = Settings.from_environment(served.variables, serves_secrets=False)
    rotation = build_rotation(settings, clock, table_failed=lambda: None)
    served.world.org.faults.add(faults.delayed(30), ALL, times=None)
    started = time.monotonic()

    with pytest.raises(KeyPairError) as caught:
        rotation.run(RotationRequest.parse(step_event(step, request)), deadline=Deadline.after(clock, 0.4))

    assert time.monotonic() - started < 2.0
    assert_tells_what_to_do(caught.value)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.01])
@pytest.mark.parametrize("step", ASKS_SALESFORCE)
def test_a_step_that_begins_without_time_asks_salesforce_nothing(running: Stage, step: str, seconds: float) -> None:
    request = running.begin()
    running.deliver(request, *STEPS[: STEPS.index(step)])
    running.world.org.log.clear()

    with pytest.raises(KeyPairError) as caught:
        running.deliver(request, step, seconds=seconds)

    assert running.world.org.log.entries() == ()
    assert "time" in str(caught.value)
    assert running.deliver_all(request) is None


def test_a_deploy_that_isnt_done_in_time_is_found_by_the_next_delivery(running: Stage) -> None:
    running.world.org.deployments.pace = DeployPace(200, 200)
    request = running.begin()
    running.deliver(request, CREATE)

    with pytest.raises(KeyPairError) as caught:
        running.deliver(request, SET, seconds=60)

    assert "still at work" in caught.value.what
    assert caught.value.retryable
    assert running.deliver_all(request) is None


def test_a_second_delivery_waits_its_own_time_for_a_certificate_that_spreads_slowly(running: Stage) -> None:
    promises = Promises(running)
    running.world.app.spreading = OldUntil(300)
    request = running.begin()
    running.deliver(request, CREATE, SET)
    running.world.org.faults.add(faults.html_page(503), Kind.TOKEN, times=None)
    with pytest.raises(KeyPairError):
        running.deliver(request, TEST, seconds=120)
    running.world.org.faults.clear()
    promises.hold()

    running.deliver(request, TEST, FINISH)

    promises.hold()
    assert running.labels()["AWSCURRENT"] == request.version_id
    running.world.app.spreading = AtOnce()
