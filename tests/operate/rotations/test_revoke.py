"""`revoke`: after a leak nothing that the thief may have is worth anything, as far as that can be brought about."""

from collections.abc import Callable, Sequence
from urllib.parse import unquote_plus

import pytest

from operate.rotating.deployed import RENEWED_AT
from operate.rotating.revoking import Leak, left_to_do, plan
from operate.rotating.rolling_back import Target
from operate.rotating.status import certificate_to_upload
from salesforce_keypair.errors import InvalidSecret, NotSettled, SecretUnavailable
from tests.operate.rotations.support import Deliveries, Engineer
from tests.sandbox.aws import THROTTLED, Act, Refuse
from tests.sandbox.org import Kind
from tests.sandbox.org.spreading import Never, OldUntil
from tests.scenarios import wire as wires
from tests.scenarios.promises import Promises
from tests.scenarios.set_ups import SetUp, one_app, two_apps
from tests.scenarios.support import CREATE, SET, Held, Stage
from tests.scenarios.vendors import Vendor
from tests.scenarios.wire import Stopped, Wire

ONE_APP = SetUp("one app, table", one_app, shared_tokens=True)
TWO_APPS = SetUp("two apps, table", two_apps, shared_tokens=True)
SET_UPS = (ONE_APP, TWO_APPS)


def revoke(stage: Stage, engineer: Engineer, leak: Leak | None = None) -> Sequence[str]:
    """`revoke --vendor ...`; what it couldn't do."""
    rotations = engineer.rotations(vendor=engineer.vendor.name)
    return rotations.revoking().revoke(leak or Leak.of_all(rotations.look()))


def keys(stage: Stage) -> list[Held]:
    """The versions whose key may have leaked."""
    return [version for version in stage.versions() if version.pair is not None]


def assert_worthless(stage: Stage, old: Sequence[Held]) -> None:
    """No old key logs in, is in an app, or under a label; and the new one logs in."""
    assert not any(stage.logs_in(version) for version in old)
    assert not any(stage.version(version.version_id).labels for version in old)
    assert not {app.fingerprint for app in stage.world.org.apps} & {version.fingerprint for version in old}
    assert stage.logs_in(stage.labelled("AWSCURRENT"))


@pytest.mark.parametrize("set_up", SET_UPS, ids=str)
def test_keys_certificates_sessions_shared_tokens_and_environments_are_new(set_up: SetUp) -> None:
    with set_up.staged() as stage, Deliveries.going_on(stage) as deliveries:
        stage.rotate()
        promises, engineer, old = Promises(stage), Engineer(stage), keys(stage)
        stolen = Vendor(stage).vend().token
        for app in stage.world.org.apps:
            app.spreading = OldUntil(5)

        failures = revoke(stage, engineer)

        assert failures == ()
        assert deliveries.failures == []
        assert_worthless(stage, old)
        assert stage.outsider.liveness(stolen.value).status_code == 401
        assert stage.world.table_rows() == []
        assert RENEWED_AT in engineer.vendor.environment
        assert engineer.vendor.environment.items() >= stage.world.vendor_variables.items()
        assert engineer.has_leaked() == set()
        promises.hold()
        # Callers go on, with a token of the new key.
        assert Vendor(stage).vend().token.key_version == stage.labels()["AWSCURRENT"]


def test_the_bridge_that_the_rotation_left_with_the_old_key_is_revoked_too() -> None:
    with ONE_APP.staged() as stage, Deliveries.going_on(stage):
        stage.rotate()
        stage.world.clear_table()

        assert revoke(stage, Engineer(stage)) == ()

        assert any(entry.outcome == "revoked" for entry in stage.world.org.log.entries(Kind.REVOKE))
        assert stage.world.table_rows() == []


def test_a_session_that_is_over_already_is_no_failure() -> None:
    """Killed between the revocation and the dropping of the row, for instance."""
    with ONE_APP.staged() as stage, Deliveries.going_on(stage):
        stage.rotate()
        engineer = Engineer(stage)
        stage.world.org.sessions.kill(Vendor(stage).vend().token.value)

        assert revoke(stage, engineer) == ()

        assert "was over already" in engineer.text


def test_an_unfinished_rotation_whose_key_may_have_leaked_is_given_up_first() -> None:
    with ONE_APP.staged() as stage, Deliveries.going_on(stage):
        stage.rotate()
        promises, engineer = Promises(stage), Engineer(stage)
        pending = stage.begin()
        stage.deliver(pending, CREATE, SET)
        old = keys(stage)
        looked = engineer.look()
        assert f"Give up the unfinished rotation to {pending.version_id}." in plan(
            looked, Leak.of_all(looked), table=None, vendor=None
        )

        assert revoke(stage, engineer) == ()

        assert_worthless(stage, old)
        promises.hold()


def test_run_again_for_the_same_leak_it_makes_no_further_key(
    stage: Stage, engineer: Engineer, deliveries: Deliveries
) -> None:
    leak = Leak.of_all(engineer.look())
    assert revoke(stage, engineer, leak) == ()
    seen = stage.seen()

    assert revoke(stage, engineer, leak) == ()

    assert stage.seen() == seen


def test_where_no_new_key_comes_about_the_reason_is_raised_and_the_labels_stay(
    stage: Stage, engineer: Engineer, deliveries: Deliveries
) -> None:
    labels = stage.labels()
    stage.world.app.spreading = Never()

    with pytest.raises(NotSettled, match="was undone"):
        revoke(stage, engineer)

    assert stage.labels().items() >= labels.items()


