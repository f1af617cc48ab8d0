"""Rotations that were given up leave versions without a label, whose keys were never current: no measure is of them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from salesforce_keypair.secret_store import CURRENT, PREVIOUS, ROLLED_BACK
from tests.integration.org_client import Pair, certificate_of, key_pair
from tests.unit.support import FakeClock, text_of
from tests.unit.watched import DAY, HOUR, MONTHLY, STANDBY, SWAPPED, App, Scene, in_use

ONE, TWO, THREE, FOUR = "version-one", "version-two", "version-three", "version-four"


@pytest.fixture
def scene(clock: FakeClock) -> Scene:
    """A secret that its schedule rotated an hour ago."""
    made = in_use(clock, ONE)
    rotated_now(made)
    clock.advance(HOUR)
    return made


@pytest.fixture
def two_apps(scene: Scene) -> Scene:
    """The first key is in the standby, the second in use; a rotation to the standby was given up."""
    scene.put(ONE, text_of(key_pair("first"), standby=STANDBY), PREVIOUS)
    scene.clock.advance(HOUR)
    scene.put(TWO, text_of(key_pair("second"), **SWAPPED), CURRENT)
    rotated_now(scene)
    scene.apps["Standby"] = App(key_pair("second"))
    scene.clock.advance(10 * DAY)
    scene.put(THREE, text_of(given_up(), standby=STANDBY))
    scene.clock.advance(HOUR)
    return scene


def given_up() -> Pair:
    """The third pair, whose certificate ends long after the others'."""
    key = key_pair("third").key
    return Pair(key, certificate_of(key, "third", ended_days_ago=-400))


def rotated_now(scene: Scene) -> None:
    scene.rules = replace(MONTHLY, last=datetime.fromtimestamp(scene.clock.now, UTC))


def test_the_standbys_days_are_of_the_certificate_that_was_once_current(two_apps: Scene) -> None:
    # Those of the first: 100, less ten and some hours.
    assert two_apps.examine().measures["StandbyCertificateDaysLeft"] == pytest.approx(90, abs=0.2)


def test_they_are_so_after_an_edit_of_the_document_too(two_apps: Scene) -> None:
    two_apps.put(TWO, None, PREVIOUS)
    two_apps.put(FOUR, text_of(key_pair("second"), **SWAPPED, note="edited"), CURRENT)

    assert two_apps.examine().measures["StandbyCertificateDaysLeft"] == pytest.approx(90, abs=0.2)


def test_a_standby_that_only_a_given_up_rotation_was_for_is_not_measured(scene: Scene) -> None:
    scene.put(ONE, text_of(key_pair("first"), standby=STANDBY), CURRENT)
    scene.clock.advance(HOUR)
    scene.put(TWO, text_of(key_pair("second"), **SWAPPED))
    report = scene.examine()

    assert "StandbyCertificateDaysLeft" not in report.measures
    assert report.checks_failed == 0


@pytest.mark.parametrize(("held", "drift"), [("first", 0), ("third", 0), ("fourth", 0), ("oldest", 1)])
def test_the_standby_may_hold_what_a_given_up_rotation_left_there_and_nothing_older(
    two_apps: Scene, held: str, drift: float
) -> None:
    two_apps.put(FOUR, text_of(key_pair("fourth"), standby=STANDBY), ROLLED_BACK)
    now = two_apps.clock.now
    two_apps.clock.now -= 30 * DAY
    two_apps.put("version-zero", text_of(key_pair("oldest"), standby=STANDBY))
    two_apps.clock.now = now
    two_apps.apps["Billing"].held = key_pair(held)

    assert two_apps.examine().measures["CertificateDrift"] == drift


def test_a_standby_is_found_behind_any_number_of_given_up_rotations(two_apps: Scene) -> None:
    for number in range(30):
        two_apps.clock.advance(HOUR)
        two_apps.put(f"given-up-{number}", text_of(key_pair("fourth"), standby=STANDBY))

    assert "StandbyCertificateDaysLeft" in two_apps.examine().measures


@pytest.mark.parametrize("rotation_on", [True, False])
def test_a_given_up_rotation_makes_a_key_no_younger(scene: Scene, rotation_on: bool) -> None:
    if not rotation_on:
        # Secrets Manager tells no date then.
        scene.rules = MONTHLY
    scene.clock.advance(10 * DAY)
    scene.put(TWO, text_of(key_pair("second")))
    scene.clock.advance(10 * DAY)
    scene.put(THREE, text_of(key_pair("first"), note="edited"), CURRENT)

    assert scene.examine().measures["KeyAgeDays"] == pytest.approx(20 + 1 / 24)


def test_a_rotation_that_succeeded_makes_it_younger_whatever_was_given_up_before(scene: Scene) -> None:
    scene.clock.advance(10 * DAY)
    scene.put(TWO, text_of(key_pair("second")))
    scene.clock.advance(HOUR)
    scene.put(THREE, text_of(key_pair("third")), CURRENT)
    rotated_now(scene)
    scene.clock.advance(DAY)
    scene.put(FOUR, text_of(key_pair("third"), note="edited"), CURRENT)

    assert scene.examine().measures["KeyAgeDays"] == pytest.approx(1)


def test_before_the_first_key_a_given_up_rotation_makes_no_difference_to_its_delay(clock: FakeClock) -> None:
    scene = Scene(clock)
    scene.put(ONE, text_of(), CURRENT)
    clock.advance(DAY)
    scene.put(TWO, text_of(key_pair("first")))
    clock.advance(DAY)
    scene.put(THREE, text_of(note="edited"), CURRENT)
    clock.advance(38 * DAY)

    assert scene.examine().measures["KeyAgeInIntervals"] == pytest.approx(40 / 31)
