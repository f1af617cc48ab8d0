"""`rollback`: the previous version is current again, its certificate in the app, and nobody is locked out meanwhile."""

from collections.abc import Callable

import pytest

from operate.rotating.rolling_back import Target, next_rotation
from salesforce_keypair.errors import ForeignCertificate, InvalidRequest, InvalidSecret, NotSettled
from tests.integration.org_client import key_pair
from tests.operate.rotations.support import Engineer
from tests.sandbox.org import Kind, Refusal, faults
from tests.sandbox.org.spreading import BothUntil, FlappingUntil, NeitherUntil, Never, OldUntil, Spreading
from tests.scenarios import wire as wires
from tests.scenarios.promises import Promises
from tests.scenarios.set_ups import SetUp, one_app, own_user, two_apps
from tests.scenarios.support import CREATE, SET, Stage, document_of
from tests.scenarios.wire import Stopped, Wire

SET_UPS = (SetUp("one app", one_app), SetUp("own user", own_user), SetUp("two apps", two_apps))


@pytest.mark.parametrize("spreading", [OldUntil(400), BothUntil(300), NeitherUntil(200), FlappingUntil(300)], ids=str)
def test_the_previous_key_is_current_once_it_logs_in_everywhere(
    stage: Stage, engineer: Engineer, spreading: Spreading
) -> None:
    current, previous = stage.labelled("AWSCURRENT"), stage.labelled("AWSPREVIOUS")
    stage.world.app.spreading = spreading

    engineer.roll_back()

    assert stage.labels() == {
        "AWSCURRENT": previous.version_id,
        "AWSPREVIOUS": current.version_id,
        "ROLLEDBACK": current.version_id,
    }
    assert stage.world.app.fingerprint == previous.fingerprint
    # While servers disagree, as many logins in a row may succeed by chance; callers then try the other key.
    stage.clock.advance(400)
    assert stage.logs_in(previous)
    assert engineer.has_leaked() == set()


def test_a_leave_that_was_used_up_and_comes_back_with_its_document_is_told_before(
    stage: Stage, engineer: Engineer
) -> None:
    before = Target.of(engineer.look()).plan()
    stage.edit(replaceForeignCertificate=True)
    stage.rotate()
    assert "replaceForeignCertificate" not in stage.labelled("AWSCURRENT").document

    told = Target.of(engineer.look()).plan()[-1]

    assert told.startswith("replaceForeignCertificate is true again")
    assert not any("replaceForeignCertificate" in line for line in before)
    engineer.roll_back()
    assert stage.labelled("AWSCURRENT").document["replaceForeignCertificate"] is True


def test_a_key_that_is_honoured_a_while_longer_isnt_taken_for_one_whose_certificate_is_there(
    stage: Stage, engineer: Engineer
) -> None:
    stage.world.app.spreading = BothUntil(600)
    stage.rotate()
    previous = stage.labelled("AWSPREVIOUS")
    assert stage.logs_in(previous)

    engineer.roll_back()

    assert stage.world.app.fingerprint == previous.fingerprint


def test_the_next_rotation_goes_on_from_there(stage: Stage, engineer: Engineer) -> None:
    engineer.roll_back()
    stage.rotate()

    assert "ROLLEDBACK" in stage.labels()
    assert stage.logs_in(stage.labelled("AWSCURRENT"))


def test_one_that_is_done_isnt_undone_by_running_it_again(stage: Stage, engineer: Engineer) -> None:
    engineer.roll_back()
    labels = stage.labels()

    with pytest.raises(InvalidRequest, match="is what was rolled back from"):
        engineer.roll_back()

    assert stage.labels() == labels


def test_with_two_apps_only_the_labels_move() -> None:
    with Stage() as stage:
        two_apps(stage)
        stage.rotate()
        promises, deploys = Promises(stage), stage.deploys()
        previous = stage.labelled("AWSPREVIOUS")

        Engineer(stage).roll_back()

        assert stage.labels()["AWSCURRENT"] == previous.version_id
        assert stage.deploys() == deploys
        promises.hold()


