"""The key monitor on the local world: what it prints of a secret in order and of one in trouble."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from salesforce_keypair.errors import InvalidSettings
from tests.integration.org_client import key_pair
from tests.sandbox.aws import Refuse
from tests.sandbox.org import CertificateEncoding, Kind, faults
from tests.sandbox.org.refusals import INVALID_ASSERTION
from tests.sandbox.org.spreading import NeitherUntil, Never
from tests.sandbox.watching import Watch
from tests.sandbox.world import VENDOR_NAME, World
from tests.scenarios.handlers import Deployed, Handler, loaded, logged_in, metrics_in
from tests.scenarios.leaks import know_the_world
from tests.scenarios.set_ups import own_user, two_apps
from tests.scenarios.support import CREATE, SHORT_WAIT, Stage, event

IN_ORDER = {
    "PendingAgeHours",
    "RotationRolledBack",
    "KeyAgeDays",
    "KeyAgeInIntervals",
    "CertificateDaysLeft",
    "CertificateDrift",
    "VendCheckFailed",
    "ChecksFailed",
}
FLAGS = ("RotationRolledBack", "CertificateDrift", "VendCheckFailed", "ChecksFailed")


@contextmanager
def monitored(stage: Stage, secret_ids: str | None = None) -> Iterator[Handler]:
    """The monitor's handler, beside a vendor that the local Lambda knows."""
    served = secret_ids or stage.arn
    with (
        loaded("token_vendor", stage, SECRET_ID=served) as vendor,
        loaded("key_monitor", stage, SECRET_ID=served, TOKEN_VENDOR_FUNCTION=VENDOR_NAME) as monitor,
    ):
        stage.world.aws.stand_in(Deployed(VENDOR_NAME, vendor))
        yield monitor


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A secret that was rotated by its schedule."""
    with Stage(SHORT_WAIT) as made:
        made.install_key()
        rotated_an_hour_ago(made)
        yield made


@pytest.fixture
def monitor(stage: Stage) -> Iterator[Handler]:
    with monitored(stage) as handler:
        yield handler


def rotated_an_hour_ago(stage: Stage) -> None:
    stage.clock.advance(3600)
    assert stage.deliver_all(stage.begin(schedule="rate(30 days)")) is None
    stage.clock.advance(3600)


def measured(lines: list[dict[str, Any]], secret: str | None) -> dict[str, float]:
    """What the one line says that is under that secret, or under the service alone."""
    (line,) = (line for line in lines if "_aws" in line and line.get("secret") == secret)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["service", "secret"] if secret else ["service"]]
    return metrics_in([line])


def warnings_in(lines: list[dict[str, Any]]) -> list[str]:
    return [line["message"] for line in logged_in(lines) if line["level"] == "WARNING"]


def test_a_secret_in_good_order_is_one_line_of_measures_and_none_of_words(stage: Stage, monitor: Handler) -> None:
    stage.clock.advance(23 * 3600)
    assert monitor(event("monitor-schedule")) is None
    lines = monitor.printed()

    measures = measured(lines, stage.arn)
    assert measures.keys() == IN_ORDER
    assert {name: measures[name] for name in FLAGS} == dict.fromkeys(FLAGS, 0)
    assert measures["KeyAgeDays"] == pytest.approx(1, abs=0.01)
    assert measures["KeyAgeInIntervals"] == pytest.approx(1 / 31, abs=0.001)
    assert measures["CertificateDaysLeft"] == pytest.approx(364, abs=0.1)
    assert measured(lines, None) == {"MonitorRuns": 1, "ChecksFailed": 0, "RefusalCheckFailed": 0}
    assert warnings_in(lines) == []


def test_the_monitor_changes_nothing(stage: Stage, monitor: Handler) -> None:
    before, calls = (stage.seen(), stage.deploys()), len(stage.world.aws.calls())
    monitor(event("monitor-schedule"))

    assert (stage.seen(), stage.deploys()) == before
    assert {call.operation for call in stage.world.aws.calls()[calls:]} == {
        "DescribeSecret",
        "ListSecretVersionIds",
        "GetSecretValue",
        "Invoke",
    }


def test_a_rolled_back_rotation_is_seen_by_the_event_of_its_label(stage: Stage, monitor: Handler) -> None:
    stage.world.app.spreading = Never()
    request = stage.begin()
    assert stage.deliver_all(request) is not None
    moved = event("monitor-label-updated") | {"resources": [stage.arn]}
    moved["detail"] = {"name": "salesforce/keypair", "labelUpdated": "ROLLEDBACK", "versionId": request.version_id}
    monitor(moved)
    lines = monitor.printed()

    assert measured(lines, stage.arn)["RotationRolledBack"] == 1
    (warning,) = warnings_in(lines)
    assert request.version_id in warning
    assert f"make rotate SECRET={stage.arn}" in warning


def test_a_rotation_that_nobody_finishes_ages(stage: Stage, monitor: Handler) -> None:
    stage.deliver(stage.begin(), CREATE)
    stage.clock.advance(3 * 3600)
    monitor(event("monitor-schedule"))
    lines = monitor.printed()

    assert measured(lines, stage.arn)["PendingAgeHours"] == pytest.approx(3, abs=0.01)
    assert "make resume" in warnings_in(lines)[0]


def test_somebody_elses_certificate_is_drift_and_its_vend_fails(stage: Stage, monitor: Handler) -> None:
    stage.world.app.install(key_pair("somebody else").pem)
    monitor(event("monitor-schedule"))
    lines = monitor.printed()

    measures = measured(lines, stage.arn)
    assert (measures["CertificateDrift"], measures["VendCheckFailed"], measures["ChecksFailed"]) == (1, 1, 0)
    drift, vend = warnings_in(lines)
    assert key_pair("somebody else").fingerprint in drift
    assert "LoginRefused" in vend
    assert all(f"make doctor SECRET={stage.arn}" in warning for warning in (drift, vend))


def test_a_hidden_certificate_is_not_known(stage: Stage, monitor: Handler) -> None:
    stage.world.app.certificate_encoding = CertificateEncoding.ABSENT
    monitor(event("monitor-schedule"))
    lines = monitor.printed()

    assert measured(lines, stage.arn).keys() == IN_ORDER - {"CertificateDrift"}
    assert warnings_in(lines) == []


def test_the_token_in_the_vendors_memory_does_not_hide_that_logins_fail(stage: Stage, monitor: Handler) -> None:
    monitor(event("monitor-schedule"))
    monitor.printed()
    admin_logs_in = 1
    stage.world.org.faults.add(faults.oauth_error(INVALID_ASSERTION), Kind.TOKEN, times=None, skip=admin_logs_in)
    monitor(event("monitor-schedule"))

    assert measured(monitor.printed(), stage.arn)["VendCheckFailed"] == 1


def test_a_certificate_that_is_put_back_fails_no_vend_while_callers_have_tokens(stage: Stage, monitor: Handler) -> None:
    monitor(event("monitor-schedule"))
    monitor.printed()
    stage.world.app.spreading = NeitherUntil(300)
    assert stage.deliver_all(stage.begin()) is not None
    monitor(event("monitor-label-updated") | {"resources": [stage.arn]})
    measures = measured(monitor.printed(), stage.arn)

    assert (measures["RotationRolledBack"], measures["VendCheckFailed"]) == (1, 0)

    stage.world.org.faults.add(faults.oauth_error(INVALID_ASSERTION), Kind.TOKEN, times=None, skip=1)
    stage.clock.advance(3600)
    monitor(event("monitor-schedule"))
    assert measured(monitor.printed(), stage.arn)["VendCheckFailed"] == 1


@pytest.mark.parametrize("arrange", [own_user, two_apps])
def test_other_set_ups_are_measured_too(arrange: Any) -> None:
    with Stage(SHORT_WAIT) as stage:
        arrange(stage)
        rotated_an_hour_ago(stage)
        rotated_an_hour_ago(stage)
        with monitored(stage) as monitor:
            monitor(event("monitor-schedule"))
            lines = monitor.printed()

    more = {"StandbyCertificateDaysLeft"} if arrange is two_apps else set()
    assert measured(lines, stage.arn).keys() == IN_ORDER | more
    assert warnings_in(lines) == []


def test_one_secrets_trouble_leaves_the_others_measured(stage: Stage) -> None:
    stage.world.secrets.create_secret(Name="broken", SecretString="{")
    with monitored(stage, f"nobody,broken,{stage.arn}") as monitor:
        monitor(event("monitor-schedule"))
        lines = monitor.printed()

    assert measured(lines, "nobody") == {"ChecksFailed": 1, "VendCheckFailed": 1}
    assert measured(lines, "broken")["ChecksFailed"] == 2
    assert measured(lines, stage.arn).keys() == IN_ORDER
    assert measured(lines, None)["ChecksFailed"] == 3
    assert {line["secret"] for line in logged_in(lines) if line["level"] == "WARNING"} == {"nobody", "broken"}


def test_a_check_that_aws_refuses_is_counted_with_its_cause(stage: Stage, monitor: Handler) -> None:
    stage.world.aws.faults.inject("Invoke", Refuse("AccessDeniedException", status=403), times=None)
    monitor(event("monitor-schedule"))
    lines = monitor.printed()

    assert measured(lines, stage.arn)["ChecksFailed"] == 1
    assert measured(lines, None) == {"MonitorRuns": 1, "ChecksFailed": 2}
    assert [line["error"] for line in logged_in(lines) if line["level"] == "WARNING"] == ["AccessDeniedException"] * 2


@pytest.mark.parametrize("unknown", [{}, [], None, "ping", {"detail": None, "resources": 7}, {"detail-type": "New"}])
def test_an_unknown_event_means_all_secrets(stage: Stage, monitor: Handler, unknown: Any) -> None:
    monitor(unknown)

    assert measured(monitor.printed(), stage.arn).keys() == IN_ORDER


@pytest.mark.parametrize("variables", [{}, {"SECRET_ID": "a", "TOKEN_VENDOR_FUNCTION": "no vendor"}])
def test_wrong_settings_are_an_error_by_name(stage: Stage, variables: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings), loaded("key_monitor", stage, **variables):
        pass


def test_nothing_secret_is_printed_whatever_is_wrong(stage: Stage) -> None:
    with monitored(stage, f"nobody,{stage.arn}") as monitor:
        monitor(event("monitor-schedule"))
        stage.world.app.spreading = Never()
        stage.deliver_all(stage.begin())
        stage.world.app.install(key_pair("somebody else").pem)
        monitor(event("monitor-schedule"))
        stage.world.org.faults.add(faults.html_page(200), Kind.TOKEN, times=None)
        monitor(event("monitor-schedule"))
        printed = json.dumps(monitor.printed())
        kept = repr(vars(monitor.module)) + repr(vars(monitor.module.monitor))

    searcher = know_the_world(stage.world)
    assert {"access token", "private key", "consumer secret", "assertion"} <= searcher.kinds
    assert searcher.find(printed) == set()
    assert searcher.find(kept) == set()


@pytest.mark.slow
def test_the_deployed_monitor_asks_the_deployed_vendor() -> None:
    said: list[str] = []
    with World() as world:
        world.turn_rotation_on()
        watch = Watch(world, said.append)
        results = [world.monitor.invoke(event("monitor-schedule"))]
        assert world.rotate() == "succeeded"
        moved = event("monitor-label-updated") | {"resources": [world.secret_arn]}
        results.append(world.monitor.invoke(moved))
        watch.look()
        lines = [json.loads(line) for line in world.monitor.output().splitlines() if line.startswith("{")]
        leaked = know_the_world(world).find(world.monitor.output())

    assert [result.error_message for result in results] == [None, None]
    assert [result.value for result in results] == [None, None]
    found = metrics_in(lines)
    assert found.keys() == IN_ORDER | {"MonitorRuns", "RefusalCheckFailed"}
    assert (found["MonitorRuns"], found["ChecksFailed"], found["VendCheckFailed"]) == (2, 0, 0)
    before, after = (words.partition(" s  ")[2] for words in said if words.startswith("key-monitor "))
    assert before.startswith("there is no key yet")
    assert after == "nothing to say"
    assert leaked == set()
