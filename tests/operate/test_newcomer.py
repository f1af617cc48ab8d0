"""A newcomer at a real terminal: `make sandbox ARGS=--new`, `onboard`, the first rotation, a token."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import boto3

from tests.integration.sandbox_process import environment_of, sandbox_process, wait_until
from tests.sandbox.running import RunningSandbox, find
from tests.sandbox.world import LAYER, ROOT, SECRET_NAME


def _at_a_terminal(sandbox: RunningSandbox, *words: str, typed: list[str]) -> tuple[int, str]:
    """Run a command with a pseudo-terminal, and answer each of its questions; exit code and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "operate", *words],
        cwd=ROOT,
        env=os.environ | sandbox.shell | {"PYTHONPATH": str(LAYER), "TERM": "dumb", "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, answers = "", iter(typed)
    while True:
        try:
            read = os.read(ours, 4096).decode()
        except OSError:
            break  # Linux answers so where the other side is closed.
        if not read:
            break
        shown += read
        if re.search(r"(: |\]: )$", shown):
            os.write(ours, (next(answers) + "\n").encode())
            shown += "\n"
    os.close(ours)
    return process.wait(timeout=30), shown


def test_what_the_sandbox_says_is_all_that_a_newcomer_needs(tmp_path: Path) -> None:
    with sandbox_process(tmp_path / "state", "--new") as process:
        sandbox = find(tmp_path / "state")
        secrets = boto3.client("secretsmanager", **environment_of(sandbox))
        functions = boto3.client("lambda", **environment_of(sandbox))
        greeting = _read_until(process, "admin secret")
        told = dict(
            re.findall(r"^  (My Domain|app|consumer key|username|admin secret) +(\S+)$", greeting, re.MULTILINE)
        )

        code, shown = _at_a_terminal(sandbox, "onboard", "--secret", SECRET_NAME, typed=[*told.values(), "", "y"])
        assert code == 0, shown
        assert "Rotation is on" in shown

        started = secrets.rotate_secret(SecretId=SECRET_NAME)["VersionId"]
        wait_until(
            lambda: "AWSCURRENT" in secrets.describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"].get(started, [])
        )
        answer = functions.invoke(FunctionName="token-vendor", Payload=b"{}")
        assert json.load(answer["Payload"])["key_version"] == started
        secrets.close()
        functions.close()


def _read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """What a process prints, up to and with the line that holds these words."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            break
    return "".join(lines)
