"""A certificate that Salesforce never honours: what is put back, what isn't, and what a person is told."""

from collections.abc import Callable

import pytest

from salesforce_keypair.errors import (
    ForeignCertificate,
    KeyPairError,
    NotPending,
    NotSettled,
    RolledBack,
    UnprovedKey,
)
from tests.integration.org_client import key_pair
from tests.sandbox.aws import Act, RotationRequest
from tests.sandbox.org import CertificateEncoding, Kind, faults
from tests.sandbox.org.refusals import INVALID_ASSERTION
from tests.sandbox.org.spreading import AtOnce, Never
from tests.scenarios.promises import Promises, apps_but_certificates, assert_tells_what_to_do
from tests.scenarios.spreading import HonoursOnly
from tests.scenarios.support import (
    AS_OFTEN_AS_IN_PRODUCTION,
    CREATE,
    FINISH,
    LAMBDA_SECONDS,
    ROTATION,
    SET,
    STEPS,
    TEST,
    Stage,
)


@pytest.fixture
def unheeded(running: Stage) -> Stage:
    """An org that honours the present certificate and will honour no other."""
    running.world.app.spreading = HonoursOnly(key_pair().fingerprint)
    return running


def installed(stage: Stage) -> RotationRequest:
    """A rotation whose certificate is in the app."""
    request = stage.begin()
    stage.deliver(request, CREATE, SET)
    return request


def failed_test(stage: Stage, request: RotationRequest, error: type[KeyPairError] = NotSettled) -> KeyPairError:
    with pytest.raises(error) as caught:
        stage.deliver(request, TEST)
    assert_tells_what_to_do(caught.value)
    return caught.value


@pytest.mark.parametrize("encoding", CertificateEncoding)
def test_the_old_certificate_is_put_back(unheeded: Stage, encoding: CertificateEncoding) -> None:
    unheeded.world.app.certificate_encoding = encoding
    old = unheeded.labelled("AWSCURRENT")
    request = installed(unheeded)
    assert not unheeded.logs_in(old)

    error = failed_test(unheeded, request)

    assert unheeded.world.app.fingerprint == key_pair().fingerprint
    assert unheeded.logs_in(old)
    assert unheeded.version(request.version_id).labels == {"ROLLEDBACK"}
    assert f"is back in the app ({key_pair().fingerprint[:16]})" in error.what
    assert "RotateSecret" in error.remedy
    assert "invalid assertion" in error.what


def test_a_put_back_comes_after_all_the_time_that_settling_may_take_and_no_later(unheeded: Stage) -> None:
    unheeded.restart(**AS_OFTEN_AS_IN_PRODUCTION)
    request = installed(unheeded)
    started = unheeded.clock.monotonic()

    failed_test(unheeded, request)

    assert 700 < unheeded.clock.monotonic() - started < 735


def test_a_put_back_has_time_before_the_functions_deadline(unheeded: Stage) -> None:
    request = installed(unheeded)
    started = unheeded.clock.monotonic()

    # Less than settling may take: what putting back needs is kept free.
    with pytest.raises(NotSettled):
        unheeded.deliver(request, TEST, seconds=300)

    assert 180 < unheeded.clock.monotonic() - started < 205
    assert unheeded.world.app.fingerprint == key_pair().fingerprint


def test_the_next_rotation_after_a_put_back_succeeds(unheeded: Stage) -> None:
    undone = installed(unheeded)
    failed_test(unheeded, undone)
    unheeded.world.app.spreading = AtOnce()

    request = unheeded.rotate()

    assert unheeded.labels()["AWSCURRENT"] == request.version_id
    assert unheeded.labels()["ROLLEDBACK"] == undone.version_id


def test_a_second_put_back_takes_the_label_over(unheeded: Stage) -> None:
    failed_test(unheeded, installed(unheeded))
    second = installed(unheeded)

    failed_test(unheeded, second)

    assert unheeded.labels()["ROLLEDBACK"] == second.version_id
    assert unheeded.world.app.fingerprint == key_pair().fingerprint


def test_secrets_managers_repeats_swap_nothing_again_after_a_put_back(unheeded: Stage) -> None:
    request = installed(unheeded)
    failed_test(unheeded, request)
    deploys = len(unheeded.world.org.log.entries(Kind.DEPLOY))

    for _ in range(3):
        assert isinstance(unheeded.deliver_all(request), RolledBack)

    assert len(unheeded.world.org.log.entries(Kind.DEPLOY)) == deploys


