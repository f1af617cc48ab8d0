"""A metadata component as XML: taken out of a SOAP answer, changed, and put into a package.

A write resets what it leaves out, so all that was read must go back as it was.
"""

import copy
import io
import zipfile
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"

# A component of an app has some four levels, and the library that writes XML fails at a few hundred.
_MAX_DEPTH = 64
_XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_SOAP_BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"


class UnusableXml(ValueError):
    """An answer isn't the XML that it should be."""


def qualified(*path: str) -> str:
    """Names of the metadata namespace, as ElementTree writes a path of them."""
    return "/".join(f"{{{NAMESPACE}}}{name}" for name in path)


def element(parent: Element, name: str) -> Element | None:
    """A component's direct member of that name."""
    return parent.find(qualified(name))


def local_name(member: Element) -> str:
    """The name of a member without its namespace."""
    return member.tag.rpartition("}")[2]


def new_element(name: str, text: str) -> Element:
    """A member of a component."""
    made = Element(qualified(name))
    made.text = text
    return made


def is_nil(member: Element) -> bool:
    """Whether an element says that there is nothing."""
    return member.get(_XSI_NIL) in ("true", "1")


def as_file(record: Element, metadata_type: str) -> Element:
    """A record that was read, in the form that a package's file has: no full name, no nil members, no types."""
    root = Element(qualified(metadata_type))
    root.extend(copy.deepcopy(member) for member in record if local_name(member) != "fullName")
    for parent in list(root.iter()):
        for member in list(parent):
            if is_nil(member):
                parent.remove(member)
    for member in root.iter():
        member.attrib.clear()
        if len(member) and member.text is not None and not member.text.strip():
            member.text = None
        member.tail = None
    return root


def soap_payload(body: bytes) -> Element:
    """The element in a SOAP body. Entities and DTDs have no place in SOAP. Raises UnusableXml."""
    try:
        envelope: Element = defusedxml.ElementTree.fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise UnusableXml("it can't be parsed") from error
    if _is_deep(envelope):
        raise UnusableXml("it is nested too deeply")
    payload = envelope.find(_SOAP_BODY)
    if payload is None or len(payload) == 0:
        raise UnusableXml("it has no SOAP body")
    return payload[0]


def _is_deep(root: Element) -> bool:
    level = [root]
    for _ in range(_MAX_DEPTH):
        level = [member for parent in level for member in parent]
    return bool(level)


def package_of(*, metadata_type: str, full_name: str, path: str, component: Element, api_version: str) -> bytes:
    """A package of one component, as a zip file. Raises UnusableXml for one that can't be written."""
    package = Element(qualified("Package"))
    types = SubElement(package, qualified("types"))
    SubElement(types, qualified("members")).text = full_name
    SubElement(types, qualified("name")).text = metadata_type
    SubElement(package, qualified("version")).text = api_version
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("package.xml", _written(package))
        archive.writestr(path, _written(component))
    return buffer.getvalue()


def _written(root: Element) -> bytes:
    try:
        text: bytes = tostring(root, encoding="UTF-8", xml_declaration=True, default_namespace=NAMESPACE)
    except (ValueError, TypeError) as error:
        raise UnusableXml("a member isn't of the metadata namespace") from error
    # ElementTree writes a carriage return as it is, and whoever reads it takes it for a line feed.
    return text.replace(b"\r", b"&#13;")
