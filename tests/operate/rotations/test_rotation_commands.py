"""The commands as they are typed: options, the question before something changes, exit codes, and what is printed."""

import io
import sys
from collections.abc import Callable, Iterator

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from operate.__main__ import app
from operate.__main__ import run as main
from operate.asking import confirm
from operate.workplace import Workplace
from salesforce_keypair.settings import Settings
from tests.sandbox.aws import RotationPolicy
from tests.sandbox.world import Timing, World
from tests.scenarios.leaks import know_the_world
from tests.scenarios.support import CREATE, Stage

Run = Callable[..., Result]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Real functions, and the shell that `make sandbox` describes."""
    timing = Timing(settling=4.0, settled_interval=0.05)
    with World(
        timing=timing, rotation_policy=RotationPolicy(repeats=1, pause_seconds=0.1), shared_tokens=True
    ) as world:
        world.turn_rotation_on()
        shell = world.aws.environment("shell") | {
            "EXTRA_SALESFORCE_HOSTS": world.org.url.removeprefix("http://"),
            "SETTLED_INTERVAL_SECONDS": "0.05",
            "SECRET": world.secret_arn,
            "TOKEN_VENDOR": world.vendor.name,
        }
        for name, value in shell.items():
            monkeypatch.setenv(name, value)
        yield world


@pytest.mark.slow
def test_from_the_first_rotation_to_the_night_of_the_leak(world: World) -> None:
    run = CliRunner().invoke

    first, second = run(app, ["rotate", "--yes"]), run(app, ["rotate", "--yes"])
    stolen = world.vend().value["access_token"]
    back = run(app, ["rollback", "--yes"])
    vended_by_the_first_key = world.vend(force_refresh=True).value["key_version"]
    first_key = world.version_with("AWSCURRENT")
    revoked = run(app, ["revoke", "--yes"])
    status = run(app, ["status"])

    results = [first, second, back, revoked, status]
    assert [result.exit_code for result in results] == [0] * 5, [result.output for result in results]
    assert first_key is not None
    assert vended_by_the_first_key == first_key.version_id
    labels = {label for version in world.versions() for label in version.labels}
    assert labels == {"AWSCURRENT"}
    fresh = world.vend()
    assert fresh.cold
    assert fresh.value["access_token"] != stolen
    assert "Billing holds the certificate of AWSCURRENT" in status.stdout
    assert "Left for you to do:" in revoked.stdout
    printed = "".join(result.output for result in results)
    assert "\x1b" not in printed
    assert know_the_world(world).find(printed) == set()


def test_without_a_terminal_nothing_is_changed_before_yes_is_given(stage: Stage) -> None:
    for command in (["rotate"], ["rollback"], ["revoke"]):
        changes_nothing(stage, *command)
    stage.deliver(stage.begin(), CREATE)
    for command in (["resume"], ["resume", "--give-up"]):
        changes_nothing(stage, *command)


def changes_nothing(stage: Stage, *command: str) -> None:
    seen = stage.seen()

    result = CliRunner().invoke(app, [*command, "--secret", stage.arn])

    assert result.exit_code == 2
    assert "give --yes" in result.stderr
    assert result.stdout.startswith("- ")
    assert stage.seen() == seen


@pytest.mark.parametrize(("typed", "code"), [("y\n", None), ("n\n", 1)])
def test_at_a_terminal_the_plan_is_shown_and_asked_for(
    monkeypatch: pytest.MonkeyPatch, typed: str, code: int | None
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    screen = io.StringIO()
    settings = Settings.from_environment({}, serves_secrets=False)
    place = Workplace(settings, console=Console(file=screen, force_terminal=True, highlight=False), can_ask=True)

    def ask() -> int | None:
        try:
            confirm(place, ["Break [all] of it."], yes=False)
        except typer.Exit as exit_:
            return exit_.exit_code
        return None

    assert ask() == code
    assert "Break [all] of it." in screen.getvalue()


def test_who_interrupts_a_command_is_told_that_what_was_begun_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> Workplace:
        raise KeyboardInterrupt

    monkeypatch.setattr(Workplace, "of", interrupted)
    monkeypatch.setattr(sys, "argv", ["operate", "rollback", "--secret", "x"])

    with pytest.raises(SystemExit, match="130"):
        main()

    assert "Stopped; nothing is undone" in capsys.readouterr().err


@pytest.mark.parametrize("table", [True, False])
def test_a_rollback_says_before_whether_callers_have_no_shared_token_to_live_on(stage: Stage, table: bool) -> None:
    variables = {"TOKEN_TABLE": "salesforce-tokens"} if table else {}

    told = CliRunner().invoke(app, ["rollback", "--secret", stage.arn], env=variables).output

    assert "Nothing was done" in told
    assert ("No table of shared tokens is known (--vendor or TOKEN_TABLE)" in told) is not table
