"""How long may pass between two rotations: rates, windows, and what the dates tell of a cron expression."""

from datetime import UTC, datetime, timedelta

import pytest

from salesforce_keypair.schedule import longest_interval
from salesforce_keypair.secret_history import RotationRules

LAST, NEXT = datetime(2026, 11, 1, 2, tzinfo=UTC), datetime(2026, 12, 1, 23, 59, 59, tzinfo=UTC)
MONTHLY = "cron(0 2 1 * ? *)"


@pytest.mark.parametrize(
    ("rules", "hours"),
    [
        (RotationRules("rate(30 days)"), 31 * 24),
        (RotationRules("rate(1 day)"), 48),
        (RotationRules("rate(30 days)", duration="3h"), 30 * 24 + 3),
        (RotationRules("rate(4 hours)"), 5),
        (RotationRules("rate(1 hour)", duration="12h"), 13),
        (RotationRules(automatically_after_days=90), 91 * 24),
        # Secrets Manager works the days out of an expression; the expression itself is more exact.
        (RotationRules("rate(10 days)", automatically_after_days=9, last=LAST, next=NEXT), 11 * 24),
        (RotationRules(MONTHLY, automatically_after_days=30), 31 * 24),
    ],
)
def test_the_window_belongs_to_the_interval(rules: RotationRules, hours: float) -> None:
    assert longest_interval(rules) == timedelta(hours=hours)


def test_of_a_cron_expression_the_dates_tell_the_interval() -> None:
    assert longest_interval(RotationRules(MONTHLY, automatically_after_days=7, last=LAST, next=NEXT)) == NEXT - LAST


@pytest.mark.parametrize(
    "rules",
    [
        RotationRules(),
        RotationRules(MONTHLY),
        RotationRules(MONTHLY, next=NEXT),
        # Secrets Manager leaves the next date in the past where that rotation failed.
        RotationRules(MONTHLY, last=NEXT, next=LAST),
        RotationRules("rate(0 days)"),
        RotationRules("rate(99999999999 days)"),
        RotationRules("at(noon)"),
    ],
)
def test_what_tells_no_interval_is_none(rules: RotationRules) -> None:
    assert longest_interval(rules) is None
