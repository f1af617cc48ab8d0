"""The commands that a rotation's errors name: done in that order, they lead to the next key."""

import pytest

from operate.rotating.status import lines_of
from salesforce_keypair.errors import InvalidRequest
from tests.operate.doctoring import doctor
from tests.operate.rotations.support import Engineer
from tests.sandbox.aws import RotationRequest
from tests.scenarios.set_ups import own_user
from tests.scenarios.support import CREATE, SET, Stage


def remedy_of(stage: Stage, request: RotationRequest) -> str:
    """What the error says that a delivery ends with."""
    error = stage.deliver_all(request)
    assert error is not None
    return error.remedy


def give_up(stage: Stage) -> str:
    return f"give this rotation up (make resume SECRET={stage.arn} ARGS=--give-up)"


@pytest.mark.parametrize(
    "written",
    [{}, {"appName": None, "adminSecretArn": None}, {"username": "somebody.else@example.com"}],
    ids=["without the key", "without more", "for another user"],
)
def test_out_of_an_overwritten_secret(stage: Stage, engineer: Engineer, written: dict[str, str | None]) -> None:
    before = stage.labelled("AWSCURRENT")
    stage.edit(privateKey=None, certificate=None, **written)
    assert "somebody overwrote the secret; `rollback` goes back" in "\n".join(
        lines_of(engineer.rotations().status(with_apps=False))
    )

    remedy = remedy_of(stage, stage.begin())
    assert remedy.startswith(f"{give_up(stage)}, go back to that version (make rollback SECRET={stage.arn}), and")
    engineer.rotations().give_up(engineer.look())
    engineer.roll_back()

    assert stage.labels()["AWSCURRENT"] == before.version_id
    stage.rotate()


def test_out_of_an_overwritten_secret_whose_own_user_installs() -> None:
    with Stage() as stage:
        own_user(stage)
        stage.rotate()
        before = stage.labelled("AWSCURRENT")
        stage.edit(privateKey=None, certificate=None)
        engineer = Engineer(stage)

        assert remedy_of(stage, stage.begin()).startswith(f"{give_up(stage)}, go back to that version")
        engineer.rotations().give_up(engineer.look())
        engineer.roll_back()

        assert stage.labels()["AWSCURRENT"] == before.version_id
        stage.rotate()


def test_out_of_a_document_that_was_changed_under_its_rotation(stage: Stage, engineer: Engineer) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)
    stage.edit(certificateValidityDays=30)

    assert remedy_of(stage, request).startswith(f"{give_up(stage)}, then start a new rotation")
    engineer.rotations().give_up(engineer.look())

    assert stage.version(stage.rotate().version_id).document["certificateValidityDays"] == 30


def test_out_of_a_pending_document_without_a_key(stage: Stage, engineer: Engineer) -> None:
    request = stage.begin()
    stage.put_pending(request, stage.world.document())

    assert remedy_of(stage, request).startswith(f"{give_up(stage)}, then start a new rotation")
    engineer.rotations().give_up(engineer.look())

    stage.rotate()


def test_out_of_a_rotation_after_a_rollback_from_a_document_without_a_key(stage: Stage, engineer: Engineer) -> None:
    stage.edit(privateKey=None, certificate=None)
    engineer.roll_back()
    stage.rotate()
    stage.deliver(stage.begin(), CREATE)

    engineer.rotations().give_up(engineer.look())

    stage.rotate()


def test_the_only_key_that_logs_in_keeps_its_label_where_the_current_document_has_none(
    stage: Stage, engineer: Engineer
) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE, SET)
    engineer.rotations().give_up(engineer.look())
    stage.edit(privateKey=None, certificate=None)
    stage.put_pending(stage.begin(), stage.world.document())

    with pytest.raises(InvalidRequest, match="the only version whose key logs in"):
        engineer.rotations().give_up(engineer.look())

    assert stage.labels()["ROLLEDBACK"] == request.version_id


@pytest.mark.parametrize(
    "written",
    [{"keyAlgorithm": "EC_P256"}, {"baseUri": "https://acme.example.com"}, {"username": ""}],
    ids=["a wrong member", "no org's host", "no user"],
)
def test_out_of_a_current_document_that_cant_be_used(stage: Stage, engineer: Engineer, written: dict[str, str]) -> None:
    """Callers get no token while AWSPREVIOUS is sound."""
    before = stage.labelled("AWSCURRENT")
    stage.edit(**written)
    told = doctor(stage)["document.AWSCURRENT"].finding.remedy

    assert told is not None
    assert told.endswith(f'; or go back to AWSPREVIOUS (make rollback SECRET="{stage.arn}")')
    engineer.roll_back()

    assert stage.labels()["AWSCURRENT"] == before.version_id
    assert stage.logs_in(before)
    stage.rotate()


def test_out_of_a_current_document_that_cant_be_used_whose_app_holds_another_certificate(
    stage: Stage, engineer: Engineer
) -> None:
    before = stage.labelled("AWSPREVIOUS")
    stage.move_label("AWSCURRENT", onto=before.version_id, off=stage.labels()["AWSCURRENT"])
    stage.edit(keyAlgorithm="EC_P256")

    engineer.roll_back()

    assert stage.labels()["AWSCURRENT"] == before.version_id
    assert stage.logs_in(before)
