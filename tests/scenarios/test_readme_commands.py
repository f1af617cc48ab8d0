"""What the README and the docs tell people to type: tasks, options and calls of AWS that there are.

Nothing here needs the AWS CLI: its commands are AWS's own models, which botocore has, with hyphens.
"""

import re
import shlex
from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest
from botocore import xform_name
from typer.testing import CliRunner

from operate.__main__ import app
from tests.sandbox.world import ROOT, SECRET_NAME
from tests.scenarios.readme import PAGES, blocks
from tests.scenarios.support import Stage

# The AWS CLI's own: a command that no service has, and what all commands take.
TAIL = {"logs tail": {"--since", "--follow", "--format", "--filter-pattern"}}
EVERYWHERE = {"--query", "--region", "--output", "--profile"}
# What the Makefile reads from who calls it.
VARIABLES = {"ALL", "ARCH", "ARGS", "EVENT", "MORE", "SECRET", "WORKERS"}
OPERATE = ("onboard", "doctor", "status", "rotate", "resume", "rollback", "revoke")
OTHERS = {".", "cd", "git", "sam", "sf"}


def typed() -> list[tuple[str, list[str]]]:
    """Every command in a block of shell, with the page that has it."""
    found = []
    for page in PAGES:
        for text in blocks("sh", page):
            lines = text.replace("\\\n", " ").splitlines()
            found += [(page, shlex.split(part)) for line in lines for part in line.split(" && ") if part.strip()]
    return found


def commands(program: str) -> list[list[str]]:
    return [words[1:] for _, words in typed() if words[0] == program]


@cache
def tasks() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@cache
def explained(command: str) -> str:
    """What a command's --help says, whole."""
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    return result.stdout


def told_tasks() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each `make` in a block or in a line of text: its page, task and variables."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        inline = re.findall(r"`(make [a-z][^`]*)`", text)
        for words in [*map(shlex.split, inline), *(words for of, words in typed() if of == page)]:
            if words[0] == "make" and len(words) > 1:
                yield page, words[1], dict(word.split("=", 1) for word in words[2:] if "=" in word)


def test_every_task_and_its_variables_are_the_makefiles() -> None:
    told = list(told_tasks())

    assert {(page, task) for page, task, _ in told if task not in tasks()} == set()
    assert {(page, name) for page, _, given in told for name in given if name not in VARIABLES} == set()


def test_every_option_of_a_task_is_its_commands() -> None:
    told = [(page, task, given["ARGS"]) for page, task, given in told_tasks() if task in OPERATE and "ARGS" in given]
    wrong = {
        (page, task, option)
        for page, task, arguments in told
        for option in re.findall(r"--[a-z-]+", arguments)
        if f"{option} " not in explained(task)
    }

    assert len(told) > 10
    assert wrong == set()


def test_every_program_is_one_that_is_looked_at_or_somebody_elses() -> None:
    assert {words[0] for _, words in typed()} - {"make", "aws"} <= OTHERS


def test_every_call_of_aws_and_its_options_exist() -> None:
    assert [call for call in commands("aws") if not exists(*call)] == []
    assert not exists("lambda", "invoke", "--function", "name")
    assert not exists("secretsmanager", "rotate", "--secret-id", "name")


def exists(service: str, operation: str, *arguments: str) -> bool:
    options = {word for word in arguments if word.startswith("--")} - EVERYWHERE
    if f"{service} {operation}" in TAIL:
        return options <= TAIL[f"{service} {operation}"]
    model = botocore.session.get_session().get_service_model(service)
    named = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in named:
        return False
    shape = model.operation_model(named[operation]).input_shape
    members = set() if shape is None else {f"--{xform_name(member, '-')}" for member in shape.members}
    return options <= members


@pytest.mark.parametrize("task", ["doctor", "status"])
def test_what_only_looks_runs_as_the_readme_has_it(task: str) -> None:
    (given,) = [given for page, told, given in told_tasks() if (page, told) == ("README.md", task) and given][:1]
    assert given == {"SECRET": SECRET_NAME}
    with Stage() as stage:
        stage.install_key()
        stage.rotate()
        seen = stage.seen()

        result = CliRunner().invoke(app, [task, "--secret", given["SECRET"]])

        assert result.exit_code == 0, (result.output, result.exception)
        assert stage.seen() == seen


@pytest.mark.parametrize("task", OPERATE)
def test_each_command_explains_itself_and_is_in_the_readme(task: str) -> None:
    assert f"operate {task} " in explained(task)
    assert f"make {task}" in (ROOT / "README.md").read_text(encoding="utf-8")