def test_a_first_installation_that_is_never_honoured_can_be_tried_again(stage: Stage) -> None:
    stage.world.app.spreading = Never()
    promises = Promises(stage)
    request = installed(stage)

    error = failed_test(stage, request)

    assert "no earlier key" in error.what
    assert stage.version(request.version_id).labels == {"ROLLEDBACK"}
    stage.world.app.spreading = AtOnce()
    stage.rotate()
    promises.hold()


def test_of_a_first_certificate_that_was_never_deployed_it_is_not_said_that_the_app_holds_it(stage: Stage) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)

    error = failed_test(stage, request)

    assert stage.world.app.fingerprint is None
    assert "keeps the new certificate" not in error.what


def test_a_first_installation_may_fail_many_times(stage: Stage) -> None:
    for _ in range(3):
        stage.world.app.spreading = Never()
        failed_test(stage, installed(stage))

    stage.world.app.spreading = AtOnce()
    stage.rotate()


def test_nothing_is_put_back_where_the_labels_were_moved_meanwhile(unheeded: Stage) -> None:
    request = installed(unheeded)
    certificate = unheeded.world.app.fingerprint

    # While this delivery waits, somebody gives the rotation up.
    unheeded.world.aws.faults.inject(
        "DescribeSecret",
        Act(lambda: unheeded.move_label("AWSPENDING", off=request.version_id)),
        skip=1,
        caller=ROTATION,
    )
    failed_test(unheeded, request, NotPending)

    assert unheeded.world.app.fingerprint == certificate
    assert "ROLLEDBACK" not in unheeded.labels()
    # Left so that the fixture's promises hold: an administrator does what the error says.
    unheeded.world.app.install(key_pair().pem)


def test_nothing_is_put_back_where_another_delivery_has_promoted_the_key_meanwhile(running: Stage) -> None:
    request = installed(running)
    running.deliver(request, TEST)
    old, certificate = running.labels()["AWSCURRENT"], running.world.app.fingerprint
    # From now on this delivery meets servers that refuse; another one had more luck.
    refusing = running.world.org.faults.add(faults.oauth_error(INVALID_ASSERTION), Kind.TOKEN, times=None)
    promote = Act(lambda: running.move_label("AWSCURRENT", onto=request.version_id, off=old))
    running.world.aws.faults.inject("DescribeSecret", promote, skip=1, caller=ROTATION)

    failed_test(running, request, NotPending)

    refusing.cancel()
    assert running.world.app.fingerprint == certificate
    assert running.labels()["AWSCURRENT"] == request.version_id
    assert "ROLLEDBACK" not in running.labels()


def test_where_another_delivery_promotes_the_key_while_its_certificate_is_taken_out_it_goes_in_again(
    unheeded: Stage,
) -> None:
    request = installed(unheeded)
    pair = unheeded.version(request.version_id).pair
    assert pair is not None

    def promote() -> None:
        # Honoured at last, for a moment.
        unheeded.world.app.spreading = AtOnce()
        for pem in (None, pair.pem):
            unheeded.world.app.install(pem)
        unheeded.deliver(request, FINISH)

    # After the rehearsal.
    unheeded.world.org.faults.add(faults.Fault("promoted", before=promote), Kind.DEPLOY, skip=1)

    error = failed_test(unheeded, request, NotPending)

    assert "so it was installed again" in error.what
    assert unheeded.world.app.fingerprint == pair.fingerprint
    assert unheeded.logs_in(unheeded.labelled("AWSCURRENT"))
    assert unheeded.labels()["AWSCURRENT"] == request.version_id
    assert "ROLLEDBACK" not in unheeded.labels()


def test_a_third_certificate_that_somebody_put_in_meanwhile_is_left_there(unheeded: Stage) -> None:
    request = installed(unheeded)
    unheeded.world.app.install(key_pair("third").pem)

    error = failed_test(unheeded, request, ForeignCertificate)

    assert unheeded.world.app.fingerprint == key_pair("third").fingerprint
    assert key_pair().fingerprint in error.remedy
    assert unheeded.labels()["AWSPENDING"] == request.version_id


def test_an_old_certificate_that_somebody_put_back_by_hand_is_enough(unheeded: Stage) -> None:
    request = installed(unheeded)
    unheeded.world.app.install(key_pair().pem)
    deploys = len(unheeded.world.org.log.entries(Kind.DEPLOY))

    error = failed_test(unheeded, request)

    assert f"the app holds the certificate of AWSCURRENT ({key_pair().fingerprint[:16]})" in error.what
    assert len(unheeded.world.org.log.entries(Kind.DEPLOY)) == deploys
    assert unheeded.version(request.version_id).labels == {"ROLLEDBACK"}


