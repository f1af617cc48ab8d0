"""`make local-rotate`, `local-vend`, `local-lambda`: SAM CLI runs what was built, in containers, beside the sandbox."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.sandbox import derived_template, running
from tests.sandbox.built import LOCAL_BUILD, ROTATION, VENDOR, NotUsable, local_build
from tests.sandbox.container_engine import CONTAINERS_NAME, NoEngine, find_engine
from tests.sandbox.running import RunningSandbox, SandboxError
from tests.sandbox.world import ROOT

EVENTS = ROOT / "events"
STEPS = {
    "createSecret": "rotation-create-secret.json",
    "setSecret": "rotation-set-secret.json",
    "testSecret": "rotation-test-secret.json",
    "finishSecret": "rotation-finish-secret.json",
}


class Failed(Exception):
    """SAM, or the function in its container, failed; the text says which."""


@dataclass(frozen=True)
class SamLocal:
    """SAM CLI with the derived template of a sandbox. `options` are handed to `sam local` as they are."""

    sam: str
    template: Path
    sandbox: RunningSandbox
    options: list[str]

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """What the function answered; its logs go to this terminal as they come. Raises Failed."""
        command = self._command("invoke", function, "--event", "-")
        done = subprocess.run(
            command, env=self._environment(), input=json.dumps(event), stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode != 0:
            raise Failed(f"sam local invoke ended with exit code {done.returncode}.")
        answer = _answer(done.stdout)
        # SAM itself ends well whatever the function answered.
        if isinstance(answer, dict) and "errorType" in answer:
            raise Failed(f"{answer['errorType']}: {answer.get('errorMessage', '')}")
        return answer

    def serve(self) -> NoReturn:
        """Let SAM answer Lambda's Invoke in the place of this process, so that signals reach it."""
        command = self._command("start-lambda", "--warm-containers", "EAGER")
        os.execvpe(command[0], command, self._environment())

    def _command(self, *arguments: str) -> list[str]:
        names = ["--add-host", f"{CONTAINERS_NAME}:host-gateway"]
        return [
            *(self.sam, "local", *arguments, "--template", str(self.template)),
            *(names if self.sandbox.container_host == CONTAINERS_NAME else ()),
            *self.options,
        ]

    def _environment(self) -> dict[str, str]:
        # To SAM a variable of the shell counts more than the template's. One that was exported for the AWS CLI would
        # lead the container to its own loopback, and an engineer's real credentials have no business in it.
        declared = {name for variables in self.sandbox.variables.values() for name in variables}
        kept = {
            name: value for name, value in os.environ.items() if name not in declared and not name.startswith("AWS_")
        }
        nobodys = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return kept | nobodys | {"SAM_CLI_TELEMETRY": "0"}


def main(arguments: list[str] | None = None) -> int:
    """Do it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sam", default="sam")
    parser.add_argument("--folder", type=Path, default=running.FOLDER, help="where the sandbox left its files")
    parser.add_argument("--build", type=Path, default=LOCAL_BUILD, help="what sam build made for this machine")
    parser.add_argument("--event", type=Path, default=EVENTS / "vend-default.json")
    parser.add_argument("task", choices=("check", "rotate", "vend", "lambda"))
    options, for_sam = parser.parse_known_args(arguments)
    try:
        find_engine()
        sandbox = running.find(options.folder)
        _check_reachable(sandbox)
        if options.task == "check":
            return 0
        template = derived_template.write(local_build(options.build), sandbox.variables, options.folder)
        sam = SamLocal(options.sam, template, sandbox, for_sam)
        return _do(options.task, sam, options.event)
    except (NoEngine, SandboxError, NotUsable, Failed) as reason:
        print(reason, file=sys.stderr)
        return 1


def _do(task: str, sam: SamLocal, event: Path) -> int:
    if task == "lambda":
        sam.serve()
    if task == "vend":
        request = _read(event)
        if "secret_id" in request:
            request["secret_id"] = sam.sandbox.secret_arn
        print(json.dumps(sam.invoke(VENDOR, request), indent=2))
        return 0
    opened = sam.sandbox.open_rotation()
    for step, name in STEPS.items():
        print(f"\n== {step} of version {opened['ClientRequestToken']} (events/{name})", flush=True)
        sam.invoke(ROTATION, _read(EVENTS / name) | opened)
    print(f"\nRotated: AWSCURRENT is {opened['ClientRequestToken']}.")
    return 0


def _check_reachable(sandbox: RunningSandbox) -> None:
    if not sandbox.reachable:
        raise SandboxError(
            f"The sandbox listens on {sandbox.container_host} only, which in a container is the container itself: "
            "end it and start `make sandbox ARGS=--containers`."
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failed(f"{path} isn't an event: {error}") from error
    return event


def _answer(stdout: str) -> Any:
    # The function's own prints may come before its answer.
    lines = stdout.strip().splitlines()
    try:
        return json.loads(lines[-1] if lines else "null")
    except ValueError as error:
        raise Failed(f"SAM printed no answer of the function: {stdout}") from error


if __name__ == "__main__":
    sys.exit(main())
