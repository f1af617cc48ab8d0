"""The local Lambda runs handlers in AWS's own runtime client, with AWS's answers to what goes wrong."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.sandbox.aws import ApiError, Function, LocalAws

HANDLER = """
import json, os, sys, time
count = 0
print("cold start")

def lambda_handler(event, context):
    global count
    count += 1
    print("stdout of", count)
    print("stderr of", count, file=sys.stderr)
    match event.get("do"):
        case "raise":
            raise ValueError("bad input")
        case "exit":
            os._exit(3)
        case "sleep":
            open(event["started"], "w").close()
            time.sleep(event["seconds"])
        case "context":
            return {
                "arn": context.invoked_function_arn,
                "name": context.function_name,
                "left": context.get_remaining_time_in_millis(),
                "custom": context.client_context and context.client_context.custom,
            }
        case "variables":
            return dict(os.environ)
        case "call":
            import boto3
            return boto3.client("secretsmanager").get_secret_value(SecretId=event["secret"])["SecretString"]
    return {"count": count, "pid": os.getpid()}
"""


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "app.py").write_text(HANDLER)
    return folder


@pytest.fixture
def function(aws: LocalAws, folder: Path) -> Function:
    return aws.create_function("worker", folder)


def sleeping(function: Function, started: Path, seconds: float = 30.0) -> "threading.Thread":
    """A thread whose invocation is under way in the handler."""
    event = {"do": "sleep", "seconds": seconds, "started": str(started)}
    thread = threading.Thread(target=function.invoke, args=(event,))
    thread.start()
    give_up = time.monotonic() + 10
    while not started.exists():
        assert time.monotonic() < give_up, function.output()
        time.sleep(0.01)
    return thread


# Answers


def test_boto3_gets_what_the_handler_returns(aws: LocalAws, function: Function) -> None:
    answer = aws.client("lambda").invoke(FunctionName="worker", Payload=b"{}")

    assert answer["StatusCode"] == 200
    assert dict(answer).get("FunctionError") is None
    assert json.load(answer["Payload"])["count"] == 1
    assert answer["ResponseMetadata"]["RequestId"] == function.results[0].request_id


def test_a_function_is_reached_by_its_arn(aws: LocalAws, function: Function) -> None:
    answer = aws.client("lambda").invoke(FunctionName=function.arn, Qualifier="$LATEST")
    assert json.load(answer["Payload"])["count"] == 1


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"FunctionName": "another"}, "ResourceNotFoundException"),
        ({"FunctionName": "worker", "Qualifier": "7"}, "ResourceNotFoundException"),
        ({"FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:worker"}, "ResourceNotFoundException"),
        ({"FunctionName": "worker", "Payload": b"{"}, "InvalidRequestContentException"),
        ({"FunctionName": "worker", "InvocationType": "Event"}, "InvalidParameterValueException"),
    ],
)
def test_what_cannot_be_invoked_is_refused(
    aws: LocalAws, function: Function, parameters: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        aws.client("lambda").invoke(**parameters)

    assert caught.value.response["Error"]["Code"] == code
    assert function.results == ()


def test_an_error_of_the_handler_is_a_function_error_and_the_process_lives_on(
    aws: LocalAws, function: Function
) -> None:
    answer = aws.client("lambda").invoke(FunctionName="worker", Payload=b'{"do": "raise"}')

    error = json.load(answer["Payload"])
    assert answer["FunctionError"] == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "bad input")
    assert "lambda_handler" in error["stackTrace"][0]
    assert function.invoke({}).value["count"] == 2


def test_a_process_that_exits_is_an_exit_error_and_the_next_invocation_starts_cold(function: Function) -> None:
    died = function.invoke({"do": "exit"})

    assert died.error_type == "Runtime.ExitError"
    assert died.error_message
    assert "exit status 3" in died.error_message
    after = function.invoke({})
    assert (after.cold, after.value["count"]) == (True, 1)


def test_the_deadline_kills_the_process(aws: LocalAws, folder: Path, tmp_path: Path) -> None:
    function = aws.create_function("slow", folder, timeout=0.5)
    started = time.monotonic()

    result = function.invoke({"do": "sleep", "seconds": 30, "started": str(tmp_path / "started")})

    assert result.error_type == "Sandbox.Timedout"
    assert result.error_message
    assert result.error_message.endswith("Task timed out after 0.50 seconds")
    assert time.monotonic() - started < 10
    assert function.environments == 0
    assert function.invoke({}).cold


@pytest.mark.parametrize(
    ("source", "error_type"),
    [
        ("import no_such_module", "Runtime.ImportModuleError"),
        ("def lambda_handler(", "Runtime.UserCodeSyntaxError"),
        ("pass", "Runtime.HandlerNotFound"),
        ("raise KeyError('SECRET_ID')", "KeyError"),
        ("import os; os._exit(4)", "Runtime.ExitError"),
    ],
)
def test_an_init_that_fails_is_reported_by_its_type(aws: LocalAws, folder: Path, source: str, error_type: str) -> None:
    (folder / "app.py").write_text(source)
    function = aws.create_function("broken", folder)

    assert [function.invoke({}).error_type for _ in range(2)] == [error_type, error_type]
    assert function.environments == 0


# What the handler sees


def test_the_context_tells_deadline_arn_and_client_context(aws: LocalAws, folder: Path) -> None:
    function = aws.create_function("timed", folder, timeout=20)
    context = base64.b64encode(json.dumps({"custom": {"who": "me"}}).encode()).decode()
    answer = aws.client("lambda").invoke(FunctionName="timed", Payload=b'{"do": "context"}', ClientContext=context)

    seen = json.load(answer["Payload"])
    assert (seen["arn"], seen["name"], seen["custom"]) == (function.arn, "timed", {"who": "me"})
    assert 15_000 < seen["left"] <= 20_000


def test_the_environment_is_lambdas_and_nothing_of_the_hosts(
    aws: LocalAws, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "a-developers-own")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")
    function = aws.create_function("worker", folder, environment={"SECRET_ID": "key-pair"}, memory_size=512)

    variables = function.invoke({"do": "variables"}).value

    assert variables["SECRET_ID"] == "key-pair"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "worker"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert variables["AWS_ENDPOINT_URL"] == aws.url
    assert variables["LAMBDA_TASK_ROOT"] == str(folder)
    assert not {"AWS_PROFILE", "HTTPS_PROXY"} & variables.keys()


@pytest.mark.parametrize("built", [False, True])
def test_a_layer_is_importable_as_source_and_as_built(
    aws: LocalAws, folder: Path, tmp_path: Path, *, built: bool
) -> None:
    modules = tmp_path / "layer" / "python" if built else tmp_path / "layer"
    modules.mkdir(parents=True)
    (modules / "shared_code.py").write_text("ANSWER = 42")
    (folder / "app.py").write_text("from shared_code import ANSWER\ndef lambda_handler(event, context): return ANSWER")
    function = aws.create_function("layered", folder, layers=[tmp_path / "layer"])

    assert function.invoke({}).value == 42


def test_a_proxy_of_the_host_is_not_used(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    aws.client("secretsmanager").create_secret(Name="key-pair", SecretString="one")

    assert aws.environment()["NO_PROXY"] == "127.0.0.1"


def test_a_call_of_the_function_bears_its_name_in_the_log(aws: LocalAws, function: Function) -> None:
    aws.client("secretsmanager").create_secret(Name="key-pair", SecretString="one")

    assert function.invoke({"do": "call", "secret": "key-pair"}).value == "one"

    assert [call.caller for call in aws.calls("GetSecretValue")] == ["worker"]
    assert [call.caller for call in aws.calls("CreateSecret")] == ["test"]


# Environments


def test_provisioned_environments_have_initialised_before_the_first_of_them_is_invoked(
    aws: LocalAws, folder: Path
) -> None:
    function = aws.create_function("worker", folder, concurrency=2)
    function.set_concurrency(6)

    function.provision(6)

    assert (function.environments, function.output().count("cold start")) == (6, 6)
    first = function.invoke({})
    assert (first.cold, first.value["count"]) == (False, 1)
    assert function.environments == 6


def test_what_cannot_be_provisioned_is_said(aws: LocalAws, folder: Path) -> None:
    function = aws.create_function("worker", folder, concurrency=1)
    with pytest.raises(ApiError, match="TooManyRequestsException"):
        function.provision(2)

    (folder / "app.py").write_text("raise ValueError")
    with pytest.raises(RuntimeError, match="broken didn't initialise"):
        aws.create_function("broken", folder).provision(1)


def test_a_warm_environment_is_used_again(function: Function) -> None:
    results = [function.invoke({}) for _ in range(3)]

    assert [result.value["count"] for result in results] == [1, 2, 3]
    assert [result.cold for result in results] == [True, False, False]


def test_a_concurrent_invocation_gets_another_environment_up_to_the_limit(
    aws: LocalAws, folder: Path, tmp_path: Path
) -> None:
    function = aws.create_function("worker", folder, concurrency=2)
    threads = [sleeping(function, tmp_path / f"{n}", seconds=1.5) for n in range(2)]
    client = aws.client("lambda", config=Config(retries={"total_max_attempts": 1}))

    with pytest.raises(ClientError, match="TooManyRequestsException"):
        client.invoke(FunctionName="worker")

    for thread in threads:
        thread.join()
    assert [result.cold for result in function.results] == [True, True]
    assert function.invoke({}).value["count"] == 2


def test_killing_ends_the_invocation_under_way(function: Function, tmp_path: Path) -> None:
    thread = sleeping(function, tmp_path / "started")

    function.kill()

    thread.join(5)
    assert function.results[0].error_type == "Runtime.ExitError"
    assert "SIGKILL" in str(function.results[0].error_message)
    assert function.invoke({}).cold


def test_recycling_lets_the_invocation_under_way_end(function: Function, tmp_path: Path) -> None:
    thread = sleeping(function, tmp_path / "started", seconds=0.5)

    function.recycle()

    thread.join()
    assert not function.results[0].failed
    assert function.invoke({}).value["count"] == 1


def test_new_variables_reach_a_new_environment(function: Function) -> None:
    before = function.invoke({"do": "variables"}).value
    function.set_environment({"SETTLING_SECONDS": "5"})

    assert "SETTLING_SECONDS" not in before
    assert function.invoke({"do": "variables"}).value["SETTLING_SECONDS"] == "5"


def test_an_update_of_the_variables_is_seen_to_end_and_reaches_the_next_invocation(
    aws: LocalAws, function: Function
) -> None:
    client = aws.client("lambda")
    first = client.invoke(FunctionName="worker", Payload=b"{}")
    before = client.get_function_configuration(FunctionName=function.arn)

    variables = before["Environment"]["Variables"] | {"COLOUR": "red"}
    updated = client.update_function_configuration(
        FunctionName="worker", Environment={"Variables": variables}, RevisionId=before["RevisionId"]
    )
    after = client.get_function_configuration(FunctionName="worker")
    assert updated["LastUpdateStatus"] == after["LastUpdateStatus"] == "InProgress"
    after = client.get_function_configuration(FunctionName="worker")

    assert (after["LastUpdateStatus"], after["RevisionId"] == before["RevisionId"]) == ("Successful", False)
    assert after["Environment"]["Variables"] == variables
    client.invoke(FunctionName="worker", Payload=b"{}")
    assert [result.cold for result in function.results] == [True, True]
    assert first["StatusCode"] == 200


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"RevisionId": "another"}, "PreconditionFailedException"),
        ({"Environment": {"Variables": {"AWS_REGION": "eu-west-1"}}}, "InvalidParameterValueException"),
        ({"Environment": {"Variables": {"BIG": "x" * 4096}}}, "InvalidParameterValueException"),
        ({"MemorySize": 512}, "NotImplementedException"),
    ],
)
def test_an_update_that_lambda_wouldnt_take_is_refused(
    aws: LocalAws, function: Function, parameters: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        aws.client("lambda").update_function_configuration(FunctionName="worker", **parameters)

    assert caught.value.response["Error"]["Code"] == code


def test_while_an_update_is_under_way_another_one_is_refused(aws: LocalAws, function: Function) -> None:
    client = aws.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    client.update_function_configuration(FunctionName="worker", Environment={"Variables": {"COLOUR": "red"}})

    with pytest.raises(ClientError) as caught:
        client.update_function_configuration(FunctionName="worker", Environment={"Variables": {"COLOUR": "blue"}})

    assert caught.value.response["Error"]["Code"] == "ResourceConflictException"
    assert function.environment == {"COLOUR": "red"}


def test_the_output_of_every_environment_is_there_at_once(function: Function) -> None:
    function.invoke({})
    function.kill()
    function.invoke({"do": "exit"})

    assert function.output().count("cold start") == 2
    assert function.output().count("stdout of 1") == 2
    assert function.output().count("stderr of 1") == 2


def test_a_name_or_folder_that_cannot_be_is_refused(aws: LocalAws, function: Function, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="worker"):
        aws.create_function("worker", tmp_path)
    with pytest.raises(ValueError, match="nowhere"):
        aws.create_function("other", tmp_path / "nowhere")


def test_it_tells_a_cold_start_from_the_handler_itself(aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import time\ntime.sleep(0.4)\ndef lambda_handler(event, context):\n    time.sleep(0.2)\n"
    )
    function = aws.create_function("slow", tmp_path)

    cold, warm = function.invoke({}), function.invoke({})

    assert cold.init_seconds is not None
    assert warm.init_seconds is None
    assert cold.init_seconds >= 0.4
    assert min(cold.duration, warm.duration) >= 0.2
    assert cold.seconds >= cold.duration + 0.4
    assert warm.seconds >= warm.duration


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system doesn't tell")
def test_it_knows_how_much_memory_was_held(aws: LocalAws, tmp_path: Path) -> None:
    megabytes = 1024 * 1024
    (tmp_path / "app.py").write_text(
        "def lambda_handler(event, context):\n    held = b'x' * event['bytes']\n    return len(held)\n"
    )
    function = aws.create_function("hungry", tmp_path)
    function.invoke({"bytes": 1})
    before = function.peak_memory()
    function.invoke({"bytes": 64 * megabytes})
    after = function.peak_memory()
    function.recycle()

    assert before is not None
    assert after is not None
    assert after - before > 60 * megabytes
    assert function.peak_memory() is None
