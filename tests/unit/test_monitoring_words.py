"""What the monitor tells a person to run, which check it says wasn't made, and what it does with the time it has."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from salesforce_keypair.errors import SalesforceUnavailable, SecretUnavailable
from salesforce_keypair.secret_history import RotationRules
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK
from salesforce_keypair.vend_check import Ending, Vend
from salesforce_keypair.watched_secret import LOOKS_BACK
from tests.integration.org_client import key_pair
from tests.unit.support import FakeClock, text_of
from tests.unit.watched import DAY, HOUR, MONTHLY, SETTLING, STANDBY, SWAPPED, App, Scene, in_use, said

ONE, TWO, THREE = "version-one", "version-two", "version-three"
DOCTOR = "make doctor SECRET=key-pair"


@pytest.fixture
def scene(clock: FakeClock) -> Scene:
    """A secret whose key is in use and whose app holds its certificate."""
    return in_use(clock, ONE)


@pytest.fixture
def two_apps(scene: Scene) -> Scene:
    """The first key is in the standby, the second in use."""
    scene.put(ONE, text_of(key_pair("first"), standby=STANDBY), PREVIOUS)
    scene.clock.advance(HOUR)
    scene.put(TWO, text_of(key_pair("second"), **SWAPPED), CURRENT)
    scene.apps["Standby"] = App(key_pair("second"))
    return scene


# What to run


def test_an_overdue_rotation_is_told_with_its_days_and_what_to_run(scene: Scene) -> None:
    scene.clock.advance(46.5 * DAY)

    assert (
        "no rotation has succeeded for 46.5 days, 1.50 times as long as the schedule allows -> "
        f"{DOCTOR}, then make rotate SECRET=key-pair"
    ) in said(scene.examine())


def test_a_first_rotation_is_told_with_what_to_run(clock: FakeClock) -> None:
    scene = Scene(clock)
    scene.put(ONE, text_of(), CURRENT)

    words = f"there is no key yet, and so no token -> {DOCTOR}, then make rotate SECRET=key-pair for the first key"
    assert said(scene.examine()) == words


def rotation_off(scene: Scene) -> None:
    scene.rotation_enabled = False


def no_interval(scene: Scene) -> None:
    scene.rules = RotationRules()


def overwritten(scene: Scene) -> None:
    scene.put(TWO, text_of(), CURRENT)
    scene.put(ONE, None, PREVIOUS)


def overwritten_twice(scene: Scene) -> None:
    scene.rules = replace(MONTHLY, last=scene.history("key-pair").changed)
    overwritten(scene)
    scene.put(THREE, text_of(note="again"), CURRENT)
    scene.put(TWO, None, PREVIOUS)


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (rotation_off, "turn it on again (RotateSecret, or deploy the stack anew)"),
        (no_interval, "set a rate(...) or cron(...) schedule"),
        (overwritten_twice, "make rotate SECRET=key-pair makes a new key"),
        (overwritten, "go back to that version (make rollback SECRET=key-pair), and change single members of its docu"),
    ],
)
def test_what_keeps_a_check_from_being_made_is_told_with_its_remedy(
    scene: Scene, change: Callable[[Scene], None], remedy: str
) -> None:
    change(scene)

    assert remedy in said(scene.examine())


@pytest.mark.parametrize(
    ("vend", "error", "run"),
    [
        (Vend(Ending.ERROR, "LoginRefused", "no"), "LoginRefused", DOCTOR),
        (
            Vend(Ending.UNASKED, "AccessDeniedException", "no"),
            "AccessDeniedException",
            "make deploy, for the monitor's role and TOKEN_VENDOR_FUNCTION are in the template",
        ),
    ],
)
def test_a_vend_that_fails_is_told_with_its_error_and_what_to_run(
    scene: Scene, vend: Vend, error: str, run: str
) -> None:
    scene.vend = lambda _, *, anew: vend
    (finding,) = scene.examine().findings

    assert (finding.error, finding.run) == (error, run)


def test_a_vendor_that_refuses_nothing_is_told_with_what_to_do(scene: Scene) -> None:
    asked: list[bool] = []
    scene.vend = lambda _, *, anew: asked.append(anew) or Vend(Ending.TOKEN)  # type: ignore[func-returns-value]
    (finding,) = scene.monitor().check_refusal().findings

    assert asked == [True]
    assert finding.run.startswith("take lambda:InvokeFunction from its callers, see which code and SECRET_ID it runs")


def test_a_refusal_that_can_not_be_checked_is_told_with_its_error(scene: Scene) -> None:
    scene.vend = lambda _, *, anew: Vend(Ending.ERROR, "InvalidSettings", "no")
    (finding,) = scene.monitor().check_refusal().findings

    assert finding.error == "InvalidSettings"


def test_without_a_vendor_no_check_of_it_has_failed(scene: Scene) -> None:
    scene.vend = None

    assert scene.examine().checks_failed == 0
    assert scene.monitor().check_refusal().checks_failed == 0


# Which check wasn't made


def fault(*_: object, **__: object) -> Vend:
    raise RuntimeError


def test_each_check_that_was_not_made_is_named(two_apps: Scene) -> None:
    two_apps.vend = fault
    two_apps.apps["Billing"].error = SecretUnavailable("refused", remedy="allow it")

    named = [finding.what.partition(" can't be checked")[0] for finding in two_apps.examine().findings]
    assert named == ["the standby", "the vend"]
    (finding,) = two_apps.monitor().check_refusal().findings
    assert finding.what.startswith("the refusal can't be checked")


def test_what_the_versions_hold_is_needed_for_some_checks_and_not_for_others(scene: Scene) -> None:
    scene.unread = SecretUnavailable("refused", remedy="allow it")
    report = scene.examine()

    named = [finding.what.partition(" can't be checked")[0] for finding in report.findings]
    assert named == ["what may spread", "the age of the key", "the document of AWSCURRENT"]
    assert report.measures == {"PendingAgeHours": 0, "RotationRolledBack": 0, "VendCheckFailed": 0}


# Dates


def test_a_rotation_is_as_old_as_its_version_whatever_was_changed_since(scene: Scene) -> None:
    scene.put(TWO, text_of(key_pair("second")), PENDING)
    scene.clock.advance(3 * HOUR)
    scene.put(ONE, None, "mine")
    scene.clock.advance(SETTLING + 1)
    asked: list[bool] = []
    scene.vend = lambda _, *, anew: asked.append(anew) or Vend(Ending.TOKEN)  # type: ignore[func-returns-value]

    assert scene.examine().measures["PendingAgeHours"] == pytest.approx(3.2, abs=0.01)
    assert asked == [True], "it is stuck, and may hide a key that is dead"


EDITED = text_of(key_pair("first"), username="somebody.else@example.com")


@pytest.mark.parametrize("other", [None, PENDING], ids=["a label is moved later", "a rotation begins with it"])
def test_a_document_that_was_just_edited_is_tried_by_a_login(scene: Scene, other: str | None) -> None:
    scene.clock.advance(HOUR)
    scene.put(TWO, EDITED, CURRENT)
    if other is None:
        scene.clock.advance(60)
        scene.put(ONE, None, "mine")
    else:
        scene.put(THREE, text_of(key_pair("second")), other)
    asked: list[bool] = []
    scene.vend = lambda _, *, anew: asked.append(anew) or Vend(Ending.TOKEN)  # type: ignore[func-returns-value]
    scene.examine()

    assert asked == [True]


def test_a_rotation_that_was_rolled_back_from_makes_the_key_before_it_no_younger(scene: Scene) -> None:
    scene.clock.advance(DAY)
    scene.put(TWO, text_of(key_pair("second")), CURRENT)
    scene.rules = replace(MONTHLY, last=scene.history("key-pair").changed)
    scene.clock.advance(DAY)
    scene.put(ONE, None, CURRENT)
    scene.put(TWO, None, ROLLED_BACK)
    scene.clock.advance(DAY)
    scene.put(THREE, text_of(key_pair("first"), note="edited"), CURRENT)

    assert scene.examine().measures["KeyAgeDays"] == pytest.approx(3)


@pytest.mark.parametrize(("later", "undone"), [(0, 0), (1, 1)])
def test_only_what_was_undone_after_the_last_success_counts(scene: Scene, later: float, undone: float) -> None:
    scene.clock.advance(later)
    scene.put(TWO, text_of(key_pair("second")), ROLLED_BACK)

    assert scene.examine().measures["RotationRolledBack"] == undone


def test_a_label_that_is_moved_later_makes_an_old_undoing_no_younger(scene: Scene) -> None:
    scene.put(TWO, text_of(key_pair("second")), ROLLED_BACK)
    scene.clock.advance(HOUR)
    scene.put(THREE, text_of(key_pair("third")), CURRENT)
    scene.clock.advance(HOUR)
    scene.put(ONE, None, PREVIOUS)

    assert scene.examine().measures["RotationRolledBack"] == 0


def test_an_undoing_without_a_current_version_is_none_yet(clock: FakeClock) -> None:
    scene = Scene(clock)
    scene.put(TWO, text_of(key_pair("second")), ROLLED_BACK)

    assert scene.examine().measures["RotationRolledBack"] == 0


@pytest.mark.parametrize(("rotated", "failed"), [(False, 0), (True, 1)])
def test_a_cron_schedule_tells_no_interval_before_its_first_rotation(
    scene: Scene, *, rotated: bool, failed: int
) -> None:
    last = scene.history("key-pair").changed if rotated else None
    scene.rules = RotationRules("cron(0 2 1 * ? *)", last=last)
    report = scene.examine()

    assert "KeyAgeInIntervals" not in report.measures
    assert report.checks_failed == failed


@pytest.mark.parametrize(
    ("days", "words"), [(0.5, "expires in 0.5 days ("), (0, "expires in 0.0 days ("), (-0.5, "expired 0.5 days ago (")]
)
def test_a_certificate_about_to_end_is_told_by_parts_of_a_day(scene: Scene, days: float, words: str) -> None:
    scene.clock.now = key_pair("first").certificate.not_valid_after_utc.timestamp() - days * DAY

    assert words in said(scene.examine())


# The app


def test_an_app_that_answers_at_the_second_try_is_measured(two_apps: Scene) -> None:
    for app in two_apps.apps.values():
        app.first_error = SalesforceUnavailable("no answer", remedy="try again")
    report = two_apps.examine()

    assert report.checks_failed == 0
    assert report.measures["CertificateDrift"] == 0


def test_a_second_look_has_the_same_time_as_the_first(scene: Scene) -> None:
    app = scene.apps["Billing"]
    app.held = key_pair("second")

    def slow() -> None:
        app.first_error = SalesforceUnavailable("no answer", remedy="try again")

    app.between = slow
    report = scene.examine()

    assert report.measures["CertificateDrift"] == 1
    assert report.checks_failed == 0


def test_of_two_apps_either_may_have_drifted(two_apps: Scene) -> None:
    two_apps.apps["Standby"].held = key_pair("fourth")

    assert two_apps.examine().measures["CertificateDrift"] == 1


def test_a_certificate_that_can_not_be_read_is_told_as_that(scene: Scene) -> None:
    scene.apps["Billing"].is_legible = False

    assert "the app Billing holds another certificate than ours (one that can't be read)" in said(scene.examine())


def test_with_an_admin_no_other_key_looks_into_the_app(scene: Scene) -> None:
    scene.put(TWO, text_of(key_pair("second")), PENDING)
    scene.examine()

    (keys,) = scene.keys
    assert [key.certificate.fingerprint for key in keys if key.certificate] == [key_pair("first").fingerprint]


def test_without_an_admin_the_own_user_looks_into_the_standby_too(two_apps: Scene) -> None:
    own = {"adminSecretArn": None}
    two_apps.put(ONE, text_of(key_pair("first"), standby=STANDBY, **own), PREVIOUS)
    two_apps.put(TWO, text_of(key_pair("second"), **SWAPPED, **own), CURRENT)

    assert two_apps.examine().checks_failed == 0
    assert len(two_apps.keys) == 2


# What is read


def test_each_version_is_read_once_and_no_more_of_them_than_are_worth_it(scene: Scene) -> None:
    for number in range(40):
        scene.clock.advance(60)
        scene.put(f"old-{number}", text_of(key_pair("third"), note=number))
    scene.clock.advance(60)
    scene.put(TWO, text_of(key_pair("first"), standby=STANDBY), CURRENT)
    scene.rules = replace(MONTHLY, last=scene.history("key-pair").changed)
    scene.examine()

    assert len(scene.reads) == len(set(scene.reads)) == 1 + LOOKS_BACK


@pytest.mark.parametrize("lost", [True, False], ids=["deleted", "broken"])
def test_a_version_that_can_not_be_used_hides_none_behind_it(two_apps: Scene, *, lost: bool) -> None:
    two_apps.clock.advance(HOUR)
    two_apps.put(THREE, "{")
    if lost:
        two_apps.delete(THREE)
    report = two_apps.examine()

    assert report.checks_failed == 0
    assert "StandbyCertificateDaysLeft" in report.measures


def test_an_old_version_that_is_deleted_meanwhile_makes_no_difference(scene: Scene) -> None:
    scene.clock.advance(HOUR)
    scene.put(TWO, text_of(key_pair("second")), CURRENT)
    scene.apps["Billing"].held = key_pair("second")
    scene.delete(ONE)

    assert scene.examine().findings == []
