"""Doctor as an engineer meets it: what it shows of a healthy secret, what it costs, and that it changes nothing."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from operate.__main__ import app
from operate.checks.finding import Status
from tests.integration.org_client import key_pair
from tests.operate.doctoring import CURRENT_LOGIN, doctor, logins_asked, rotated, workplace
from tests.sandbox.aws import Refuse
from tests.sandbox.org import Kind, faults
from tests.scenarios.leaks import know_the_world
from tests.scenarios.support import CREATE, ROTATION, SET, Stage

# In the order in which they are told; scripts look them up.
LINKS = [
    "secret",
    "labels",
    "document.AWSCURRENT",
    "document.AWSPREVIOUS",
    "rotatable",
    "expiry",
    "host.resolves",
    "host.answers",
    "clock",
    "authority",
    "admin.login",
    "app",
    "app.certificate",
    "app.deploy",
    "login.AWSCURRENT",
    "login.AWSPREVIOUS",
    "token",
    "token.format",
    "rotation",
    "rolled_back",
    "schedule",
    "vendor.answers",
    "vendor.refuses",
]
LOOKING = {"DescribeSecret", "ListSecretVersionIds", "GetSecretValue", "Invoke"}


@pytest.fixture(scope="module")
def healthy() -> Iterator[Stage]:
    """Shared by the tests that only look: doctor changes nothing."""
    with Stage(served=True) as stage:
        rotated(stage)
        yield stage


def test_of_a_healthy_secret_every_link_is_told_and_nothing_is_to_do(healthy: Stage) -> None:
    seen = doctor(healthy, vendor="token-vendor", rehearse=True)

    assert [check.id for check in seen.report.checks] == LINKS
    assert {check.status for check in seen.report.checks} == {Status.OK}
    assert "Well: nothing to do (23 checks passed)." in seen.text
    assert "Next:" not in seen.text


def test_what_json_prints_has_the_documented_shape(healthy: Stage) -> None:
    shape = doctor(healthy, as_json=True).shape

    assert list(shape) == ["secret", "well", "verdict", "next", "logins", "checks"]
    assert shape["secret"] == healthy.arn
    assert shape["well"] is True
    assert shape["next"] is None
    assert [check["id"] for check in shape["checks"]] == LINKS
    for check in shape["checks"]:
        assert list(check) == ["id", "status", "what", "cause", "remedy", "error"]


def test_it_logs_in_once_for_each_key_and_once_as_the_admin(healthy: Stage) -> None:
    seen = []
    asked = logins_asked(healthy, lambda: seen.append(doctor(healthy)))

    assert asked == seen[0].report.logins == 3
    assert "Logins made for this: 3." in seen[0].text


@pytest.mark.parametrize(
    ("fault", "most"),
    [
        (faults.answering(503), 3),
        (faults.html_page(200), 3),
        (faults.reset_before_acting(), 3),
        # A clock that is off is corrected by a second try, once.
        (faults.Fault("none"), 4),
    ],
    ids=str,
)
def test_a_sick_org_costs_no_more_logins(healthy: Stage, fault: faults.Fault, most: int) -> None:
    org = healthy.world.org
    org.faults.add(fault, Kind.TOKEN, times=None)
    org.clock.offset = 3_600.0 if most > 3 else 0.0
    try:
        assert logins_asked(healthy, lambda: doctor(healthy)) <= most
    finally:
        org.clock.offset = 0.0
        org.faults.clear()


def test_a_versions_key_that_was_tried_already_costs_no_login() -> None:
    with Stage() as stage:
        stage.install_key()
        stage.edit(note="a comment, and the same key")

        seen = doctor(stage)

    assert seen["login.AWSPREVIOUS"].status is Status.OK
    assert seen.report.logins == 2


def test_nothing_is_changed_anywhere() -> None:
    with Stage() as stage:
        rotated(stage)
        stage.deliver(stage.begin(), CREATE, SET)
        before, deploys, calls = stage.seen(), stage.deploys(), len(stage.world.aws.calls(caller=ROTATION))

        doctor(stage, rehearse=True)

        assert stage.seen() == before
        made = stage.world.aws.calls(caller=ROTATION)[calls:]
        assert {call.operation for call in made if call.outcome == "ok"} <= LOOKING
        # The rehearsal; without being asked for, there is none.
        assert stage.deploys() == deploys + 1
        rehearsal = stage.world.org.log.entries(Kind.DEPLOY)[-1]
        assert b'"checkOnly": true' in rehearsal.body
        doctor(stage)
        assert stage.deploys() == deploys + 1


def test_no_secret_is_printed_whatever_is_wrong() -> None:
    with Stage(served=True) as stage:
        stage.install_key()
        texts = [doctor(stage, vendor="token-vendor", rehearse=True).text]
        stage.deliver(stage.begin(), CREATE)
        stage.world.org.faults.add(faults.answering(400, "{}"), Kind.TOKEN, times=2)
        texts += [doctor(stage).text, doctor(stage, as_json=True).text]
        stage.edit(privateKey=stage.labelled("AWSPENDING").document["privateKey"])
        texts.append(doctor(stage).text)
        pending = stage.labelled("AWSPENDING").document
        stage.world.put_document({name: pending[name] for name in ("privateKey", "certificate")})
        texts.append(doctor(stage).text)
        searcher = know_the_world(stage.world)

        assert searcher.kinds >= {"private key", "access token", "assertion", "consumer secret"}
        assert [searcher.find(text) for text in texts] == [set()] * len(texts)


def test_what_hangs_on_a_failure_is_skipped_and_names_it() -> None:
    with Stage() as stage:
        stage.install_key()
        stage.edit(certificate=key_pair("another").pem)

        seen = doctor(stage)

    assert seen.failures == ["document.AWSCURRENT", "schedule"]
    assert seen["document.AWSCURRENT"].finding.cause == "certificate isn't the one to privateKey"
    for name in ("rotatable", "expiry", "host.resolves", "clock", "admin.login", "app.certificate", CURRENT_LOGIN):
        assert seen[name].status is Status.SKIPPED
        assert seen[name].finding.cause == "document.AWSCURRENT comes first"


def test_a_secret_that_isnt_there_is_told_with_what_to_check() -> None:
    with Stage() as stage:
        seen = doctor(stage, secret="salesforce/another")

    assert seen.failures == ["secret"]
    assert seen["secret"].finding.error == "SecretUnavailable"
    assert "name or ARN" in (seen["secret"].finding.remedy or "")
    assert len(seen.names(Status.SKIPPED)) == len(seen.report.checks) - 1
    assert 'Next: make doctor SECRET="salesforce/another"' in seen.text


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException"])
@pytest.mark.parametrize("operation", ["DescribeSecret", "GetSecretValue"])
def test_aws_refusals_are_told_as_this_shells(healthy: Stage, operation: str, code: str) -> None:
    healthy.world.aws.faults.inject(operation, Refuse(code, 400, "no"), caller=ROTATION)

    first = doctor(healthy).report.first

    assert first is not None
    assert "shell" in (first.finding.remedy or "")
    assert "function's role" not in (first.finding.remedy or "")


def test_the_exit_code_says_whether_something_failed(healthy: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operate.doctor.Workplace.of", lambda: workplace(healthy))
    command = CliRunner()

    assert command.invoke(app, ["doctor", "--secret", healthy.arn]).exit_code == 0
    assert command.invoke(app, ["doctor"], env={"SECRET": "salesforce/another"}).exit_code == 1
    assert command.invoke(app, ["doctor"]).exit_code == 2


def test_json_is_all_that_is_printed(healthy: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    place = workplace(healthy)
    monkeypatch.setattr("operate.doctor.Workplace.of", lambda: place)

    CliRunner().invoke(app, ["doctor", "--secret", healthy.arn, "--json"])

    assert json.loads(place.console.file.getvalue())["secret"] == healthy.arn  # type: ignore[attr-defined]
