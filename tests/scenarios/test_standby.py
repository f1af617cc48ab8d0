"""Two apps that alternate: the one in use is never touched, and the previous version goes on logging in."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from salesforce_keypair.errors import (
    ForeignCertificate,
    InstallationRefused,
    InvalidSecret,
    KeyPairError,
    NotSettled,
    RolledBack,
)
from tests.integration.org_client import key_pair
from tests.sandbox.aws import RotationRequest
from tests.sandbox.org import Kind
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
    Scene,
    killed_before_call,
)


@contextmanager
def two_apps_scene(environment: dict[str, str] | None = None, *, connected_apps: bool = False) -> Iterator[Scene]:
    """The app in use holds a key's certificate; its standby never held one."""
    with Scene(environment, connected_apps=connected_apps) as scene:
        scene.world.add_standby()
        standby = {"consumerKey": scene.world.standby.consumer_key, "appName": scene.world.standby.name}
        scene.install_key(standby=standby)
        yield scene


@pytest.fixture(params=[False, True], ids=["External Client Apps", "Connected Apps"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with two_apps_scene(connected_apps=request.param) as made:
        before = Before(made)
        yield made
        before.holds()


class InUse:
    """The app in use and its key, which nothing may touch."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._version = scene.labelled("AWSCURRENT")
        app = scene.world.org.app_of(self._version.document["consumerKey"])
        assert app is not None
        self._app = app
        self._component = app.component()
        self._secret = app.consumer_secret

    def is_untouched(self) -> None:
        """Element for element, the certificate included; no deploy, not even a rehearsal, has named it."""
        assert self._app.component() == self._component
        assert self._app.consumer_secret == self._secret
        assert self._scene.logs_in(self._version)
        # A zip archive has the names of its files in the clear.
        file = f"/{self._app.full_name}.".encode()
        assert not any(file in entry.body for entry in self._scene.world.org.log.entries(Kind.DEPLOY))


def test_the_two_apps_change_places(scene: Scene) -> None:
    billing, standby = scene.world.app, scene.world.standby
    names = []
    for _ in range(3):
        new = scene.version(scene.rotate().version_id).document
        names.append((new["appName"], new["standby"]["appName"]))
        assert (new["consumerKey"], new["standby"]["consumerKey"]) == (
            (standby.consumer_key, billing.consumer_key)
            if new["appName"] == standby.name
            else (billing.consumer_key, standby.consumer_key)
        )

    there, back = (standby.name, billing.name), (billing.name, standby.name)
    assert names == [there, back, there]


def test_the_previous_version_still_logs_in_after_each_promotion(scene: Scene) -> None:
    for _ in range(3):
        old = scene.labelled("AWSCURRENT")
        request = scene.rotate()

        assert scene.labelled("AWSPREVIOUS").version_id == old.version_id
        assert scene.logs_in(old)
        assert scene.logs_in(scene.version(request.version_id))


@pytest.mark.parametrize(
    "spreading",
    [AtOnce(), OldUntil(400), BothUntil(600), NeitherUntil(300), FlappingUntil(600), BackOnce(15, 200), Never()],
    ids=str,
)
@pytest.mark.parametrize("own_user", [False, True], ids=["admin", "own user"])
def test_the_app_in_use_is_never_touched_however_the_change_spreads(spreading: Spreading, own_user: bool) -> None:
    with two_apps_scene() as scene:
        if own_user:
            scene.edit(adminSecretArn=None)
            scene.world.user.metadata_permission = True
        for app in scene.world.org.apps:
            app.spreading = spreading
        before, in_use = Before(scene), InUse(scene)
        request = scene.begin()

        for step in STEPS:
            failure = failure_of(scene, request, step)
            before.holds()
            in_use.is_untouched()
            if failure is not None:
                break
        # Servers that still disagree may refuse finishSecret's own login.
        if failure is not None:
            failure = scene.deliver_all(request, times=2)
        before.holds()
        in_use.is_untouched()

        assert (failure is None) is (spreading != Never())
        current = scene.labelled("AWSCURRENT").version_id
        assert (current == request.version_id) is (spreading != Never())


def failure_of(scene: Scene, request: RotationRequest, step: str) -> KeyPairError | None:
    """How a delivery of one step ends."""
    try:
        scene.deliver(request, step)
    except KeyPairError as error:
        return error
    return None


def test_the_first_installation_needs_no_key_in_either_app() -> None:
    with Scene() as scene:
        scene.world.add_standby()

        request = scene.rotate()

        assert scene.logs_in(scene.version(request.version_id))
        assert scene.world.standby.fingerprint == scene.version(request.version_id).fingerprint
        assert scene.world.app.certificate is None


def test_the_own_user_needs_no_first_login_to_end_set_secret() -> None:
    """Its session comes from the app in use, which no change of the other one ends."""
    with two_apps_scene() as scene:
        scene.edit(adminSecretArn=None)
        scene.world.user.metadata_permission = True
        scene.world.standby.spreading = OldUntil(400)
        request = scene.begin()
        began = scene.clock.time()

        scene.deliver(request, CREATE, SET)

        assert scene.clock.time() - began < 30


def test_members_of_standby_that_are_not_known_here_are_kept(scene: Scene) -> None:
    document = scene.labelled("AWSCURRENT").document
    scene.edit(standby={**document["standby"], "note": "für später", "owner": {"team": [1, None]}})

    for _ in range(2):
        new = scene.version(scene.rotate().version_id).document
        assert new["standby"]["note"] == "für später"
        assert new["standby"]["owner"] == {"team": [1, None]}


# Interrupted and failed ones


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("step", "spreading"),
    [(SET, OldUntil(4)), (TEST, NeitherUntil(4)), (FINISH, AtOnce())],
    ids=str,
)
def test_killed_anywhere_the_next_deliveries_end_the_rotation_well(step: str, spreading: Spreading) -> None:
    for scene, before, request, in_use in kills(step, spreading):
        before.holds()
        in_use.is_untouched()
        assert scene.deliver_all(request, times=2) is None
        before.holds()
        in_use.is_untouched()
        assert scene.labels()["AWSCURRENT"] == request.version_id


@pytest.mark.exhaustive
@pytest.mark.parametrize("step", [SET, TEST])
def test_killed_anywhere_and_given_up_the_next_rotation_succeeds(step: str) -> None:
    for scene, before, request, in_use in kills(step, AtOnce()):
        scene.take_off_pending(request.version_id)

        successor = scene.rotate()

        before.holds()
        in_use.is_untouched()
        assert scene.labels()["AWSCURRENT"] == successor.version_id


def kills(step: str, spreading: Spreading) -> Iterator[tuple[Scene, Before, RotationRequest, InUse]]:
    """A scene for each call of the step, in which the process ended just before it, and one after the last call."""

    def begun(scene: Scene) -> RotationRequest:
        scene.world.standby.spreading = spreading
        request = scene.begin()
        scene.deliver(request, *STEPS[: STEPS.index(step)])
        return request

    with two_apps_scene(SHORT_WAIT) as scene:
        request = begun(scene)
        with killed_before_call(None) as made:
            scene.deliver(request, step)
    assert len(made) >= 3
    for number in range(1, len(made) + 2):
        with two_apps_scene(SHORT_WAIT) as scene:
            before, in_use = Before(scene), InUse(scene)
            request = begun(scene)
            with killed_before_call(number):
                try:
                    scene.deliver(request, step)
                except Killed:
                    assert number <= len(made)
            yield scene, before, request, in_use


@pytest.mark.parametrize("old_goes_on", [True, False])
def test_one_that_is_never_honoured_undoes_nothing_and_leaves_the_next_one_possible(
    scene: Scene, old_goes_on: bool
) -> None:
    scene.world.standby.spreading = Never(old_goes_on)
    in_use = InUse(scene)
    current = scene.labels()["AWSCURRENT"]

    for _ in range(2):
        request = scene.begin()
        failure = scene.deliver_all(request)

        assert isinstance(failure, NotSettled)
        assert "the app in use was never touched" in failure.what
        in_use.is_untouched()
        assert scene.labelled("ROLLEDBACK").version_id == request.version_id
        assert "AWSPENDING" not in scene.labels()
        assert scene.labels()["AWSCURRENT"] == current
        assert isinstance(scene.deliver_all(request), RolledBack)

    scene.world.standby.spreading = AtOnce()
    assert scene.rotate().version_id == scene.labels()["AWSCURRENT"]
    in_use.is_untouched()


# What can't be begun


def test_a_foreign_certificate_in_the_standby_app_stops_the_rotation(scene: Scene) -> None:
    foreign = key_pair("somebody else's")
    scene.world.standby.install(foreign.pem)
    in_use = InUse(scene)
    request = scene.begin()

    failure = scene.deliver_all(request, times=2)

    assert isinstance(failure, ForeignCertificate)
    assert foreign.fingerprint[:16] in failure.what
    assert scene.world.standby.fingerprint == foreign.fingerprint
    assert scene.world.org.log.entries(Kind.DEPLOY) == ()
    in_use.is_untouched()


def test_a_foreign_certificate_in_the_standby_app_is_replaced_once_where_the_document_allows_it(scene: Scene) -> None:
    scene.world.standby.install(key_pair("somebody else's").pem)
    scene.edit(replaceForeignCertificate=True)

    request = scene.rotate()

    new = scene.version(request.version_id)
    assert scene.world.standby.fingerprint == new.fingerprint
    assert "replaceForeignCertificate" not in new.document


@pytest.mark.parametrize("same", ["consumerKey", "appName"])
def test_a_standby_that_names_the_app_itself_is_refused(scene: Scene, same: str) -> None:
    document = dict(scene.labelled("AWSCURRENT").document)
    scene.edit(standby={**document["standby"], same: document[same]})
    in_use = InUse(scene)
    request = scene.begin()

    with pytest.raises(InvalidSecret, match="standby can't be used, it names the same app"):
        scene.deliver(request, CREATE)

    assert scene.version(request.version_id).text is None
    in_use.is_untouched()


def test_a_standby_app_that_is_not_in_the_org_is_named_and_the_app_in_use_goes_on() -> None:
    with two_apps_scene() as scene:
        scene.world.org.apps.remove(scene.world.standby)
        in_use = InUse(scene)

        failure = scene.deliver_all(scene.begin(), times=2)

        assert isinstance(failure, InstallationRefused)
        assert scene.world.standby.name in failure.what
        in_use.is_untouched()
