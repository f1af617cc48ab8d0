"""After a sandbox was refreshed: usernames bear another suffix, and apps that were made there are gone.

Both are named as what they are, with the remedy, wherever they are met first: a vend, a rotation, its schedule's test.
"""

from collections.abc import Callable, Iterator

import pytest

from salesforce_keypair.errors import InstallationRefused, KeyPairError, LoginRefused, NotSettled
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import Deadline
from salesforce_keypair.vend_request import VendRequest
from salesforce_keypair.wiring.vending import build_vendor
from tests.sandbox.org import Presence
from tests.scenarios.promises import Promises
from tests.scenarios.support import CREATE, SET, TEST, Stage

SETTLING_SECONDS = 720


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        made.install_key()
        yield made


def give_usernames_another_suffix(stage: Stage) -> None:
    """The user that the secret names isn't there any more; nobody was told."""
    users = stage.world.org.users
    user = users.pop(stage.world.user.username)
    user.username += ".uat2"
    users[user.username] = user
    stage.world.app.approved = {user.username}


def lose_the_app(stage: Stage) -> None:
    """Salesforce still knows the consumer key, but this org doesn't have the app."""
    stage.world.app.presence = Presence.MISSING


REFRESHES = {
    "another suffix": (give_usernames_another_suffix, "no such username", "a sandbox refresh adds a suffix"),
    "no app": (lose_the_app, "isn't in this org", "after a sandbox refresh create the app again"),
}
refreshes = pytest.mark.parametrize(("refresh", "cause", "remedy"), REFRESHES.values(), ids=REFRESHES)


def vending(stage: Stage) -> Callable[[], KeyPairError]:
    """A vendor of the stage; each call asks it for a token that it can't give, and returns why."""
    settings = Settings.from_environment(stage.variables | {"SECRET_ID": stage.world.secret_arn}, serves_secrets=True)
    vendor = build_vendor(settings, stage.clock, table_failed=lambda: None)
    request = VendRequest.parse({}, secret_ids=settings.secret_ids, token_lifetime=settings.token_lifetime)

    def vend() -> KeyPairError:
        with pytest.raises(LoginRefused) as caught:
            vendor.vend(request, deadline=Deadline.after(stage.clock, 29))
        return caught.value

    return vend


@refreshes
def test_a_vend_names_it_while_it_might_still_be_a_change_that_spreads_and_afterwards(
    stage: Stage, refresh: Callable[[Stage], None], cause: str, remedy: str
) -> None:
    refresh(stage)
    vend = vending(stage)

    first = vend()
    stage.clock.sleep(SETTLING_SECONDS)
    later = vend()

    for failure in (first, later):
        assert cause in failure.what
        assert remedy in failure.remedy
    assert first.retryable
    assert "may spread until" in first.what
    assert not later.retryable
    assert "longer than a change takes to spread" in later.what


@refreshes
def test_the_test_of_a_schedule_names_it(
    stage: Stage, refresh: Callable[[Stage], None], cause: str, remedy: str
) -> None:
    refresh(stage)

    with pytest.raises(LoginRefused) as caught:
        stage.deliver(stage.begin(), TEST)

    assert cause in caught.value.what
    assert remedy in caught.value.remedy


def test_a_rotation_that_meets_another_username_puts_back_and_names_it(stage: Stage) -> None:
    give_usernames_another_suffix(stage)
    old = stage.world.app.fingerprint
    promises = Promises(stage)
    request = stage.begin()
    stage.deliver(request, CREATE, SET)

    with pytest.raises(NotSettled) as caught:
        stage.deliver(request, TEST)

    assert "no such username" in caught.value.what
    assert "a sandbox refresh adds a suffix" in str(caught.value)
    assert stage.world.app.fingerprint == old
    promises.hold()


def test_once_the_username_is_corrected_a_new_rotation_succeeds(stage: Stage) -> None:
    give_usernames_another_suffix(stage)
    assert stage.deliver_all(stage.begin()) is not None

    stage.edit(username=stage.world.user.username)

    assert stage.logs_in(stage.version(stage.rotate().version_id))


def test_a_rotation_that_finds_no_app_to_read_names_it_and_changes_nothing(stage: Stage) -> None:
    stage.world.org.apps.remove(stage.world.app)

    failure = stage.deliver_all(stage.begin(), times=2)

    assert isinstance(failure, InstallationRefused)
    assert f"of an app named {stage.world.app.name}" in failure.what
    assert "after a sandbox refresh create the app again" in failure.remedy
    assert stage.deployed_by() == set()


def test_a_rotation_whose_own_user_finds_no_app_names_it(stage: Stage) -> None:
    stage.world.user.metadata_permission = True
    stage.edit(adminSecretArn=None)
    lose_the_app(stage)

    failure = stage.deliver_all(stage.begin())

    assert isinstance(failure, NotSettled)
    assert "isn't in this org" in failure.what
    assert "after a sandbox refresh create the app again" in str(failure)


def test_an_admins_app_that_is_gone_is_told_from_the_integrations_own(stage: Stage) -> None:
    stage.world.admin_app.presence = Presence.MISSING

    failure = stage.deliver_all(stage.begin())

    assert isinstance(failure, LoginRefused)
    assert "the admin's client credentials" in failure.what
    assert "after a sandbox refresh create the app again" in failure.remedy


def test_once_the_app_is_created_again_the_first_rotation_installs_in_it(stage: Stage) -> None:
    lost = stage.world.app
    stage.world.org.apps.remove(lost)
    request = stage.begin()
    assert stage.deliver_all(request) is not None
    stage.move_label("AWSPENDING", off=request.version_id)

    created = stage.world.org.add_external_client_app(lost.name, approved=[stage.world.user])
    stage.edit(consumerKey=created.consumer_key)
    successor = stage.version(stage.rotate().version_id)

    assert created.fingerprint == successor.fingerprint
    assert stage.logs_in(successor)
