"""What the README tells callers in Node to write, run as it stands there: `make test-clients` runs this.

It needs Node and AWS's SDK from npm. The file's name keeps pytest from finding it by itself.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.org_client import key_pair
from tests.sandbox.world import World
from tests.scenarios.readme import snippets

# Calls the handler once for each line that it is sent, as a warm environment of Lambda would.
RUNTIME = """
import { createInterface } from "node:readline";
import { handler } from "./index.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await handler(JSON.parse(line)).catch((error) => ({ error: error.message }));
  console.log(JSON.stringify(answer));
}
"""


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        pair = key_pair()
        world.app.install(pair.pem)
        world.put_document(world.document(privateKey=pair.private_pem, certificate=pair.pem))
        yield world


@contextmanager
def caller(world: World, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    (snippet,) = snippets("js", using="client-lambda", vendor=world.vendor.name)
    (folder / "index.mjs").write_text(snippet)
    (folder / "runtime.mjs").write_text(RUNTIME)
    (folder / "node_modules").symlink_to(Path(os.environ["AWS_SDK"]) / "node_modules")
    process = subprocess.Popen(
        [os.environ["NODE"], "runtime.mjs"],
        cwd=folder,
        env=world.aws.environment("node"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


def answer_of(process: "subprocess.Popen[str]") -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("{}\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def test_a_query_is_answered_also_after_its_session_was_killed(world: World, tmp_path: Path) -> None:
    with caller(world, tmp_path) as process:
        (record,) = answer_of(process)
        assert record["Name"] == "Emulated org"
        assert answer_of(process) == [record]
        assert len(world.vendor.results) == 1
        world.org.sessions.kill_all()
        assert answer_of(process) == [record]

    assert [json.loads(result.event) for result in world.vendor.results] == [{}, {"force_refresh": True}]


def test_the_vendors_error_is_told(world: World, tmp_path: Path) -> None:
    world.user.frozen = True

    with caller(world, tmp_path) as process:
        assert answer_of(process)["error"].startswith("LoginRefused: ")
