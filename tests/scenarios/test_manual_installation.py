"""`installation: manual`: only a person changes the app; the rotation asks, ends, and goes on later."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import jwt
import pytest

from salesforce_keypair.errors import InvalidSecret, KeyPairError, LoginRefused, NotPending, NotSettled, RolledBack
from tests.integration.org_client import key_pair
from tests.sandbox.administrator import Administrator
from tests.sandbox.aws import Act, DropConnection, Garble, Refuse, RotationRequest
from tests.sandbox.org import Kind, faults
from tests.sandbox.org.exchange import Request
from tests.sandbox.org.spreading import FlappingUntil, NeitherUntil, Never, OldUntil
from tests.scenarios.promises import Promises, assert_tells_what_to_do
from tests.scenarios.support import AS_OFTEN_AS_IN_PRODUCTION, CREATE, FINISH, SET, STEPS, TEST, Stage
from tests.scenarios.vendors import Vendor
from tests.scenarios.wire import Stopped

REQUESTED = "UPLOADREQUESTED"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A key that logs in, no admin, and a topic. All promises hold at the end, and only a person changed an app."""
    with Stage(notices=True) as made:
        made.install_key(installation="manual", adminSecretArn=None)
        promises = Promises(made)
        yield made
        promises.hold()
        assert_nothing_but_logins(made)


@pytest.fixture
def administrator(stage: Stage) -> Administrator:
    """Who may change the app."""
    return Administrator(stage.world.org)


def assert_nothing_but_logins(stage: Stage) -> None:
    """The rotation has neither read the app nor changed it, and has read no other secret than its own."""
    assert {entry.kind for entry in stage.world.org.log.entries()} <= {Kind.TOKEN, Kind.LIVENESS}
    read = {call.parameters["SecretId"] for call in stage.world.aws.calls("GetSecretValue", caller="rotation")}
    assert read <= {stage.arn}


def asked(stage: Stage) -> tuple[RotationRequest, KeyPairError]:
    """A rotation that has asked for the upload, and the error it ended with."""
    request = stage.begin()
    failure = stage.deliver_all(request)
    assert isinstance(failure, NotSettled), failure
    assert_tells_what_to_do(failure)
    return request, failure


def upload(stage: Stage, administrator: Administrator) -> None:
    """The person does what the last notice asks for."""
    administrator.upload(stage.notices()[-1])


def test_the_rotation_asks_for_the_upload_and_ends_with_an_error_that_says_what_to_do(stage: Stage) -> None:
    seen = stage.world.app.component()

    request, failure = asked(stage)

    pending = stage.version(request.version_id)
    assert failure.retryable
    assert pending.fingerprint is not None
    assert f"the new certificate ({pending.fingerprint[:16]}) waits for somebody to upload it" in failure.what
    assert f"to the app Billing in {stage.world.org.url}" in failure.what
    assert "callers go on with the key of AWSCURRENT" in failure.what
    assert "upload it (Setup > External Client App Manager > Billing > Edit Settings" in failure.remedy
    assert "a notice with it was published, and `make status ARGS=--certificate` prints it" in failure.remedy
    assert f"`make resume SECRET={stage.arn}` or the next delivery goes on" in failure.remedy
    assert "; or " not in failure.remedy, "there is no reason yet to give it up"
    assert stage.world.app.component() == seen
    assert {"AWSPENDING", REQUESTED} == pending.labels


def test_the_notice_says_all_that_the_person_needs_and_nothing_secret(stage: Stage) -> None:
    request, _ = asked(stage)

    pending = stage.version(request.version_id)
    (notice,) = stage.notices()
    assert notice.subject == "Upload a certificate to Billing in Salesforce"
    assert pending.pair is not None
    for said in (
        stage.world.org.url,
        "Billing (ExternalClientApp)",
        stage.world.user.username,
        f"SHA-256 {pending.fingerprint}",
        pending.pair.pem,
        "Setup > External Client App Manager > Billing > Edit Settings > OAuth Settings > Enable JWT Bearer Flow",
        f"make resume SECRET={stage.arn}",
    ):
        assert said in notice.text
    assert "PRIVATE" not in notice.text
    assert stage.world.app.consumer_key not in notice.text


