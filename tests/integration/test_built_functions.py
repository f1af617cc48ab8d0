"""What `sam build` made, run as Lambda runs it: the layer's own packages, in AWS's runtime client."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.aws import LocalAws
from tests.sandbox.built import Build, NotUsable, check_runs_here, local_build
from tests.sandbox.world import World

# Loads a built handler and says from where every module of it came. What the runtime client itself brings, and what
# was there before the handler, isn't the handler's.
PROBE = """
import importlib.util, sys, sysconfig

def lambda_handler(event, context):
    before = set(map(id, sys.modules.values()))
    spec = importlib.util.spec_from_file_location("built_app", event["app"])
    built = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(built)
    standard = sysconfig.get_path("stdlib")
    new = {name: module for name, module in sys.modules.items() if id(module) not in before}
    files = {name: getattr(module, "__file__", None) for name, module in new.items()}
    return {
        name: file
        for name, file in files.items()
        if file and ("site-packages" in file or not file.startswith(standard))
    }
"""

CALLER = """
from salesforce_token import SalesforceToken

def lambda_handler(event, context):
    SalesforceToken("nobody").get()
"""


@pytest.fixture(scope="module")
def build() -> Build:
    try:
        check_runs_here()
    except NotUsable as reason:
        pytest.skip(str(reason))
    try:
        return local_build()
    except NotUsable as reason:
        # The pipeline builds before it tests: a build that is missing there would be a hole that nobody sees.
        if os.environ.get("CI"):
            pytest.fail(str(reason))
        pytest.skip(str(reason))


@pytest.fixture
def world(build: Build) -> Iterator[World]:
    with World(code=build.code) as world:
        yield world


def test_the_built_functions_install_rotate_vend_and_measure(world: World) -> None:
    world.turn_rotation_on()

    assert world.rotate() == "succeeded"
    first = world.vend()
    assert first.error_message is None
    assert world.rotate() == "succeeded"
    second = world.vend(force_refresh=True)
    assert second.error_message is None

    assert world.monitor.invoke({}).error_message is None
    assert '"VendCheckFailed":[0.0]' in world.monitor.output()

    current = world.version_with("AWSCURRENT")
    assert current is not None
    assert second.value["key_version"] == current.version_id != first.value["key_version"]


def test_a_built_function_names_its_error(world: World) -> None:
    refused = world.vend()

    assert refused.error_type == "InvalidSecret"


def test_the_built_layer_for_callers_is_found_by_their_functions(build: Build, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CALLER)
    with LocalAws() as aws:
        caller = aws.create_function("caller", tmp_path, layers=[build.callers_layer], timeout=30)
        result = caller.invoke({})

    assert result.error_type == "TokenUnavailable"
    assert "nobody (ResourceNotFoundException" in str(result.error_message)


@pytest.mark.parametrize("name", ["rotation", "vendor", "monitor"])
def test_a_built_function_imports_nothing_that_its_layer_does_not_bring(
    build: Build, name: str, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(PROBE)
    folder: Path = getattr(build.code, name)
    with LocalAws() as aws:
        probe = aws.create_function(
            "probe", tmp_path, layers=[build.code.layer], environment={"SECRET_ID": "any"}, timeout=30
        )
        result = probe.invoke({"app": str(folder / "app.py")})

    assert result.error_message is None
    modules: dict[str, str] = result.value
    assert {"salesforce_keypair", "boto3", "cryptography", "jwt", "requests"} <= modules.keys()
    own = (str(build.code.layer), str(folder))
    strangers = {module: file for module, file in modules.items() if not file.startswith(own)}
    assert strangers == {}, json.dumps(strangers, indent=1)
