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
from tests.scenarios.promises import InUse, Promises
from tests.scenarios.support import CREATE, SET, STEPS, Stage


@contextmanager
def two_apps_stage(environment: dict[str, str] | None = None, *, connected_apps: bool = False) -> Iterator[Stage]:
    """The app in use holds a key's certificate; its standby never held one."""
    with Stage(environment, connected_apps=connected_apps) as stage:
        stage.world.add_standby()
        standby = {"consumerKey": stage.world.standby.consumer_key, "appName": stage.world.standby.name}
        stage.install_key(standby=standby)
        yield stage


@pytest.fixture(params=[False, True], ids=["External Client Apps", "Connected Apps"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with two_apps_stage(connected_apps=request.param) as made:
        promises = Promises(made)
        yield made
        promises.hold()


def test_the_two_apps_change_places(stage: Stage) -> None:
    billing, standby = stage.world.app, stage.world.standby
    names = []
    for _ in range(3):
        new = stage.version(stage.rotate().version_id).document
        names.append((new["appName"], new["standby"]["appName"]))
        assert (new["consumerKey"], new["standby"]["consumerKey"]) == (
            (standby.consumer_key, billing.consumer_key)
            if new["appName"] == standby.name
            else (billing.consumer_key, standby.consumer_key)
        )

    there, back = (standby.name, billing.name), (billing.name, standby.name)
    assert names == [there, back, there]


def test_the_previous_version_still_logs_in_after_each_promotion(stage: Stage) -> None:
    for _ in range(3):
        old = stage.labelled("AWSCURRENT")
        request = stage.rotate()

        assert stage.labelled("AWSPREVIOUS").version_id == old.version_id
        assert stage.logs_in(old)
        assert stage.logs_in(stage.version(request.version_id))


@pytest.mark.parametrize(
    "spreading",
    [AtOnce(), OldUntil(400), BothUntil(600), NeitherUntil(300), FlappingUntil(600), BackOnce(15, 200), Never()],
    ids=str,
)
@pytest.mark.parametrize("own_user", [False, True], ids=["admin", "own user"])
def test_the_app_in_use_is_never_touched_however_the_change_spreads(spreading: Spreading, own_user: bool) -> None:
    with two_apps_stage() as stage:
        if own_user:
            stage.edit(adminSecretArn=None)
            stage.world.user.metadata_permission = True
        for app in stage.world.org.apps:
            app.spreading = spreading
        promises, in_use = Promises(stage), InUse(stage)
        request = stage.begin()

        for step in STEPS:
            failure = failure_of(stage, request, step)
            promises.hold()
            in_use.is_untouched()
            if failure is not None:
                break
        # Servers that still disagree may refuse finishSecret's own login.
        if failure is not None:
            failure = stage.deliver_all(request, times=2)
        promises.hold()
        in_use.is_untouched()

        assert (failure is None) is (spreading != Never())
        current = stage.labelled("AWSCURRENT").version_id
        assert (current == request.version_id) is (spreading != Never())


def failure_of(stage: Stage, request: RotationRequest, step: str) -> KeyPairError | None:
    """How a delivery of one step ends."""
    try:
        stage.deliver(request, step)
    except KeyPairError as error:
        return error
    return None


def test_the_first_installation_needs_no_key_in_either_app() -> None:
    with Stage() as stage:
        stage.world.add_standby()

        request = stage.rotate()

        assert stage.logs_in(stage.version(request.version_id))
        assert stage.world.standby.fingerprint == stage.version(request.version_id).fingerprint
        assert stage.world.app.certificate is None


def test_the_own_user_needs_no_first_login_to_end_set_secret() -> None:
    """Its session comes from the app in use, which no change of the other one ends."""
    with two_apps_stage() as stage:
        stage.edit(adminSecretArn=None)
        stage.world.user.metadata_permission = True
        stage.world.standby.spreading = OldUntil(400)
        request = stage.begin()
        began = stage.clock.time()

        stage.deliver(request, CREATE, SET)

        assert stage.clock.time() - began < 30


def test_document_of_standby_that_are_not_known_here_are_kept(stage: Stage) -> None:
    document = stage.labelled("AWSCURRENT").document
    stage.edit(standby={**document["standby"], "note": "für später", "owner": {"team": [1, None]}})

    for _ in range(2):
        new = stage.version(stage.rotate().version_id).document
        assert new["standby"]["note"] == "für später"
        assert new["standby"]["owner"] == {"team": [1, None]}


# Failed ones


@pytest.mark.parametrize("old_goes_on", [True, False])
def test_one_that_is_never_honoured_undoes_nothing_and_leaves_the_next_one_possible(
    stage: Stage, old_goes_on: bool
) -> None:
    stage.world.standby.spreading = Never(old_goes_on)
    in_use = InUse(stage)
    current = stage.labels()["AWSCURRENT"]

    for _ in range(2):
        request = stage.begin()
        failure = stage.deliver_all(request)

        assert isinstance(failure, NotSettled)
        assert "the app in use was never touched" in failure.what
        in_use.is_untouched()
        assert stage.labelled("ROLLEDBACK").version_id == request.version_id
        assert "AWSPENDING" not in stage.labels()
        assert stage.labels()["AWSCURRENT"] == current
        assert isinstance(stage.deliver_all(request), RolledBack)

    stage.world.standby.spreading = AtOnce()
    assert stage.rotate().version_id == stage.labels()["AWSCURRENT"]
    in_use.is_untouched()


# What can't be begun


def test_a_foreign_certificate_in_the_standby_app_stops_the_rotation(stage: Stage) -> None:
    foreign = key_pair("somebody else's")
    stage.world.standby.install(foreign.pem)
    in_use = InUse(stage)
    request = stage.begin()

    failure = stage.deliver_all(request, times=2)

    assert isinstance(failure, ForeignCertificate)
    assert foreign.fingerprint[:16] in failure.what
    assert stage.world.standby.fingerprint == foreign.fingerprint
    assert stage.world.org.log.entries(Kind.DEPLOY) == ()
    in_use.is_untouched()


def test_a_foreign_certificate_in_the_standby_app_is_replaced_once_where_the_document_allows_it(stage: Stage) -> None:
    stage.world.standby.install(key_pair("somebody else's").pem)
    stage.edit(replaceForeignCertificate=True)

    request = stage.rotate()

    new = stage.version(request.version_id)
    assert stage.world.standby.fingerprint == new.fingerprint
    assert "replaceForeignCertificate" not in new.document


@pytest.mark.parametrize("same", ["consumerKey", "appName"])
def test_a_standby_that_names_the_app_itself_is_refused(stage: Stage, same: str) -> None:
    document = dict(stage.labelled("AWSCURRENT").document)
    stage.edit(standby={**document["standby"], same: document[same]})
    in_use = InUse(stage)
    request = stage.begin()

    with pytest.raises(InvalidSecret, match="standby can't be used, it names the same app"):
        stage.deliver(request, CREATE)

    assert stage.version(request.version_id).text is None
    in_use.is_untouched()


def test_a_standby_app_that_is_not_in_the_org_is_named_and_the_app_in_use_goes_on() -> None:
    with two_apps_stage() as stage:
        stage.world.org.apps.remove(stage.world.standby)
        in_use = InUse(stage)

        failure = stage.deliver_all(stage.begin(), times=2)

        assert isinstance(failure, InstallationRefused)
        assert stage.world.standby.name in failure.what
        in_use.is_untouched()
