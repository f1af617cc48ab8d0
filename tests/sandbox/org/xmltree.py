"""A metadata component as an ordered tree, kept element for element so that tests can see what a write lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element as ParsedElement
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

METADATA_NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
INSTANCE_NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"


class InvalidXmlError(Exception):
    """A document that isn't well-formed, or holds an element of another namespace."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the metadata namespace: its text exactly as written, or its children in their order."""

    name: str
    text: str = ""
    children: tuple["Element", ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()

    def render(self) -> str:
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes)
        content = "".join(child.render() for child in self.children) or escape(self.text, {"\r": "&#13;"})
        return f"<{self.name}{attributes}>{content}</{self.name}>"

    def child(self, name: str) -> "Element | None":
        return next((child for child in self.children if child.name == name), None)

    def child_text(self, name: str) -> str:
        """The text of a child; empty where there is none."""
        return next((child.text for child in self.children if child.name == name), "")


def elements_of(values: Mapping[str, object]) -> tuple[Element, ...]:
    """What a JSON object says, as elements in the order of the names, which is the WSDL's; None is left out."""
    return tuple(element for name in sorted(values) for element in _elements_named(name, values[name]))


def _elements_named(name: str, value: object) -> tuple[Element, ...]:
    match value:
        case None:
            return ()
        case bool():
            return (Element(name, str(value).lower()),)
        case list():
            return tuple(element for item in value for element in _elements_named(name, item))
        case dict():
            return (Element(name, children=elements_of(value)),)
        case _:
            return (Element(name, str(value)),)


def parse_xml(document: bytes) -> ParsedElement:
    """Parse what a client sent; raises InvalidXmlError, for entities and document types too."""
    try:
        root: ParsedElement = fromstring(document, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InvalidXmlError(str(error)) from error
    return root


def to_element(parsed: ParsedElement, *, bare: bool = False) -> Element:
    """Convert parsed XML; raises InvalidXmlError for an element of another namespace, or of none unless `bare`."""
    namespace, _, name = parsed.tag.rpartition("}")
    if namespace != "{" + METADATA_NAMESPACE and not (bare and not namespace):
        raise InvalidXmlError(f"Element {parsed.tag} is not in namespace {METADATA_NAMESPACE}")
    children = tuple(to_element(child, bare=bare) for child in parsed)
    attributes = tuple((_prefixed(attribute), value) for attribute, value in parsed.attrib.items())
    return Element(name, "" if children else parsed.text or "", children, attributes)


def _prefixed(attribute: str) -> str:
    if attribute.startswith("{" + INSTANCE_NAMESPACE):
        return "xsi:" + attribute.rpartition("}")[2]
    if attribute.startswith("{"):
        raise InvalidXmlError(f"Attribute {attribute} is not known")
    return attribute
