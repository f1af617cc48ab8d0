"""Deliveries that come late, in the wrong order, or for a rotation that isn't: refused by name, and nothing changed."""

import uuid

import pytest

from salesforce_keypair.errors import InvalidRequest, KeyPairError, NotPending, NotSettled, RolledBack, UnprovedKey
from tests.integration.org_client import key_pair
from tests.sandbox.aws import Act, Outcome, RotationRequest
from tests.sandbox.org import Kind
from tests.sandbox.org.spreading import AtOnce, Never
from tests.scenarios.promises import assert_tells_what_to_do
from tests.scenarios.support import CREATE, FINISH, ROTATION, SET, STEPS, TEST, Stage


def refused(stage: Stage, request: RotationRequest, step: str, error: type[KeyPairError]) -> KeyPairError:
    """Deliver a step that must be refused and change nothing."""
    seen = stage.seen()
    with pytest.raises(error) as caught:
        stage.deliver(request, step)
    assert stage.seen() == seen
    assert_tells_what_to_do(caught.value)
    return caught.value


@pytest.mark.parametrize("delivered", [(), (CREATE,)], ids=["first of all", "after createSecret"])
def test_finish_secret_promotes_no_key_that_doesnt_log_in(running: Stage, delivered: tuple[str, ...]) -> None:
    request = running.begin()
    running.deliver(request, *delivered)

    error = refused(running, request, FINISH, UnprovedKey)

    assert error.retryable
    running.deliver(request, *STEPS)


def test_finish_secret_without_test_secret_promotes_a_key_that_logs_in(running: Stage) -> None:
    request = running.begin()

    running.deliver(request, CREATE, SET, FINISH)

    assert running.labels()["AWSCURRENT"] == request.version_id


def test_finish_secret_doesnt_promote_what_was_put_back_while_it_logged_in(running: Stage) -> None:
    request = running.begin()
    running.deliver(request, CREATE, SET, TEST)
    current = running.labels()["AWSCURRENT"]

    # Another delivery undoes the rotation between this one's first look at the labels and its login.
    running.world.aws.faults.inject(
        "GetSecretValue", Act(lambda: running.move_label("AWSPENDING", off=request.version_id)), caller=ROTATION
    )
    with pytest.raises(NotPending):
        running.deliver(request, FINISH)

    assert running.labels()["AWSCURRENT"] == current
    running.world.app.install(key_pair().pem)


def test_finish_secret_is_quiet_where_another_delivery_promoted_while_it_logged_in(running: Stage) -> None:
    request = running.begin()
    running.deliver(request, CREATE, SET, TEST)
    current = running.labels()["AWSCURRENT"]

    running.world.aws.faults.inject(
        "GetSecretValue",
        Act(lambda: running.move_label("AWSCURRENT", onto=request.version_id, off=current)),
        caller=ROTATION,
    )
    promoted = running.deliver(request, FINISH)

    assert not promoted
    assert running.labels()["AWSCURRENT"] == request.version_id
    moves = running.world.aws.calls("UpdateSecretVersionStage", caller=ROTATION)
    assert "AWSCURRENT" not in [move.parameters["VersionStage"] for move in moves]


def test_set_secret_before_create_secret_is_refused(running: Stage) -> None:
    request = running.begin()

    refused(running, request, SET, NotPending)

    assert running.world.org.log.entries() == ()
    running.deliver(request, *STEPS)


def test_test_secret_before_create_secret_changes_nothing(running: Stage) -> None:
    request = running.begin()
    seen = running.seen()

    running.deliver(request, TEST)

    assert running.seen() == seen
    running.deliver(request, *STEPS)


def test_test_secret_before_set_secret_leaves_the_old_key_in_force(running: Stage) -> None:
    old = running.labelled("AWSCURRENT")
    request = running.begin()
    running.deliver(request, CREATE)

    with pytest.raises(NotSettled):
        running.deliver(request, TEST)

    assert running.labelled("AWSCURRENT") == old
    assert running.logs_in(old)
    assert running.world.org.log.entries(Kind.DEPLOY) == ()
    running.rotate()


