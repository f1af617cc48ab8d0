"""Figures that tests measure, added up in the summary: with several workers what a test prints is lost."""

from collections import Counter
from collections.abc import Callable

import pytest

FIGURE = "figure: "


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Add to a figure of the summary, such as `count("cuts", 40)`."""

    def add(what: str, number: int) -> None:
        request.node.user_properties.append((FIGURE + what, number))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the tests that passed."""
    sums: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        if report.when == "call":
            for name, number in report.user_properties:
                if name.startswith(FIGURE):
                    sums[name.removeprefix(FIGURE)] += number
    if sums:
        terminalreporter.write_sep("=", "figures")
        for what, number in sorted(sums.items()):
            terminalreporter.write_line(f"{number:8,d}  {what}")
