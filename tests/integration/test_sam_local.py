"""`make local-…`: what SAM CLI is told, and what is said where it can't be told anything."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sandbox_process import (
    BRIDGE,
    STAND_IN_FOR_SAM,
    container_engine,
    engine_with_bridge,
    fake_build,
    sandbox_process,
)
from tests.sandbox.built import NotUsable, local_build
from tests.sandbox.container_engine import is_of_this_machine
from tests.sandbox.derived_template import derived
from tests.sandbox.running import RunningSandbox, find
from tests.sandbox.sam_local import main
from tests.sandbox.world import ROOT

pytestmark = pytest.mark.skipif(not is_of_this_machine(BRIDGE), reason=f"{BRIDGE} isn't an address of this machine")


Run = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Desk:
    """An engineer's desk: an engine, a build, a SAM CLI on it, and a place for the sandbox's files."""

    folder: Path
    environ: dict[str, str]

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def arguments(self, task: str, *arguments: str) -> list[str]:
        """Those of the make target."""
        folders = [
            "--sam",
            str(self.folder / "sam"),
            "--folder",
            str(self.state),
            "--build",
            str(self.folder / "build"),
        ]
        return [task, *folders, *arguments]

    def told(self) -> list[dict[str, Any]]:
        """What SAM was told each time, oldest first."""
        return [json.loads(line) for line in (self.folder / "record").read_text().splitlines()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    fake_build(folder / "build")
    (folder / "sam").write_text(STAND_IN_FOR_SAM)
    (folder / "sam").chmod(0o755)
    with container_engine(folder / "engine.sock", engine_with_bridge(BRIDGE)) as environ:
        yield Desk(folder, environ)


@pytest.fixture(scope="module")
def sandbox(desk: Desk) -> Iterator[RunningSandbox]:
    with sandbox_process(desk.state, "--containers", environ=desk.environ):
        yield find(desk.state)


@pytest.fixture
def run(desk: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Does what a make target does; gives the exit code and what was printed."""
    for name, value in (desk.environ | {"RECORD": str(desk.folder / "record")}).items():
        monkeypatch.setenv(name, value)

    def run(task: str, *arguments: str) -> tuple[int, str, str]:
        code = main(desk.arguments(task, *arguments))
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run


def test_for_containers_the_sandbox_listens_where_they_reach_it(sandbox: RunningSandbox) -> None:
    assert sandbox.reachable
    assert sandbox.aws_url.startswith(f"http://{BRIDGE}:")
    assert sandbox.control_url.startswith("http://127.0.0.1:")


@pytest.mark.usefixtures("sandbox")
def test_a_vend_before_the_first_rotation_fails_with_the_functions_own_words(run: Run) -> None:
    code, _, err = run("vend")

    assert code == 1
    assert err.startswith("InvalidSecret: ")


@pytest.mark.slow
def test_the_four_steps_rotate_and_then_a_token_is_vended(run: Run, sandbox: RunningSandbox) -> None:
    opened = sandbox.open_rotation()["ClientRequestToken"]

    rotated, out, err = run("rotate")
    assert rotated == 0, err
    assert f"AWSCURRENT is {opened}" in out

    vended, out, err = run("vend", "--event", str(ROOT / "events" / "vend-secret-id.json"))
    assert vended == 0, err
    assert json.loads(out)["key_version"] == opened


@pytest.mark.usefixtures("sandbox")
def test_sam_gets_none_of_the_shells_variables_that_would_beat_the_templates(
    desk: Desk, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "SECRET_ID", "UNRELATED"):
        monkeypatch.setenv(name, "the shell's")

    run("vend")

    variables = desk.told()[-1]["variables"]
    assert {name for name, value in variables.items() if value == "the shell's"} == {"UNRELATED"}


@pytest.mark.usefixtures("sandbox")
def test_options_that_are_not_ours_are_sams(desk: Desk, run: Run) -> None:
    run("vend", "--skip-pull-image")

    arguments = desk.told()[-1]["arguments"]
    assert arguments[:3] == ["local", "invoke", "TokenVendorFunction"]
    assert arguments[-1] == "--skip-pull-image"


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox", "run")
def test_sam_takes_the_place_of_the_process_that_starts_it_to_stay(desk: Desk) -> None:
    command = [sys.executable, "-m", "tests.sandbox.sam_local", *desk.arguments("lambda", "--port", "3002")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)

    told = desk.told()[-1]
    assert told["arguments"][:2] == ["local", "start-lambda"]
    assert told["arguments"][-2:] == ["--port", "3002"]


@pytest.mark.usefixtures("sandbox")
def test_an_event_that_is_not_one_is_named(run: Run) -> None:
    code, _, err = run("vend", "--event", "events/none.json")

    assert code == 1
    assert "events/none.json isn't an event" in err


def test_without_an_engine_it_says_so_and_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/engine.sock")

    code, _, err = run("check")

    assert code == 1
    assert "No container engine answers" in err
    assert "make demo" in err


def test_without_a_sandbox_it_says_how_to_start_one(run: Run, tmp_path: Path) -> None:
    code, _, err = run("check", "--folder", str(tmp_path))

    assert code == 1
    assert "start it with `make sandbox`" in err


def test_beside_a_sandbox_on_loopback_it_says_how_to_start_one_for_containers(
    run: Run, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    replace(sandbox, reachable=False).write(tmp_path)

    code, _, err = run("check", "--folder", str(tmp_path))

    assert code == 1
    assert "make sandbox ARGS=--containers" in err


def test_the_derived_template_declares_the_sandbox_and_leaves_the_build_alone(tmp_path: Path) -> None:
    build = local_build(fake_build(tmp_path))
    before = json.dumps(build.template)

    template = derived(build, {"RotationFunction": {"AWS_ENDPOINT_URL": "http://there", "SETTLED_LOGINS": "1"}})

    resources = template["Resources"]
    variables = resources["RotationFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["AWS_ENDPOINT_URL"] == "http://there"
    assert variables["SETTLED_LOGINS"] == "1"
    assert "POWERTOOLS_SERVICE_NAME" in variables
    assert resources["RotationFunction"]["Properties"]["CodeUri"] == str(tmp_path / "RotationFunction")
    assert resources["KeyPairLayer"]["Properties"]["ContentUri"] == str(tmp_path / "KeyPairLayer")
    assert template["Parameters"]["Architecture"]["Default"] == build.architecture
    assert json.dumps(build.template) == before


def test_a_build_that_is_older_than_the_sources_is_not_used(tmp_path: Path) -> None:
    folder = fake_build(tmp_path)
    (folder / "TokenVendorFunction" / "app.py").write_text("")

    with pytest.raises(NotUsable, match=r"functions/token_vendor/app\.py was changed after the build"):
        local_build(folder)


@pytest.mark.slow
def test_a_build_for_another_processor_is_not_used(tmp_path: Path) -> None:
    folder = fake_build(tmp_path)
    template = folder / "template.yaml"
    template.write_text(template.read_text().replace('"BuildArchitecture": "', '"BuildArchitecture": "not-'))

    with pytest.raises(NotUsable, match="not for"):
        local_build(folder)
