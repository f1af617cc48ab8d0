"""Deploys, from being taken to being done: asynchronous, as the Metadata API's are."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.sandbox.org.apps import App
from tests.sandbox.org.ids import new_id
from tests.sandbox.org.package import InvalidPackageError, Package, Problem

DeployStatus = Literal["Pending", "InProgress", "Succeeded", "Failed"]


@dataclass(frozen=True, slots=True)
class DeployPace:
    """How long a deploy is Pending and then InProgress: in seconds of the org's clock, or in polls.

    Counted in seconds it takes effect when they are over, whether anybody polls or not; counted in polls, as soon as it
    is sent: a client that dies must not be able to stop it.
    """

    pending: float = 0.05
    in_progress: float = 0.05
    counted_in: Literal["seconds", "polls"] = "seconds"


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """The options of the metadata deploy call that change anything here."""

    check_only: bool = False
    single_package: bool = False
    allow_missing_files: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A component that a deploy wrote, or would have written had it been more than a rehearsal."""

    component_type: str
    file_name: str
    full_name: str


@dataclass(frozen=True, slots=True)
class DeployOutcome:
    """How a deploy ended."""

    problems: tuple[Problem, ...] = ()
    written: tuple[Written, ...] = ()
    error_message: str | None = None

    @property
    def success(self) -> bool:
        return not self.problems and self.error_message is None


@dataclass(eq=False)
class Deployment:
    """One deploy."""

    archive: bytes = field(repr=False)
    options: DeployOptions
    pace: DeployPace
    submitted_at: float
    user_id: str
    deployment_id: str = field(default_factory=lambda: new_id("0Af"))
    polls: int = 0
    outcome: DeployOutcome | None = None

    @property
    def due(self) -> float:
        """When it takes effect."""
        takes = self.pace.pending + self.pace.in_progress if self.pace.counted_in == "seconds" else 0.0
        return self.submitted_at + takes

    def status(self, now: float) -> DeployStatus:
        progress = now - self.submitted_at if self.pace.counted_in == "seconds" else self.polls
        if progress < self.pace.pending:
            return "Pending"
        if self.outcome is None or progress < self.pace.pending + self.pace.in_progress:
            return "InProgress"
        return "Succeeded" if self.outcome.success else "Failed"


class Deployments:
    """The org's deploys, and how the next ones behave. The caller holds the org's lock."""

    def __init__(self, apps: Sequence[App]) -> None:
        self.pace = DeployPace()
        self.failures_as_object = False
        self.pretend_success = 0
        self._apps = apps
        self._failures: dict[bool, deque[str]] = {False: deque(), True: deque()}
        self._deployments: dict[str, Deployment] = {}

    def fail_next(self, error_message: str, *, check_only: bool = False) -> None:
        """Let the next deploy, or the next rehearsal, fail as a whole with that errorMessage."""
        self._failures[check_only].append(error_message)

    def forget_failures(self) -> None:
        """Let no deploy fail that hasn't yet."""
        for failures in self._failures.values():
            failures.clear()

    def submit(self, archive: bytes, options: DeployOptions, now: float, user_id: str) -> Deployment:
        """Take a package in for that user."""
        deployment = Deployment(archive, options, self.pace, now, user_id)
        self._deployments[deployment.deployment_id] = deployment
        return deployment

    def find(self, deployment_id: str) -> Deployment | None:
        """A deploy by its id, of 15 or 18 characters."""
        matches = (d for key, d in self._deployments.items() if deployment_id in {key, key[:15]})
        return next(matches, None)

    def all(self) -> tuple[Deployment, ...]:
        return tuple(self._deployments.values())

    def settle(self, now: float) -> None:
        """Carry out what is due by now."""
        waiting = [deployment for deployment in self._deployments.values() if deployment.outcome is None]
        for deployment in sorted(waiting, key=lambda deployment: deployment.due):
            if deployment.due <= now:
                deployment.outcome = self._carry_out(deployment)

    def _carry_out(self, deployment: Deployment) -> DeployOutcome:
        options = deployment.options
        if self._failures[options.check_only]:
            return DeployOutcome(error_message=self._failures[options.check_only].popleft())
        try:
            package = Package.read(deployment.archive, single=options.single_package)
        except InvalidPackageError as error:
            return DeployOutcome(error_message=str(error))
        verdict = package.judge(self._apps, allow_missing_files=options.allow_missing_files)
        if not options.check_only:
            if verdict.planned and self.pretend_success > 0:
                self.pretend_success -= 1
            else:
                for planned in verdict.planned:
                    planned.app.write(planned.write, deployment.due)
        return DeployOutcome(verdict.problems, tuple(_written(planned.app) for planned in verdict.planned))


def _written(app: App) -> Written:
    component = app.kind.component
    return Written(component.name, component.file_name(app.full_name), app.full_name)
