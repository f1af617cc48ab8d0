"""An app as the org keeps it: its policies, its certificate and the component that deploys write."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from tests.sandbox.org.app_kinds import EXTERNAL_CLIENT_APP_KIND, SCOPE_NAMES, AppKind
from tests.sandbox.org.certificates import Certificate, CertificateEncoding
from tests.sandbox.org.clock import OrgClock
from tests.sandbox.org.ids import new_id, random_text
from tests.sandbox.org.metadata_types import EXTERNAL_CLIENT_APP, OAUTH_POLICIES, OAUTH_SETTINGS, MetadataType
from tests.sandbox.org.refusals import INVALID_ASSERTION, Refusal
from tests.sandbox.org.spreading import AtOnce, CertificateHistory, Honoured, Spreading
from tests.sandbox.org.users import User
from tests.sandbox.org.xmltree import Element

SESSION_TIMEOUT_SECONDS = 7200


class Presence(Enum):
    """Whether the org has the app; a consumer key is known to Salesforce before and after that."""

    INSTALLED = "installed"
    UNINSTALLED = "uninstalled"
    MISSING = "missing"


class PermittedUsers(Enum):
    """The app's policy on who may use it, as a component spells it."""

    ADMIN_APPROVED = "AdminApprovedPreAuthorized"
    ALL_MAY_SELF_AUTHORIZE = "AllSelfAuthorized"


@dataclass(frozen=True, slots=True)
class SettingsWrite:
    """What one deploy makes of an app's component: all of it, since a write leaves nothing of what was."""

    elements: tuple[Element, ...]
    certificate: Certificate | None
    rotate_consumer_key: bool = False
    rotate_consumer_secret: bool = False


def _new_consumer_key() -> str:
    return "3MVG9" + random_text(80)


@dataclass(frozen=True, slots=True)
class Component:
    """One metadata component as a read answers it."""

    metadata_type: MetadataType
    full_name: str
    record_id: str
    elements: tuple[Element, ...]

    @property
    def file_name(self) -> str:
        return self.metadata_type.file_name(self.full_name)


