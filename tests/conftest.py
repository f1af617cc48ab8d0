"""Settings of all tests: how many examples are tried, and the figures that are printed at the end.

A test hands in a figure with `record_property("sum: name", number)` or `("max: name", number)`; those of one name, from
all workers, make one line.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.figures import combined

# `make prove` chooses it; the numbers are each property's own.
settings.register_profile("prove")


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Add to a figure of the summary, such as `count("cuts", 40)`."""
    return lambda what, number: record_property(f"sum: {what}", number)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Hand in how many examples a property was tried on."""
    tried = getattr(getattr(item, "function", None), "tried", None)
    if tried is not None and call.when == "call":
        item.user_properties.append((tried.figure, tried.number))
    return (yield)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the figures."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    lines = combined(each for report in reports for each in report.user_properties)
    if lines:
        terminalreporter.write_sep("=", "figures")
    for line in lines:
        terminalreporter.write_line(line)