def test_a_connected_app_has_another_way_through_the_menus() -> None:
    with Stage(notices=True, connected_apps=True) as stage:
        stage.install_key(installation="manual")

        _, failure = asked(stage)

        way = "Setup > App Manager > Billing > Edit > API (Enable OAuth Settings) > Use digital signatures"
        assert way in failure.remedy
        assert way in stage.notices()[0].text


def test_once_it_is_uploaded_the_next_delivery_ends_the_rotation(stage: Stage, administrator: Administrator) -> None:
    request, _ = asked(stage)

    upload(stage, administrator)
    logins = stage.world.org.log.logins(stage.world.user.username).accepted

    stage.deliver(request, SET)
    assert stage.world.org.log.logins(stage.world.user.username).accepted == logins + 1, "one is enough to go on"
    assert stage.deliver_all(request) is None
    assert stage.labels()["AWSCURRENT"] == request.version_id
    assert REQUESTED not in stage.labels()
    assert "AWSPENDING" not in stage.labels()
    assert len(stage.notices()) == 1


def test_two_rotations_in_a_row_ask_once_each(stage: Stage, administrator: Administrator) -> None:
    for number in (1, 2):
        request, _ = asked(stage)
        upload(stage, administrator)
        assert stage.deliver_all(request) is None
        assert len(stage.notices()) == number


def test_a_first_installation_needs_no_key_and_no_admin() -> None:
    with Stage(notices=True) as stage:
        stage.edit(installation="manual", adminSecretArn=None)

        request, failure = asked(stage)

        assert "there is no key in use yet" in failure.what
        Administrator(stage.world.org).upload(stage.notices()[0])
        assert stage.deliver_all(request) is None
        assert stage.logs_in(stage.version(request.version_id))
        assert_nothing_but_logins(stage)


def test_an_admin_that_the_document_names_all_the_same_isnt_asked(administrator: Administrator, stage: Stage) -> None:
    stage.edit(adminSecretArn=stage.world.admin_secret_arn)

    request, _ = asked(stage)
    upload(stage, administrator)

    assert stage.deliver_all(request) is None


