"""Calls to the local AWS go wrong on demand, and the log tells what each call did."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from tests.sandbox.aws import SERVER_ERROR, THROTTLED, Act, Crash, Delay, DropConnection, Garble, LocalAws, Refuse

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

ONCE = Config(retries={"total_max_attempts": 1})
NO_CONNECTION = (ConnectionClosedError, EndpointConnectionError)


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        local.client("secretsmanager").create_secret(Name="key-pair", SecretString="one")
        yield local


@pytest.fixture
def client(aws: LocalAws) -> "SecretsManagerClient":
    """Doesn't retry."""
    return aws.client("secretsmanager", config=ONCE)


def put(client: "SecretsManagerClient") -> None:
    client.put_secret_value(SecretId="key-pair", SecretString="two")


def value(client: "SecretsManagerClient") -> str:
    return client.get_secret_value(SecretId="key-pair")["SecretString"]


@pytest.mark.parametrize("refuse", [THROTTLED, SERVER_ERROR, Refuse("KMSAccessDenied", status=403)])
def test_a_refusal_comes_before_any_effect(aws: LocalAws, client: "SecretsManagerClient", refuse: Refuse) -> None:
    aws.faults.inject("PutSecretValue", refuse)

    with pytest.raises(ClientError) as caught:
        put(client)

    assert caught.value.response["Error"]["Code"] == refuse.code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == refuse.status
    assert value(client) == "one"
    (call,) = aws.calls("PutSecretValue")
    assert (call.outcome, call.took_effect) == (refuse.code, False)


@pytest.mark.parametrize(("after_effect", "expected"), [(False, "one"), (True, "two")])
def test_a_connection_is_reset_before_or_after_the_effect(
    aws: LocalAws, client: "SecretsManagerClient", *, after_effect: bool, expected: str
) -> None:
    aws.faults.inject("PutSecretValue", DropConnection(after_effect=after_effect))

    with pytest.raises(NO_CONNECTION):
        put(client)

    assert value(client) == expected
    (call,) = aws.calls("PutSecretValue")
    assert (call.outcome, call.took_effect) == ("dropped", after_effect)


def test_boto3s_own_retry_after_a_lost_answer_puts_one_version(aws: LocalAws) -> None:
    aws.faults.inject("PutSecretValue", DropConnection(after_effect=True))

    put(aws.client("secretsmanager"))

    assert [call.outcome for call in aws.calls("PutSecretValue")] == ["dropped", "ok"]
    assert len(aws.secrets_manager.versions("key-pair")) == 2


def test_a_garbled_answer_reaches_boto3s_user_as_an_answer_without_members(
    aws: LocalAws, client: "SecretsManagerClient"
) -> None:
    aws.faults.inject("GetSecretValue", Garble())

    assert client.get_secret_value(SecretId="key-pair").keys() == {"ResponseMetadata"}

    assert aws.calls("GetSecretValue")[0].outcome == "garbled"
    assert value(client) == "one"


def test_a_delayed_call_is_done_late(aws: LocalAws, client: "SecretsManagerClient") -> None:
    aws.faults.inject("PutSecretValue", Delay(0.3))
    started = time.monotonic()
    put(client)
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(("after_effect", "expected"), [(False, "one"), (True, "two")])
def test_a_test_can_act_on_either_side_of_the_effect(
    aws: LocalAws, client: "SecretsManagerClient", *, after_effect: bool, expected: str
) -> None:
    seen: list[str | None] = []

    def look() -> None:
        versions = aws.secrets_manager.versions("key-pair")
        seen.extend(v.value.string for v in versions if v.value and "AWSCURRENT" in v.labels)

    aws.faults.inject("PutSecretValue", Act(look, after_effect=after_effect))
    put(client)

    assert seen == [expected]


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_caller_crashes_with_the_effect_or_without_it(aws: LocalAws, tmp_path: Path, *, after_effect: bool) -> None:
    (tmp_path / "app.py").write_text(
        "import boto3\n"
        "def lambda_handler(event, context):\n"
        "    boto3.client('secretsmanager').put_secret_value(SecretId='key-pair', SecretString='two')\n"
    )
    function = aws.create_function("worker", tmp_path, timeout=10)
    aws.faults.inject("PutSecretValue", Crash(function.kill, after_effect=after_effect), caller="worker")

    assert function.invoke({}).error_type == "Runtime.ExitError"

    assert [call.took_effect for call in aws.calls("PutSecretValue")] == [after_effect]
    assert len(aws.secrets_manager.versions("key-pair")) == 1 + after_effect


def test_an_answer_is_lost_even_if_it_is_a_refusal(aws: LocalAws, client: "SecretsManagerClient") -> None:
    aws.faults.inject("GetSecretValue", DropConnection(after_effect=True))

    with pytest.raises(NO_CONNECTION):
        client.get_secret_value(SecretId="another")

    (call,) = aws.calls("GetSecretValue")
    assert (call.outcome, call.took_effect) == ("dropped", False)


def test_a_fault_hits_its_operation_and_caller_as_often_as_asked(aws: LocalAws, client: "SecretsManagerClient") -> None:
    other = aws.client("secretsmanager", caller="other", config=ONCE)
    aws.faults.inject("GetSecretValue", THROTTLED, caller="other", skip=1, times=2)
    outcomes: list[bool] = []

    client.describe_secret(SecretId="key-pair")
    for _ in range(4):
        assert value(client) == "one"
        try:
            outcomes.append(value(other) == "one")
        except ClientError:
            outcomes.append(False)

    assert outcomes == [True, False, False, True]
    assert aws.faults.unspent == 0
    assert len(aws.calls("GetSecretValue", caller="other")) == 4


def test_a_lasting_fault_lasts_until_it_is_cleared(aws: LocalAws, client: "SecretsManagerClient") -> None:
    aws.faults.inject("GetSecretValue", THROTTLED, times=None)
    for _ in range(3):
        with pytest.raises(ClientError):
            value(client)

    aws.faults.clear()

    assert value(client) == "one"


def test_the_log_tells_parameters_but_never_prints_them(aws: LocalAws, client: "SecretsManagerClient") -> None:
    put(client)

    (call,) = aws.calls("PutSecretValue", caller="test")
    assert call.parameters["SecretString"] == "two"
    assert call.service == "secretsmanager"
    assert "two" not in repr(call)
