"""What the monitor measures and says of a secret, at the very moments at which it matters."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from salesforce_keypair.errors import InstallationRefused, SecretUnavailable
from salesforce_keypair.monitoring import NOT_SERVED, secrets_of
from salesforce_keypair.secret_history import RotationRules
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK
from salesforce_keypair.vend_check import Ending, Vend
from tests.integration.org_client import key_pair
from tests.unit.support import FakeClock, text_of
from tests.unit.watched import DAY, HOUR, MONTHLY, SETTLING, STANDBY, SWAPPED, App, Scene, in_use, said

ONE, TWO, THREE = "version-one", "version-two", "version-three"


@pytest.fixture
def scene(clock: FakeClock) -> Scene:
    """A secret whose key is in use and whose app holds its certificate."""
    return in_use(clock, ONE)


def test_a_secret_in_good_order_gives_measures_and_no_finding(scene: Scene) -> None:
    scene.clock.advance(15.5 * DAY)
    report = scene.examine()

    assert report.findings == []
    assert report.checks_failed == 0
    assert report.measures.keys() == {
        "PendingAgeHours",
        "RotationRolledBack",
        "KeyAgeDays",
        "KeyAgeInIntervals",
        "CertificateDaysLeft",
        "CertificateDrift",
        "VendCheckFailed",
    }


# Certificates


def _end_of(name: str) -> float:
    return key_pair(name).certificate.not_valid_after_utc.timestamp()


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (31, None),
        (30, None),
        (29.9, "the certificate in the app Billing expires in 29.9 days ("),
        (1, "expires in 1.0 days ("),
        (-3, "expired 3.0 days ago ("),
    ],
)
def test_a_certificate_is_spoken_of_from_thirty_days_before_its_end(
    scene: Scene, days: float, words: str | None
) -> None:
    scene.clock.now = _end_of("first") - days * DAY
    scene.put(ONE, text_of(key_pair("first")), CURRENT)
    report = scene.examine()

    assert report.measures["CertificateDaysLeft"] == pytest.approx(days)
    if words is None:
        assert report.findings == []
    else:
        assert words in said(report)
        assert "make rotate SECRET=key-pair" in said(report)


def test_of_two_apps_the_standbys_certificate_is_measured_too(scene: Scene) -> None:
    scene.clock.now = _end_of("first") - 20 * DAY
    scene.put(ONE, text_of(key_pair("first"), standby=STANDBY), CURRENT)
    scene.put(TWO, text_of(key_pair("second"), **SWAPPED), CURRENT)
    scene.put(ONE, None, PREVIOUS)
    scene.apps["Standby"] = App(key_pair("second"))
    report = scene.examine()

    assert report.measures["StandbyCertificateDaysLeft"] == pytest.approx(20)
    assert report.measures["CertificateDrift"] == 0
    assert "the standby's certificate in the app Billing expires in 20.0 days" in said(report)


def test_an_edit_of_the_document_does_not_hide_the_standby(scene: Scene) -> None:
    scene.put(ONE, text_of(key_pair("first"), standby=STANDBY), CURRENT)
    scene.clock.advance(HOUR)
    scene.put(TWO, text_of(key_pair("second"), **SWAPPED), PREVIOUS)
    scene.clock.advance(HOUR)
    scene.put(THREE, text_of(key_pair("second"), **SWAPPED, note="edited"), CURRENT)
    scene.apps["Standby"] = App(key_pair("second"))

    assert "StandbyCertificateDaysLeft" in scene.examine().measures


def test_a_standby_that_never_held_a_certificate_is_not_measured(scene: Scene) -> None:
    scene.put(ONE, text_of(key_pair("first"), standby=STANDBY), CURRENT)
    report = scene.examine()

    assert "StandbyCertificateDaysLeft" not in report.measures
    assert report.checks_failed == 0


# Ages


@pytest.mark.parametrize(("days", "spoken_of"), [(31, False), (38.75, False), (38.76, True)])
def test_a_key_is_overdue_once_the_schedule_has_passed_by_a_quarter(scene: Scene, days: float, spoken_of: bool) -> None:
    scene.clock.advance(days * DAY)
    report = scene.examine()

    assert report.measures["KeyAgeDays"] == pytest.approx(days)
    # rate(30 days), and a day for its window.
    assert report.measures["KeyAgeInIntervals"] == pytest.approx(days / 31)
    assert ("no rotation has succeeded" in said(report)) == spoken_of


def test_a_cron_schedule_is_measured_by_its_dates(scene: Scene) -> None:
    last = datetime.fromtimestamp(scene.clock.now, UTC)
    scene.rules = RotationRules("cron(0 2 1 * ? *)", last=last, next=last + timedelta(days=20))
    scene.clock.advance(10 * DAY)

    assert scene.examine().measures["KeyAgeInIntervals"] == pytest.approx(0.5)


def test_an_edit_of_the_document_makes_the_key_no_younger(scene: Scene) -> None:
    scene.clock.advance(10 * DAY)
    scene.put(TWO, text_of(key_pair("second")), ROLLED_BACK)
    scene.clock.advance(10 * DAY)
    scene.put(THREE, text_of(key_pair("first"), apiVersion="v66.0"), CURRENT)

    assert scene.examine().measures["KeyAgeDays"] == pytest.approx(20)


def test_a_key_that_was_gone_back_to_is_as_old_as_it_is(scene: Scene) -> None:
    scene.clock.advance(10 * DAY)
    scene.put(TWO, text_of(key_pair("first"), note="edited"), CURRENT)
    scene.clock.advance(10 * DAY)
    scene.put(THREE, text_of(key_pair("second")), PREVIOUS)
    scene.clock.advance(1 * DAY)

    assert scene.examine().measures["KeyAgeDays"] == pytest.approx(21)


def test_a_key_is_no_older_than_the_version_that_it_came_with(scene: Scene) -> None:
    scene.clock.advance(10 * DAY)
    scene.put(TWO, text_of(key_pair("second")), CURRENT)
    scene.clock.advance(1 * DAY)

    assert scene.examine().measures["KeyAgeDays"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("enabled", "rules", "words"),
    [
        (False, MONTHLY, "rotation of the secret is off"),
        (True, RotationRules(), "tells no interval"),
    ],
)
def test_an_age_that_no_schedule_limits_is_said(scene: Scene, enabled: bool, rules: RotationRules, words: str) -> None:
    scene.rotation_enabled, scene.rules = enabled, rules
    report = scene.examine()

    assert "KeyAgeDays" in report.measures
    assert "KeyAgeInIntervals" not in report.measures
    assert report.checks_failed == 1
    assert words in said(report)


# Rotations


@pytest.mark.parametrize("text", [text_of(key_pair("second")), None], ids=["with a key", "empty"])
@pytest.mark.parametrize(("hours", "spoken_of"), [(0.2, False), (2, False), (2.01, True), (50, True)])
def test_a_rotation_is_spoken_of_that_has_not_ended_after_two_hours(
    scene: Scene, text: str | None, hours: float, spoken_of: bool
) -> None:
    scene.put(TWO, text, PENDING)
    scene.clock.advance(hours * HOUR)
    report = scene.examine()

    assert report.measures["PendingAgeHours"] == pytest.approx(hours)
    assert ("hasn't ended (version version-two is AWSPENDING)" in said(report)) == spoken_of
    assert ("make resume SECRET=key-pair" in said(report)) == spoken_of


def test_a_pending_label_on_the_current_version_is_no_rotation(scene: Scene) -> None:
    scene.put(ONE, text_of(key_pair("first")), PENDING)
    scene.clock.advance(10 * DAY)

    assert scene.examine().measures["PendingAgeHours"] == 0


def test_a_rotation_counts_as_rolled_back_until_another_one_succeeds(scene: Scene) -> None:
    scene.clock.advance(HOUR)
    scene.put(TWO, text_of(key_pair("second")), ROLLED_BACK)
    report = scene.examine()

    assert report.measures["RotationRolledBack"] == 1
    assert "version version-two is ROLLEDBACK" in said(report)
    assert "make rotate SECRET=key-pair" in said(report)

    scene.clock.advance(HOUR)
    scene.put(THREE, text_of(key_pair("third")), CURRENT)
    scene.apps["Billing"].held = key_pair("third")
    report = scene.examine()

    assert report.measures["RotationRolledBack"] == 0
    assert report.findings == []


# The app


def test_a_certificate_that_is_not_ours_is_drift(scene: Scene) -> None:
    scene.apps["Billing"].held = key_pair("second")
    report = scene.examine()

    assert report.measures["CertificateDrift"] == 1
    assert f"the app Billing holds another certificate than ours ({key_pair('second').fingerprint})" in said(report)
    assert "make doctor SECRET=key-pair" in said(report)


def test_a_certificate_that_a_rotation_just_put_in_is_ours(scene: Scene) -> None:
    scene.put(TWO, text_of(key_pair("second")), PENDING)
    scene.apps["Billing"].held = key_pair("second")

    assert scene.examine().measures["CertificateDrift"] == 0


def test_a_rotation_that_begins_meanwhile_is_no_drift(scene: Scene) -> None:
    app = scene.apps["Billing"]
    app.held = key_pair("second")
    app.between = lambda: scene.put(TWO, text_of(key_pair("second")), PENDING)

    assert scene.examine().measures["CertificateDrift"] == 0


@pytest.mark.parametrize(("held", "drift"), [("first", 0), ("second", 0), ("third", 0), ("fourth", 1)])
def test_the_standby_may_keep_what_a_rotation_left_there(scene: Scene, held: str, drift: float) -> None:
    scene.put(ONE, text_of(key_pair("first"), standby=STANDBY), PREVIOUS)
    scene.put(TWO, text_of(key_pair("fourth"), **SWAPPED), CURRENT)
    scene.put("pending", text_of(key_pair("second"), standby=STANDBY), PENDING)
    scene.put("undone", text_of(key_pair("third"), standby=STANDBY), ROLLED_BACK)
    scene.apps = {"Standby": App(key_pair("fourth")), "Billing": App(key_pair(held))}

    assert scene.examine().measures["CertificateDrift"] == drift


def test_of_two_apps_the_one_in_use_never_gets_what_a_rotation_puts_in(scene: Scene) -> None:
    scene.put(ONE, text_of(key_pair("first"), standby=STANDBY), CURRENT)
    scene.put(TWO, text_of(key_pair("second"), **SWAPPED), PENDING)
    scene.apps["Billing"].held = key_pair("second")

    assert scene.examine().measures["CertificateDrift"] == 1


def test_a_hidden_certificate_is_not_known_and_no_trouble(scene: Scene) -> None:
    scene.apps["Billing"].held = None
    report = scene.examine()

    assert "CertificateDrift" not in report.measures
    assert (report.checks_failed, report.findings) == (0, [])


def test_without_an_admin_the_own_user_looks_with_either_key(scene: Scene) -> None:
    scene.put(ONE, text_of(key_pair("first"), adminSecretArn=None), CURRENT)
    scene.put(TWO, text_of(key_pair("second"), adminSecretArn=None), PENDING)
    scene.examine()

    (keys,) = scene.keys
    assert [key.certificate.fingerprint for key in keys if key.certificate] == [
        key_pair("first").fingerprint,
        key_pair("second").fingerprint,
    ]


@pytest.mark.parametrize("members", [{"adminSecretArn": None, "installation": "manual"}, {"appName": None}])
def test_an_app_that_nobody_here_may_look_into_is_left_alone(scene: Scene, members: dict[str, str | None]) -> None:
    scene.put(ONE, text_of(key_pair("first"), **members), CURRENT)
    report = scene.examine()

    assert scene.keys == []
    assert "CertificateDrift" not in report.measures
    assert report.checks_failed == 0


# Vends


@pytest.mark.parametrize(
    ("vend", "failed", "checks_failed", "words"),
    [
        (Vend(Ending.TOKEN), 0, 0, ""),
        (Vend(Ending.ERROR, "LoginRefused", "invalid assertion"), 1, 0, "no token (LoginRefused: invalid assertion)"),
        (Vend(Ending.UNASKED, "AccessDeniedException", "no"), None, 1, "wasn't asked (AccessDeniedException: no)"),
    ],
)
def test_a_vend_fails_where_a_caller_would_get_no_token(
    scene: Scene, vend: Vend, failed: float | None, checks_failed: int, words: str
) -> None:
    asked: list[str] = []
    scene.vend = lambda secret_id, *, anew: asked.append(secret_id) or vend  # type: ignore[func-returns-value]
    report = scene.examine()

    assert asked == ["key-pair"]
    assert report.measures.get("VendCheckFailed") == failed
    assert report.checks_failed == checks_failed
    assert words in said(report)


def put_back(scene: Scene) -> None:
    scene.put(TWO, text_of(key_pair("second")), ROLLED_BACK)


def in_progress(scene: Scene) -> None:
    scene.put(TWO, text_of(key_pair("second")), PENDING)


def rotated(scene: Scene) -> None:
    scene.put(TWO, text_of(key_pair("second")), CURRENT)


def edited(scene: Scene) -> None:
    scene.put(TWO, text_of(key_pair("first"), username="somebody.else@example.com"), CURRENT)


def edited_and_rotated_at_once(scene: Scene) -> None:
    edited(scene)
    scene.clock.advance(60)
    scene.put(THREE, text_of(key_pair("second"), username="somebody.else@example.com"), PENDING)


def edited_under_a_rotation(scene: Scene) -> None:
    scene.put(THREE, text_of(key_pair("second")), PENDING)
    scene.clock.advance(60)
    edited(scene)


@pytest.mark.parametrize(
    ("change", "seconds", "anew"),
    [
        (put_back, 0, False),
        (put_back, SETTLING, False),
        (put_back, SETTLING + 1, True),
        (in_progress, SETTLING + 1, False),
        (in_progress, 2 * HOUR, False),
        # What is stuck for days mustn't hide for as long that no login succeeds.
        (in_progress, 2 * HOUR + 1, True),
        (rotated, 0, False),
        (rotated, SETTLING + 1, True),
        (edited, 0, True),
        (edited_and_rotated_at_once, 0, False),
        (edited_under_a_rotation, 0, True),
        (edited_under_a_rotation, SETTLING + 1, False),
    ],
)
def test_a_token_that_nobody_had_before_is_asked_for_unless_a_change_may_spread(
    scene: Scene, change: Callable[[Scene], None], seconds: float, anew: bool
) -> None:
    scene.clock.advance(HOUR)
    change(scene)
    scene.clock.advance(seconds)
    asked: list[bool] = []
    scene.vend = lambda _, *, anew: asked.append(anew) or Vend(Ending.TOKEN)  # type: ignore[func-returns-value]
    scene.examine()

    assert asked == [anew]


@pytest.mark.parametrize(
    ("vend", "failed", "checks_failed", "words"),
    [
        (Vend(Ending.ERROR, "InvalidRequest", "secret_id isn't served"), 0, 0, ""),
        (Vend(Ending.TOKEN), 1, 0, "gave a token for a secret that it doesn't serve"),
        (Vend(Ending.ERROR, "InvalidSettings", "no"), None, 1, "no answer says InvalidRequest (InvalidSettings: no)"),
        (Vend(Ending.UNASKED, "InvalidRequest", "no"), None, 1, "no answer says InvalidRequest"),
    ],
)
def test_a_vendor_must_refuse_what_it_does_not_serve(
    scene: Scene, vend: Vend, failed: float | None, checks_failed: int, words: str
) -> None:
    asked: list[str] = []
    scene.vend = lambda secret_id, *, anew: asked.append(secret_id) or vend  # type: ignore[func-returns-value]
    report = scene.monitor().check_refusal()

    # No entry of SECRET_ID can hold a comma.
    assert asked == [NOT_SERVED]
    assert "," in NOT_SERVED
    assert report.measures.get("RefusalCheckFailed") == failed
    assert report.checks_failed == checks_failed
    assert words in said(report)


def test_without_a_vendor_nobody_is_asked(scene: Scene) -> None:
    scene.vend = None

    assert "VendCheckFailed" not in scene.examine().measures
    assert scene.monitor().check_refusal().measures == {}


# Before the first key, and trouble


@pytest.mark.parametrize("text", [text_of(), None], ids=["no key", "no value"])
def test_before_the_first_rotation_nothing_is_failed(clock: FakeClock, text: str | None) -> None:
    scene = Scene(clock, vend=lambda _, *, anew: pytest.fail("there is no token to ask for"))
    scene.put(ONE, text, *([CURRENT] if text else []))
    report = scene.examine()

    assert report.checks_failed == 0
    assert [finding.what for finding in report.findings] == ["there is no key yet, and so no token"]
    assert "KeyAgeDays" not in report.measures


def test_a_first_rotation_that_nobody_starts_is_overdue_in_time(clock: FakeClock) -> None:
    scene = Scene(clock)
    scene.put(ONE, text_of(), CURRENT)
    clock.advance(10 * DAY)
    scene.put(TWO, text_of(note="edited"), CURRENT)
    clock.advance(30 * DAY)

    assert scene.examine().measures["KeyAgeInIntervals"] == pytest.approx(40 / 31)


def test_an_overwritten_secret_is_told_and_its_vend_still_tried(scene: Scene) -> None:
    scene.put(TWO, text_of(), CURRENT)
    scene.put(ONE, text_of(key_pair("first")), PREVIOUS)
    report = scene.examine()

    assert "somebody overwrote the secret" in said(report)
    assert report.checks_failed == 1
    assert report.measures["VendCheckFailed"] == 0


@pytest.mark.parametrize(("succeeded", "failed"), [(True, 1), (False, 0)])
def test_a_secret_that_was_overwritten_twice_is_not_one_before_its_first_key(
    scene: Scene, succeeded: bool, failed: int
) -> None:
    """No label leads to its key any more. One that no rotation has succeeded with may be of a first one that failed."""
    if succeeded:
        scene.rules = replace(MONTHLY, last=datetime.fromtimestamp(scene.clock.now, UTC))
    scene.put(TWO, text_of(), PREVIOUS)
    scene.put(THREE, text_of(note="again"), CURRENT)
    report = scene.examine()

    assert ("an earlier version does: somebody overwrote the secret" in said(report)) is succeeded
    assert ("VendCheckFailed" in report.measures, report.checks_failed) == (succeeded, failed)


def test_a_document_that_cannot_be_read_leaves_the_rest_measured(scene: Scene) -> None:
    scene.put(ONE, "{", CURRENT)
    report = scene.examine()

    assert report.checks_failed == 1
    assert "the document of AWSCURRENT can't be checked" in said(report)
    assert {"PendingAgeHours", "RotationRolledBack", "VendCheckFailed"} <= report.measures.keys()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            InstallationRefused("no right", remedy="give it"),
            "the app's certificate can't be checked: no right: give it",
        ),
        (RuntimeError("the-secret-value"), "can't be checked: RuntimeError, a fault in the monitor itself"),
    ],
)
def test_a_check_that_fails_is_counted_and_leaves_the_rest_measured(scene: Scene, error: Exception, words: str) -> None:
    scene.apps["Billing"].error = error
    report = scene.examine()

    assert report.checks_failed == 1
    assert [finding.error for finding in report.findings] == [type(error).__name__]
    assert words in said(report)
    assert "the-secret-value" not in said(report)
    assert {"CertificateDaysLeft", "VendCheckFailed"} <= report.measures.keys()


def test_a_secret_that_the_monitor_may_not_read_is_vended_all_the_same(scene: Scene) -> None:
    scene.error = SecretUnavailable("refused", remedy="allow it")
    report = scene.examine()

    assert report.measures == {"VendCheckFailed": 0}
    assert report.checks_failed == 1
    assert "the secret can't be checked: refused: allow it" in said(report)


# Which secrets an event is about

SERVED = ("arn:one", "two")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"resources": ["arn:one"], "detail": {"name": "one", "labelUpdated": "ROLLEDBACK"}}, ("arn:one",)),
        ({"resources": ["arn:two"], "detail": {"name": "two"}}, ("two",)),
        ({"resources": ["arn:aws:events:rule"], "detail": {}}, SERVED),
        ({"resources": "arn:one", "detail": "two"}, SERVED),
        ({"resources": [{}, None, ["arn:one"]], "detail": {"name": {}}}, SERVED),
        ({}, SERVED),
        ([], SERVED),
        (None, SERVED),
    ],
)
def test_an_event_names_its_secret_and_any_other_means_all(event: object, expected: Iterable[str]) -> None:
    assert secrets_of(event, SERVED) == expected
