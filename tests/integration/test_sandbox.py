"""`make sandbox` stays up for others, says where it is, and leaves nothing behind."""

import argparse
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from tests.integration.sandbox_process import (
    container_engine,
    engine_with_bridge,
    environment_of,
    is_up,
    sandbox_process,
    wait_until,
)
from tests.sandbox import upload
from tests.sandbox.container_engine import NoEngine, find_engine
from tests.sandbox.org.spreading import AtOnce, BackOnce, FlappingUntil
from tests.sandbox.running import RunningSandbox, SandboxError, find
from tests.sandbox.serve import main, spreading


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox") / "state"


@pytest.fixture(scope="module")
def sandbox(folder: Path) -> Iterator[RunningSandbox]:
    with sandbox_process(folder, "--spreading", "both:0.5"):
        yield find(folder)


def test_it_rotates_and_vends_for_whoever_has_its_variables(sandbox: RunningSandbox) -> None:
    secrets = boto3.client("secretsmanager", **environment_of(sandbox))
    functions = boto3.client("lambda", **environment_of(sandbox))

    started = secrets.rotate_secret(SecretId="salesforce/keypair")["VersionId"]
    wait_until(
        lambda: (
            "AWSCURRENT" in secrets.describe_secret(SecretId=sandbox.secret_arn)["VersionIdsToStages"].get(started, [])
        )
    )
    answer = functions.invoke(FunctionName="token-vendor", Payload=b"{}")

    assert json.load(answer["Payload"])["key_version"] == started
    secrets.close()
    functions.close()


def test_an_opened_rotation_is_taken_up_again_until_it_is_finished(sandbox: RunningSandbox) -> None:
    opened = sandbox.open_rotation()

    assert opened["SecretId"] == sandbox.secret_arn
    assert sandbox.open_rotation() == opened


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_takes_its_files_away(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "state"
    with sandbox_process(folder) as process:
        sandbox = find(folder)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=20)

    assert process.returncode == 0
    assert not folder.exists()
    assert f"export AWS_ENDPOINT_URL={sandbox.aws_url}" in printed
    assert sandbox.secret_arn in printed
    assert "Traceback" not in printed


@pytest.mark.slow
def test_with_shared_tokens_there_is_a_table_and_both_functions_know_it(
    tmp_path: Path, sandbox: RunningSandbox
) -> None:
    with sandbox_process(tmp_path / "state", "--shared-tokens"):
        sharing = find(tmp_path / "state")
        tables = boto3.client("dynamodb", **environment_of(sharing))
        assert tables.describe_time_to_live(TableName="salesforce-tokens")["TimeToLiveDescription"] == {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": "ttl",
        }
        tables.close()

    assert {each["TOKEN_TABLE"] for each in sharing.variables.values()} == {"salesforce-tokens"}
    # Not left to the template, which may name a table that this sandbox hasn't.
    assert {each["TOKEN_TABLE"] for each in sandbox.variables.values()} == {""}


