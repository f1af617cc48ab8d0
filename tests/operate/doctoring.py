"""Doctor on a stage: what it found, what it printed, and a stage on which there is nothing to find."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from operate.checks.chain import Request
from operate.checks.finding import Check, Report, Status
from operate.doctor import run
from operate.workplace import Workplace
from salesforce_keypair.keypair import KeyAlgorithm, make_key_pair
from salesforce_keypair.settings import Settings
from tests.sandbox.org import Kind
from tests.scenarios.support import Stage, pair_in

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


def in_use(stage: Stage, **members: Any) -> None:
    """A key in use and a schedule: nothing is wrong, and nothing was ever rotated."""
    made = make_key_pair(KeyAlgorithm.RSA_2048, common_name="Billing", validity_days=365, now=stage.clock.time())
    stage.install_key(pair_in({"privateKey": made.private_key_pem, "certificate": made.certificate.pem}), **members)
    begun = stage.begin()
    stage.move_label("AWSPENDING", off=begun.version_id)


def rotated(stage: Stage) -> None:
    """The same after two rotations, the second by a schedule."""
    in_use(stage)
    stage.rotate()
    stage.world.secrets.rotate_secret(SecretId=stage.arn, RotationRules={"ScheduleExpression": "rate(30 days)"})
    request = stage.world.aws.secrets_manager.wait_for_rotation(stage.arn).request
    assert stage.deliver_all(request) is None


def told(seen: Doctored, name: str) -> tuple[Status, str]:
    """How a check ended, and all that it says."""
    finding = seen[name].finding
    return finding.status, " / ".join(text for text in (finding.what, finding.cause, finding.remedy) if text)


def logins_asked(stage: Stage, action: Callable[[], object]) -> int:
    """How many logins the org was asked for meanwhile."""
    before = len(stage.world.org.log.entries(Kind.TOKEN))
    action()
    return len(stage.world.org.log.entries(Kind.TOKEN)) - before
