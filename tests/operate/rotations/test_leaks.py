"""Which versions and apps a leak reaches: whatever an edit, a failed rotation or a label of one's own made of them."""

from datetime import UTC, datetime

from operate.rotating.revoking import Leak
from tests.operate.rotations.support import Deliveries, Engineer
from tests.sandbox.org.spreading import Never
from tests.scenarios.set_ups import two_apps
from tests.scenarios.support import CREATE, Stage

HOUR = 3600.0


def leaked_until_now(stage: Stage) -> Leak:
    return Leak(datetime.fromtimestamp(stage.clock.time(), UTC))


def test_a_key_is_older_than_the_edits_of_its_document(stage: Stage, engineer: Engineer) -> None:
    stage.clock.advance(HOUR)
    leak = leaked_until_now(stage)
    stage.clock.advance(HOUR)
    edits = {stage.edit(note="one"), stage.edit(note="two")}
    looked = engineer.look()

    # The version that the key came with has no label any more.
    assert {version.version_id for version in looked.versions} == edits
    assert {version.version_id for version in leak.versions(looked)} == edits
    assert leak.needs_rotation(looked)


def test_a_key_that_was_made_since_is_none_that_leaked(stage: Stage, engineer: Engineer) -> None:
    leak = leaked_until_now(stage)
    old = stage.labels()["AWSCURRENT"]
    stage.clock.advance(1)
    stage.rotate()
    looked = engineer.look()

    assert [version.version_id for version in leak.versions(looked)] == [old]
    assert not leak.needs_rotation(looked)


def test_a_standby_whose_key_has_no_label_left_gets_a_new_certificate_too() -> None:
    with Stage() as stage, Deliveries.going_on(stage):
        two_apps(stage)
        stage.rotate()
        leaked = stage.labelled("AWSCURRENT")
        leak = leaked_until_now(stage)
        stage.clock.advance(HOUR)
        stage.rotate()
        stage.edit(note="edited")
        assert not stage.version(leaked.version_id).labels
        assert stage.logs_in(leaked)

        assert Engineer(stage).rotations().revoking().revoke(leak) == ()

        assert not stage.logs_in(leaked)
        assert not leak.needs_rotation(Engineer(stage).look())


def test_no_label_of_whatever_kind_stays_on_a_key_that_leaked(
    stage: Stage, engineer: Engineer, deliveries: Deliveries
) -> None:
    stage.world.app.next_spreadings.append(Never())
    stage.deliver_all(stage.begin())
    pending = stage.begin()
    stage.deliver(pending, CREATE)
    for label, version in (("UPLOADREQUESTED", pending.version_id), ("MINE", stage.labels()["AWSPREVIOUS"])):
        stage.move_label(label, onto=version)
    old = [version for version in stage.versions() if version.pair is not None]
    assert {label for version in old for label in version.labels} == {
        *("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "ROLLEDBACK", "UPLOADREQUESTED", "MINE"),
    }

    assert engineer.rotations().revoking().revoke(Leak.of_all(engineer.look())) == ()

    assert not any(stage.version(version.version_id).labels for version in old)
    assert not any(stage.logs_in(version) for version in old)
    assert set(stage.labels()) == {"AWSCURRENT"}
