"""A newcomer at two terminals types docs/walk-through.md from its beginning to its end, and sees what it shows."""

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name

from tests.apart import apart_from_make
from tests.integration.sandbox_process import environment_of, sandbox_process
from tests.sandbox.running import RunningSandbox, find
from tests.sandbox.world import ROOT
from tests.scenarios.readme import all_blocks

PAGE = "docs/walk-through.md"
START = "make sandbox ARGS=--new"
ENTER = ". .aws-sam/sandbox/env.sh"
LEFT_OUT = "…"
# make's own words, and what is another one each time: folder, ids, fingerprints, keys, ports, moments, seconds.
OTHER_EACH_TIME = (
    (re.compile(r"\S+/env\.sh"), "<folder>"),
    (re.compile(r"^make: .*$", re.MULTILINE), ""),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<version>"),
    (re.compile(r"(:secret:[a-z/-]+-)[A-Za-z0-9]{6}\b"), r"\1<random>"),
    (re.compile(r"\b3MVG9\w+|…\w{4}(?= \(85)"), "<key>"),
    (re.compile(r"\b([0-9a-f]{64}|[0-9a-f]{16}|[0-9a-f]{8})\b"), "<hex>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"\d{4}-\d\d-\d\d(T[0-9:]+(Z|\+00:00))?"), "<moment>"),
    (re.compile(r"[0-9.]+ (s|seconds?)\b"), "<seconds>"),
    (re.compile(r"\b36[45] days"), "<days>"),
    (re.compile(r" +"), " "),
)


class Terminals:
    """The second terminal, and the first one's greeting, which has the answers to what `onboard` asks."""

    def __init__(self, folder: Path, greeting: str) -> None:
        self._folder = folder
        self._sandbox: RunningSandbox | None = None
        told = re.findall(r"^  (?:My Domain|app|consumer key|username|admin secret) +(\S+)$", greeting, re.MULTILINE)
        self._answers = iter([*told, ""])

    def type(self, line: str) -> str:
        """What is shown of a command."""
        if line == ENTER:
            self._sandbox = find(self._folder)
            return ""
        words = shlex.split(line)
        assert self._sandbox is not None, f"typed before {ENTER}: {line}"
        if words[0] == "aws":
            return self._call_aws(self._sandbox, *words[1:])
        assert words[0] == "make"
        return self._at_a_terminal(self._sandbox, _recipe(*words[1:], folder=self._folder))

    def _call_aws(self, sandbox: RunningSandbox, service: str, operation: str, *arguments: str) -> str:
        """What the AWS CLI does, which isn't everywhere: an operation by its hyphened name, and a file as payload."""
        client: Any = boto3.client(service, **environment_of(sandbox))  # type: ignore[call-overload]
        method = next(name for name in client.meta.method_to_api_mapping if xform_name(name, "-") == operation)
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
        members = {f"--{xform_name(name, '-')}": name for name in model.input_shape.members}
        given = dict(zip(arguments[:-1:2], arguments[1::2], strict=True))
        parameters = {members[option]: _value(value) for option, value in given.items()}
        answer = getattr(client, method)(**parameters)
        shown: str = answer["Payload"].read().decode()
        client.close()
        assert "FunctionError" not in answer, shown
        return shown

    def _at_a_terminal(self, sandbox: RunningSandbox, command: str) -> str:
        """Run a command with a pseudo-terminal, and answer each of its questions."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=ROOT,
            env=os.environ | sandbox.shell | {"TERM": "dumb", "COLUMNS": "200"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown = ""
        while read := _read(ours):
            shown += read
            if re.search(r"\[y/N\]: $", shown):
                os.write(ours, b"y\n")
            elif re.search(r": $", shown):
                os.write(ours, (next(self._answers) + "\n").encode())
        os.close(ours)
        process.wait(timeout=30)
        return shown.replace("\r\n", "\n")


@pytest.mark.slow
def test_the_walk_through_goes_as_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with sandbox_process(folder, "--new") as process:
        first = _read_until(process, "What happens from here on:")
        second = Terminals(folder, first)
        (start, command), *steps = all_blocks(PAGE)
        assert (start, command.strip()) == ("sh", START)
        of_first, shown, commands = [], first, 0
        for language, text in steps:
            if language == "sh":
                shown = "".join(second.type(line) for line in text.splitlines())
                commands += 1
            elif not _is_shown(text, shown):
                of_first.append(text)
        process.send_signal(signal.SIGINT)
        first, _ = process.communicate(timeout=20)

    assert commands > 10
    assert len(of_first) == 5
    # In the order of the page, all of them.
    assert _is_shown("…\n".join(of_first), first), first


def _recipe(task: str, *variables: str, folder: Path) -> str:
    """The command that make would run, with this Python, and for the test's own sandbox."""
    given = [*variables, f"ARGS=--folder '{folder}'"] if task == "upload" else variables
    told = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", task, *given, f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env=apart_from_make(),
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.splitlines()[-1]


def _value(text: str) -> str | bytes:
    return (ROOT / text.removeprefix("fileb://")).read_bytes() if text.startswith("fileb://") else text


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode()
    except OSError:
        return ""  # Linux answers so where the other side is closed.


def _read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """What a process prints, up to and with the line that holds these words."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            break
    return "".join(lines)


def _is_shown(told: str, shown: str) -> bool:
    """Whether a block of the page is what was shown, but for what differs each time and for what it leaves out."""
    pattern = ".*".join(_parts(told))
    return re.search(pattern, _always_the_same(shown), re.DOTALL) is not None


def _parts(told: str) -> Iterator[str]:
    """What stands between the marks of something left out, as patterns."""
    for part in re.split(rf"(?:^|(?<= )){LEFT_OUT}$", _always_the_same(told), flags=re.MULTILINE):
        yield re.escape(part.strip("\n "))


def _always_the_same(text: str) -> str:
    for pattern, instead in OTHER_EACH_TIME:
        text = pattern.sub(instead, text)
    return "\n".join(line.strip() for line in text.splitlines())
