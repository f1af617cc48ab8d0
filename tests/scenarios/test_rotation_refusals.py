"""Who refuses what during a rotation: the administrator's side, the user's side, and both of them for a while."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from salesforce_keypair.errors import (
    InstallationRefused,
    InvalidSecret,
    KeyPairError,
    LoginRefused,
    LoginThrottled,
    SalesforceUnavailable,
    SecretUnavailable,
)
from tests.integration.org_client import key_pair
from tests.sandbox.aws import Refuse
from tests.sandbox.org import CertificateEncoding, Kind, Presence, faults
from tests.scenarios.promises import Promises, assert_tells_what_to_do
from tests.scenarios.support import CREATE, FINISH, ROTATION, SET, TEST, Stage, document_of


def failed(stage: Stage, *steps: str, error: type[KeyPairError]) -> KeyPairError:
    """Begin a rotation and deliver steps, the last of which fails and changes nothing."""
    request = stage.begin()
    stage.deliver(request, *steps[:-1])
    seen = stage.seen()
    with pytest.raises(error) as caught:
        stage.deliver(request, steps[-1])
    assert stage.seen() == seen
    assert_tells_what_to_do(caught.value)
    return caught.value


# The administrator


def put_admin(stage: Stage, document: Mapping[str, Any]) -> None:
    stage.world.secrets.put_secret_value(SecretId=stage.world.admin_secret_arn, SecretString=json.dumps(document))


def admin_document(stage: Stage, **members: Any) -> dict[str, Any]:
    """The administrator's client credentials, but for what is changed."""
    right = {
        "consumerKey": stage.world.admin_app.consumer_key,
        "consumerSecret": stage.world.admin_app.consumer_secret,
        "baseUri": stage.world.org.url,
    }
    return {name: value for name, value in (right | members).items() if value is not None}


def give_admin_a_key_pair(stage: Stage) -> None:
    """The administrator logs in with a key pair of its own, from a document of the same shape."""
    admin = stage.world.admin_app.client_credentials_user
    assert admin is not None
    stage.world.admin_app.approve(admin)
    stage.world.admin_app.install(key_pair("admin").pem)
    pair = document_of(key_pair("admin"))
    put_admin(stage, admin_document(stage, username=admin.username, consumerSecret=None, **pair))


def test_the_administrator_may_have_aws_shape_of_a_client_secret_with_members_unknown_here(running: Stage) -> None:
    put_admin(running, admin_document(running, appId="0xI1", consumerId="888", apiVersion="v65.0"))

    running.rotate()


