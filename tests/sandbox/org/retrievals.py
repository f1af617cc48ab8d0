"""Retrieves: packages that the org puts together, asynchronously, from its components."""

import base64
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.sandbox.org.apps import Component
from tests.sandbox.org.ids import new_id
from tests.sandbox.org.metadata_types import METADATA_TYPES
from tests.sandbox.org.xmltree import METADATA_NAMESPACE, Element

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What came of a retrieve."""

    components: tuple[Component, ...]
    missing: tuple[str, ...]
    archive: bytes = field(repr=False)

    @property
    def archive_text(self) -> str:
        return base64.b64encode(self.archive).decode()


@dataclass(eq=False)
class Retrieval:
    """One retrieve: which members of which types, and when it is done."""

    members: Sequence[tuple[str, str]]
    version: float
    single_package: bool
    due: float
    retrieval_id: str = field(default_factory=lambda: new_id("09S"))
    result: Retrieved | None = None

    @property
    def folder(self) -> str:
        """Where the package lies in the archive."""
        return "" if self.single_package else "unpackaged/"


class Retrievals:
    """The org's retrieves; the next ones take `seconds` of its clock. The caller holds the org's lock."""

    def __init__(self, components: Callable[[], Sequence[Component]]) -> None:
        self.seconds = 0.05
        self._components = components
        self._retrievals: dict[str, Retrieval] = {}

    def submit(
        self, members: Sequence[tuple[str, str]], version: float, *, single_package: bool, now: float
    ) -> Retrieval:
        """Take a request in."""
        retrieval = Retrieval(members, version, single_package, now + self.seconds)
        self._retrievals[retrieval.retrieval_id] = retrieval
        return retrieval

    def find(self, retrieval_id: str, now: float) -> Retrieval | None:
        """A retrieve by its id, of 15 or 18 characters, carried out where it is due."""
        matches = (r for key, r in self._retrievals.items() if retrieval_id in {key, key[:15]})
        retrieval = next(matches, None)
        if retrieval is not None and retrieval.result is None and retrieval.due <= now:
            retrieval.result = self._carry_out(retrieval)
        return retrieval

    def _carry_out(self, retrieval: Retrieval) -> Retrieved:
        found: list[Component] = []
        missing: list[str] = []
        for type_name, full_name in retrieval.members:
            known = METADATA_TYPES.get(type_name)
            if known is None or retrieval.version < known.since:
                missing.append(f"Unknown type name '{type_name}' specified in package.xml")
                continue
            of_type = [component for component in self._components() if component.metadata_type is known]
            matching = [component for component in of_type if full_name in {EVERYTHING, component.full_name}]
            found += [component for component in matching if component not in found]
            if not matching and full_name != EVERYTHING:
                missing.append(f"Entity of type '{type_name}' named '{full_name}' cannot be found")
        return Retrieved(tuple(found), tuple(missing), _archive(found, retrieval.version, retrieval.folder))


def _archive(components: Sequence[Component], version: float, folder: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for component in components:
            document = _document(component.metadata_type.name, component.elements)
            archive.writestr(folder + component.file_name, document)
        archive.writestr(folder + "package.xml", _document("Package", _manifest(components, version)))
    return buffer.getvalue()


def _manifest(components: Sequence[Component], version: float) -> list[Element]:
    by_type: dict[str, list[str]] = {}
    for component in components:
        by_type.setdefault(component.metadata_type.name, []).append(component.full_name)
    return [
        Element("types", children=(*(Element("members", name) for name in sorted(names)), Element("name", type_name)))
        for type_name, names in sorted(by_type.items())
    ] + [Element("version", f"{version:.1f}")]


def _document(root: str, children: Sequence[Element]) -> str:
    inner = "\n".join(child.render() for child in children)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{METADATA_NAMESPACE}">\n{inner}\n</{root}>\n'