def test_with_two_apps_the_previous_ones_certificate_is_put_back_where_it_went_missing() -> None:
    """A rotation that was given up had put the next certificate into the standby app."""
    with Stage() as stage:
        two_apps(stage)
        stage.rotate()
        promises = Promises(stage)
        previous = stage.labelled("AWSPREVIOUS")
        stage.deliver(stage.begin(), CREATE, SET)
        engineer = Engineer(stage)
        engineer.rotations().give_up(engineer.look())
        assert not stage.logs_in(previous)

        engineer.roll_back()

        assert stage.labelled("AWSCURRENT").version_id == previous.version_id
        assert stage.logs_in(previous)
        promises.hold()


def test_a_certificate_that_is_never_honoured_gives_way_to_the_one_that_was_there(
    stage: Stage, engineer: Engineer
) -> None:
    labels = stage.labels()
    stage.world.app.spreading = Never()

    with pytest.raises(
        NotSettled, match="the certificate of AWSCURRENT is back in the app, and no label was moved"
    ) as caught:
        engineer.roll_back()

    assert caught.value.remedy.startswith("wait until that has spread; then run this again")
    assert stage.labels() == labels
    assert stage.world.app.fingerprint == stage.labelled("AWSCURRENT").fingerprint
    assert stage.logs_in(stage.labelled("AWSCURRENT"))


def test_after_a_change_by_hand_it_goes_back_to_the_document_without_a_change_of_the_app(
    stage: Stage, engineer: Engineer
) -> None:
    before = stage.labels()["AWSCURRENT"]
    stage.edit(certificateValidityDays=30)
    deploys = stage.deploys()

    engineer.roll_back()

    assert stage.labels()["AWSCURRENT"] == before
    assert stage.deploys() == deploys


def test_where_a_person_installs_it_prints_the_certificate_and_waits_for_it(stage: Stage, engineer: Engineer) -> None:
    """AWSPREVIOUS is a version whose certificate somebody uploads."""
    stage.edit(installation="manual")
    pair = key_pair("uploaded")
    stage.world.put_document(stage.world.document(**document_of(pair)))
    previous = stage.labelled("AWSPREVIOUS")
    stage.world.app.install(pair.pem)
    _prove_current(stage)
    stage.clock.at(100, lambda: stage.world.app.install(previous.document["certificate"]))
    began = stage.clock.time()

    engineer.roll_back()

    assert previous.document["certificate"].strip() in engineer.told
    assert stage.clock.time() - began >= 100
    assert stage.labels()["AWSCURRENT"] == previous.version_id
    assert engineer.has_leaked() == set()


def test_who_didnt_upload_the_previous_certificate_isnt_told_to_upload_the_current_one(
    stage: Stage, engineer: Engineer
) -> None:
    stage.edit(installation="manual")
    pair = key_pair("uploaded")
    stage.world.put_document(stage.world.document(**document_of(pair)))
    stage.world.app.install(pair.pem)
    _prove_current(stage)

    with pytest.raises(NotSettled, match="no label was moved") as caught:
        engineer.roll_back()

    assert "`status --certificate --label AWSPREVIOUS` prints it" in caught.value.remedy
    assert "AWSCURRENT" not in caught.value.remedy


def test_a_foreign_certificate_isnt_replaced(stage: Stage, engineer: Engineer) -> None:
    stage.world.app.install(key_pair("foreign").pem)
    seen = stage.seen()

    with pytest.raises(ForeignCertificate):
        engineer.roll_back()

    assert stage.seen() == seen


def unfinished(stage: Stage) -> None:
    stage.deliver(stage.begin(), CREATE)


def no_previous(stage: Stage) -> None:
    stage.move_label("AWSPREVIOUS", off=stage.labels()["AWSPREVIOUS"])


def previous_without_a_key(stage: Stage) -> None:
    keyless = stage.edit(privateKey=None, certificate=None)
    before = stage.labels()["AWSPREVIOUS"]
    stage.move_label("AWSCURRENT", onto=before, off=keyless)


def another_user(stage: Stage) -> None:
    stage.edit(username="somebody@example.com")


