"""What doctor says in each state that a secret and its apps come into: what is as it should be, and what isn't."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from operate.checks import versions
from operate.checks.described import describe
from operate.checks.finding import Status
from tests.integration.org_client import key_pair
from tests.operate.doctoring import CURRENT_LOGIN, doctor, in_use, told, workplace
from tests.sandbox.org import Kind, faults
from tests.sandbox.org.spreading import BothUntil, Never
from tests.scenarios.support import CREATE, SET, Stage
from tests.scenarios.test_standby import two_apps_stage

DAY = 86_400.0
OWN_USER = {"adminSecretArn": None}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        in_use(made)
        yield made


# A rotation, step by step


def test_a_secret_before_its_first_rotation_is_told_to_begin_with_it() -> None:
    with Stage(served=True) as stage:
        stage.world.turn_rotation_on()
        seen = doctor(stage, vendor="token-vendor")

    assert seen.failures == []
    assert seen.warnings == ["document.AWSCURRENT"]
    assert seen[CURRENT_LOGIN].finding.cause == "a first rotation comes first"
    assert "There is no key yet, and so no token, with 1 warning: begin with document.AWSCURRENT: start a" in seen.text
    assert f'Next: make rotate SECRET="{stage.arn}"' in seen.text


def test_a_rotation_under_way_is_told_and_isnt_a_failure(stage: Stage) -> None:
    request = stage.begin()
    seen = [doctor(stage)]
    stage.deliver(request, CREATE)
    seen.append(doctor(stage))

    for each in seen:
        assert each.failures == []
        assert each.warnings == ["rotation"]
    assert "holds nothing yet" in told(seen[0], "document.AWSPENDING")[1]
    assert told(seen[1], "login.AWSPENDING")[0] is Status.OK
    assert "isn't in the app yet" in told(seen[1], "login.AWSPENDING")[1]


def test_between_the_deploy_and_the_promotion_the_pending_key_is_the_one_that_logs_in(stage: Stage) -> None:
    stage.deliver(stage.begin(), CREATE, SET)

    seen = doctor(stage)

    assert seen.failures == []
    assert seen.warnings == ["app.certificate", CURRENT_LOGIN, "rotation"]
    assert "AWSPENDING" in told(seen, CURRENT_LOGIN)[1]
    assert seen["login.AWSPENDING"].status is Status.OK
    assert seen["token"].status is Status.OK


def test_a_login_that_got_no_answer_isnt_taken_for_a_refusal_of_the_key(stage: Stage) -> None:
    stage.deliver(stage.begin(), CREATE, SET)
    stage.world.org.faults.add(faults.answering(503), Kind.TOKEN, times=1)

    seen = doctor(stage)

    assert seen["login.AWSPENDING"].status is Status.OK
    assert seen.failures == [CURRENT_LOGIN]
    assert seen[CURRENT_LOGIN].finding.error == "SalesforceUnavailable"


def test_while_a_change_spreads_both_keys_may_log_in(stage: Stage) -> None:
    stage.world.app.spreading = BothUntil(300)
    stage.deliver(stage.begin(), CREATE, SET)

    seen = doctor(stage)

    assert seen[CURRENT_LOGIN].status is Status.OK
    assert "spreading" in told(seen, "login.AWSPENDING")[1]


def test_a_rotation_that_was_undone_is_told_with_the_old_key_in_use(stage: Stage) -> None:
    stage.world.app.next_spreadings.append(Never())
    stage.deliver_all(stage.begin())

    seen = doctor(stage)

    assert stage.labels().keys() >= {"ROLLEDBACK"}
    assert seen.failures == []
    assert seen.warnings == ["rolled_back"]
    assert "as is to be expected: its rotation was undone" in told(seen, "login.ROLLEDBACK")[1]
    stage.rotate()
    assert doctor(stage).warnings == []


def test_a_first_rotation_that_was_undone_is_told_without_an_old_key_or_a_culprit() -> None:
    with Stage() as stage:
        stage.world.app.next_spreadings.append(Never())
        stage.deliver_all(stage.begin())
        seen = doctor(stage)

    assert seen.failures == []
    assert seen.warnings == ["document.AWSCURRENT", "rolled_back"]
    assert "was undone" in told(seen, "document.AWSCURRENT")[1]
    assert "no earlier one to go back to" in told(seen, "app.certificate")[1]
    assert seen.report.verdict.startswith("There is no key yet, and so no token, with 2 warnings: begin with document")
    assert "put it back" not in seen.text
    assert f'Next: make rotate SECRET="{stage.arn}"' in seen.text


@pytest.mark.parametrize("hours", [0, 3])
@pytest.mark.parametrize("first", [True, False], ids=["the first key", "a later key"])
def test_a_rotation_that_waits_for_an_upload_is_told_with_the_way_there(first: bool, hours: int) -> None:
    manual = {"installation": "manual", "adminSecretArn": None}
    with Stage() as stage:
        if first:
            stage.edit(**manual)
        else:
            in_use(stage, **manual)
        stage.deliver(stage.begin(), CREATE)
        stage.clock.advance(hours * 3600)
        seen = doctor(stage)
        status = f'make status SECRET="{stage.arn}"'

    assert seen.failures == []
    assert seen.warnings == [*(["document.AWSCURRENT"] if first else []), "rotation"]
    assert "Edit Settings > OAuth Settings" in told(seen, "rotation")[1]
    assert f"{status} ARGS=--certificate" in told(seen, "rotation")[1]
    assert seen.report.next_command == status
    assert seen.report.verdict.startswith("There is no key yet" if first else "It works, with 1 warning")


def test_a_document_changed_under_a_rotation_is_told_before_the_rotation_stops_at_it(stage: Stage) -> None:
    stage.deliver(stage.begin(), CREATE)
    stage.edit(note="changed meanwhile")

    seen = doctor(stage)

    assert seen.failures == ["rotatable"]
    assert f"make resume SECRET={stage.arn} ARGS=--give-up" in told(seen, "rotatable")[1]


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("username", "billing.robot@example.com.uat", "hasn't approved this consumer"),
        ("consumerKey", "3MVG9anotherApp", "client identifier invalid"),
        ("audience", "https://login.salesforce.com", "External client app is not installed"),
    ],
)
def test_a_member_changed_by_hand_is_named_where_the_same_key_logged_in_before(
    stage: Stage, member: str, value: str, said: str
) -> None:
    stage.edit(**{member: value})

    seen = doctor(stage)

    assert seen.failures == [CURRENT_LOGIN]
    assert f"the documents differ in {member}; " in told(seen, CURRENT_LOGIN)[1]
    assert said in told(seen, CURRENT_LOGIN)[1]
    assert f"correct {member} in the secret" in (seen[CURRENT_LOGIN].finding.remedy or "")


def test_an_overwritten_secret_is_told_as_that(stage: Stage) -> None:
    stage.edit(privateKey=None, certificate=None)

    seen = doctor(stage)

    assert seen.report.first == seen["document.AWSCURRENT"]
    assert "somebody overwrote the secret" in told(seen, "document.AWSCURRENT")[1]


def test_a_pending_document_without_a_key_is_told_with_the_label_to_take_off(stage: Stage) -> None:
    begun = stage.begin()
    stage.put_pending(begun, stage.world.document())

    seen = doctor(stage)

    assert seen.failures == ["document.AWSPENDING"]
    assert f"make resume SECRET={stage.arn} ARGS=--give-up" in told(seen, "document.AWSPENDING")[1]


def test_a_certificate_that_ends_soon_or_has_ended_is_a_warning(stage: Stage) -> None:
    stage.clock.advance(334 * DAY)
    assert doctor(stage).warnings == []
    stage.clock.advance(2 * DAY)
    soon = doctor(stage)
    stage.clock.advance(30 * DAY)
    over = doctor(stage)

    for seen in (soon, over):
        assert seen.failures == []
        assert seen.warnings == ["expiry"]
    assert "29 days are left" in told(soon, "expiry")[1]
    assert "Salesforce still honours it" in told(over, "expiry")[1]


# What the app holds


@pytest.mark.parametrize(("rotations", "whose"), [(1, "AWSPREVIOUS"), (2, "an earlier version")])
def test_an_old_certificate_of_ours_in_the_app_is_mended_by_a_rotation(
    stage: Stage, rotations: int, whose: str
) -> None:
    old = stage.labelled("AWSCURRENT").document["certificate"]
    for _ in range(rotations):
        stage.rotate()
    stage.world.app.install(old)

    seen = doctor(stage)

    assert seen.failures == ["app.certificate", CURRENT_LOGIN]
    assert f"certificate of {whose}" in told(seen, "app.certificate")[1]
    assert f'Next: make rotate SECRET="{stage.arn}"' in seen.text
    stage.rotate()
    assert doctor(stage).failures == []


def test_an_app_that_shows_no_certificate_is_judged_by_the_login() -> None:
    with Stage() as stage:
        stage.install_key()
        stage.world.app.install(None)

        assert doctor(stage)["app.certificate"].status is Status.WARNING


# Who may change it


def test_an_admin_secret_that_is_this_very_secret_is_told_before_a_rotation_stops_at_it(stage: Stage) -> None:
    stage.edit(adminSecretArn=stage.arn)

    assert "this very secret" in told(doctor(stage), "rotatable")[1]


def test_nobody_reads_the_app_of_a_manual_installation_without_an_admin(stage: Stage) -> None:
    stage.edit(installation="manual", adminSecretArn=None)

    seen = doctor(stage)

    assert seen["authority"].status is Status.OK
    assert {seen[name].status for name in ("admin.login", "app", "app.certificate", "app.deploy")} == {Status.SKIPPED}
    assert seen[CURRENT_LOGIN].status is Status.OK


def test_the_own_user_as_authority_is_a_warning_and_costs_no_second_login() -> None:
    with Stage() as stage:
        stage.world.user.metadata_permission = True
        in_use(stage, **OWN_USER)
        seen = doctor(stage, rehearse=True)

    assert seen["authority"].status is Status.WARNING
    assert seen.report.logins == 1
    assert [seen[name].status for name in ("app", "app.certificate", "app.deploy")] == [Status.OK] * 3


def test_an_own_user_locked_out_by_an_old_certificate_is_told_to_roll_back() -> None:
    with Stage() as stage:
        stage.world.user.metadata_permission = True
        in_use(stage, **OWN_USER)
        first = stage.labelled("AWSCURRENT").document["certificate"]
        stage.rotate()
        stage.world.app.install(first)
        seen = doctor(stage)

    assert seen.failures[0] == CURRENT_LOGIN
    assert f'Next: make rollback SECRET="{stage.arn}"' in seen.text


@pytest.mark.parametrize(("api_version", "failures"), [("v67.0", ["app"]), ("v68.0", [])])
def test_jwt_tokens_are_a_warning_and_fail_an_own_user_below_68(api_version: str, failures: list[str]) -> None:
    with Stage() as stage:
        stage.world.user.metadata_permission = True
        in_use(stage, apiVersion=api_version, **OWN_USER)
        switch_jwt_tokens_on(stage)
        seen = doctor(stage)

    assert seen["token.format"].status is Status.WARNING
    assert seen.failures == failures
    if failures:
        assert seen["app"].finding.error == "InstallationRefused"
        assert "v68.0" in (seen["app"].finding.remedy or "")


# Two apps


def test_with_two_apps_the_previous_key_must_log_in() -> None:
    with two_apps_stage() as stage:
        stage.rotate()
        stage.rotate()
        well = doctor(stage)
        previous = stage.labelled("AWSPREVIOUS").document["appName"]
        next(app for app in stage.world.org.apps if app.name == previous).install(None)
        seen = doctor(stage)

    assert well["login.AWSPREVIOUS"].finding.what.endswith("logs in")
    assert well["app.standby"].status is Status.OK
    assert seen["login.AWSPREVIOUS"].status is Status.FAILED
    assert seen[CURRENT_LOGIN].status is Status.OK


def test_the_next_key_takes_the_previous_ones_place_in_the_second_app() -> None:
    with two_apps_stage() as stage:
        stage.rotate()
        stage.deliver(stage.begin(), CREATE, SET)
        seen = doctor(stage)

    assert not [name for name in seen.failures if name.startswith(("login", "app"))]
    assert "as is to be expected" in told(seen, "login.AWSPREVIOUS")[1]
    assert told(seen, "login.AWSPENDING")[1].endswith("logs in")


def test_the_second_apps_foreign_certificate_is_told_before_the_rotation_that_stops_at_it() -> None:
    with two_apps_stage() as stage:
        stage.world.standby.install(key_pair("foreign").pem)
        seen = doctor(stage)

    assert seen["app.standby"].finding.error == "ForeignCertificate"
    assert seen["app.certificate"].status is Status.OK


def test_a_foreign_certificate_in_the_first_of_two_apps_is_left_by_going_over_to_the_second() -> None:
    with two_apps_stage() as stage:
        stage.world.app.install(key_pair("foreign").pem)
        seen = doctor(stage)
        assert "goes over to the second app, BillingStandby" in (seen["app.certificate"].finding.remedy or "")
        stage.rotate()
        after = doctor(stage)

    assert after[CURRENT_LOGIN].status is Status.OK
    assert after["app.standby"].finding.error == "ForeignCertificate"


def switch_jwt_tokens_on(stage: Stage) -> None:
    app = stage.world.app
    app.elements = tuple(
        replace(each, text="true") if each.name == "isNamedUserJwtEnabled" else each for each in app.elements
    )


def test_a_host_that_isnt_salesforces_is_never_asked(stage: Stage) -> None:
    stage.edit(baseUri="https://acme.lightning.force.com")
    before = len(stage.world.org.log.entries())

    seen = doctor(stage)

    assert seen.report.first == seen["document.AWSCURRENT"]
    assert seen["document.AWSCURRENT"].finding.error == "HostNotAllowed"
    assert len(stage.world.org.log.entries()) == before


def test_a_secret_that_was_overwritten_twice_is_not_one_before_its_first_key(stage: Stage) -> None:
    stage.edit(privateKey=None, certificate=None)
    stage.edit(certificateValidityDays=30)
    place = workplace(stage)
    described = describe(place.store, stage.arn, now=stage.clock.time())
    current = described.labelled("AWSCURRENT")
    assert current is not None
    rotated_once = replace(described, schedule=replace(described.schedule, since_rotated=timedelta(days=1)))

    never, once = (versions.read(place.store, place.parse, each, current)[0] for each in (described, rotated_once))

    assert (never.status, once.status) == (Status.WARNING, Status.FAILED)
    assert "overwrote the secret more than once" in (once.cause or "")
    assert once.command == f'make rotate SECRET="{stage.arn}"'
    stage.rotate()
    assert doctor(stage).failures == []


def test_while_a_rotation_waits_an_expired_certificate_asks_for_its_end_and_not_for_another(stage: Stage) -> None:
    stage.clock.advance(400 * DAY)
    alone = doctor(stage)["expiry"].finding
    stage.begin()
    waiting = doctor(stage)["expiry"].finding

    assert alone.command == f'make rotate SECRET="{stage.arn}"'
    assert waiting.command == f'make status SECRET="{stage.arn}"'
    assert "start a rotation" not in (waiting.remedy or "")


def test_a_key_that_the_second_app_doesnt_honour_any_more_asks_for_a_rotation_to_it() -> None:
    with two_apps_stage() as stage:
        stage.rotate()
        stage.rotate()
        stage.world.standby.install(key_pair("somebody else").pem)
        finding = doctor(stage)["login.AWSPREVIOUS"].finding

    assert finding.status is Status.FAILED
    assert "which puts a new certificate into the second app" in (finding.remedy or "")
    assert finding.command == f'make rotate SECRET="{stage.arn}"'


def test_a_cancelled_rotation_is_turned_on_again_by_what_aws_takes_in_that_state(stage: Stage) -> None:
    stage.world.secrets.cancel_rotate_secret(SecretId=stage.arn)
    alone = doctor(stage)["schedule"].finding
    stage.begin()
    stage.world.secrets.cancel_rotate_secret(SecretId=stage.arn)
    waiting = doctor(stage)["schedule"].finding

    assert [alone.command, waiting.command] == [f'make {name} SECRET="{stage.arn}"' for name in ("rotate", "resume")]


def test_a_version_that_was_left_behind_is_no_failure_and_nobody_is_told_to_correct_it(stage: Stage) -> None:
    """What a version holds never changes."""
    before = stage.labels()["AWSCURRENT"]
    broken = stage.edit(keyAlgorithm="EC_P256")
    stage.move_label("AWSCURRENT", onto=before, off=broken)
    seen = doctor(stage)

    assert seen.failures == []
    assert seen["document.AWSPREVIOUS"].finding.command == f'make rotate SECRET="{stage.arn}"'


def test_a_pending_document_that_cant_be_used_is_given_up(stage: Stage) -> None:
    stage.put_pending(stage.begin(), stage.world.document(keyAlgorithm="EC_P256"))
    seen = doctor(stage)

    assert "document.AWSPENDING" in seen.failures
    assert "ARGS=--give-up), then start another" in told(seen, "document.AWSPENDING")[1]