def test_no_token_is_said_to_be_able_to_change_the_app(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    asked(stage)

    assert "can change the app" not in caplog.text


# Who is told, and how often


def test_further_deliveries_dont_tell_again(stage: Stage) -> None:
    request, _ = asked(stage)

    for _ in range(3):
        assert isinstance(stage.deliver_all(request), NotSettled)

    assert len(stage.notices()) == 1


TOPIC_FAILS = [
    Refuse("NotFound", status=404),
    Refuse("AuthorizationError", status=403),
    Refuse("InternalFailure", status=500),
    DropConnection(),
    Garble(),
    Garble(b"<PublishResponse/>"),
    Garble(b"{}"),
    Garble(b"", status=503),
]


@pytest.mark.parametrize("trouble", TOPIC_FAILS, ids=repr)
def test_a_topic_that_fails_costs_the_rotation_nothing_but_a_warning_and_is_tried_again(
    stage: Stage, administrator: Administrator, trouble: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stage.world.aws.faults.inject("Publish", trouble, times=None)

    request, failure = asked(stage)

    assert "no notice could be published, but `make status ARGS=--certificate` prints it" in failure.remedy
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "nobody was told" in warning.getMessage()
    assert REQUESTED not in stage.labels()
    stage.world.aws.faults.clear()
    assert isinstance(stage.deliver_all(request), NotSettled)
    upload(stage, administrator)
    assert stage.deliver_all(request) is None


def test_without_a_topic_the_rotation_waits_just_so(caplog: pytest.LogCaptureFixture) -> None:
    with Stage() as stage:
        stage.install_key(installation="manual")

        request, failure = asked(stage)

        assert "`make status" in failure.remedy
        assert "nobody was told" in caplog.text
        pair = stage.version(request.version_id).pair
        assert pair is not None
        stage.world.app.install(pair.pem)
        assert stage.deliver_all(request) is None


def test_a_rotation_that_was_given_up_before_the_upload_leaves_the_next_one_to_ask(
    stage: Stage, administrator: Administrator
) -> None:
    given_up, _ = asked(stage)
    stage.move_label("AWSPENDING", off=given_up.version_id)

    request, _ = asked(stage)

    assert stage.labels()[REQUESTED] == request.version_id
    upload(stage, administrator)
    assert stage.deliver_all(request) is None


def test_a_first_installation_that_was_given_up_isnt_taken_for_an_overwritten_secret() -> None:
    with Stage(notices=True) as stage:
        stage.edit(installation="manual", adminSecretArn=None)
        given_up, _ = asked(stage)
        stage.move_label("AWSPENDING", off=given_up.version_id)
        assert stage.version(given_up.version_id).labels == {REQUESTED}

        request, _ = asked(stage)
        Administrator(stage.world.org).upload(stage.notices()[-1])

        assert stage.deliver_all(request) is None


def test_a_process_that_ends_after_the_promotion_leaves_no_label_behind(
    stage: Stage, administrator: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, _ = asked(stage)
    upload(stage, administrator)
    stage.deliver(request, CREATE, SET, TEST)
    move = stage.rotation._store.move_label

    def stop_after_the_promotion(secret_id: str, label: str, *, onto: str | None, off: str | None) -> None:
        move(secret_id, label, onto=onto, off=off)
        if label == "AWSCURRENT":
            raise Stopped

    monkeypatch.setattr(stage.rotation._store, "move_label", stop_after_the_promotion)
    with pytest.raises(Stopped):
        stage.deliver(request, FINISH)

    assert stage.deliver_all(request) is None
    assert stage.version(request.version_id).labels == {"AWSCURRENT"}


# What a person does right, late or wrong


def test_an_upload_that_spreads_slowly_ends_well_by_itself(stage: Stage) -> None:
    administrator = Administrator(stage.world.org, FlappingUntil(300))
    request, _ = asked(stage)

    upload(stage, administrator)

    assert stage.deliver_all(request, times=3) is None


def test_a_server_that_doesnt_know_of_the_upload_yet_isnt_believed_alone(stage: Stage) -> None:
    administrator = Administrator(stage.world.org, OldUntil(12))
    request, _ = asked(stage)

    upload(stage, administrator)

    stage.deliver(request, SET)


def test_no_delivery_waits_for_minutes_for_an_upload(stage: Stage) -> None:
    stage.restart(**AS_OFTEN_AS_IN_PRODUCTION)
    before = stage.clock.now

    asked(stage)

    assert stage.clock.now - before < 60


def test_callers_are_served_throughout(stage: Stage, administrator: Administrator) -> None:
    """Before the upload by the current key, after it by the pending one, however late the next delivery is."""
    vendor = Vendor(stage)
    current = stage.labels()["AWSCURRENT"]
    request, _ = asked(stage)
    assert vendor.vend(force_refresh=True).token.key_version == current

    upload(stage, administrator)

    for _ in range(8):
        stage.clock.advance(3600)
        assert vendor.vend().token.key_version == request.version_id
    assert Vendor(stage).vend().token.key_version == request.version_id
    assert stage.deliver_all(request) is None
    assert vendor.vend(force_refresh=True).token.key_version == request.version_id


def test_a_wrong_upload_is_named_as_what_it_is_and_both_ways_out(stage: Stage, administrator: Administrator) -> None:
    old = stage.labelled("AWSCURRENT")
    request, _ = asked(stage)
    stage.world.app.install(key_pair("somebody else").pem)

    failure = stage.deliver_all(request)

    assert isinstance(failure, NotSettled)
    assert "the key of AWSCURRENT doesn't log in either" in failure.what
    assert "upload it (Setup" in failure.remedy
    assert f"; or put the certificate of AWSCURRENT ({old.fingerprint}) back first" in failure.remedy
    assert stage.version(request.version_id).labels == {"AWSPENDING", REQUESTED}
    upload(stage, administrator)
    assert stage.deliver_all(request) is None


def test_the_old_certificate_put_back_before_the_test_leaves_the_rotation_waiting(
    stage: Stage, administrator: Administrator
) -> None:
    old = stage.labelled("AWSCURRENT")
    assert old.pair is not None
    request, _ = asked(stage)
    upload(stage, administrator)
    stage.deliver(request, CREATE, SET)
    stage.world.app.install(old.pair.pem)

    with pytest.raises(NotSettled, match="nothing was put back, for only a person changes this app") as caught:
        stage.deliver(request, TEST)

    assert_tells_what_to_do(caught.value)
    assert caught.value.retryable
    assert "callers go on with the key of AWSCURRENT" in caught.value.what
    assert stage.world.app.name in caught.value.remedy
    assert "back first, then run `make resume" in caught.value.remedy
    assert "AWSPENDING" in stage.version(request.version_id).labels
    assert "ROLLEDBACK" not in stage.labels()
    upload(stage, administrator)
    assert stage.deliver_all(request) is None


def test_a_rotation_is_given_up_as_the_error_says(stage: Stage, administrator: Administrator) -> None:
    old = stage.labelled("AWSCURRENT")
    assert old.pair is not None
    request, _ = asked(stage)
    administrator.spreading = Never(old_goes_on=False)
    upload(stage, administrator)
    failure = stage.deliver_all(request)
    assert failure is not None
    assert "back first, then run `make resume" in failure.remedy

    stage.world.app.install(old.pair.pem)
    # What `resume --give-up` does.
    stage.move_label("ROLLEDBACK", onto=request.version_id)
    stage.move_label("AWSPENDING", off=request.version_id)

    assert isinstance(stage.deliver_all(request), RolledBack)
    administrator.spreading = None
    successor, _ = asked(stage)
    upload(stage, administrator)
    assert stage.deliver_all(successor) is None


def test_nobody_is_asked_to_upload_for_a_rotation_that_was_given_up_while_set_secret_waited(stage: Stage) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)
    stage.clock.at(3, lambda: stage.move_label("AWSPENDING", off=request.version_id))

    with pytest.raises(NotPending, match="its labels were moved meanwhile"):
        stage.deliver(request, SET)

    assert stage.world.aws.topics.messages(stage.world.topic_arn) == []
    assert "UPLOADREQUESTED" not in stage.labels()


def test_no_bridge_is_left_for_a_rotation_that_was_given_up_while_set_secret_waited() -> None:
    with Stage(notices=True, shared_tokens=True) as stage:
        stage.install_key(installation="manual")
        request = stage.begin()
        stage.deliver(request, CREATE)
        stage.clock.at(3, lambda: stage.move_label("AWSPENDING", off=request.version_id))

        with pytest.raises(NotPending, match="its labels were moved meanwhile"):
            stage.deliver(request, SET)

        assert stage.world.table_rows() == []


def test_nobody_is_asked_to_upload_for_a_rotation_that_was_given_up_while_the_bridge_was_left() -> None:
    with Stage(notices=True, shared_tokens=True) as stage:
        stage.install_key(installation="manual")
        request = stage.begin()
        stage.deliver(request, CREATE)
        give_up = Act(lambda: stage.move_label("AWSPENDING", off=request.version_id))
        stage.world.aws.faults.inject("UpdateItem", give_up)

        with pytest.raises(NotPending, match="its labels were moved meanwhile"):
            stage.deliver(request, SET)

        assert stage.world.aws.faults.unspent == 0
        assert stage.notices() == []


def test_what_became_of_the_key_in_use_is_asked_again_where_no_answer_came(stage: Stage) -> None:
    current = stage.labelled("AWSCURRENT").pair
    assert current is not None

    def is_of_current(request: Request) -> bool:
        assertion = (request.form or {}).get("assertion", "")
        with suppress(jwt.PyJWTError):
            jwt.decode(
                assertion, current.key.public_key(), ["RS256"], options={"verify_aud": False, "verify_exp": False}
            )
            return True
        return False

    stage.world.org.faults.add(faults.html_page(503), Kind.TOKEN, times=2, where=is_of_current)

    _, failure = asked(stage)

    assert "callers go on with the key of AWSCURRENT" in failure.what


def test_where_no_answer_comes_what_became_of_the_key_in_use_isnt_known(stage: Stage) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)
    silence = faults.html_page(503)
    stage.clock.at(10, lambda: stage.world.org.faults.add(silence, Kind.TOKEN, times=None))

    with pytest.raises(NotSettled, match="whether the key of AWSCURRENT logs in isn't known"):
        stage.deliver(request, SET)

    stage.world.org.faults.clear()


def test_a_promotion_while_test_secret_waited_isnt_reported_as_a_failure_of_the_upload(stage: Stage) -> None:
    request, _ = asked(stage)
    stage.clock.at(300, lambda: stage.move_label("AWSPENDING", off=request.version_id))

    with pytest.raises(NotPending, match="its labels were moved meanwhile"):
        stage.deliver(request, TEST)


def test_a_document_that_was_edited_meanwhile_asks_for_no_upload(stage: Stage) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)
    stage.edit(certificateValidityDays=30)

    with pytest.raises(InvalidSecret, match="the document was changed"):
        stage.deliver(request, SET)

    assert stage.notices() == []


