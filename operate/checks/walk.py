"""Making checks one after the other: an error becomes a failure with its remedy, and what hangs on it is skipped."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from operate.checks.aws_words import remedy_here
from operate.checks.finding import Check, Finding, Status, failed, skipped
from salesforce_keypair.errors import KeyPairError

T = TypeVar("T")

Tell = Callable[[Check], None]
"""Hears of each check as soon as it is made."""


class Walk:
    """The checks made so far."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._checks: list[Check] = []

    @property
    def checks(self) -> tuple[Check, ...]:
        """All of them, in the order in which they were made."""
        return tuple(self._checks)

    def add(self, name: str, finding: Finding) -> bool:
        """Note a finding; whether others may rest on it."""
        check = Check(name, finding)
        self._checks.append(check)
        self._tell(check)
        return finding.status in (Status.OK, Status.WARNING)

    def check(self, name: str, problem: str, examine: Callable[[], Finding]) -> bool:
        """Make a check; whether others may rest on it. `problem` says what is wrong where it ends with an error."""
        return self.learn(name, problem, lambda: (examine(), True)) is not None

    def learn(self, name: str, problem: str, examine: Callable[[], tuple[Finding, T]]) -> T | None:
        """Make a check that others need a result of; none where they can't rest on it."""
        try:
            finding, learnt = examine()
        except KeyPairError as error:
            self.add(name, failed(problem, cause=error.what, remedy=remedy_here(error), error=error.code))
            return None
        return learnt if self.add(name, finding) else None

    def skip(self, names: Iterable[str], *, because: str) -> None:
        """Note checks that weren't made, with the name of the one that they hang on."""
        for name in names:
            self.add(name, skipped("not looked at", cause=f"{because} comes first"))