def test_what_is_no_certificate_is_refused_as_setup_does(
    sandbox: RunningSandbox, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sandbox.secret_arn
    (tmp_path / "certificate.pem").write_text("something else")

    assert upload.main([str(tmp_path / "certificate.pem"), "--folder", str(folder)]) == 1
    assert "certificate" in capsys.readouterr().err

    assert upload.main([str(tmp_path / "nothing.pem"), "--folder", str(folder)]) == 1
    assert "nothing.pem" in capsys.readouterr().err


def test_one_that_was_killed_is_not_taken_for_running(sandbox: RunningSandbox, tmp_path: Path) -> None:
    replace(sandbox, control_url="http://127.0.0.1:1").write(tmp_path)

    with pytest.raises(SandboxError, match="isn't running"):
        find(tmp_path)


def test_another_ones_port_is_not_taken_for_its_own(sandbox: RunningSandbox, tmp_path: Path) -> None:
    replace(sandbox, secret_arn="that of the one before").write(tmp_path)

    with pytest.raises(SandboxError, match="isn't running"):
        find(tmp_path)


@pytest.fixture
def signals() -> Iterator[None]:
    """What `main` sets for its process, put back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_a_second_one_is_refused(sandbox: RunningSandbox, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(folder)]) == 1

    assert f"A sandbox runs already, at {sandbox.aws_url}" in capsys.readouterr().err
    assert is_up(folder)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("host", ["0.0.0.0", "8.8.8.8", "example.com"])
def test_it_does_not_listen_for_the_world(host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(tmp_path / "state"), "--host", host]) == 1

    assert "isn't loopback or a private IPv4 address" in capsys.readouterr().err


@pytest.mark.usefixtures("signals")
def test_a_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--folder", str(tmp_path / "state"), "--aws-port", port, "--org-port", "0"]) == 1

    assert "--aws-port" in capsys.readouterr().err


@pytest.mark.usefixtures("signals")
def test_without_an_engine_it_is_not_started_for_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    assert main(["--folder", str(tmp_path / "state"), "--containers"]) == 1

    assert "No container engine answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "model"),
    [("at-once", AtOnce()), ("flapping:6", FlappingUntil(6)), ("back:2:4", BackOnce(2, 4))],
)
def test_a_spreading_model_is_given_by_name(text: str, model: object) -> None:
    assert spreading(text) == model


@pytest.mark.parametrize("text", ["", "sometimes", "flapping", "flapping:x", "at-once:6", "back:2", "old:-1"])
def test_a_spreading_model_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="use at-once, old:6"):
        spreading(text)


@pytest.mark.parametrize(
    ("answers", "bridge"),
    [
        pytest.param(engine_with_bridge("127.0.0.1"), "127.0.0.1", id="on this machine"),
        pytest.param(
            {"/info": {}, "/networks/bridge": {"IPAM": {"Config": [{"Subnet": "127.0.0.0/8"}]}}},
            "127.0.0.1",
            id="before its first container",
        ),
        pytest.param(engine_with_bridge("192.0.2.1"), None, id="in a machine of its own"),
        pytest.param({"/info": {}}, None, id="without a network of that name"),
        pytest.param({"/info": {}, "/networks/bridge": {"IPAM": {"Config": None}}}, None, id="without a subnet"),
    ],
)
def test_the_address_for_containers_is_the_engines_bridge_if_it_is_ours(
    answers: dict[str, object], bridge: str | None, tmp_path: Path
) -> None:
    with container_engine(tmp_path / "engine.sock", answers) as environ:
        assert find_engine(environ).bridge == bridge


@pytest.mark.parametrize("host", ["unix:///nowhere/engine.sock", "ssh://somebody@elsewhere", "tcp://127.0.0.1:1"])
def test_where_no_engine_answers_the_error_says_what_to_do(host: str) -> None:
    with pytest.raises(NoEngine, match=r"(?s)No container engine answers.*make demo"):
        find_engine({"DOCKER_HOST": host})


@pytest.mark.slow
def test_for_an_engine_in_a_machine_of_its_own_it_goes_by_the_name_for_that(tmp_path: Path) -> None:
    with (
        container_engine(tmp_path / "engine.sock", engine_with_bridge("192.0.2.1")) as environ,
        sandbox_process(tmp_path / "state", "--containers", environ=environ),
    ):
        sandbox = find(tmp_path / "state")
        variables = sandbox.variables["TokenVendorFunction"]
        assert sandbox.aws_url.startswith("http://127.0.0.1:")
        assert variables["AWS_ENDPOINT_URL"].startswith("http://host.docker.internal:")
        assert variables["EXTRA_SALESFORCE_HOSTS"].startswith("host.docker.internal:")


def test_the_variables_are_understood_by_a_shell(sandbox: RunningSandbox, folder: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f". '{folder}/env.sh' && echo \"$AWS_ENDPOINT_URL $AWS_REGION\""],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [sandbox.aws_url, "us-east-1"]
