"""The local Secrets Manager rotates as AWS does: what it prepares, delivers, repeats, refuses and leaves behind."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.aws import Act, Function, LocalAws, Outcome, RotationPolicy

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]
FIRST, SECOND, THIRD = (f"{number}f1c2f4e-3b7a-4c55-9d0e-2a8b7c1d9e43" for number in (1, 2, 3))

# Rotates a value; plan.json beside it says how often a step fails first, and how.
HANDLER = """
import json, os, pathlib, time
import boto3

PLAN = pathlib.Path(__file__).with_name("plan.json")
client = boto3.client("secretsmanager")

def misbehave(step):
    plan = json.loads(PLAN.read_text())
    how, times = plan.get(step, (None, 0))
    if times:
        plan[step] = (how, times - 1)
        PLAN.write_text(json.dumps(plan))
        if how == "exit":
            os._exit(1)
        if how == "sleep":
            time.sleep(30)
        raise RuntimeError(how)

def lambda_handler(event, context):
    step, secret, token = event["Step"], event["SecretId"], event["ClientRequestToken"]
    described = client.describe_secret(SecretId=secret)
    assert described["RotationEnabled"]
    misbehave(step)
    if step == "createSecret":
        proof = {"RotationToken": event["RotationToken"]} if "RotationToken" in event else {}
        client.put_secret_value(
            SecretId=secret, ClientRequestToken=token, SecretString="value of " + token,
            VersionStages=["AWSPENDING"], **proof)
    if step == "finishSecret":
        current = [v for v, labels in described["VersionIdsToStages"].items() if "AWSCURRENT" in labels]
        if current != [token]:
            client.update_secret_version_stage(
                SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current[0])