@pytest.mark.parametrize(
    ("arrange", "error", "words"),
    [
        (unfinished, InvalidRequest, "is unfinished.*`resume` takes it up"),
        (no_previous, InvalidSecret, "no version labelled AWSPREVIOUS"),
        (previous_without_a_key, InvalidSecret, "AWSPREVIOUS that holds a key.*`rotate`"),
        (another_user, InvalidSecret, "another user"),
    ],
)
def test_it_refuses_what_it_cant_do_before_it_changes_anything(
    stage: Stage, engineer: Engineer, arrange: Callable[[Stage], None], error: type[Exception], words: str
) -> None:
    arrange(stage)
    seen = stage.seen()

    with pytest.raises(error, match=words):
        engineer.roll_back()

    assert stage.seen() == seen


def test_it_names_exactly_what_it_will_do_and_what_comes_next(stage: Stage, engineer: Engineer) -> None:
    current, previous = stage.labelled("AWSCURRENT"), stage.labelled("AWSPREVIOUS")
    looked = engineer.look()

    plan = Target.of(looked).plan()

    assert f"Put the certificate {(previous.fingerprint or '')[:16]} of AWSPREVIOUS into the app Billing" in plan[0]
    assert current.version_id[:8] in plan[1]
    assert previous.version_id[:8] in plan[1]
    assert "cancel-rotate-secret" in next_rotation(looked)


def kill(set_up: SetUp, number: int) -> bool:
    """Roll back, killed after a call, and run it again; whether there was such a call."""
    with set_up.staged() as stage:
        stage.rotate()
        promises = Promises(stage)
        current, previous = stage.labelled("AWSCURRENT"), stage.labelled("AWSPREVIOUS")
        wire = Wire(stage.clock)
        wire.befall({number: wires.killed_after})
        wire.on_trouble(lambda call: promises.hold())
        try:
            with wire.strung_up():
                Engineer(stage).roll_back()
        except Stopped:
            promises.hold()
            if stage.labels()["AWSCURRENT"] == current.version_id:
                Engineer(stage).roll_back()
            # Had it got as far as that, it would be done.
        assert stage.labels()["AWSCURRENT"] == previous.version_id
        assert stage.labels()["ROLLEDBACK"] == current.version_id
        assert stage.logs_in(previous)
        promises.hold()
        return bool(wire.befallen)


@pytest.mark.parametrize(("set_up", "number"), [(SET_UPS[0], 19), (SET_UPS[1], 12), (SET_UPS[2], 7)], ids=str)
def test_killed_in_between_the_same_again_finishes(set_up: SetUp, number: int) -> None:
    """`make cuts` tries each call."""
    assert kill(set_up, number)


@pytest.mark.cuts
@pytest.mark.parametrize("set_up", SET_UPS, ids=str)
def test_killed_after_any_call_the_same_again_finishes(set_up: SetUp, count: Callable[[str, int], None]) -> None:
    number = 1
    while kill(set_up, number):
        number += 1
    assert number > 5
    count("cuts", number - 1)


def _prove_current(stage: Stage) -> None:
    """A login with the key of AWSCURRENT, as a rotation would have made."""
    rotations = Engineer(stage).rotations()
    credential = rotations.look().current()[1]
    rotations.workplace.login.prove(credential, deadline=rotations.workplace.within(30))


def test_a_rotation_that_ended_while_somebody_was_asked_stops_it_before_the_app_changes(
    stage: Stage, engineer: Engineer
) -> None:
    target = Target.of(engineer.look())
    stage.rotate()
    labels, fingerprint = stage.labels(), stage.world.app.fingerprint
    rotations = engineer.rotations()

    with pytest.raises(InvalidRequest, match="moved meanwhile"):
        rotations.rolling_back().roll_back(target, rotations.workplace.within(rotations.rollback_seconds))

    assert (stage.labels(), stage.world.app.fingerprint) == (labels, fingerprint)


def test_where_this_address_may_not_log_in_the_certificate_goes_back(stage: Stage, engineer: Engineer) -> None:
    labels, fingerprint = stage.labels(), stage.world.app.fingerprint
    refusal = faults.oauth_error(Refusal("invalid_grant", "ip restricted"))
    by_assertion = lambda request: b"assertion=" in request.body  # noqa: E731 - the admin logs in otherwise
    stage.world.org.faults.add(refusal, Kind.TOKEN, times=None, where=by_assertion)

    with pytest.raises(NotSettled, match="the certificate of AWSCURRENT is back in the app"):
        engineer.roll_back()
    stage.world.org.faults.clear()

    assert (stage.labels(), stage.world.app.fingerprint) == (labels, fingerprint)
