"""The org: its users, apps, sessions and deploys, and every switch that tests turn."""

import threading
from collections.abc import Iterable
from random import Random

from tests.sandbox.org import fresh_settings
from tests.sandbox.org.app_kinds import CONNECTED_APP_KIND, EXTERNAL_CLIENT_APP_KIND, AppKind
from tests.sandbox.org.apps import App, Component
from tests.sandbox.org.clock import OrgClock
from tests.sandbox.org.deployments import Deployments
from tests.sandbox.org.faults import Faults
from tests.sandbox.org.ids import new_id
from tests.sandbox.org.request_log import RequestLog
from tests.sandbox.org.retrievals import Retrievals
from tests.sandbox.org.sessions import Sessions
from tests.sandbox.org.spreading import Honoured
from tests.sandbox.org.users import User
from tests.sandbox.org.xmltree import Element

GENERIC_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})


class Org:
    """One org's state, guarded by one lock. Users, apps and the attributes set here may be changed at any time.

    `proxy_url` is where clients must send their CONNECT to reach `url`, if anywhere. `accepted_audiences` are taken
    besides the org's own origin. `login_limit` counts per user and hour.
    """

    def __init__(self, url: str, clock: OrgClock, seed: int) -> None:
        self.url = url
        self.proxy_url: str | None = None
        self.clock = clock
        self.lock = threading.RLock()
        self.rng = Random(seed)
        self.org_id = new_id("00D")
        self.users: dict[str, User] = {}
        self.apps: list[App] = []
        self.sessions = Sessions(self.org_id, url)
        self.deployments = Deployments(self.apps)
        self.retrievals = Retrievals(self.components)
        # Its own generator: how often faults are drawn must not change which server answers.
        self.faults = Faults(Random(seed + 1))
        self.log = RequestLog()
        self.locked = False
        self.accepted_audiences: set[str] = set()
        self.login_limit = 3600
        self.login_needs_api_enabled = False
        self.identity_at_login_host = True
        self.revoke_errors_as_query = False
        self._seed = seed

    def add_user(
        self,
        username: str,
        *,
        api_enabled: bool = True,
        metadata_permission: bool = False,
        approved: Iterable[App] = (),
    ) -> User:
        """Create a user, pre-authorised for some apps."""
        user = User(username, api_enabled, metadata_permission)
        self.users[username] = user
        for app in approved:
            app.approve(user)
        return user

    def add_external_client_app(
        self,
        name: str,
        *,
        full_name: str | None = None,
        approved: Iterable[User] = (),
        client_credentials_user: User | None = None,
        jwt_access_tokens: bool = False,
    ) -> App:
        """Create an app as Setup does; with a client credentials user that flow is on. No certificate yet."""
        elements = fresh_settings.external_client_app(
            name, jwt_access_tokens=jwt_access_tokens, client_credentials=client_credentials_user is not None
        )
        full_name = full_name or f"{name}_glbloauth"
        return self._add_app(EXTERNAL_CLIENT_APP_KIND, name, full_name, elements, approved, client_credentials_user)

    def add_connected_app(
        self,
        name: str,
        *,
        approved: Iterable[User] = (),
        client_credentials_user: User | None = None,
        jwt_access_tokens: bool = False,
    ) -> App:
        """Create an app of the older kind; `name` is its API name, with `ns__` before it in a managed package."""
        elements = fresh_settings.connected_app(
            name, jwt_access_tokens=jwt_access_tokens, client_credentials=client_credentials_user is not None
        )
        return self._add_app(CONNECTED_APP_KIND, name, name, elements, approved, client_credentials_user)

    def _add_app(
        self,
        kind: AppKind,
        name: str,
        full_name: str,
        elements: tuple[Element, ...],
        approved: Iterable[User],
        client_credentials_user: User | None,
    ) -> App:
        app = App(
            kind,
            name,
            full_name,
            self.clock,
            elements,
            settle=self.settle,
            lock=self.lock,
            client_credentials_user=client_credentials_user,
        )
        app.approve(*approved)
        with self.lock:
            self.apps.append(app)
        return app

    def components(self) -> tuple[Component, ...]:
        """The metadata components of all apps."""
        with self.lock:
            return tuple(component for app in self.apps for component in app.components())

    def app_of(self, consumer_key: str) -> App | None:
        return next((app for app in self.apps if app.consumer_key == consumer_key), None)

    def settle(self) -> None:
        """Carry out the deploys that are due."""
        with self.lock:
            self.deployments.settle(self.clock.now())

    def honoured(self, app: App, connection: int | None = None) -> Honoured:
        """The certificates of the server that answers now, or that a connection is bound to."""
        sticky = app.sticky_servers and connection is not None
        with self.lock:
            return app.honoured(Random(f"{self._seed}/{connection}") if sticky else self.rng)

    def identity_url(self, user: User) -> str:
        """The `id` of a login: names org and user, by custom at the generic login host."""
        origin = "https://login.salesforce.com" if self.identity_at_login_host else self.url
        return f"{origin}/id/{self.org_id}/{user.user_id}"
