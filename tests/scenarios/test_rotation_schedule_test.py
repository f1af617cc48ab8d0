"""`RotateImmediately=false`: Secrets Manager calls testSecret alone, on a pending version that may be empty.

Setting the schedule up must succeed before there is a key, and must not with a key that doesn't work.
"""

from typing import Any

import pytest

from salesforce_keypair.errors import InvalidSecret, KeyPairError, LoginRefused
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.timing import Deadline
from tests.integration.org_client import key_pair
from tests.sandbox.org import Kind, faults
from tests.scenarios.promises import assert_tells_what_to_do
from tests.scenarios.support import LAMBDA_SECONDS, Stage, document_of, event


def set_schedule_up(stage: Stage, *, copied: bool = False) -> None:
    """Deliver the one event, on the version that Secrets Manager makes for it; `copied` with the current value."""
    request = stage.begin()
    if copied:
        text = stage.labelled("AWSCURRENT").text
        assert text is not None
        stage.put_pending(request, text)
    seen = stage.seen()
    try:
        sent = event("rotation-schedule-test-only", SecretId=stage.arn, ClientRequestToken=request.version_id)
        stage.rotation.run(RotationRequest.parse(sent), deadline=Deadline.after(stage.clock, LAMBDA_SECONDS))
    finally:
        assert stage.seen() == seen
        assert stage.world.org.log.entries(Kind.DEPLOY) == ()


def test_it_succeeds_for_a_document_without_a_key(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    set_schedule_up(stage)

    assert stage.world.org.log.entries() == ()
    assert "no key yet" in caplog.text


def test_it_succeeds_for_a_secret_without_a_value(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.world.secret_arn = stage.world.secrets.create_secret(Name="empty")["ARN"]

    set_schedule_up(stage)

    assert "no value yet" in caplog.text


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"appName": None}, "appName"),
        ({"username": None}, "username"),
        ({"baseUri": "https://example.com"}, "baseUri"),
        ({"adminSecretArn": None}, "adminSecretArn"),
    ],
)
def test_it_succeeds_for_a_document_that_isnt_ready_and_says_what_is_missing(
    stage: Stage, caplog: pytest.LogCaptureFixture, members: dict[str, Any], named: str
) -> None:
    stage.edit(**members)

    set_schedule_up(stage)

    reasons = [getattr(record, "reason", "") for record in caplog.records]
    assert any(named in reason for reason in reasons)


@pytest.mark.parametrize("text", ["not JSON", "{}"])
def test_it_succeeds_for_a_value_that_is_still_to_be_written(stage: Stage, text: str) -> None:
    stage.world.secrets.put_secret_value(SecretId=stage.arn, SecretString=text)

    set_schedule_up(stage)


def test_it_succeeds_with_a_key_that_logs_in(stage: Stage) -> None:
    stage.install_key()

    set_schedule_up(stage)

    assert stage.world.org.log.logins(stage.world.user.username).accepted == 1


def test_it_tries_again_where_salesforce_doesnt_answer_at_first(stage: Stage) -> None:
    stage.install_key()
    stage.world.org.faults.add(faults.html_page(503), Kind.TOKEN, times=2)

    set_schedule_up(stage)


def test_it_fails_with_a_key_that_doesnt_log_in(stage: Stage) -> None:
    stage.install_key()
    stage.world.app.install(key_pair("another").pem)

    with pytest.raises(LoginRefused) as caught:
        set_schedule_up(stage)

    assert_tells_what_to_do(caught.value)
    assert "certificate" in str(caught.value)


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"username": None}, InvalidSecret),
        ({"certificate": key_pair("another").pem}, InvalidSecret),
        ({"baseUri": "https://example.com"}, KeyPairError),
    ],
)
def test_it_fails_with_a_key_in_a_document_that_is_wrong_otherwise(
    stage: Stage, members: dict[str, Any], error: type[KeyPairError]
) -> None:
    stage.install_key()
    stage.edit(**members)

    with pytest.raises(error) as caught:
        set_schedule_up(stage)

    assert_tells_what_to_do(caught.value)


def test_it_fails_with_a_key_that_is_broken(stage: Stage) -> None:
    stage.install_key()
    pem = document_of(key_pair())["privateKey"]
    stage.edit(privateKey=pem.replace("A", "B"))

    with pytest.raises(InvalidSecret) as caught:
        set_schedule_up(stage)

    assert "privateKey" in caught.value.what


# Whether the version is empty isn't documented: it may hold what is current, as moto's does


@pytest.mark.parametrize("text", ["not JSON", "{}"])
def test_a_copy_of_a_value_that_is_still_to_be_written_is_no_obstacle(stage: Stage, text: str) -> None:
    stage.world.secrets.put_secret_value(SecretId=stage.arn, SecretString=text)

    set_schedule_up(stage, copied=True)


def test_a_copy_of_a_document_without_a_key_is_no_obstacle(stage: Stage) -> None:
    set_schedule_up(stage, copied=True)

    assert stage.world.org.log.entries() == ()


def test_a_copy_of_a_key_is_tested_as_what_is_current(stage: Stage) -> None:
    stage.install_key()

    set_schedule_up(stage, copied=True)

    assert stage.world.org.log.logins(stage.world.user.username).accepted == 1


def test_a_copy_of_a_key_that_does_not_log_in_is_no_rotation_to_be_undone(stage: Stage) -> None:
    stage.install_key()
    stage.world.app.install(key_pair("another").pem)
    began = stage.clock.time()

    with pytest.raises(LoginRefused) as caught:
        set_schedule_up(stage, copied=True)

    assert_tells_what_to_do(caught.value)
    assert stage.clock.time() - began < 60, "it waits for no change to spread"