def test_what_fails_on_the_way_is_told_and_the_rest_is_done_all_the_same(
    stage: Stage, engineer: Engineer, deliveries: Deliveries
) -> None:
    old = keys(stage)
    refuse = Refuse("AccessDeniedException", status=403)
    stage.world.aws.faults.inject("UpdateFunctionConfiguration", refuse)

    failures = revoke(stage, engineer)

    assert [failure.partition(":")[0] for failure in failures] == ["token vendor"]
    assert_worthless(stage, old)
    assert RENEWED_AT not in engineer.vendor.environment


def test_an_old_key_that_goes_on_logging_in_is_a_failure_and_stays_within_reach(
    stage: Stage, engineer: Engineer, deliveries: Deliveries
) -> None:
    """Somebody puts the old certificate back by hand, just when the new key has become current."""
    old = stage.labelled("AWSCURRENT")
    put_back = Act(lambda: stage.world.app.install(old.document["certificate"]), after_effect=True)
    stage.world.aws.faults.inject("UpdateSecretVersionStage", put_back)

    failures = revoke(stage, engineer)

    assert failures[0] == "the app Billing still holds the certificate of an old key"
    assert [failure.partition(":")[0] for failure in failures[1:]] == ["old key", "labels"]
    assert stage.version(old.version_id).labels == {"AWSPREVIOUS"}
    # No session is left of the logins that were made to find that out.
    live = {session.token for session in stage.world.org.sessions.live(stage.clock.time())}
    revoked = stage.world.org.log.entries(Kind.REVOKE)
    assert revoked
    assert not any(unquote_plus(entry.body.decode()).removeprefix("token=") in live for entry in revoked)


def test_the_variables_of_the_vendor_are_written_as_they_are_now(
    stage: Stage, engineer: Engineer, deliveries: Deliveries
) -> None:
    """Somebody else's update of the function comes between the look and the write."""
    vendor = engineer.vendor
    stage.world.aws.faults.inject("UpdateFunctionConfiguration", Refuse("PreconditionFailedException", status=412))

    assert revoke(stage, engineer) == ()

    assert vendor.environment.keys() - stage.world.vendor_variables.keys() == {RENEWED_AT}


def test_it_names_what_it_will_do_and_what_is_left_for_a_person(stage: Stage, engineer: Engineer) -> None:
    looked = engineer.look()

    without = plan(looked, Leak.of_all(looked), table=None, vendor=None)
    whole = plan(looked, Leak.of_all(looked), table="tokens", vendor="token-vendor")

    assert "no session is revoked" in without[0]
    assert whole[:2] == [
        "Revoke the session of the token that the table tokens shares, and drop it.",
        "Rotate, so that Billing holds a new certificate.",
    ]
    assert sum(line.startswith("Take the labels off") for line in whole) == 2
    assert whole[-1] == "Start all environments of token-vendor anew."
    left = " ".join(left_to_do(looked, vendor=None))
    assert stage.world.user.username in left
    assert "Session Management" in left
    assert "--vendor" in left


def test_with_no_key_there_is_nothing_to_revoke() -> None:
    with Stage() as bare, pytest.raises(InvalidSecret, match="no labelled version holds a key"):
        Leak.of_all(Engineer(bare).look())


def kill(set_up: SetUp, number: int) -> bool:
    """Revoke, killed after a call, and run it again for the same leak; whether there was such a call."""
    with set_up.staged() as stage:
        stage.rotate()
        promises, engineer, old = Promises(stage), Engineer(stage), keys(stage)
        leak = Leak.of_all(engineer.look())
        stolen = Vendor(stage).vend().token
        wire = Wire(stage.clock)
        wire.befall({number: wires.killed_after})
        wire.on_trouble(lambda call: promises.hold())
        with Deliveries.going_on(stage, wire):
            try:
                with wire.strung_up():
                    failures = revoke(stage, engineer, leak)
            except Stopped:
                promises.hold()
                failures = revoke(stage, engineer, leak)
        assert failures == ()
        assert_worthless(stage, old)
        assert stage.outsider.liveness(stolen.value).status_code == 401
        promises.hold()
        return bool(wire.befallen)


@pytest.mark.parametrize(("set_up", "number"), [(ONE_APP, 12), (TWO_APPS, 30)], ids=str)
def test_killed_in_between_the_same_again_finishes(set_up: SetUp, number: int) -> None:
    """`make cuts` tries each call."""
    assert kill(set_up, number)


@pytest.mark.cuts
@pytest.mark.timeout(600)
@pytest.mark.parametrize("set_up", SET_UPS, ids=str)
def test_killed_after_any_call_the_same_again_finishes(set_up: SetUp, count: Callable[[str, int], None]) -> None:
    number = 1
    while kill(set_up, number):
        number += 1
    assert number > 30
    count("cuts", number - 1)


@pytest.mark.parametrize("refusal", [Refuse("AccessDeniedException", message="no"), THROTTLED], ids=["no", "throttled"])
def test_a_document_that_aws_doesnt_show_is_never_taken_for_one_without_a_key(
    stage: Stage, engineer: Engineer, refusal: Refuse
) -> None:
    stage.world.aws.faults.inject("GetSecretValue", refusal, times=None)

    looked = engineer.look()

    for ask in (lambda: Leak.of_all(looked), looked.current, lambda: Target.of(looked)):
        with pytest.raises(SecretUnavailable, match=refusal.code):
            ask()
    for label in ("AWSCURRENT", "AWSPREVIOUS"):
        with pytest.raises(SecretUnavailable, match=refusal.code):
            certificate_to_upload(looked, label)
    stage.world.aws.faults.clear()
