"""Without an admin the key pair's own user changes the app: its session is the only one that can undo the change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from salesforce_keypair.errors import InstallationRefused, InvalidSecret, NotSettled, RolledBack
from tests.sandbox.aws import RotationRequest
from tests.sandbox.org import CertificateEncoding, Kind, faults
from tests.sandbox.org.spreading import (
    AtOnce,
    BackOnce,
    BothUntil,
    FlappingUntil,
    NeitherUntil,
    Never,
    OldUntil,
    Spreading,
)
from tests.scenarios.promises import Promises
from tests.scenarios.spreading import NobodyAfter
from tests.scenarios.support import CREATE, SET, TEST, Stage
from tests.scenarios.wire import Stopped


@contextmanager
def own_user_stage(environment: dict[str, str] | None = None, *, connected_apps: bool = False) -> Iterator[Stage]:
    """The key pair's user may change apps, and no admin's secret is named."""
    with Stage(environment, connected_apps=connected_apps) as stage:
        stage.world.user.metadata_permission = True
        stage.install_key(adminSecretArn=None)
        yield stage


@pytest.fixture(params=[False, True], ids=["External Client App", "Connected App"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with own_user_stage(connected_apps=request.param) as made:
        promises = Promises(made)
        yield made
        promises.hold()


def test_its_own_user_alone_changes_the_app(stage: Stage) -> None:
    request = stage.rotate()

    assert stage.deployed_by() == {stage.world.user.username}
    assert stage.labels()["AWSCURRENT"] == request.version_id
    assert stage.world.app.fingerprint == stage.version(request.version_id).fingerprint


@pytest.mark.parametrize(
    "spreading",
    [
        AtOnce(),
        OldUntil(400),
        BothUntil(600),
        NeitherUntil(300),
        FlappingUntil(600),
        FlappingUntil(600, share_of_new=0.1),
        BackOnce(15, 200),
    ],
    ids=str,
)
def test_however_the_change_spreads_the_rotation_ends_well(stage: Stage, spreading: Spreading) -> None:
    stage.world.app.spreading = spreading
    promises = Promises(stage)
    request = stage.begin()

    failure = stage.deliver_all(request, times=3)

    assert failure is None
    promises.hold()
    assert stage.labels()["AWSCURRENT"] == request.version_id
    assert stage.logs_in(stage.version(request.version_id))


@pytest.mark.parametrize("spreading", [OldUntil(400), NeitherUntil(300)], ids=str)
def test_set_secret_ends_with_the_first_login_of_the_new_key(stage: Stage, spreading: Spreading) -> None:
    stage.world.app.spreading = spreading
    request = stage.begin()
    stage.deliver(request, CREATE)
    began = stage.clock.time()

    stage.deliver(request, SET)

    assert stage.clock.time() - began >= 300
    assert stage.logs_in(stage.version(request.version_id))


def test_set_secret_waits_for_nothing_where_one_login_of_each_key_succeeds_at_once() -> None:
    with own_user_stage({"SETTLED_INTERVAL_SECONDS": "100"}) as stage:
        request = stage.begin()
        stage.deliver(request, CREATE)
        began = stage.clock.time()

        stage.deliver(request, SET)

        assert stage.world.org.log.logins(stage.world.user.username).accepted == 2
        assert stage.clock.time() - began < 30


def test_with_an_admin_set_secret_waits_for_no_login() -> None:
    with Stage() as stage:
        stage.install_key()
        stage.world.app.spreading = OldUntil(400)
        request = stage.begin()
        began = stage.clock.time()

        stage.deliver(request, CREATE, SET)

        assert stage.clock.time() - began < 30


@pytest.mark.parametrize("old_goes_on", [True, False])
def test_set_secret_puts_back_itself_with_the_session_that_it_holds(stage: Stage, old_goes_on: bool) -> None:
    stage.world.app.next_spreadings.append(Never(old_goes_on))
    old = stage.labelled("AWSCURRENT")
    request = stage.begin()
    stage.deliver(request, CREATE)

    with pytest.raises(NotSettled, match="the certificate of AWSCURRENT is back in the app"):
        stage.deliver(request, SET)

    # One session: had it logged in again, there would be none where no key is honoured.
    assert stage.world.org.log.logins(stage.world.user.username).accepted == 1
    assert stage.world.app.fingerprint == old.fingerprint
    assert stage.logs_in(old)
    assert stage.labelled("ROLLEDBACK").version_id == request.version_id
    assert "AWSPENDING" not in stage.labels()


def test_after_it_was_put_back_no_delivery_swaps_again_and_a_new_rotation_succeeds(stage: Stage) -> None:
    stage.world.app.next_spreadings.append(Never())
    request = stage.begin()
    assert isinstance(stage.deliver_all(request), NotSettled)
    deploys = stage.deploys()

    assert isinstance(stage.deliver_all(request, times=2), RolledBack)
    assert stage.deploys() == deploys
    stage.rotate()


@pytest.mark.parametrize("encoding", CertificateEncoding)
def test_an_app_may_answer_its_certificate_in_any_form_or_not_at_all(
    stage: Stage, encoding: CertificateEncoding
) -> None:
    stage.world.app.certificate_encoding = encoding

    request = stage.rotate()

    assert stage.world.app.fingerprint == stage.version(request.version_id).fingerprint


# Killed after the change, while nobody is honoured


def kill_after_the_deploy(stage: Stage) -> RotationRequest:
    """A rotation whose process ended when the certificate was deployed and nobody had logged in with it."""
    request = stage.begin()
    stage.deliver(request, CREATE)
    old = stage.world.app.fingerprint
    sleep = stage.clock.sleep

    def sleep_unless_deployed(seconds: float) -> None:
        sleep(seconds)
        if stage.world.app.fingerprint != old:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.clock, "sleep", sleep_unless_deployed)
        with pytest.raises(Stopped):
            stage.deliver(request, SET)
    assert stage.world.app.fingerprint == stage.version(request.version_id).fingerprint
    return request


def test_where_neither_key_is_honoured_any_more_the_error_names_the_administrator_and_the_certificate(
    stage: Stage,
) -> None:
    stage.world.app.next_spreadings.append(Never(old_goes_on=False))
    old = stage.labelled("AWSCURRENT")
    request = kill_after_the_deploy(stage)

    failure = stage.deliver_all(request, times=2)

    assert isinstance(failure, NotSettled)
    assert "neither the key of AWSCURRENT nor the pending one logs in" in failure.what
    assert f"an administrator puts the certificate of AWSCURRENT ({old.fingerprint}) into the app" in failure.remedy
    assert stage.world.app.name in failure.remedy
    assert stage.labels()["AWSPENDING"] == request.version_id


def test_where_awscurrent_lost_its_key_meanwhile_the_administrator_is_told_of_no_certificate(stage: Stage) -> None:
    request = stage.begin()
    stage.deliver(request, CREATE)
    stage.edit(privateKey=None, certificate=None)

    with pytest.raises(NotSettled) as caught:
        stage.deliver(request, SET)

    assert "the certificate of AWSCURRENT into the app" in caught.value.remedy


def test_once_the_administrator_has_helped_the_next_delivery_goes_on(stage: Stage) -> None:
    stage.world.app.next_spreadings.append(Never(old_goes_on=False))
    old = stage.labelled("AWSCURRENT")
    request = kill_after_the_deploy(stage)
    assert stage.deliver_all(request) is not None

    assert old.pair is not None
    stage.world.app.install(old.pair.pem)

    assert stage.deliver_all(request) is None
    assert stage.labels()["AWSCURRENT"] == request.version_id


def test_where_every_key_stops_after_the_first_login_the_administrator_is_named_too(stage: Stage) -> None:
    """setSecret has seen the new key log in and let its session go; then the app goes down."""
    stage.world.app.next_spreadings.append(NobodyAfter(15))
    old = stage.labelled("AWSCURRENT")
    request = stage.begin()
    stage.deliver(request, CREATE, SET)

    with pytest.raises(NotSettled, match="the old one isn't back in the app") as caught:
        stage.deliver(request, TEST)

    assert f"an administrator puts the certificate of AWSCURRENT ({old.fingerprint})" in caught.value.remedy
    assert not caught.value.retryable
    assert stage.labels()["AWSCURRENT"] == old.version_id


def test_a_salesforce_that_does_not_answer_while_it_is_put_back_is_tried_again(stage: Stage) -> None:
    stage.world.app.next_spreadings.append(NobodyAfter(15))
    request = stage.begin()
    stage.deliver(request, CREATE, SET)
    silence = faults.html_page(503)
    stage.clock.at(300, lambda: stage.world.org.faults.add(silence, Kind.TOKEN, times=None))

    with pytest.raises(NotSettled, match="the old one isn't back in the app") as caught:
        stage.deliver(request, TEST)

    stage.world.org.faults.clear()
    assert caught.value.retryable


# What can't be begun


def test_a_first_installation_without_admin_and_key_is_refused_by_name() -> None:
    with Stage() as stage:
        stage.world.user.metadata_permission = True
        stage.world.put_document(stage.world.document(adminSecretArn=None))
        request = stage.begin()

        with pytest.raises(InvalidSecret, match="adminSecretArn is missing, and without a key") as caught:
            stage.deliver(request, CREATE)

        assert "name an admin's secret in adminSecretArn, or import the key pair" in caught.value.remedy
        assert stage.version(request.version_id).text is None
        assert stage.deployed_by() == set()


def test_a_user_without_the_permission_to_change_apps_changes_nothing_and_is_told_which(stage: Stage) -> None:
    stage.world.user.metadata_permission = False
    held = stage.world.app.component()
    request = stage.begin()

    failure = stage.deliver_all(request, times=2)

    assert isinstance(failure, InstallationRefused)
    assert "Modify Metadata Through Metadata API Functions" in failure.remedy
    assert stage.world.app.component() == held


# What is said


@pytest.mark.parametrize(("own", "warned"), [(True, True), (False, False)])
def test_that_every_token_can_change_the_app_is_warned_of(
    own: bool, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    install: Callable[[Stage], object] = (
        (lambda stage: stage.install_key(adminSecretArn=None)) if own else (lambda stage: stage.install_key())
    )
    with Stage() as stage:
        stage.world.user.metadata_permission = True
        install(stage)
        stage.rotate()

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("every token that is handed out can change the app" in warning for warning in warnings) is warned