@pytest.mark.parametrize("first", [True, False], ids=["first installation", "rotation"])
def test_the_administrator_may_have_a_key_pair(stage: Stage, first: bool) -> None:
    if not first:
        stage.install_key()
    give_admin_a_key_pair(stage)

    request = stage.rotate()

    assert stage.logs_in(stage.version(request.version_id))


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"baseUri": "https://other.my.salesforce.com"}, "different orgs"),
        ({"baseUri": "https://example.com"}, "baseUri"),
        ({"baseUri": None}, "baseUri"),
        ({"consumerKey": None}, "consumerKey"),
        ({"consumerSecret": None}, "admin's secret"),
        ({"consumerSecret": 5}, "consumerSecret"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_an_administrators_secret_that_cant_be_used_is_named_as_the_one(
    running: Stage, document: dict[str, Any], named: str
) -> None:
    put_admin(running, admin_document(running, **document))

    error = failed(running, CREATE, SET, error=KeyPairError)

    assert error.code in {"InvalidSecret", "HostNotAllowed"}
    assert named in error.what
    assert "admin's secret" in error.what
    assert running.world.org.log.entries() == ()


def test_an_administrators_secret_that_isnt_there_is_named(running: Stage) -> None:
    running.edit(adminSecretArn=running.world.admin_secret_arn.replace("admin-", "nobody-"))

    error = failed(running, CREATE, SET, error=InvalidSecret)

    assert "adminSecretArn" in error.what


def test_an_administrators_key_pair_without_a_key_is_refused(running: Stage) -> None:
    put_admin(running, admin_document(running, consumerSecret=None, username="admin@example.com"))

    assert "privateKey" in failed(running, CREATE, SET, error=InvalidSecret).what


def test_an_administrators_wrong_secret_is_refused_with_the_member_to_correct(running: Stage) -> None:
    put_admin(running, admin_document(running, consumerSecret="wrong"))

    error = failed(running, CREATE, SET, error=LoginRefused)

    assert not error.retryable
    assert "consumerSecret" in error.remedy
    assert "wrong" not in error.what.replace("is wrong", "")


def test_an_administrator_without_the_permission_is_told_which(running: Stage) -> None:
    admin = running.world.admin_app.client_credentials_user
    assert admin is not None
    admin.metadata_permission = False

    error = failed(running, CREATE, SET, error=InstallationRefused)

    assert "Modify Metadata" in error.remedy


def test_an_app_that_the_org_doesnt_have_is_named(running: Stage) -> None:
    running.edit(appName="Biling")

    error = failed(running, CREATE, SET, error=InstallationRefused)

    assert "Biling" in error.what
    assert "appName" in error.remedy


def test_a_rehearsal_that_fails_changes_nothing_and_says_what_salesforce_said(running: Stage) -> None:
    running.world.org.deployments.fail_next("the app is locked by a package", check_only=True)

    error = failed(running, CREATE, SET, error=InstallationRefused)

    assert "locked by a package" in error.what
    assert "rehearsal" in error.what


def test_a_deploy_that_salesforce_only_pretends_to_have_done_isnt_believed(running: Stage) -> None:
    running.world.org.deployments.pretend_success = 1

    error = failed(running, CREATE, SET, error=InstallationRefused)

    assert error.retryable


# The user of the key pair


def freeze(stage: Stage) -> None:
    stage.world.user.frozen = True


def disapprove(stage: Stage) -> None:
    stage.world.app.approved.clear()


def uninstall(stage: Stage) -> None:
    stage.world.app.presence = Presence.UNINSTALLED


def take_scopes(stage: Stage) -> None:
    stage.world.app.scopes.discard("refresh_token")


def restrict_addresses(stage: Stage) -> None:
    stage.world.user.ip_in_range = False
    stage.world.app.relaxes_ip = False


def lock(stage: Stage) -> None:
    stage.world.org.locked = True


CONFIG = [freeze, disapprove, uninstall, take_scopes, restrict_addresses, lock]


@pytest.mark.parametrize("misconfigure", CONFIG)
def test_a_refusal_that_no_waiting_helps_fails_test_secret_at_once_with_its_cure(
    stage: Stage, misconfigure: Callable[[Stage], None]
) -> None:
    stage.install_key()
    request = stage.begin()
    stage.deliver(request, CREATE, SET)
    misconfigure(stage)
    seen, started = stage.seen(), stage.clock.monotonic()

    with pytest.raises(LoginRefused) as caught:
        stage.deliver(request, TEST)

    assert stage.clock.monotonic() == started
    assert not caught.value.retryable
    assert_tells_what_to_do(caught.value)
    assert stage.seen() == seen


@pytest.mark.parametrize("misconfigure", CONFIG)
def test_a_refusal_that_no_waiting_helps_is_told_by_finish_secret_too(
    stage: Stage, misconfigure: Callable[[Stage], None]
) -> None:
    stage.install_key()
    request = stage.begin()
    stage.deliver(request, CREATE, SET, TEST)
    misconfigure(stage)
    seen = stage.seen()

    with pytest.raises(LoginRefused) as caught:
        stage.deliver(request, FINISH)

    assert not caught.value.retryable
    assert stage.seen() == seen


def test_a_rotation_goes_on_once_the_set_up_is_right_again(running: Stage) -> None:
    request = running.begin()
    running.deliver(request, CREATE, SET)
    disapprove(running)
    with pytest.raises(LoginRefused):
        running.deliver(request, TEST)

    running.world.app.approve(running.world.user)

    assert running.deliver_all(request) is None


def test_a_hidden_certificate_isnt_replaced_while_a_login_is_refused_for_the_set_up(running: Stage) -> None:
    running.world.app.certificate_encoding = CertificateEncoding.ABSENT
    request = running.begin()
    running.deliver(request, CREATE)
    running.world.org.faults.add(
        faults.answering(400, '{"error": "inactive_user", "error_description": "x"}'),
        Kind.TOKEN,
        where=lambda sent: b"assertion=" in sent.body,
    )
    seen = running.seen()

    with pytest.raises(LoginRefused):
        running.deliver(request, SET)

    assert running.seen() == seen


def test_a_hidden_certificate_is_looked_for_by_a_login_that_is_tried_again_where_salesforce_doesnt_answer(
    running: Stage,
) -> None:
    running.world.app.certificate_encoding = CertificateEncoding.ABSENT
    request = running.begin()
    running.deliver(request, CREATE)
    running.world.org.faults.add(
        faults.html_page(503), Kind.TOKEN, times=2, where=lambda sent: b"assertion=" in sent.body
    )

    running.deliver(request, SET)

    assert running.logs_in(running.version(request.version_id))


@pytest.mark.parametrize("step", [TEST, FINISH])
def test_a_throttled_login_isnt_tried_again(stage: Stage, step: str) -> None:
    stage.install_key()
    request = stage.begin()
    stage.deliver(request, CREATE, SET)
    stage.world.org.login_limit = 0
    stage.world.org.log.clear()
    seen = stage.seen()

    with pytest.raises(LoginThrottled) as caught:
        stage.deliver(request, step)

    assert stage.seen() == seen
    assert "15 minutes" in caught.value.remedy
    assert len(stage.world.org.log.entries(Kind.TOKEN)) == 1


def test_a_clock_that_is_ten_minutes_off_doesnt_stop_a_rotation(stage: Stage) -> None:
    stage.world.org.clock.advance(600)

    request = stage.rotate()

    assert stage.logs_in(stage.version(request.version_id))


# Both for a while


@pytest.mark.parametrize("step", [SET, TEST, FINISH])
def test_an_org_that_is_down_ends_a_step_in_an_error_to_be_tried_again(running: Stage, step: str) -> None:
    request = running.begin()
    running.deliver(request, *(CREATE, SET, TEST, FINISH)[: (CREATE, SET, TEST, FINISH).index(step)])
    running.world.org.faults.add(faults.html_page(503), times=None)

    with pytest.raises(SalesforceUnavailable) as caught:
        running.deliver(request, step)

    running.world.org.faults.clear()
    assert caught.value.retryable
    assert_tells_what_to_do(caught.value)
    assert running.deliver_all(request) is None


def test_where_an_administrator_installs_set_secret_fails_at_once_where_the_org_is_down(running: Stage) -> None:
    request = running.begin()
    running.deliver(request, CREATE)
    running.world.org.faults.add(faults.html_page(503), times=None)
    began = running.clock.monotonic()

    with pytest.raises(SalesforceUnavailable):
        running.deliver(request, SET)

    running.world.org.faults.clear()
    assert running.clock.monotonic() - began < 60


@pytest.mark.parametrize(
    ("code", "retryable", "remedy"),
    [
        ("AccessDeniedException", False, "role"),
        ("DecryptionFailure", False, "KMS"),
        ("InternalServiceError", True, "again"),
        ("ThrottlingException", True, "again"),
    ],
)
@pytest.mark.parametrize("operation", ["DescribeSecret", "GetSecretValue", "PutSecretValue"])
def test_a_secrets_manager_that_refuses_is_quoted_with_what_helps(
    running: Stage, operation: str, code: str, retryable: bool, remedy: str
) -> None:
    request = running.begin()
    running.world.aws.faults.inject(operation, Refuse(code), times=None, caller=ROTATION)

    with pytest.raises(SecretUnavailable) as caught:
        running.deliver(request, CREATE)

    running.world.aws.faults.clear()
    assert caught.value.retryable is retryable
    assert code in caught.value.what
    assert operation in caught.value.what
    assert remedy in caught.value.remedy
    assert running.deliver_all(request) is None


def test_no_step_before_finish_secret_moves_awscurrent(stage: Stage) -> None:
    stage.install_key()
    promises, labels = Promises(stage), stage.labels()
    request = stage.begin()

    for step in (CREATE, SET, TEST):
        stage.deliver(request, step)
        promises.hold()
        assert stage.labels()["AWSCURRENT"] == labels["AWSCURRENT"]
