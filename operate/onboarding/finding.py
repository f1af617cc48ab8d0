"""What a look at one thing came to, and what a person has left to do in Salesforce because of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(StrEnum):
    """How good or bad it is. Nothing is written where anything failed."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FAILED = "failed"


class Place(IntEnum):
    """Where in Setup something is done, in the order of its menu."""

    USERS = 1
    PERMISSION_SETS = 2
    APP_SETTINGS = 3
    APP_POLICIES = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to click; the text begins with the way through the menu."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, and what to do about it where that isn't well. `step` is left to a person either way."""

    level: Level
    what: str
    remedy: str = ""
    step: Step | None = None


def left_to_do(findings: Iterable[Finding]) -> Sequence[Step]:
    """The steps of all findings, each once, in the order of Setup's menu."""
    steps = dict.fromkeys(finding.step for finding in findings if finding.step is not None)
    return sorted(steps, key=lambda step: step.place)
