"""`resume`: a rotation that stands still goes on with the key it has, or ends without harm."""

from collections.abc import Iterator

import pytest

from operate.rotating.rotations import Rotations
from operate.workplace import Workplace
from salesforce_keypair.errors import InvalidRequest, LoginRefused, RotationError, SecretUnavailable
from tests.operate.rotations.support import Deliveries, Engineer
from tests.sandbox.aws import Refuse, RotationPolicy
from tests.sandbox.world import Timing, World
from tests.scenarios.support import CREATE, FINISH, SET, STEPS, TEST, Stage

REFUSED = Refuse("InvalidRequestException", message="A previous rotation isn't complete.")


@pytest.mark.parametrize("done", [(), (CREATE,), (CREATE, SET)], ids=["begun", "key made", "certificate in"])
def test_a_rotation_that_waits_goes_on_with_its_own_key(
    stage: Stage, engineer: Engineer, deliveries: Deliveries, done: tuple[str, ...]
) -> None:
    request = stage.begin()
    stage.deliver(request, *done)
    before = stage.version(request.version_id).text

    engineer.rotations().resume(engineer.look(), deliver=False)

    after = stage.labelled("AWSCURRENT")
    assert after.version_id == request.version_id
    assert before in (None, after.text)
    assert engineer.has_leaked() == set()


def test_where_aws_refuses_the_same_rotation_its_function_is_asked_itself(stage: Stage, engineer: Engineer) -> None:
    request = stage.begin()
    stage.world.aws.faults.inject("RotateSecret", REFUSED)

    with pytest.raises(SecretUnavailable, match="Lambda refused Invoke") as caught:
        # The function of a stage has no concurrency at all.
        engineer.rotations().resume(engineer.look(), deliver=False)

    assert "concurrency" in caught.value.remedy
    assert stage.labels()["AWSPENDING"] == request.version_id


def test_with_nothing_that_waits_there_is_nothing_to_resume(engineer: Engineer) -> None:
    with pytest.raises(InvalidRequest, match="no rotation of this secret waits"):
        engineer.rotations().resume(engineer.look(), deliver=False)


@pytest.mark.parametrize("done", [(), (CREATE,), (CREATE, SET)], ids=["begun", "key made", "certificate in"])
def test_one_that_is_given_up_leaves_its_key_to_callers_and_the_next_rotation_possible(
    stage: Stage, engineer: Engineer, done: tuple[str, ...]
) -> None:
    request = stage.begin()
    stage.deliver(request, *done)

    engineer.rotations().give_up(engineer.look())

    assert "AWSPENDING" not in stage.labels()
    assert stage.labels().get("ROLLEDBACK") == (request.version_id if done else None)
    # The app may hold its certificate, so whoever looks for a key finds it under a label.
    assert any(version.labels for version in stage.versions() if stage.logs_in(version))
    with pytest.raises(RotationError):
        stage.deliver(request, CREATE)
    stage.rotate()


def test_giving_up_another_one_doesnt_take_the_label_off_the_only_key_that_logs_in(
    stage: Stage, engineer: Engineer
) -> None:
    first = stage.begin()
    stage.deliver(first, CREATE, SET)
    engineer.rotations().give_up(engineer.look())
    second = stage.begin()
    stage.deliver(second, CREATE)
    labels = stage.labels()

    with pytest.raises(InvalidRequest, match="the only version whose key logs in"):
        engineer.rotations().give_up(engineer.look())

    assert stage.labels() == labels
    # What it says helps: that one goes on.
    stage.deliver(second, *STEPS)


@pytest.mark.parametrize("steps", [STEPS, (CREATE, SET)], ids=["it succeeded", "its key came"])
def test_what_happened_while_somebody_was_asked_is_heeded(
    stage: Stage, engineer: Engineer, steps: tuple[str, ...]
) -> None:
    request = stage.begin()
    looked = engineer.look()
    stage.deliver(request, *steps)

    if steps == STEPS:
        with pytest.raises(InvalidRequest, match="has ended meanwhile"):
            engineer.rotations().give_up(looked)
        assert "ROLLEDBACK" not in stage.labels()
    else:
        engineer.rotations().give_up(looked)
        assert stage.labels()["ROLLEDBACK"] == request.version_id


def test_giving_up_twice_or_killed_in_between_ends_the_same(stage: Stage, engineer: Engineer) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)
    stage.move_label("ROLLEDBACK", onto=request.version_id)

    engineer.rotations().give_up(engineer.look())

    assert stage.labels()["ROLLEDBACK"] == request.version_id
    assert "AWSPENDING" not in stage.labels()


@pytest.fixture
def world() -> Iterator[World]:
    """Real functions, and a rotation that failed for good: the org never heeded its certificate."""
    with World(timing=Timing(settling=1.0, settled_interval=0.05), rotation_policy=RotationPolicy(repeats=0)) as world:
        world.turn_rotation_on()
        yield world


@pytest.mark.slow
def test_the_steps_that_the_command_delivers_itself_tell_why_they_fail_and_then_succeed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (world.aws.environment("shell") | {"EXTRA_SALESFORCE_HOSTS": world.org.url[7:]}).items():
        monkeypatch.setenv(name, value)
    world.user.frozen = True
    assert world.rotate() == "gave up"
    told: list[str] = []
    rotations = Rotations(Workplace.of(), world.secret_arn, told.append)
    pending = world.version_with("AWSPENDING")
    assert pending is not None

    world.aws.faults.inject("RotateSecret", REFUSED, times=None)
    with pytest.raises(LoginRefused, match=r"testSecret failed: .*inactive_user"):
        rotations.resume(rotations.look(), deliver=False)
    world.user.frozen = False
    rotations.resume(rotations.look(), deliver=False)

    current = world.version_with("AWSCURRENT")
    assert current is not None
    assert (current.version_id, current.document) == (pending.version_id, pending.document)
    assert [line.partition(":")[0] for line in told[-5:-1]] == [CREATE, SET, TEST, FINISH]
