"""A package as a deploy brings it: read from the zip, judged, and turned into what it would write."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from tests.sandbox.org.app_kinds import APP_KINDS, AppKind
from tests.sandbox.org.apps import App
from tests.sandbox.org.metadata_types import NEWEST_API_VERSION
from tests.sandbox.org.planning import ComponentProblemError, Planned, plan
from tests.sandbox.org.xmltree import Element, InvalidXmlError, parse_xml, to_element


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

    def judge(self, apps: Sequence[App], *, allow_missing_files: bool) -> Verdict:
        """Check every member against the files and the org's apps."""
        problems: list[Problem] = []
        planned: list[Planned] = []
        expected = set()
        if self.version > NEWEST_API_VERSION:
            problems.append(Problem("package.xml", "", "", f"Invalid version specified: {self.version}"))
        for type_name, full_name in self.members:
            kind = APP_KINDS.get(type_name)
            if kind is None or self.version < kind.component.since:
                unknown = f"Unknown type name '{type_name}' specified in package.xml"
                problems.append(Problem("package.xml", full_name, "", unknown))
                continue
            path = kind.component.file_name(full_name)
            expected.add(path)
            content = self.files.get(path)
            if content is None:
                absent = f"An object '{full_name}' of type {type_name} was named in package.xml, but was not found"
                problems.extend([] if allow_missing_files else [Problem(path, full_name, type_name, absent)])
                continue
            try:
                planned.append(plan(kind, full_name, _parse(kind, content), apps))
            except ComponentProblemError as error:
                problems.append(Problem(path, full_name, type_name, str(error)))
        problems.extend(
            Problem(path, "", "", f"The file {path} is not named in package.xml")
            for path in sorted(self.files.keys() - expected)
        )
        return Verdict(() if problems else tuple(planned), tuple(problems))


def _members(root: Element) -> list[tuple[str, str]]:
    found = []
    for types in root.children:
        name = types.child("name")
        if types.name == "types" and name is not None:
            found += [(name.text, member.text) for member in types.children if member.name == "members"]
    return found


def _parse(kind: AppKind, content: bytes) -> Element:
    try:
        root = to_element(parse_xml(content))
    except InvalidXmlError as error:
        raise ComponentProblemError(f"Error parsing file: {error}") from error
    if root.name != kind.component.name:
        raise ComponentProblemError(f"Element {root.name} is not the type named in package.xml")
    return root
