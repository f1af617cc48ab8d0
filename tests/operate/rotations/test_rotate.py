"""`rotate`: starts a rotation and tells how it ended, from what Secrets Manager shows."""

import pytest

from operate.rotating.starting import start
from operate.rotating.status import lines_of
from salesforce_keypair.errors import InvalidRequest, InvalidSecret, NotPending, NotSettled
from tests.operate.rotations.support import Deliveries, Engineer
from tests.sandbox.aws import Refuse
from tests.sandbox.org.spreading import Never, OldUntil
from tests.scenarios.support import CREATE, Stage


def test_a_rotation_is_followed_until_the_new_key_is_current(
    stage: Stage, engineer: Engineer, deliveries: Deliveries
) -> None:
    stage.world.app.spreading = OldUntil(300)
    before = stage.labelled("AWSCURRENT")

    engineer.rotations().rotate(engineer.look())

    after = stage.labelled("AWSCURRENT")
    assert after.version_id != before.version_id
    assert stage.logs_in(after)
    assert engineer.told[0] == f"The rotation to version {after.version_id} has begun."
    assert engineer.told[-1] == "The new key is current."
    assert engineer.has_leaked() == set()


def test_a_rotation_that_was_undone_is_told_with_where_to_look(
    stage: Stage, engineer: Engineer, deliveries: Deliveries
) -> None:
    stage.world.app.spreading = Never()

    with pytest.raises(NotSettled, match="was undone") as caught:
        engineer.rotations().rotate(engineer.look())

    assert f"--filter-pattern '\"{stage.labels()['ROLLEDBACK']}\"'" in caught.value.remedy
    assert "aws logs tail /aws/lambda/nobody " in caught.value.remedy


def test_a_rotation_that_nobody_delivers_is_late_in_the_end(stage: Stage, engineer: Engineer) -> None:
    began = stage.clock.time()

    with pytest.raises(NotSettled, match="hasn't ended") as caught:
        engineer.rotations(wait_seconds=130).rotate(engineer.look())

    assert 130 <= stage.clock.time() - began < 140
    assert stage.labels()["AWSPENDING"] in caught.value.remedy
    assert "`resume`" in caught.value.remedy
    # And not a line for each look.
    assert [line for line in engineer.told if line.startswith("Under way for")] == [
        "Under way for 60 seconds: the certificate is put in, or spreads.",
        "Under way for 2 minutes: the certificate is put in, or spreads.",
    ]


def test_a_rotation_that_somebody_gives_up_meanwhile_is_told(stage: Stage, engineer: Engineer) -> None:
    stage.clock.at(30, lambda: stage.move_label("AWSPENDING", off=stage.labels()["AWSPENDING"]))

    with pytest.raises(NotPending, match="given up"):
        engineer.rotations().rotate(engineer.look())


def test_a_rotation_that_is_turned_off_meanwhile_is_told(stage: Stage, engineer: Engineer) -> None:
    stage.clock.at(30, lambda: stage.world.secrets.cancel_rotate_secret(SecretId=stage.arn))

    with pytest.raises(InvalidRequest, match="turned off"):
        engineer.rotations().rotate(engineer.look())

    # So that the stage can be compared again.
    stage.move_label("AWSPENDING", off=stage.labels()["AWSPENDING"])


def test_while_another_rotation_is_unfinished_none_begins_and_the_cure_is_named(
    stage: Stage, engineer: Engineer
) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)

    with pytest.raises(InvalidRequest, match=request.version_id) as caught:
        engineer.rotations().rotate(engineer.look())

    assert "`resume` takes it up, `resume --give-up` ends it" in caught.value.remedy


def test_what_aws_refuses_for_an_unfinished_rotation_is_told_in_the_same_way(stage: Stage, engineer: Engineer) -> None:
    """Somebody began one between the look and the call."""
    looked = engineer.look()
    stage.begin()

    with pytest.raises(InvalidRequest, match="isn't complete"):
        start(engineer.rotations().workplace.secrets, looked, "0" * 32)


def test_a_secret_that_is_to_be_deleted_isnt_taken_for_one_whose_rotation_is_unfinished(
    stage: Stage, engineer: Engineer
) -> None:
    """`resume` would say that no rotation waits, and lead back to `rotate`."""
    refusal = Refuse("InvalidRequestException", message="You can't do this: it was marked for deletion.")
    for operation in ("GetSecretValue", "RotateSecret"):
        stage.world.aws.faults.inject(operation, refusal, times=None)

    with pytest.raises(InvalidRequest, match=r"it was marked for deletion.*restore-secret"):
        engineer.rotations().rotate(engineer.look())
    stage.world.aws.faults.clear()


def test_a_secret_without_a_rotation_function_is_told_apart(engineer: Engineer) -> None:
    with Stage() as bare, pytest.raises(InvalidRequest, match="never set up"):
        Engineer(bare).rotations().rotate(Engineer(bare).look())


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"keyAlgorithm": "EC_P256"}, "AWSCURRENT can't be used; keyAlgorithm"),
        ({"appName": None}, "appName is missing"),
        ({"privateKey": None, "certificate": None}, "somebody overwrote the secret.*`rollback`"),
    ],
    ids=["unusable", "no app", "overwritten"],
)
def test_a_rotation_that_would_stop_at_its_first_step_isnt_begun(
    stage: Stage, engineer: Engineer, written: dict[str, str | None], words: str
) -> None:
    """It would be in the way of the next one, and nothing would tell why it stands still."""
    stage.edit(**written)
    labels = stage.labels()

    with pytest.raises(InvalidSecret, match=words):
        engineer.rotations().rotate(engineer.look())

    assert stage.labels() == labels


def test_before_there_is_a_document_the_command_that_stores_it_is_named(stage: Stage, engineer: Engineer) -> None:
    was = stage.world.secret_arn
    stage.world.secret_arn = stage.world.secrets.create_secret(Name="salesforce/new")["ARN"]
    stage.move_label("AWSPENDING", off=stage.begin().version_id)

    with pytest.raises(InvalidSecret, match="`onboard` stores its document"):
        engineer.rotations().rotate(engineer.look())

    status = engineer.rotations().status(with_apps=True)
    assert status.apps is None
    assert "  value      none yet: `onboard` stores its document" in lines_of(status)
    stage.world.secret_arn = was


def test_who_may_not_read_the_document_may_rotate_all_the_same(
    stage: Stage, engineer: Engineer, deliveries: Deliveries
) -> None:
    before = stage.labels()["AWSCURRENT"]
    stage.world.aws.faults.inject("GetSecretValue", Refuse("AccessDeniedException"), times=2)

    engineer.rotations().rotate(engineer.look())

    assert stage.labels()["AWSPREVIOUS"] == before
