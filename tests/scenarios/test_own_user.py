"""Without an admin the key pair's own user changes the app: its session is the only one that can undo the change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from salesforce_keypair.errors import InstallationRefused, InvalidSecret, KeyPairError, NotSettled, RolledBack
from tests.sandbox.aws import RotationRequest
from tests.sandbox.org import CertificateEncoding
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
from tests.scenarios.setups import (
    CREATE,
    FINISH,
    SET,
    SHORT_WAIT,
    STEPS,
    TEST,
    Before,
    Killed,
    NobodyAfter,
    Scene,
    killed_before_call,
)


@contextmanager
def own_user_scene(environment: dict[str, str] | None = None, *, connected_apps: bool = False) -> Iterator[Scene]:
    """The key pair's user may change apps, and no admin's secret is named."""
    with Scene(environment, connected_apps=connected_apps) as scene:
        scene.world.user.metadata_permission = True
        scene.install_key(adminSecretArn=None)
        yield scene


@pytest.fixture(params=[False, True], ids=["External Client App", "Connected App"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with own_user_scene(connected_apps=request.param) as made:
        before = Before(made)
        yield made
        before.holds()


def test_its_own_user_alone_changes_the_app(scene: Scene) -> None:
    request = scene.rotate()

    assert scene.deployed_by() == {scene.world.user.username}
    assert scene.labels()["AWSCURRENT"] == request.version_id
    assert scene.world.app.fingerprint == scene.version(request.version_id).fingerprint


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
def test_however_the_change_spreads_the_rotation_ends_well(scene: Scene, spreading: Spreading) -> None:
    scene.world.app.spreading = spreading
    before = Before(scene)
    request = scene.begin()

    failure = scene.deliver_all(request, times=3)

    assert failure is None
    before.holds()
    assert scene.labels()["AWSCURRENT"] == request.version_id
    assert scene.logs_in(scene.version(request.version_id))


@pytest.mark.parametrize("spreading", [OldUntil(400), NeitherUntil(300)], ids=str)
def test_set_secret_ends_with_the_first_login_of_the_new_key(scene: Scene, spreading: Spreading) -> None:
    scene.world.app.spreading = spreading
    request = scene.begin()
    scene.deliver(request, CREATE)
    began = scene.clock.time()

    scene.deliver(request, SET)

    assert scene.clock.time() - began >= 300
    assert scene.logs_in(scene.version(request.version_id))


def test_with_an_admin_set_secret_waits_for_no_login() -> None:
    with Scene() as scene:
        scene.install_key()
        scene.world.app.spreading = OldUntil(400)
        request = scene.begin()
        began = scene.clock.time()

        scene.deliver(request, CREATE, SET)

        assert scene.clock.time() - began < 30


@pytest.mark.parametrize("old_goes_on", [True, False])
def test_set_secret_puts_back_itself_with_the_session_that_it_holds(scene: Scene, old_goes_on: bool) -> None:
    scene.world.app.next_spreadings.append(Never(old_goes_on))
    old = scene.labelled("AWSCURRENT")
    request = scene.begin()
    scene.deliver(request, CREATE)

    with pytest.raises(NotSettled, match="the certificate of AWSCURRENT is back in the app"):
        scene.deliver(request, SET)

    # One session: had it logged in again, there would be none where no key is honoured.
    assert scene.accepted_logins() == 1
    assert scene.world.app.fingerprint == old.fingerprint
    assert scene.logs_in(old)
    assert scene.labelled("ROLLEDBACK").version_id == request.version_id
    assert "AWSPENDING" not in scene.labels()


def test_after_it_was_put_back_no_delivery_swaps_again_and_a_new_rotation_succeeds(scene: Scene) -> None:
    scene.world.app.next_spreadings.append(Never())
    request = scene.begin()
    assert isinstance(scene.deliver_all(request), NotSettled)
    deploys = scene.deploys()

    assert isinstance(scene.deliver_all(request, times=2), RolledBack)
    assert scene.deploys() == deploys
    scene.rotate()


@pytest.mark.parametrize("encoding", CertificateEncoding)
def test_an_app_may_answer_its_certificate_in_any_form_or_not_at_all(
    scene: Scene, encoding: CertificateEncoding
) -> None:
    scene.world.app.certificate_encoding = encoding

    request = scene.rotate()

    assert scene.world.app.fingerprint == scene.version(request.version_id).fingerprint


# Killed on the way


def kills(
    step: str, spreading: Spreading, *, deployed: bool = False
) -> Iterator[tuple[Scene, Before, RotationRequest]]:
    """A scene for each call of the step, in which the process ended just before that call, and one after the last.

    With `deployed`, only those after the certificate was sent.
    """

    def begun(scene: Scene) -> RotationRequest:
        scene.world.app.spreading = spreading
        request = scene.begin()
        scene.deliver(request, *STEPS[: STEPS.index(step)])
        return request

    def ends_as_it_does(scene: Scene, request: RotationRequest) -> None:
        try:
            scene.deliver(request, step)
        except (Killed, KeyPairError):
            return

    with own_user_scene(SHORT_WAIT) as scene, killed_before_call(None) as made:
        request = begun(scene)
        until_then = len(made)
        ends_as_it_does(scene, request)
        calls = made[until_then:]
    # The rehearsal is sent first.
    sent = [number for number, call in enumerate(calls, 1) if call.endswith("/deployRequest")]
    first = sent[1] + 1 if deployed else 1
    assert len(calls) >= first + 2
    for number in range(first, len(calls) + 2):
        with own_user_scene(SHORT_WAIT) as scene:
            before = Before(scene)
            request = begun(scene)
            with killed_before_call(number):
                ends_as_it_does(scene, request)
            before.holds()
            yield scene, before, request


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("step", "spreading"),
    [(SET, OldUntil(4)), (SET, NeitherUntil(4)), (TEST, NeitherUntil(4)), (FINISH, AtOnce())],
    ids=str,
)
def test_killed_anywhere_the_next_deliveries_end_the_rotation_well(step: str, spreading: Spreading) -> None:
    for scene, before, request in kills(step, spreading):
        assert scene.deliver_all(request, times=2) is None
        before.holds()
        assert scene.labels()["AWSCURRENT"] == request.version_id
        assert scene.logs_in(scene.version(request.version_id))


@pytest.mark.exhaustive
def test_killed_while_the_old_key_alone_goes_on_the_next_deliveries_put_back() -> None:
    for scene, before, request in kills(SET, Never(), deployed=True):
        old = scene.labelled("AWSCURRENT")

        failure = scene.deliver_all(request, times=2)

        assert isinstance(failure, NotSettled | RolledBack)
        before.holds()
        assert scene.world.app.fingerprint == old.fingerprint
        assert "AWSPENDING" not in scene.labels()
        scene.world.app.spreading = AtOnce()
        scene.rotate()


def kill_after_the_deploy(scene: Scene) -> RotationRequest:
    """A rotation whose process ended when the certificate was deployed and nobody had logged in with it."""
    request = scene.begin()
    scene.deliver(request, CREATE)
    old = scene.world.app.fingerprint
    sleep = scene.clock.sleep

    def sleep_unless_deployed(seconds: float) -> None:
        sleep(seconds)
        if scene.world.app.fingerprint != old:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.clock, "sleep", sleep_unless_deployed)
        with pytest.raises(Killed):
            scene.deliver(request, SET)
    assert scene.world.app.fingerprint == scene.version(request.version_id).fingerprint
    return request


def test_where_neither_key_is_honoured_any_more_the_error_names_the_administrator_and_the_certificate(
    scene: Scene,
) -> None:
    scene.world.app.next_spreadings.append(Never(old_goes_on=False))
    old = scene.labelled("AWSCURRENT")
    request = kill_after_the_deploy(scene)

    failure = scene.deliver_all(request, times=2)

    assert isinstance(failure, NotSettled)
    assert "neither the key of AWSCURRENT nor the pending one logs in" in failure.what
    assert f"an administrator puts the certificate of AWSCURRENT ({old.fingerprint}) into the app" in failure.remedy
    assert scene.world.app.name in failure.remedy
    assert scene.labels()["AWSPENDING"] == request.version_id


def test_once_the_administrator_has_helped_the_next_delivery_goes_on(scene: Scene) -> None:
    scene.world.app.next_spreadings.append(Never(old_goes_on=False))
    old = scene.labelled("AWSCURRENT")
    request = kill_after_the_deploy(scene)
    assert scene.deliver_all(request) is not None

    assert old.pair is not None
    scene.world.app.install(old.pair.pem)

    assert scene.deliver_all(request) is None
    assert scene.labels()["AWSCURRENT"] == request.version_id


def test_where_every_key_stops_after_the_first_login_the_administrator_is_named_too(scene: Scene) -> None:
    """setSecret has seen the new key log in and let its session go; then the app goes down."""
    scene.world.app.next_spreadings.append(NobodyAfter(15))
    old = scene.labelled("AWSCURRENT")
    request = scene.begin()
    scene.deliver(request, CREATE, SET)

    with pytest.raises(NotSettled, match="the old one isn't back in the app") as caught:
        scene.deliver(request, TEST)

    assert f"an administrator puts the certificate of AWSCURRENT ({old.fingerprint})" in caught.value.remedy
    assert scene.labels()["AWSCURRENT"] == old.version_id


# What can't be begun


def test_a_first_installation_without_admin_and_key_is_refused_by_name() -> None:
    with Scene() as scene:
        scene.world.user.metadata_permission = True
        scene.world.put_document(scene.world.document(adminSecretArn=None))
        request = scene.begin()

        with pytest.raises(InvalidSecret, match="adminSecretArn is missing, and without a key") as caught:
            scene.deliver(request, CREATE)

        assert "name an admin's secret in adminSecretArn, or import the key pair" in caught.value.remedy
        assert scene.version(request.version_id).text is None
        assert scene.deployed_by() == set()


def test_a_user_without_the_permission_to_change_apps_changes_nothing_and_is_told_which(scene: Scene) -> None:
    scene.world.user.metadata_permission = False
    held = scene.world.app.component()
    request = scene.begin()

    failure = scene.deliver_all(request, times=2)

    assert isinstance(failure, InstallationRefused)
    assert "Modify Metadata Through Metadata API Functions" in failure.remedy
    assert scene.world.app.component() == held


# What is said


@pytest.mark.parametrize(("own", "warned"), [(True, True), (False, False)])
def test_that_every_token_can_change_the_app_is_warned_of(
    own: bool, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    install: Callable[[Scene], object] = (
        (lambda scene: scene.install_key(adminSecretArn=None)) if own else (lambda scene: scene.install_key())
    )
    with Scene() as scene:
        scene.world.user.metadata_permission = True
        install(scene)
        scene.rotate()

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("every token that is handed out can change the app" in warning for warning in warnings) is warned
