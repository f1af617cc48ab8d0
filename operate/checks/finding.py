"""What a check found, and what all of them come to."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome. `error` is a name of `salesforce_keypair.errors`, `command` what helps beside the remedy."""

    status: Status
    what: str
    cause: str | None = None
    remedy: str | None = None
    error: str | None = None
    command: str | None = None


def ok(what: str) -> Finding:
    """All is as it should be."""
    return Finding(Status.OK, what)


def warning(what: str, *, cause: str, remedy: str, error: str | None = None, command: str | None = None) -> Finding:
    """It works, and somebody should do something before it doesn't."""
    return Finding(Status.WARNING, what, cause, remedy, error, command)


def failed(what: str, *, cause: str, remedy: str, error: str | None = None, command: str | None = None) -> Finding:
    """It doesn't work."""
    return Finding(Status.FAILED, what, cause, remedy, error, command)


def skipped(what: str, *, cause: str) -> Finding:
    """It wasn't looked at."""
    return Finding(Status.SKIPPED, what, cause)


@dataclass(frozen=True, slots=True)
class Check:
    """A finding under its name, which never changes: scripts look checks up by it."""

    id: str
    finding: Finding

    @property
    def status(self) -> Status:
        """How it ended."""
        return self.finding.status

    def as_json(self) -> dict[str, str | None]:
        """Its members in the order in which they are documented."""
        finding = self.finding
        return {
            "id": self.id,
            "status": finding.status.value,
            "what": finding.what,
            "cause": finding.cause,
            "remedy": finding.remedy,
            "error": finding.error,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of a secret in the order of the chain, and how often doctor itself logged in for them.

    A secret `without_key` waits for its first rotation to succeed.
    """

    secret_id: str
    checks: tuple[Check, ...]
    logins: int
    without_key: bool = False

    @property
    def well(self) -> bool:
        """Whether nothing failed."""
        return not self._with(Status.FAILED)

    @property
    def first(self) -> Check | None:
        """What to begin with: the most upstream failure, else the first warning."""
        return next(iter(self._with(Status.FAILED) or self._with(Status.WARNING)), None)

    @property
    def verdict(self) -> str:
        """One line for whoever has a minute."""
        failures, warnings = len(self._with(Status.FAILED)), len(self._with(Status.WARNING))
        if self.first is None:
            return f"Well: nothing to do ({len(self._with(Status.OK))} checks passed)."
        begin = f"begin with {self.first.id}: {self.first.finding.remedy}."
        if failures:
            return f"Not well ({_count(failures, 'failure')}, {_count(warnings, 'warning')}): {begin}"
        works = "There is no key yet, and so no token" if self.without_key else "It works"
        return f"{works}, with {_count(warnings, 'warning')}: {begin}"

    @property
    def next_command(self) -> str | None:
        """What to run next; none where nothing is to be done."""
        if self.first is None:
            return None
        return self.first.finding.command or task("doctor", self.secret_id)

    def as_json(self) -> dict[str, Any]:
        """The documented shape of `--json`."""
        return {
            "secret": self.secret_id,
            "well": self.well,
            "verdict": self.verdict,
            "next": self.next_command,
            "logins": self.logins,
            "checks": [check.as_json() for check in self.checks],
        }

    def _with(self, status: Status) -> list[Check]:
        return [check for check in self.checks if check.status is status]


def task(name: str, secret_id: str) -> str:
    """The command of a task of the Makefile that is about the secret."""
    return f'make {name} SECRET="{secret_id}"'


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
