"""How often a secret is to be rotated, by what Secrets Manager was told.

Source: "AWS Secrets Manager User Guide", Schedule expressions in Secrets Manager rotation.
"""

import re
from datetime import timedelta

from salesforce_keypair.secret_history import RotationRules

_RATE = re.compile(r"rate\((?P<count>[0-9]{1,5}) (?P<unit>hour|day)s?\)")
_DURATION = re.compile(r"(?P<hours>[0-9]{1,2})h")


def longest_interval(rules: RotationRules) -> timedelta | None:
    """The longest time that may pass between two rotations with nothing wrong; none where that can't be told.

    The window belongs to it: a rotation comes early in one and late in the next, which doubles an interval of a day.
    """
    if rules.expression is None:
        return _with_window(_days(rules), rules)
    rate = _RATE.fullmatch(rules.expression)
    if rate is not None:
        unit = timedelta(days=1) if rate["unit"] == "day" else timedelta(hours=1)
        return _with_window(int(rate["count"]) * unit, rules, unit)
    if rules.last is not None and rules.next is not None and rules.next > rules.last:
        # For a cron expression the dates tell what it would take a calendar to work out, the window included.
        return rules.next - rules.last
    return _with_window(_days(rules), rules)


def _days(rules: RotationRules) -> timedelta | None:
    days = rules.automatically_after_days
    return None if days is None else timedelta(days=days)


def _with_window(
    interval: timedelta | None, rules: RotationRules, default: timedelta = timedelta(days=1)
) -> timedelta | None:
    """The interval and its window, which closes after an hour, or with the day, where no duration is given."""
    if not interval:
        return None
    duration = _DURATION.fullmatch(rules.duration or "")
    return interval + (default if duration is None else timedelta(hours=int(duration["hours"])))
