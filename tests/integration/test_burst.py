"""`make burst`, in small: what a burst of environments costs, and what counts as a broken promise."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.burst_rounds import Round, Seen, play

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = 8
LOGIN_SECONDS = 1.0


@pytest.mark.parametrize(
    ("played", "logins", "tokens"),
    [
        pytest.param(Round.SHARED, 1, 1, marks=pytest.mark.further),
        pytest.param(Round.KILLED, 2, 1, marks=pytest.mark.slow),
        pytest.param(Round.ALONE, ENVIRONMENTS, ENVIRONMENTS, marks=pytest.mark.further),
    ],
)
def test_a_burst_of_cold_environments_costs_one_login_or_one_for_each(played: Round, logins: int, tokens: int) -> None:
    told: list[str] = []

    seen = play(played, environments=ENVIRONMENTS, login_seconds=LOGIN_SECONDS, tell=told.append)

    assert seen.broken() == []
    assert (seen.logins, seen.tokens) == (logins, tokens)
    # Who was killed in its login waits for nothing.
    assert len(seen.waits) == ENVIRONMENTS - (played is Round.KILLED)
    assert seen.waits[-1] >= LOGIN_SECONDS
    assert ("GetItem" in seen.calls) is (played is not Round.ALONE)
    assert told


def seen(played: Round, *, logins: int, failures: tuple[str, ...] = ()) -> Seen:
    waits = tuple(map(float, range(1, 101)))
    return Seen(played, 100, logins, tokens=1, calls={}, waits=waits, failures=failures)


@pytest.mark.parametrize(("played", "most"), [(Round.SHARED, 1), (Round.KILLED, 2), (Round.ALONE, 100)])
def test_one_login_more_than_was_promised_breaks_the_promise(played: Round, most: int) -> None:
    assert seen(played, logins=most).broken() == []
    assert seen(played, logins=most + 1).broken() == [f"{most + 1} logins, where {most} were promised"]


def test_a_failure_breaks_it_too() -> None:
    (broken,) = seen(Round.SHARED, logins=1, failures=("SalesforceUnavailable: wait",)).broken()
    assert broken == "1 callers failed, first with SalesforceUnavailable: wait"


def test_waits_are_told_by_the_share_of_the_callers_who_had_an_answer() -> None:
    one = seen(Round.SHARED, logins=1)
    assert (one.waited(0.5), one.waited(0.95), one.waited(1.0)) == (50, 95, 100)


@pytest.mark.slow
def test_the_command_prints_a_table_and_ends_with_success() -> None:
    options = ["--environments", "2", "--login-seconds", "0", "--round", "no table"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.burst", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "2 environments at once" in done.stdout
    assert "longest wait" in done.stdout
