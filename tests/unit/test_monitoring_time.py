"""One run looks at many secrets in the five minutes that it has: a slow one takes no more than its share."""

from collections.abc import Sequence

import pytest

from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import SalesforceUnavailable
from salesforce_keypair.findings import Report
from salesforce_keypair.monitor_run import examine_each
from salesforce_keypair.secret_history import History
from salesforce_keypair.secret_store import CURRENT
from salesforce_keypair.timing import Deadline
from salesforce_keypair.vend_check import Ending, Vend
from tests.integration.org_client import key_pair
from tests.unit.support import FakeClock, text_of
from tests.unit.watched import DAY, App, Scene, said

# The function's time-out, less what it takes to report.
RUN_SECONDS = 299.0
# A Secrets Manager, an org and a vendor at their usual pace; and a vendor that is stopped by its own time-out.
READING, LOOKING, VENDING, STOPPED = 0.3, 2.0, 1.0, 30.0


class SlowScene(Scene):
    """Every secret is alike; of the `slow` ones the org never answers, and the vendor not in its time."""

    slow: frozenset[str] = frozenset()
    asked: str = ""

    def history(self, secret_id: str) -> History:
        self.asked = secret_id
        self.clock.advance(READING)
        return super().history(secret_id)

    def open_app(self, credential: Credential, own_keys: Sequence[Credential], deadline: Deadline) -> App:
        if self.asked in self.slow:
            self.clock.advance(max(deadline.remaining(), 0.0))
            raise SalesforceUnavailable("no answer", remedy="wait", retryable=True)
        self.clock.advance(LOOKING)
        return super().open_app(credential, own_keys, deadline)

    def answer(self, secret_id: str, *, anew: bool) -> Vend:
        slow = secret_id in self.slow
        self.clock.advance(STOPPED if slow else VENDING)
        return Vend(Ending.ERROR, "Unhandled", "timed out") if slow else Vend(Ending.TOKEN)

    def run(self, secret_ids: Sequence[str]) -> tuple[list[Report], float]:
        began = self.clock.now
        reports = list(examine_each(self.monitor().examine, secret_ids, self.clock.deadline(RUN_SECONDS)))
        return reports, self.clock.now - began


@pytest.fixture
def scene(clock: FakeClock) -> SlowScene:
    clock.now = key_pair("first").certificate.not_valid_after_utc.timestamp() - 100 * DAY
    made = SlowScene(clock, apps={"Billing": App(key_pair("first"))})
    made.put("version-one", text_of(key_pair("first")), CURRENT)
    made.vend = made.answer
    clock.advance(DAY)
    return made


def secrets(number: int) -> list[str]:
    return [f"secret-{each}" for each in range(number)]


def left_out(reports: Sequence[Report]) -> list[str | None]:
    return [report.secret_id for report in reports if not report.measures]


@pytest.mark.parametrize("which", [0, 10, 29], ids=["first", "in the middle", "last"])
def test_a_slow_secret_among_thirty_leaves_the_others_measured(scene: SlowScene, which: int) -> None:
    ids = secrets(30)
    scene.slow = frozenset({ids[which]})
    reports, took = scene.run(ids)

    assert [report.secret_id for report in reports] == ids
    assert [report.secret_id for report in reports if report.findings] == [ids[which]]
    assert {"CertificateDaysLeft", "VendCheckFailed"} <= reports[which].measures.keys()
    assert took < RUN_SECONDS


@pytest.mark.parametrize("number", [1, 8, 9, 30])
def test_where_all_are_slow_the_run_ends_in_time_and_names_those_that_it_left_out(
    scene: SlowScene, number: int
) -> None:
    ids = secrets(number)
    scene.slow = frozenset(ids)
    reports, took = scene.run(ids)
    missed = left_out(reports)

    assert took < RUN_SECONDS
    assert [report.secret_id for report in reports] == ids
    assert missed == ids[number - len(missed) :]
    assert number - len(missed) >= min(number, 5)
    for report in reports[number - len(missed) :]:
        assert f"{report.secret_id} wasn't looked at" in said(report)
        assert report.checks_failed == 1


def test_a_secret_alone_has_nearly_all_of_the_time(scene: SlowScene) -> None:
    scene.slow = frozenset(secrets(1))
    _, took = scene.run(secrets(1))

    assert took > 0.8 * RUN_SECONDS