"""


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws(RotationPolicy(repeats=2, pause_seconds=0.01)) as local:
        yield local


@pytest.fixture
def client(aws: LocalAws) -> "SecretsManagerClient":
    """Knows a secret `key-pair` whose version FIRST is current."""
    client = aws.client("secretsmanager")
    client.create_secret(Name="key-pair", SecretString="one", ClientRequestToken=FIRST)
    return client


@pytest.fixture
def function(aws: LocalAws, tmp_path: Path) -> Function:
    (tmp_path / "app.py").write_text(HANDLER)
    (tmp_path / "plan.json").write_text("{}")
    return aws.create_function("rotation", tmp_path, timeout=5)


def plan(folder: Path, **failures: tuple[str, int]) -> None:
    (folder / "plan.json").write_text(json.dumps(failures))


def rotate(client: "SecretsManagerClient", function: Function, token: str = SECOND, **more: Any) -> None:
    client.rotate_secret(SecretId="key-pair", ClientRequestToken=token, RotationLambdaARN=function.arn, **more)


def refusal(call: Any, *positional: Any, **parameters: Any) -> str:
    """The error code with which AWS refuses the call."""
    with pytest.raises(ClientError) as caught:
        call(*positional, **parameters)
    return str(caught.value.response["Error"]["Code"])


# A rotation


def test_a_rotation_delivers_the_four_steps_in_order(
    aws: LocalAws, client: "SecretsManagerClient", function: Function
) -> None:
    rotate(client, function, RotationRules={"ScheduleExpression": "rate(30 days)"})
    rotation = aws.secrets_manager.wait_for_rotation("key-pair")

    assert rotation.outcome is Outcome.SUCCEEDED
    assert [(d.step, d.attempt, d.error_type) for d in rotation.deliveries] == [(step, 1, None) for step in STEPS]
    assert client.get_secret_value(SecretId="key-pair")["SecretString"] == f"value of {SECOND}"
    assert aws.secrets_manager.labels("key-pair") == {
        "AWSCURRENT": SECOND,
        "AWSPENDING": SECOND,
        "AWSPREVIOUS": FIRST,
    }
    described = client.describe_secret(SecretId="key-pair")
    assert (described["RotationEnabled"], described["RotationLambdaARN"]) == (True, function.arn)
    assert described["RotationRules"] == {"ScheduleExpression": "rate(30 days)"}
    assert "LastRotatedDate" in described


def test_a_pending_label_on_the_current_version_lets_the_next_rotation_start(
    aws: LocalAws, client: "SecretsManagerClient", function: Function
) -> None:
    for token in (SECOND, THIRD):
        rotate(client, function, token)
        aws.secrets_manager.wait_for_rotation("key-pair")

    assert aws.secrets_manager.labels("key-pair")["AWSCURRENT"] == THIRD
    # What rotates once may be rotated without naming the function again.
    client.rotate_secret(SecretId="key-pair")
    assert aws.secrets_manager.wait_for_rotation("key-pair").outcome is Outcome.SUCCEEDED


def test_the_pending_version_is_empty_before_the_first_step(
    aws: LocalAws, client: "SecretsManagerClient", function: Function, tmp_path: Path
) -> None:
    plan(tmp_path, createSecret=("no luck", 9))
    rotate(client, function)
    aws.secrets_manager.wait_for_rotation("key-pair")

    assert client.describe_secret(SecretId="key-pair")["VersionIdsToStages"][SECOND] == ["AWSPENDING"]
    read = {"SecretId": "key-pair", "VersionId": SECOND}
    assert refusal(client.get_secret_value, **read) == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("how", "error_type"),
    [("no luck", "RuntimeError"), ("exit", "Runtime.ExitError"), ("sleep", "Sandbox.Timedout")],
)
def test_a_failing_step_makes_the_whole_rotation_start_over(
    aws: LocalAws, client: "SecretsManagerClient", function: Function, tmp_path: Path, how: str, error_type: str
) -> None:
    plan(tmp_path, testSecret=(how, 1))
    if how == "sleep":
        function = aws.create_function("impatient", tmp_path, timeout=1)

    rotate(client, function)
    rotation = aws.secrets_manager.wait_for_rotation("key-pair")

    assert rotation.outcome is Outcome.SUCCEEDED
    assert [(d.step, d.attempt) for d in rotation.deliveries] == [
        *[(step, 1) for step in STEPS[:3]],
        *[(step, 2) for step in STEPS],
    ]
    assert [d.error_type for d in rotation.deliveries if d.error_type] == [error_type]


def test_it_gives_up_after_the_last_repeat_and_leaves_the_labels(
    aws: LocalAws, client: "SecretsManagerClient", function: Function, tmp_path: Path
) -> None:
    plan(tmp_path, setSecret=("never", 99))
    rotate(client, function)
    rotation = aws.secrets_manager.wait_for_rotation("key-pair")

    assert rotation.outcome is Outcome.GAVE_UP
    assert [(d.step, d.error_message) for d in rotation.deliveries] == [
        ("createSecret", None),
        ("setSecret", "never"),
    ] * 3
    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": FIRST, "AWSPENDING": SECOND}


def test_another_rotation_is_refused_while_one_is_unfinished_but_the_same_token_delivers_again(
    aws: LocalAws, client: "SecretsManagerClient", function: Function, tmp_path: Path
) -> None:
    plan(tmp_path, setSecret=("three times", 3))
    rotate(client, function)
    aws.secrets_manager.wait_for_rotation("key-pair")

    assert refusal(rotate, client, function, THIRD) == "InvalidRequestException"
    assert refusal(rotate, client, function, THIRD, RotateImmediately=False) == "InvalidRequestException"
    assert aws.secrets_manager.labels("key-pair")["AWSPENDING"] == SECOND

    rotate(client, function, SECOND)
    assert aws.secrets_manager.wait_for_rotation("key-pair").outcome is Outcome.SUCCEEDED


def test_the_same_token_again_starts_nothing_once_it_is_rotated(
    aws: LocalAws, client: "SecretsManagerClient", function: Function
) -> None:
    rotate(client, function)
    rotate(client, function)
    aws.secrets_manager.wait_for_rotation("key-pair")
    rotate(client, function)

    assert len(aws.secrets_manager.rotations("key-pair")) == 1
    assert len(function.results) == 4


def test_a_version_that_was_put_by_hand_is_no_rotation(client: "SecretsManagerClient", function: Function) -> None:
    assert refusal(rotate, client, function, FIRST) == "InvalidRequestException"


def test_the_step_under_way_is_told(
    aws: LocalAws, client: "SecretsManagerClient", function: Function, tmp_path: Path
) -> None:
    seen: list[str | None] = []
    aws.faults.inject(
        "PutSecretValue",
        Act(lambda: seen.append(aws.secrets_manager.rotations("key-pair")[0].step)),
        caller="rotation",
    )
    with pytest.raises(LookupError):
        aws.secrets_manager.wait_for_rotation("key-pair")
    rotate(client, function)

    assert aws.secrets_manager.wait_for_rotation("key-pair").step is None
    assert seen == ["createSecret"]


# Cancelling


def test_cancelling_ends_the_deliveries_turns_rotation_off_and_leaves_the_labels(
    aws: LocalAws, client: "SecretsManagerClient", function: Function, tmp_path: Path
) -> None:
    aws.secrets_manager.rotation_policy = RotationPolicy(repeats=3, pause_seconds=60)
    plan(tmp_path, createSecret=("no luck", 9))
    rotate(client, function)
    rotation = aws.secrets_manager.rotations("key-pair")[-1]

    assert client.cancel_rotate_secret(SecretId="key-pair")["VersionId"] == SECOND

    assert rotation.wait(10) is Outcome.CANCELLED
    assert client.describe_secret(SecretId="key-pair")["RotationEnabled"] is False
    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": FIRST, "AWSPENDING": SECOND}


def test_nothing_can_be_cancelled_where_rotation_was_never_set_up(client: "SecretsManagerClient") -> None:
    assert refusal(client.cancel_rotate_secret, SecretId="key-pair") == "InvalidRequestException"


# Setting the schedule


def test_a_schedule_is_set_by_testing_alone_on_a_version_that_is_removed(
    aws: LocalAws, client: "SecretsManagerClient", function: Function
) -> None:
    rotate(client, function, RotateImmediately=False, RotationRules={"AutomaticallyAfterDays": 30})

    (rotation,) = aws.secrets_manager.rotations("key-pair")
    assert [(d.step, d.error_type) for d in rotation.deliveries] == [("testSecret", None)]
    assert json.loads(function.results[0].event)["ClientRequestToken"] == SECOND
    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": FIRST}
    assert [v.version_id for v in aws.secrets_manager.versions("key-pair")] == [FIRST]
    assert client.describe_secret(SecretId="key-pair")["RotationRules"] == {"AutomaticallyAfterDays": 30}


def test_a_schedule_whose_test_fails_is_not_set(
    aws: LocalAws, client: "SecretsManagerClient", function: Function, tmp_path: Path
) -> None:
    plan(tmp_path, testSecret=("no login", 1))

    with pytest.raises(ClientError, match=r"InvalidRequestException.*no login"):
        rotate(client, function, RotateImmediately=False)

    assert "RotationEnabled" not in client.describe_secret(SecretId="key-pair")
    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": FIRST}


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"ScheduleExpression": "rate(3 hours)"}, "InvalidParameterException"),
        ({"ScheduleExpression": "every monday"}, "InvalidParameterException"),
        ({"ScheduleExpression": "rate(4 days)", "AutomaticallyAfterDays": 4}, "InvalidParameterException"),
        ({"AutomaticallyAfterDays": 1001}, "ValidationException"),
        ({"Duration": "4 hours"}, "ValidationException"),
    ],
)
def test_an_impossible_schedule_is_refused(
    aws: LocalAws, client: "SecretsManagerClient", function: Function, rules: dict[str, Any], code: str
) -> None:
    assert refusal(rotate, client, function, RotationRules=rules) == code
    assert aws.secrets_manager.labels("key-pair") == {"AWSCURRENT": FIRST}


def test_a_rotation_needs_a_function_that_is_there(client: "SecretsManagerClient", function: Function) -> None:
    assert refusal(client.rotate_secret, SecretId="key-pair") == "InvalidRequestException"
    arn = function.arn + "-of-another-name"
    assert refusal(client.rotate_secret, SecretId="key-pair", RotationLambdaARN=arn) == "AccessDeniedException"


# Rotation tokens


def test_a_rotation_token_must_be_handed_back_to_write_its_version(
    aws: LocalAws, client: "SecretsManagerClient", function: Function
) -> None:
    aws.secrets_manager.rotation_policy = RotationPolicy(hand_out_tokens=True)
    request = aws.secrets_manager.open_rotation("key-pair", SECOND)
    assert request.rotation_token
    write: dict[str, Any] = {"SecretId": "key-pair", "ClientRequestToken": SECOND, "SecretString": "two"}
    write["VersionStages"] = ["AWSPENDING"]

    assert refusal(client.put_secret_value, **write) == "AccessDeniedException"
    assert refusal(client.put_secret_value, **write, RotationToken="x" * 36) == "AccessDeniedException"
    client.put_secret_value(**write, RotationToken=request.rotation_token)

    assert client.get_secret_value(SecretId="key-pair", VersionId=SECOND)["SecretString"] == "two"
    assert request.rotation_token not in repr(request)


def test_every_step_of_a_rotation_brings_the_same_rotation_token(
    aws: LocalAws, client: "SecretsManagerClient", function: Function
) -> None:
    aws.secrets_manager.rotation_policy = RotationPolicy(repeats=0, hand_out_tokens=True)
    rotate(client, function)

    assert aws.secrets_manager.wait_for_rotation("key-pair").outcome is Outcome.SUCCEEDED
    tokens = {json.loads(result.event)["RotationToken"] for result in function.results}
    assert tokens == {aws.secrets_manager.rotations("key-pair")[0].request.rotation_token}


# A test's own deliveries


def test_an_opened_rotation_can_be_delivered_by_hand(
    aws: LocalAws, client: "SecretsManagerClient", function: Function
) -> None:
    rotate(client, function, RotateImmediately=False)
    request = aws.secrets_manager.open_rotation("key-pair", THIRD)
    for step in ("createSecret", "createSecret", "finishSecret"):
        assert not function.invoke(request.event(step)).failed

    assert aws.secrets_manager.labels("key-pair")["AWSCURRENT"] == THIRD
