"""mutmut with the changes and the order of tests that suit this code; run from a folder that holds its settings.

mutmut takes neither from outside, so both are replaced before it starts; its version is fixed for that reason.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import libcst as cst
import pytest
from mutmut.__main__ import cli
from mutmut.mutation.mutators import mutation_operators, operator_string
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers import isolation

# Beside the copy, which every run makes anew: what noticed a change last time is tried first this time.
_NOTICED = Path.cwd().with_name(f"{Path.cwd().name}-noticed")
# HTTP reads these without regard to case.
_IN_ANY_CASE = frozenset({"GET", "POST", "Accept", "Content-Type", "Date", "SOAPAction"})
# What comes before and after a test, which mutmut doesn't count.
_AROUND_SECONDS = 0.1
# What a test that has noticed nothing yet promises, beside one that has noticed one change.
_UNTRIED = 0.1


def change_a_name(node: cst.BaseString) -> Iterator[cst.BaseString]:
    """mutmut's changes of a string, but of names alone: a text with a space in it is words for people."""
    if isinstance(node, cst.SimpleString) and " " in node.value:
        return
    for changed in operator_string(node):
        name = changed.raw_value if isinstance(changed, cst.SimpleString) else ""
        if not any(name.lower() == each.lower() for each in _IN_ANY_CASE):
            yield changed


def leave_a_call_out(node: cst.Expr) -> Iterator[cst.Pass]:
    """mutmut removes arguments, never a call that is made for what it does: `secret.look_again()`."""
    if isinstance(node.value, cst.Call):
        yield cst.Pass()


def let_an_error_pass(node: cst.Raise) -> Iterator[cst.Pass]:
    """What is refused goes on."""
    yield cst.Pass()


def decide_beforehand(node: cst.If) -> Iterator[cst.If]:
    """mutmut does this to `a if b else c` alone."""
    for always in ("True", "False"):
        yield node.with_changes(test=cst.Name(always))


class NoticedFirst(PytestRunner):  # type: ignore[misc]
    """Tries first the tests that noticed other changes of the same function, then the quickest, as mutmut does.

    Hundreds of tests run through every step of a rotation, and a few of them notice nearly all of its changes.
    """

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        """Try a change, in a process of its own, until a test notices; pytest's exit code."""
        if mutant_name is None:
            return int(super().run_tests(mutant_name=None, tests=tests))
        history = History(_NOTICED / mangled_name_from_mutant_name(mutant_name))
        with change_cwd("mutants"):
            return int(self.execute_pytest(self._pytest_args_regular_run(history.sort(tests)), plugins=[history]))


class History:
    """Which tests noticed changes of a function, in earlier runs too; as a plugin of pytest it adds to that."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._noticed = Counter(file.read_text().splitlines() if file.exists() else [])

    def sort(self, tests: Iterable[str]) -> list[str]:
        """The tests, by how soon they may end it: seconds for each change noticed."""
        seconds = state().duration_by_test
        return sorted(tests, key=lambda test: (seconds[test] + _AROUND_SECONDS) / (self._noticed[test] + _UNTRIED))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """pytest tells how a test went."""
        if report.failed:
            self._file.parent.mkdir(exist_ok=True)
            with self._file.open("a") as file:
                file.write(f"{report.nodeid}\n")


mutation_operators[:] = [
    *((kind, change_a_name if change is operator_string else change) for kind, change in mutation_operators),
    (cst.Expr, leave_a_call_out),
    (cst.Raise, let_an_error_pass),
    (cst.If, decide_beforehand),
]
isolation.PytestRunner = NoticedFirst

if __name__ == "__main__":
    cli()
