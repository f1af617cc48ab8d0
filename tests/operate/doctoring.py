"""Doctor on a stage: what it found, what it printed, and a stage on which there is nothing to find."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from operate.checks.chain import Request
from operate.checks.finding import Check, Report, Status
from operate.doctor import run
from operate.workplace import Workplace
from salesforce_keypair.settings import Settings
from tests.sandbox.org import Kind
from tests.scenarios.support import Stage

CURRENT_LOGIN = "login.AWSCURRENT"


@dataclass(frozen=True)
class Doctored:
    """One run: the report and what a terminal would have shown."""

    report: Report
    text: str

    def __getitem__(self, name: str) -> Check:
        return next(check for check in self.report.checks if check.id == name)

    def names(self, status: Status) -> list[str]:
        """The checks that ended so."""
        return [check.id for check in self.report.checks if check.status is status]

    @property
    def failures(self) -> list[str]:
        """The checks that failed, the most upstream first."""
        return self.names(Status.FAILED)

    @property
    def warnings(self) -> list[str]:
        """The checks that warn."""
        return self.names(Status.WARNING)

    @property
    def shape(self) -> dict[str, Any]:
        """What `--json` printed."""
        shape: dict[str, Any] = json.loads(self.text)
        return shape


def workplace(stage: Stage, **variables: str) -> Workplace:
    """A shell beside the stage, whose terminal is a text."""
    return Workplace(
        Settings.from_environment(stage.variables | variables, serves_secrets=False),
        clock=stage.clock,
        console=Console(file=io.StringIO(), highlight=False, soft_wrap=True, emoji=False),
    )


def doctor(
    stage: Stage,
    *,
    secret: str | None = None,
    vendor: str | None = None,
    rehearse: bool = False,
    as_json: bool = False,
    place: Workplace | None = None,
) -> Doctored:
    """Run it; without a vendor it looks for a stack, of which the stage has none."""
    place = place or workplace(stage)
    report = run(place, Request(secret or stage.arn, vendor, rehearse=rehearse), as_json=as_json)
    assert isinstance(place.console.file, io.StringIO)
    return Doctored(report, place.console.file.getvalue())


def rotated(stage: Stage) -> None:
    """Two rotations and a schedule: nothing is wrong with the key pair any more."""
    stage.install_key()
    stage.rotate()
    stage.world.secrets.rotate_secret(
        SecretId=stage.arn, RotationRules={"ScheduleExpression": "rate(30 days)"}, RotateImmediately=True
    )
    request = stage.world.aws.secrets_manager.wait_for_rotation(stage.arn).request
    assert stage.deliver_all(request) is None


def logins_asked(stage: Stage, action: Callable[[], object]) -> int:
    """How many logins the org was asked for meanwhile."""
    before = len(stage.world.org.log.entries(Kind.TOKEN))
    action()
    return len(stage.world.org.log.entries(Kind.TOKEN)) - before
