"""The rotation's schedule: whether there is one, and whether it keeps what it promises."""

from datetime import timedelta

from operate.checks.described import Schedule, in_words
from operate.checks.finding import Finding, failed, ok, task, warning

# As the alarm has it: a rotation may be late by its window and a few attempts, not by more.
_LATE = 1.25
# Secrets Manager rotates within a window that begins then, by default a day long.
_WINDOW = timedelta(days=1)


def judge_schedule(schedule: Schedule, secret_id: str, *, waits: bool = False) -> Finding:
    """Whether rotations come when they should; `waits` is whether one has begun and not ended."""
    if not schedule.enabled:
        return _judge_off(schedule, secret_id, waits=waits)
    function = (schedule.function_arn or "a function").rpartition(":")[2]
    what = f"{function} rotates it ({schedule.expression})"
    late = _lateness(schedule)
    if late is not None:
        return failed(
            f"{what}, and is late",
            cause=late,
            remedy="start a rotation and see how it ends; its last error is in the rotation function's log",
            command=task("rotate", secret_id),
        )
    if schedule.until_next is not None and schedule.until_next < -_WINDOW:
        return warning(
            f"{what}, and is late",
            cause=f"the next rotation was due {in_words(-schedule.until_next)} ago",
            remedy="start a rotation and see how it ends",
            command=task("rotate", secret_id),
        )
    last = (
        "none has succeeded yet" if schedule.since_rotated is None else f"last {in_words(schedule.since_rotated)} ago"
    )
    return ok(f"{what}; {last}" + _next(schedule))


def _judge_off(schedule: Schedule, secret_id: str, *, waits: bool) -> Finding:
    what = "rotation is off"
    if schedule.function_arn is None:
        return failed(
            what,
            cause="no rotation function was ever attached to the secret",
            remedy="deploy the stack, whose RotationSchedule attaches the function (make deploy)",
        )
    if waits:
        # AWS takes no other schedule before that one has ended.
        remedy, command = "go on with the rotation that waits, which turns it on again", task("resume", secret_id)
    else:
        remedy, command = "start a rotation, which turns it on again", task("rotate", secret_id)
    return failed(what, cause="somebody cancelled it", remedy=remedy, command=command)


def _lateness(schedule: Schedule) -> str | None:
    if schedule.interval is None:
        return None
    since = schedule.since_rotated if schedule.since_rotated is not None else schedule.age_of_secret
    if since is None or since <= schedule.interval * _LATE:
        return None
    if schedule.since_rotated is None:
        return f"no rotation has succeeded since the secret was made, {in_words(since)} ago"
    return f"the last success was {in_words(since)} ago"


def _next(schedule: Schedule) -> str:
    if schedule.until_next is None or schedule.until_next < timedelta():
        return ""
    return f", next in {in_words(schedule.until_next)}"
