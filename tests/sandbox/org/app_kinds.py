"""The two kinds of app: how each is written as a metadata component, and where in that its credentials sit."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.sandbox.org.metadata_types import CONNECTED_APP, GLOBAL_OAUTH_SETTINGS, MetadataType
from tests.sandbox.org.xmltree import Element

_ROTATE_KEY = "shouldRotateConsumerKey"
_ROTATE_SECRET = "shouldRotateConsumerSecret"
_CREDENTIALS = frozenset({"certificate", "consumerKey", "consumerSecret"})
# The two that logging in by JWT depends on, and the ones a client may mistake them for.
SCOPE_NAMES = {
    "Api": "api",
    "Basic": "id",
    "Full": "full",
    "OfflineAccess": "offline_access",
    "OpenID": "openid",
    "RefreshToken": "refresh_token",
    "Web": "web",
}


@dataclass(frozen=True, slots=True)
class AppKind:
    """One kind of app. `holder` is the element with the credentials in it; None: they lie in the component itself."""

    component: MetadataType
    holder: str | None
    id_prefix: str
    required: frozenset[str]
    required_in_holder: frozenset[str]
    repeatable: frozenset[str]
    answers_for_rotation: bool
    client_credentials_flag: str
    parent_reference: str | None
    known_at_generic_hosts: bool

    def credentials(self, elements: Iterable[Element]) -> tuple[Element, ...]:
        """What lies beside the certificate in a component's elements, the certificate included."""
        if self.holder is None:
            return tuple(elements)
        return next((element.children for element in elements if element.name == self.holder), ())

    def kept(self, elements: Iterable[Element]) -> tuple[Element, ...]:
        """The elements of a write that are stored as they are: without what the org itself answers for."""
        if self.holder is None:
            managed = _CREDENTIALS | {"fullName", _ROTATE_KEY, _ROTATE_SECRET}
            return tuple(element for element in elements if element.name not in managed)
        return tuple(
            element if element.name != self.holder else Element(element.name, children=_without_credentials(element))
            for element in elements
            if element.name != "fullName"
        )

    def answered(self, kept: Iterable[Element], credentials: Iterable[Element]) -> tuple[Element, ...]:
        """The elements as a read answers them, in the order of the names as the WSDL has them."""
        stored = tuple(kept)
        added = list(credentials)
        if self.answers_for_rotation:
            added += [Element(_ROTATE_KEY, "false"), Element(_ROTATE_SECRET, "false")]
        if self.holder is not None:
            held = Element(self.holder, children=_in_order([*self.credentials(stored), *added]))
            stored = tuple(element for element in stored if element.name != self.holder)
            added = [held]
        return _in_order([*stored, *added])

    def scopes(self, elements: Iterable[Element]) -> set[str] | None:
        """The scopes that the component sets; None where another component holds them."""
        if self.holder is None:
            return None
        return {SCOPE_NAMES.get(e.text, e.text.lower()) for e in self.credentials(elements) if e.name == "scopes"}

    def asks_to_rotate(self, elements: Iterable[Element]) -> tuple[bool, bool]:
        """Whether a write asks for a new consumer key, and for a new secret."""
        asked = {element.name for element in elements if element.text in {"true", "1"}}
        return (_ROTATE_KEY in asked, _ROTATE_SECRET in asked) if self.answers_for_rotation else (False, False)


def _without_credentials(element: Element) -> tuple[Element, ...]:
    return tuple(child for child in element.children if child.name not in _CREDENTIALS)


def _in_order(elements: list[Element]) -> tuple[Element, ...]:
    return tuple(sorted(elements, key=lambda element: element.name))


EXTERNAL_CLIENT_APP_KIND = AppKind(
    component=GLOBAL_OAUTH_SETTINGS,
    holder=None,
    id_prefix="0xJ",
    required=frozenset({"externalClientApplication", "label"}),
    required_in_holder=frozenset(),
    repeatable=frozenset(),
    answers_for_rotation=True,
    client_credentials_flag="isClientCredentialsFlowEnabled",
    parent_reference="externalClientApplication",
    known_at_generic_hosts=False,
)
CONNECTED_APP_KIND = AppKind(
    component=CONNECTED_APP,
    holder="oauthConfig",
    id_prefix="0H4",
    required=frozenset({"contactEmail", "label"}),
    required_in_holder=frozenset({"callbackUrl"}),
    repeatable=frozenset({"attributes", "ipRanges", "permissionSetName", "profileName", "scopes"}),
    answers_for_rotation=False,
    client_credentials_flag="isClientCredentialEnabled",
    parent_reference=None,
    known_at_generic_hosts=True,
)
APP_KINDS = {kind.component.name: kind for kind in (EXTERNAL_CLIENT_APP_KIND, CONNECTED_APP_KIND)}
