"""Whole rotations as Secrets Manager delivers them to a function in a process of its own."""

import json
from collections.abc import Iterator

import pytest

from tests.sandbox.aws import Crash, Outcome, RotationPolicy
from tests.sandbox.org import Kind
from tests.sandbox.org.faults import Fault
from tests.sandbox.org.spreading import Never
from tests.sandbox.world import Timing, World
from tests.scenarios.support import EVENT_OF, STEPS, event


def test_a_schedule_is_set_up_and_the_first_rotation_makes_the_first_key() -> None:
    with World(rotation_policy=RotationPolicy(repeats=0, hand_out_tokens=True)) as world:
        world.turn_rotation_on()
        assert [version.labels for version in world.versions()] == [{"AWSCURRENT"}]

        assert world.rotate() is Outcome.SUCCEEDED

        rotation = world.aws.secrets_manager.rotations(world.secret_arn)[-1]
        assert [delivery.step for delivery in rotation.deliveries] == list(STEPS)
        current = world.version_with("AWSCURRENT")
        assert current is not None
        assert current.version_id == rotation.request.version_id
        assert world.vend().value["key_version"] == current.version_id
        # What the files of events/ hold is what Secrets Manager sent, but for the names.
        for result, step in zip(world.rotation.results[-4:], STEPS, strict=True):
            sent = json.loads(result.event)
            file = event(EVENT_OF[step]) | event("rotation-create-secret-with-rotation-token") | {"Step": step}
            assert sent.keys() == file.keys()
            assert sent["Step"] == file["Step"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A world with a schedule; shared, for what fails in it must always be made good by the same test."""
    with World() as shared:
        shared.turn_rotation_on()
        yield shared


def test_the_events_of_the_files_rotate_and_vend(world: World) -> None:
    request = world.aws.secrets_manager.open_rotation(world.secret_arn)
    members = {"SecretId": request.secret_arn, "ClientRequestToken": request.version_id}

    schedule = world.rotation.invoke(event("rotation-schedule-test-only", **members))
    steps = [world.rotation.invoke(event(EVENT_OF[step], **members)) for step in STEPS]
    requests = [
        world.vendor.invoke(event("vend-default")),
        world.vendor.invoke(event("vend-min-ttl")),
        world.vendor.invoke(event("vend-force-refresh")),
        world.vendor.invoke(event("vend-secret-id", secret_id=world.secret_arn)),
    ]

    assert [result.error_message for result in [schedule, *steps, *requests]] == [None] * 9
    assert {result.value["key_version"] for result in requests} == {request.version_id}


@pytest.mark.slow
def test_a_certificate_that_is_never_honoured_is_put_back_and_the_key_that_was_goes_on() -> None:
    with World(timing=Timing(settling=1.0)) as world:
        world.turn_rotation_on()
        assert world.rotate() is Outcome.SUCCEEDED
        old, fingerprint = world.version_with("AWSCURRENT"), world.app.fingerprint
        world.app.spreading = Never()

        assert world.rotate() is Outcome.GAVE_UP

        deliveries = world.aws.secrets_manager.rotations(world.secret_arn)[-1].deliveries
        errors = [delivery.error_type for delivery in deliveries if delivery.error_type]
        assert errors == ["NotSettled", "RolledBack"]
        assert world.app.fingerprint == fingerprint
        assert world.version_with("AWSPENDING") is None
        assert old is not None
        assert world.vend(force_refresh=True).value["key_version"] == old.version_id


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "operation", ["PutSecretValue", "UpdateSecretVersionStage"], ids=["while it stores the key", "while it promotes it"]
)
@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
def test_a_process_killed_on_its_way_to_aws_is_followed_by_one_that_finishes(
    world: World, operation: str, after_effect: bool
) -> None:
    world.aws.faults.inject(operation, Crash(world.rotation.kill, after_effect=after_effect), caller="rotation")

    outcome = world.rotate()

    assert_finished_after_a_kill(world, outcome)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [Kind.DEPLOY, Kind.LIVENESS])
def test_a_process_killed_on_its_way_to_salesforce_is_followed_by_one_that_finishes(world: World, kind: Kind) -> None:
    world.org.faults.add(Fault("killed", after=world.rotation.kill, reset=True), kind)

    outcome = world.rotate()

    assert_finished_after_a_kill(world, outcome)


def assert_finished_after_a_kill(world: World, outcome: object) -> None:
    rotation = world.aws.secrets_manager.rotations(world.secret_arn)[-1]
    errors = [delivery.error_type for delivery in rotation.deliveries if delivery.error_type]
    assert errors == ["Runtime.ExitError"]
    assert outcome is Outcome.SUCCEEDED
    assert world.vend(force_refresh=True).value["key_version"] == rotation.request.version_id