def take_permission(stage: Stage) -> None:
    user = stage.world.admin_app.client_credentials_user
    assert user is not None
    user.metadata_permission = False


def change_admin_secret(stage: Stage) -> None:
    stage.world.admin_app.consumer_secret = "another one since then"


def refuse_deploys(stage: Stage) -> None:
    stage.world.org.deployments.fail_next("the app is locked by a package", check_only=True)


def take_the_api_down(stage: Stage) -> None:
    stage.world.org.faults.add(faults.html_page(503), [Kind.SOAP, Kind.DEPLOY, Kind.POLL], times=None)


def lose_the_administrators_secret(stage: Stage) -> None:
    stage.world.secrets.put_secret_value(SecretId=stage.world.admin_secret_arn, SecretString="{}")


@pytest.mark.parametrize(
    "hinder",
    [take_permission, change_admin_secret, refuse_deploys, take_the_api_down, lose_the_administrators_secret],
)
def test_a_put_back_that_cant_be_done_says_that_an_administrator_must_and_which_certificate(
    unheeded: Stage, hinder: Callable[[Stage], None]
) -> None:
    request = installed(unheeded)
    hinder(unheeded)

    error = failed_test(unheeded, request, KeyPairError)

    unheeded.world.org.faults.clear()
    assert isinstance(error, NotSettled)
    assert "administrator" in error.remedy
    assert key_pair().fingerprint in error.remedy
    assert unheeded.world.app.name in error.remedy
    assert error.retryable is (hinder is take_the_api_down)


def test_a_put_back_that_was_refused_is_done_by_a_later_delivery_once_it_is_allowed(unheeded: Stage) -> None:
    request = installed(unheeded)
    take_permission(unheeded)
    failed_test(unheeded, request)
    assert unheeded.labels()["AWSPENDING"] == request.version_id
    assert "ROLLEDBACK" not in unheeded.labels()
    user = unheeded.world.admin_app.client_credentials_user
    assert user is not None
    user.metadata_permission = True

    failed_test(unheeded, request)

    assert unheeded.world.app.fingerprint == key_pair().fingerprint
    assert unheeded.version(request.version_id).labels == {"ROLLEDBACK"}


def test_a_refused_put_back_keeps_a_new_rotation_from_starting(unheeded: Stage) -> None:
    request = installed(unheeded)
    take_permission(unheeded)
    failed_test(unheeded, request)

    with pytest.raises(unheeded.world.secrets.exceptions.InvalidRequestException):
        unheeded.begin()


def test_the_rest_of_the_app_survives_a_put_back(unheeded: Stage) -> None:
    before = apps_but_certificates(unheeded)

    failed_test(unheeded, installed(unheeded))

    assert apps_but_certificates(unheeded) == before


def test_a_token_endpoint_that_doesnt_answer_the_key_pairs_logins_is_no_reason_to_put_back(unheeded: Stage) -> None:
    request = installed(unheeded)
    certificate = unheeded.world.app.fingerprint
    down = faults.html_page(503)
    unheeded.world.org.faults.add(down, Kind.TOKEN, times=None, where=lambda sent: b"assertion=" in sent.body)

    with pytest.raises(KeyPairError) as caught:
        unheeded.deliver(request, TEST)
    unheeded.world.org.faults.clear()

    assert caught.value.code == "SalesforceUnavailable"
    assert unheeded.world.app.fingerprint == certificate
    assert unheeded.labels()["AWSPENDING"] == request.version_id
    failed_test(unheeded, request)


def test_a_key_that_never_settled_isnt_promoted(unheeded: Stage) -> None:
    request = installed(unheeded)

    with pytest.raises(UnprovedKey):
        unheeded.deliver(request, FINISH)

    assert unheeded.labels()["AWSCURRENT"] != request.version_id
    failed_test(unheeded, request)


def test_the_whole_rotation_ends_in_not_settled_then_rolled_back(unheeded: Stage) -> None:
    request = unheeded.begin()

    ends = []
    for _ in range(2):
        with pytest.raises(KeyPairError) as caught:
            unheeded.deliver(request, *STEPS, seconds=LAMBDA_SECONDS)
        ends.append(caught.value.code)

    assert ends == ["NotSettled", "RolledBack"]