def test_what_no_upload_helps_is_said_at_once(stage: Stage, administrator: Administrator) -> None:
    request, _ = asked(stage)
    upload(stage, administrator)
    stage.world.user.frozen = True

    failure = stage.deliver_all(request)

    assert isinstance(failure, LoginRefused)
    assert not failure.retryable
    stage.world.user.frozen = False
    assert stage.deliver_all(request) is None


def test_finish_secret_never_promotes_what_nobody_has_uploaded(stage: Stage) -> None:
    request, _ = asked(stage)
    current = stage.labels()["AWSCURRENT"]

    with pytest.raises(KeyPairError):
        stage.deliver(request, FINISH)

    assert stage.labels()["AWSCURRENT"] == current


# With the bridge and with two apps


def test_a_token_is_left_for_callers_before_anybody_is_told_and_with_each_delivery() -> None:
    with Stage(notices=True, shared_tokens=True) as stage:
        stage.install_key(installation="manual")
        told_at: list[int] = []
        stage.world.aws.topics.subscribe(
            stage.world.topic_arn, lambda notice: told_at.append(len(stage.world.table_rows()))
        )

        request, _ = asked(stage)

        assert told_at == [1], "the token was there when the notice went out"
        (row,) = stage.world.table_rows()
        stage.clock.advance(600)
        stage.deliver_all(request)
        (renewed,) = stage.world.table_rows()
        assert renewed["expires_at"] > row["expires_at"]


