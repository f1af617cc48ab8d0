"""A package as a deploy brings it: read from the zip, judged, and turned into what it would write."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from tests.sandbox.org.apps import ExternalClientApp, SettingsWrite
from tests.sandbox.org.certificates import Certificate, CertificateRefusedError
from tests.sandbox.org.metadata_types import GLOBAL_OAUTH_SETTINGS, NEWEST_API_VERSION
from tests.sandbox.org.xmltree import Element, InvalidXmlError, parse_xml, to_element

_SINGLE = ("callbackUrl", "certificate", "externalClientApplication", "idTokenConfig", "label")
# What the org answers for itself: sent or not, it isn't kept with the rest.
_MANAGED = ("fullName", "certificate", "consumerKey", "shouldRotateConsumerKey", "shouldRotateConsumerSecret")
_ORG_GIVEN = {
    "consumerKey": "You cannot provide a Consumer Key",
    "consumerSecret": "You cannot provide a Consumer Secret",
}


class InvalidPackageError(Exception):
    """A package that can't be looked into at all; the text is the deploy's errorMessage."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One component failure."""

    file_name: str
    full_name: str
    component_type: str
    problem: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A component that may be written."""

    app: ExternalClientApp
    write: SettingsWrite


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a deploy would do: nothing at all where there are problems."""

    planned: tuple[Planned, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """The files of a package, and the members that its package.xml names."""

    files: dict[str, bytes]
    members: tuple[tuple[str, str], ...]
    version: float

    @classmethod
    def read(cls, data: bytes, *, single: bool) -> "Package":
        """Unpack a zip; raises InvalidPackageError. Only a single package may have its manifest at the root."""
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                files = {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise InvalidPackageError("The zip file can't be read") from error
        manifest = files.pop("package.xml", None)
        if manifest is None or not single:
            raise InvalidPackageError("No package.xml found")
        try:
            root = to_element(parse_xml(manifest))
            version = root.child("version")
            numeric_version = float(version.text) if version else 0.0
        except (InvalidXmlError, ValueError) as error:
            raise InvalidPackageError(f"package.xml can't be read: {error}") from error
        if root.name != "Package" or version is None:
            raise InvalidPackageError("package.xml must be a Package with a version")
        return cls(files, tuple(_members(root)), numeric_version)

    def judge(self, apps: Sequence[ExternalClientApp], *, allow_missing_files: bool) -> Verdict:
        """Check every member against the files and the org's apps."""
        problems: list[Problem] = []
        planned: list[Planned] = []
        expected = set()
        if self.version > NEWEST_API_VERSION:
            problems.append(Problem("package.xml", "", "", f"Invalid version specified: {self.version}"))
        for type_name, full_name in self.members:
            if type_name != GLOBAL_OAUTH_SETTINGS.name or self.version < GLOBAL_OAUTH_SETTINGS.since:
                unknown = f"Unknown type name '{type_name}' specified in package.xml"
                problems.append(Problem("package.xml", full_name, "", unknown))
                continue
            path = GLOBAL_OAUTH_SETTINGS.file_name(full_name)
            expected.add(path)
            content = self.files.get(path)
            if content is None:
                absent = f"An object '{full_name}' of type {type_name} was named in package.xml, but was not found"
                problems.extend([] if allow_missing_files else [Problem(path, full_name, type_name, absent)])
                continue
            try:
                planned.append(_plan(full_name, content, apps))
            except _ComponentProblemError as error:
                problems.append(Problem(path, full_name, type_name, str(error)))
        problems.extend(
            Problem(path, "", "", f"The file {path} is not named in package.xml")
            for path in sorted(self.files.keys() - expected)
        )
        return Verdict(() if problems else tuple(planned), tuple(problems))


class _ComponentProblemError(Exception):
    pass


def _members(root: Element) -> list[tuple[str, str]]:
    found = []
    for types in root.children:
        name = types.child("name")
        if types.name == "types" and name is not None:
            found += [(name.text, member.text) for member in types.children if member.name == "members"]
    return found


def _plan(full_name: str, content: bytes, apps: Sequence[ExternalClientApp]) -> Planned:
    try:
        root = to_element(parse_xml(content))
    except InvalidXmlError as error:
        raise _ComponentProblemError(f"Error parsing file: {error}") from error
    if root.name != GLOBAL_OAUTH_SETTINGS.name:
        raise _ComponentProblemError(f"Element {root.name} is not the type named in package.xml")
    _check_elements(root)
    app = _find_app(full_name, root, apps)
    certificate = root.child("certificate")
    try:
        parsed = Certificate.parse(certificate.text) if certificate and certificate.text.strip() else None
    except CertificateRefusedError as error:
        raise _ComponentProblemError(str(error)) from error
    write = SettingsWrite(
        elements=tuple(element for element in root.children if element.name not in _MANAGED),
        certificate=parsed,
        rotate_consumer_key=_is_true(root.child("shouldRotateConsumerKey")),
        rotate_consumer_secret=_is_true(root.child("shouldRotateConsumerSecret")),
    )
    return Planned(app, write)


def _check_elements(root: Element) -> None:
    names = [element.name for element in root.children]
    for name, problem in _ORG_GIVEN.items():
        if name in names:
            raise _ComponentProblemError(problem)
    for name in _SINGLE:
        if names.count(name) > 1:
            raise _ComponentProblemError(f"Duplicate element {name}")
    for element in root.children:
        if element.name.startswith(("is", "should")) and element.text not in {"true", "false", "1", "0"}:
            raise _ComponentProblemError(f"'{element.text}' is not a valid value for the type xsd:boolean")
    label = root.child("label")
    if label is None or not label.text.strip():
        raise _ComponentProblemError("Required field is missing: label")


def _find_app(full_name: str, root: Element, apps: Sequence[ExternalClientApp]) -> ExternalClientApp:
    named = root.child("externalClientApplication")
    if named is None or not named.text:
        raise _ComponentProblemError("Required field is missing: externalClientApplication")
    app = next((app for app in apps if app.name == named.text), None)
    if app is None:
        raise _ComponentProblemError(
            f"In field: externalClientApplication - no ExternalClientApplication named {named.text} found"
        )
    if app.full_name != full_name:
        raise _ComponentProblemError(f"The external client app {app.name} already has global OAuth settings")
    return app


def _is_true(element: Element | None) -> bool:
    return element is not None and element.text in {"true", "1"}
