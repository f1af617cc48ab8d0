"""The set-ups in which a rotation is cut: how the world stands before it, and how it ends when nothing hinders it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.sandbox.administrator import Administrator
from tests.sandbox.org import CertificateEncoding
from tests.sandbox.org.spreading import NeitherUntil, Never, OldUntil
from tests.scenarios.spreading import HonoursOnly
from tests.scenarios.support import SHORT_WAIT, Stage


@dataclass(frozen=True)
class SetUp:
    """A world before a rotation.

    `heeded` says whether Salesforce ever honours the new certificate; `hurried` that it takes so long that one time-out
    more may use the patience up. With `by_hand` a person uploads what a notice asks for, at once.
    """

    name: str
    arrange: Callable[[Stage], None]
    shared_tokens: bool = False
    connected_apps: bool = False
    heeded: bool = True
    hurried: bool = False
    by_hand: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def deliveries(self) -> int:
        """The first one ends with asking a person, where one uploads."""
        return 2 if self.by_hand else 1

    @contextmanager
    def staged(self, **variables: str) -> Iterator[Stage]:
        """The world, set up; some of the rotation's variables may differ from those of SHORT_WAIT."""
        with Stage(
            SHORT_WAIT | variables,
            shared_tokens=self.shared_tokens,
            connected_apps=self.connected_apps,
            notices=self.by_hand,
        ) as stage:
            self.arrange(stage)
            if self.by_hand:
                administrator = Administrator(stage.world.org)
                stage.world.aws.topics.subscribe(stage.world.topic_arn, administrator.upload)
            yield stage


def one_app(stage: Stage) -> None:
    """An earlier rotation left a key, and an admin changes the app."""
    stage.install_key()


def own_user(stage: Stage) -> None:
    """The key pair's own user changes the app."""
    stage.world.user.metadata_permission = True
    stage.install_key(adminSecretArn=None)


def two_apps(stage: Stage) -> None:
    """The app in use holds a key's certificate; its standby never held one."""
    stage.world.add_standby()
    standby = {"consumerKey": stage.world.standby.consumer_key, "appName": stage.world.standby.name}
    stage.install_key(standby=standby)


def first_installation(stage: Stage) -> None:
    """No key anywhere."""


def hidden_certificate(stage: Stage) -> None:
    """The app doesn't show its certificate."""
    one_app(stage)
    stage.world.app.certificate_encoding = CertificateEncoding.ABSENT


def own_user_while_nobody_is_heeded(stage: Stage) -> None:
    """For a while neither key logs in."""
    own_user(stage)
    stage.world.app.spreading = NeitherUntil(4)


def own_user_while_the_old_key_goes_on(stage: Stage) -> None:
    """For a while the old key goes on."""
    own_user(stage)
    stage.world.app.spreading = OldUntil(4)


def by_hand(stage: Stage) -> None:
    """Nobody but a person may change the app."""
    stage.install_key(installation="manual", adminSecretArn=None)


def two_apps_by_hand(stage: Stage) -> None:
    """The same with two apps."""
    two_apps(stage)
    stage.edit(installation="manual", adminSecretArn=None)


def first_installation_by_hand(stage: Stage) -> None:
    """The same with no key anywhere."""
    stage.edit(installation="manual", adminSecretArn=None)


def certified(stage: Stage) -> None:
    """A certificate authority certifies new keys."""
    stage.world.aws.private_ca.now = stage.clock.time
    stage.install_key(certificateAuthorityArn=stage.world.aws.private_ca.create())


def old_key_goes_on(stage: Stage) -> None:
    """Salesforce never honours the new certificate and goes on with the old one."""
    one_app(stage)
    stage.world.app.spreading = Never()


def no_key_is_honoured(stage: Stage) -> None:
    """Salesforce honours nothing once the new certificate is there, and the old one again when it is back."""
    stage.world.app.spreading = HonoursOnly(stage.install_key().fingerprint)


def own_users_old_key_goes_on(stage: Stage) -> None:
    """The same where the key pair's own user changes the app."""
    own_user(stage)
    stage.world.app.spreading = Never()


def standby_is_never_heeded(stage: Stage) -> None:
    """The standby's certificate is stored and never honoured."""
    two_apps(stage)
    stage.world.standby.spreading = Never()


def first_installation_is_never_heeded(stage: Stage) -> None:
    """The first certificate is stored and never honoured."""
    stage.world.app.spreading = Never()


# With a table only where the app in use changes: elsewhere a rotation never calls it, which a test sees to.
MAIN = (
    SetUp("one app", one_app),
    SetUp("one app, table", one_app, shared_tokens=True),
    SetUp("own user", own_user),
    SetUp("own user, table", own_user, shared_tokens=True),
    SetUp("two apps", two_apps),
    SetUp("first installation", first_installation),
)
WITHOUT_USE_OF_THE_TABLE = (
    SetUp("two apps, table", two_apps, shared_tokens=True),
    SetUp("first installation, table", first_installation, shared_tokens=True),
)
CONNECTED = (
    SetUp("one Connected App", one_app, connected_apps=True),
    SetUp("own user, Connected App", own_user, connected_apps=True),
    SetUp("two Connected Apps", two_apps, connected_apps=True),
    SetUp("first installation, Connected App", first_installation, connected_apps=True),
)
SPREADING = (
    SetUp("hidden certificate", hidden_certificate),
    SetUp("own user, neither key for a while", own_user_while_nobody_is_heeded, hurried=True),
    SetUp("own user, the old key for a while", own_user_while_the_old_key_goes_on, hurried=True),
)
BY_HAND = (
    SetUp("by hand, table", by_hand, shared_tokens=True, by_hand=True),
    SetUp("two apps, by hand", two_apps_by_hand, by_hand=True),
    SetUp("first installation, by hand", first_installation_by_hand, by_hand=True),
)
CERTIFIED = (SetUp("one app, certificate authority", certified),)
UNHEEDED = (
    SetUp("never honoured, the old key goes on", old_key_goes_on, heeded=False),
    SetUp("never honoured, nor the old one", no_key_is_honoured, heeded=False),
    SetUp("own user, never honoured", own_users_old_key_goes_on, heeded=False),
    SetUp("two apps, never honoured", standby_is_never_heeded, heeded=False),
    SetUp("first installation, never honoured", first_installation_is_never_heeded, heeded=False),
)
ALL = (*MAIN, *CONNECTED, *SPREADING, *UNHEEDED)