def test_callers_live_on_the_bridge_where_the_person_uploads_at_once() -> None:
    with Stage(notices=True, shared_tokens=True) as stage:
        stage.install_key(installation="manual")
        administrator = Administrator(stage.world.org, NeitherUntil(600))
        request, _ = asked(stage)
        upload(stage, administrator)

        for _ in range(10):
            stage.clock.advance(60)
            Vendor(stage).vend()

        assert stage.deliver_all(request, times=2) is None


def test_with_two_apps_the_standbys_certificate_is_asked_for_and_the_app_in_use_goes_on() -> None:
    with Stage(notices=True, shared_tokens=True) as stage:
        stage.world.add_standby()
        standby = {"consumerKey": stage.world.standby.consumer_key, "appName": stage.world.standby.name}
        stage.install_key(standby=standby, installation="manual")
        old = stage.labelled("AWSCURRENT")

        request, failure = asked(stage)

        assert "the app in use isn't the one to be changed" in failure.what
        assert f"App:          {stage.world.standby.name} " in stage.notices()[0].text
        assert stage.world.table_rows() == [], "no bridge where the app in use doesn't change"
        Administrator(stage.world.org).upload(stage.notices()[0])
        assert stage.deliver_all(request) is None
        assert stage.logs_in(old)
        assert stage.logs_in(stage.labelled("AWSCURRENT"))


def test_no_delivery_ends_a_rotation_that_waits() -> None:
    """Neither ROLLEDBACK nor a missing pending label stands in the way of whoever comes back from a holiday."""
    with Stage(notices=True) as stage:
        stage.install_key(installation="manual")
        request, _ = asked(stage)
        for step in STEPS[1:]:
            with pytest.raises(KeyPairError) as caught:
                stage.deliver(request, step)
            assert not isinstance(caught.value, RolledBack)
        assert stage.labels()["AWSPENDING"] == request.version_id