@dataclass(eq=False)
class App:
    """One app of either kind. Its attributes may be changed while the org runs.

    `spreading` holds for changes made from then on; `next_spreadings` are taken first, one for each change.
    `sticky_servers` binds a connection to one server, where otherwise each request meets another. `reuses_session` lets
    a second login of a user return the session it has.
    """

    kind: AppKind
    name: str
    full_name: str
    clock: OrgClock
    elements: tuple[Element, ...]
    settle: Callable[[], None] = field(repr=False)
    lock: threading.RLock = field(repr=False)
    scopes: set[str] = field(default_factory=lambda: {"api", "refresh_token"})
    approved: set[str] = field(default_factory=set)
    client_credentials_user: User | None = None
    permitted_users: PermittedUsers = PermittedUsers.ADMIN_APPROVED
    presence: Presence = Presence.INSTALLED
    relaxes_ip: bool = True
    spreading: Spreading = field(default_factory=AtOnce)
    next_spreadings: deque[Spreading] = field(default_factory=deque)
    sticky_servers: bool = False
    certificate_encoding: CertificateEncoding = CertificateEncoding.PEM
    answers_consumer_key: bool = True
    answers_consumer_secret: bool = False
    wrong_key_refusal: Refusal = INVALID_ASSERTION
    session_timeout: float = SESSION_TIMEOUT_SECONDS
    reuses_session: bool = False
    consumer_key: str = field(default_factory=_new_consumer_key)
    consumer_secret: str = field(default_factory=lambda: random_text(64), repr=False)
    component_id: str = field(init=False)
    app_id: str = field(default_factory=lambda: new_id("0xI"))
    oauth_settings_id: str = field(default_factory=lambda: new_id("0xG"))
    policies_id: str = field(default_factory=lambda: new_id("0xP"))
    used_jtis: set[str] = field(default_factory=set, repr=False)
    _history: CertificateHistory = field(default_factory=CertificateHistory, init=False, repr=False)

    def __post_init__(self) -> None:
        self.component_id = new_id(self.kind.id_prefix)
        self.scopes = self.kind.scopes(self.elements) or self.scopes

    def approve(self, *users: User) -> None:
        """Pre-authorise users, as a permission set of the app's policy would."""
        self.approved |= {user.username for user in users}

    def install(self, certificate: str | bytes | None, spreading: Spreading | None = None) -> None:
        """Put a certificate in by hand, or None to take it out. Spreads at once unless told otherwise."""
        text = certificate.decode() if isinstance(certificate, bytes) else certificate
        parsed = None if text is None else Certificate.parse(text)
        with self.lock:
            self.settle()
            self._history.install(parsed, self.clock.now(), lambda: spreading or AtOnce())

    def write(self, write: SettingsWrite, at: float) -> None:
        """Carry out a deploy that took effect at that time of the org's clock."""
        self.elements = write.elements
        scopes = self.kind.scopes(write.elements)
        if scopes is not None:
            self.scopes = scopes
        if write.rotate_consumer_key:
            self.consumer_key = _new_consumer_key()
        if write.rotate_consumer_secret:
            self.consumer_secret = random_text(64)
        self._history.install(write.certificate, at, self._take_spreading)

    def honoured(self, rng: Random) -> Honoured:
        """The certificates that a server drawn with `rng` honours now."""
        with self.lock:
            self.settle()
            return self._history.honoured(self.clock.now(), rng)

    @property
    def certificate(self) -> Certificate | None:
        """The installed certificate: what was written last, whatever the servers honour."""
        with self.lock:
            self.settle()
            return self._history.installed

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the installed certificate's DER, lower-case hex."""
        certificate = self.certificate
        return certificate.fingerprint if certificate else None

    @property
    def exists(self) -> bool:
        return self.presence is Presence.INSTALLED

    def component(self) -> tuple[Element, ...]:
        """The elements of the component that holds the certificate, as a read answers them."""
        with self.lock:
            certificate = self.certificate
            text = certificate.written(self.certificate_encoding) if certificate else None
            credentials = [Element("consumerKey", self.consumer_key)] if self.answers_consumer_key else []
            if text is not None:
                credentials.append(Element("certificate", text))
            if self.answers_consumer_secret:
                credentials.append(Element("consumerSecret", self.consumer_secret))
            return self.kind.answered(self.elements, credentials)

    def components(self) -> tuple[Component, ...]:
        """All components that the app consists of; none where the org doesn't have it."""
        if not self.exists:
            return ()
        settings = Component(self.kind.component, self.full_name, self.component_id, self.component())
        if self.kind is not EXTERNAL_CLIENT_APP_KIND:
            return (settings,)
        header = (
            Element("contactEmail", "integration@example.com"),
            Element("distributionState", "Local"),
            Element("isProtected", "false"),
            Element("label", self.name),
        )
        return (
            Component(EXTERNAL_CLIENT_APP, self.name, self.app_id, header),
            settings,
            Component(OAUTH_SETTINGS, f"{self.name}_oauth", self.oauth_settings_id, self._oauth_settings()),
            Component(OAUTH_POLICIES, f"{self.name}_oauthPlcy", self.policies_id, self._policies()),
        )

    def _oauth_settings(self) -> tuple[Element, ...]:
        scopes = ", ".join(scope for scope, name in SCOPE_NAMES.items() if name in self.scopes)
        return (
            Element("commaSeparatedOauthScopes", scopes),
            Element("externalClientApplication", self.name),
            Element("label", f"{self.name}_oauth"),
        )

    def _policies(self) -> tuple[Element, ...]:
        return (
            Element("commaSeparatedPermissionSet", f"{self.name}_Login"),
            Element("externalClientApplication", self.name),
            Element("ipRelaxationPolicyType", "Bypass" if self.relaxes_ip else "Enforce"),
            Element("label", f"{self.name}_oauthPlcy"),
            Element("permittedUsersPolicyType", self.permitted_users.value),
            Element("refreshTokenPolicyType", "Infinite"),
        )

    @property
    def issues_jwt_access_tokens(self) -> bool:
        return self._flag("isNamedUserJwtEnabled")

    @property
    def allows_client_credentials(self) -> bool:
        return self._flag(self.kind.client_credentials_flag)

    def _flag(self, name: str) -> bool:
        flags = self.kind.credentials(self.elements)
        return any(element.name == name and element.text in {"true", "1"} for element in flags)

    def _take_spreading(self) -> Spreading:
        return self.next_spreadings.popleft() if self.next_spreadings else self.spreading
