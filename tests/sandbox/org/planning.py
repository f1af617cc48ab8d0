"""One component as a client sends it, judged and turned into what it would write."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.sandbox.org.app_kinds import AppKind
from tests.sandbox.org.apps import App, SettingsWrite
from tests.sandbox.org.certificates import Certificate, CertificateRefusedError
from tests.sandbox.org.xmltree import Element

_ORG_GIVEN = {
    "consumerKey": "You cannot provide a Consumer Key",
    "consumerSecret": "You cannot provide a Consumer Secret",
}
_BOOLEANS = frozenset({"true", "false", "1", "0"})


class ComponentProblemError(Exception):
    """A component that the org doesn't take; the text is the problem."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A component that may be written."""

    app: App
    write: SettingsWrite


def plan(kind: AppKind, full_name: str, root: Element, apps: Sequence[App]) -> Planned:
    """Judge a component as sent; raises ComponentProblemError."""
    credentials = kind.credentials(root.children)
    _check(root.children, kind.required, kind)
    if kind.holder is not None and root.child(kind.holder) is not None:
        _check(credentials, kind.required_in_holder, kind)
    app = _find_app(kind, full_name, root, apps)
    _refuse_keys(credentials, [other for other in apps if other is not app])
    sent = next((element.text for element in credentials if element.name == "certificate"), "")
    try:
        certificate = Certificate.parse(sent) if sent.strip() else None
    except CertificateRefusedError as error:
        raise ComponentProblemError(str(error)) from error
    return Planned(app, SettingsWrite(kind.kept(root.children), certificate, *kind.asks_to_rotate(root.children)))


def _refuse_keys(credentials: Sequence[Element], others: Sequence[App]) -> None:
    for element in credentials:
        if element.name == "consumerKey" and any(app.consumer_key == element.text for app in others):
            raise ComponentProblemError("The consumer key is already taken.")
        if element.name in _ORG_GIVEN:
            raise ComponentProblemError(_ORG_GIVEN[element.name])


def _check(elements: Sequence[Element], required: Iterable[str], kind: AppKind) -> None:
    names = [element.name for element in elements]
    for name in names:
        if name not in kind.repeatable and names.count(name) > 1:
            raise ComponentProblemError(f"Duplicate element {name}")
    for element in elements:
        if element.name.startswith(("is", "should")) and element.text not in _BOOLEANS:
            raise ComponentProblemError(f"'{element.text}' is not a valid value for the type xsd:boolean")
    filled = {element.name for element in elements if element.text.strip()}
    for name in sorted(set(required) - filled):
        raise ComponentProblemError(f"Required field is missing: {name}")


def _find_app(kind: AppKind, full_name: str, root: Element, apps: Sequence[App]) -> App:
    candidates = [app for app in apps if app.kind is kind and app.exists]
    if kind.parent_reference is None:
        app = next((app for app in candidates if app.full_name == full_name), None)
        if app is None:
            raise ComponentProblemError("You can't create a connected app. Contact Salesforce Customer Support.")
        return app
    named = root.child(kind.parent_reference)
    parent = named.text if named else ""
    app = next((app for app in candidates if app.name == parent), None)
    if app is None:
        raise ComponentProblemError(
            f"In field: {kind.parent_reference} - no ExternalClientApplication named {parent} found"
        )
    if app.full_name != full_name:
        raise ComponentProblemError(f"The external client app {app.name} already has global OAuth settings")
    return app