def moved_labels(stage: Stage) -> list[str]:
    """The labels that were moved so far, or taken off, in order."""
    return [call.parameters["VersionStage"] for call in stage.world.aws.calls("UpdateSecretVersionStage")]


def test_a_rotation_moves_no_label_but_those_two_that_promote_its_version(running: Stage) -> None:
    before = len(moved_labels(running))
    running.rotate()

    assert moved_labels(running)[before:] == ["AWSCURRENT", "AWSPENDING"]


@pytest.mark.parametrize("step", STEPS)
def test_a_late_delivery_of_a_rotation_that_succeeded_is_quiet(running: Stage, step: str) -> None:
    request = running.rotate()
    seen, asked = running.seen(), len(running.world.org.log.entries())
    moves = moved_labels(running)

    running.deliver(request, step)

    assert running.seen() == seen
    assert len(running.world.org.log.entries()) == asked
    assert moved_labels(running) == moves


@pytest.mark.parametrize("step", STEPS)
def test_a_late_delivery_of_a_rotation_that_another_has_followed_is_refused(running: Stage, step: str) -> None:
    earlier = running.rotate()
    running.rotate()

    refused(running, earlier, step, NotPending)


@pytest.mark.parametrize("step", STEPS)
def test_no_delivery_of_a_rotation_that_was_put_back_does_anything_again(running: Stage, step: str) -> None:
    running.world.app.spreading = Never()
    request = running.begin()
    assert isinstance(running.deliver_all(request), NotSettled)
    running.world.app.spreading = AtOnce()
    moves = moved_labels(running)

    error = refused(running, request, step, RolledBack)

    assert moved_labels(running) == moves
    assert not error.retryable
    assert "RotateSecret" in error.remedy


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_that_died_between_the_labels_of_its_put_back_is_closed_by_any_delivery(
    running: Stage, step: str
) -> None:
    request = running.begin()
    running.deliver(request, CREATE)
    running.move_label("ROLLEDBACK", onto=request.version_id)

    with pytest.raises(RolledBack):
        running.deliver(request, step)

    assert "AWSPENDING" not in running.labels()
    running.rotate()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("unknown", [True, False], ids=["unknown", "of another version"])
def test_a_token_that_isnt_the_pending_versions_is_refused(running: Stage, step: str, unknown: bool) -> None:
    pending = running.begin()
    version_id = str(uuid.uuid4()) if unknown else running.labels()["AWSPREVIOUS"]

    refused(running, RotationRequest(running.arn, version_id), step, NotPending)

    running.deliver(pending, *STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_that_was_cancelled_is_refused(running: Stage, step: str) -> None:
    request = running.begin()
    running.deliver(request, CREATE, SET)
    running.world.secrets.cancel_rotate_secret(SecretId=running.arn)

    error = refused(running, request, step, InvalidRequest)

    assert "rotation" in str(error)


def test_a_rotation_that_was_cancelled_can_be_taken_up_again_with_its_token(running: Stage) -> None:
    request = running.begin()
    running.deliver(request, CREATE, SET)
    running.world.secrets.cancel_rotate_secret(SecretId=running.arn)

    running.world.secrets.rotate_secret(SecretId=running.arn, ClientRequestToken=request.version_id)
    assert running.world.aws.secrets_manager.wait_for_rotation(running.arn).outcome is Outcome.GAVE_UP

    running.deliver(request, *STEPS)
    assert running.labels()["AWSCURRENT"] == request.version_id


@pytest.mark.parametrize("step", STEPS)
def test_a_secret_without_rotation_is_left_alone(stage: Stage, step: str) -> None:
    request = stage.world.aws.secrets_manager.open_rotation(stage.arn)

    refused(stage, request, step, InvalidRequest)

    assert stage.world.org.log.entries() == ()


@pytest.mark.parametrize("step", STEPS)
def test_a_secret_that_isnt_there_is_named_as_unavailable(stage: Stage, step: str) -> None:
    other = RotationRequest(stage.arn.replace("keypair-", "another-"), str(uuid.uuid4()))

    with pytest.raises(KeyPairError) as caught:
        stage.deliver(other, step)

    assert caught.value.code == "SecretUnavailable"
    assert "name or ARN" in caught.value.remedy
