"""What the SOAP Metadata API answers about components without changing any."""

from tests.sandbox.org.apps import Component
from tests.sandbox.org.clock import timestamp
from tests.sandbox.org.metadata_types import METADATA_TYPES, MetadataType
from tests.sandbox.org.soap_messages import SoapCall, SoapFaultError
from tests.sandbox.org.state import Org
from tests.sandbox.org.users import User
from tests.sandbox.org.xmltree import Element, elements_of

MAX_READ = 10
MAX_QUERIES = 3


def describe_metadata(org: Org, call: SoapCall) -> tuple[Element, ...]:
    """The types known at a version."""
    described = [
        {
            "directoryName": known.folder,
            "inFolder": False,
            "metaFile": False,
            "suffix": known.suffix,
            "xmlName": known.name,
        }
        for known in METADATA_TYPES.values()
        if known.since <= call.version
    ]
    result = {
        "metadataObjects": described,
        "organizationNamespace": "",
        "partialSaveAllowed": True,
        "testRequired": False,
    }
    return elements_of({"result": result})


def list_metadata(org: Org, call: SoapCall) -> tuple[Element, ...]:
    """The file properties of all components of some types."""
    queries = [child for child in call.element.children if child.name == "queries"]
    if not 1 <= len(queries) <= MAX_QUERIES:
        raise SoapFaultError("EXCEEDED_ID_LIMIT", f"between 1 and {MAX_QUERIES} queries are allowed")
    types = [_type(query.child_text("type"), call.version) for query in queries]
    found = [component for known in types for component in org.components() if component.metadata_type is known]
    return elements_of({"result": [file_properties(org, component, call.user) for component in found]})


def read_metadata(org: Org, call: SoapCall) -> tuple[Element, ...]:
    """Whole components, each name that isn't there a nil record."""
    metadata_type = _type(call.element.child_text("type"), call.version)
    full_names = [child.text for child in call.element.children if child.name == "fullNames"]
    if len(full_names) > MAX_READ:
        raise SoapFaultError("EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MAX_READ} records")
    return (Element("result", children=tuple(_record(org, metadata_type, name) for name in full_names)),)


def file_properties(org: Org, component: Component, user: User) -> dict[str, object]:
    """A component's FileProperties."""
    now = timestamp(org.clock.now())
    namespace, separator, _ = component.full_name.partition("__")
    return {
        "createdById": user.user_id,
        "createdByName": "Integration Admin",
        "createdDate": now,
        "fileName": component.file_name,
        "fullName": component.full_name,
        "id": component.record_id,
        "lastModifiedById": user.user_id,
        "lastModifiedByName": "Integration Admin",
        "lastModifiedDate": now,
        "manageableState": "installed" if separator else "unmanaged",
        "namespacePrefix": namespace if separator else None,
        "type": component.metadata_type.name,
    }


def _type(name: str, version: int) -> MetadataType:
    metadata_type = METADATA_TYPES.get(name)
    if metadata_type is None or version < metadata_type.since:
        raise SoapFaultError("INVALID_TYPE", f"INVALID_TYPE: Unknown type:{name}")
    return metadata_type


def _record(org: Org, metadata_type: MetadataType, full_name: str) -> Element:
    for component in org.components():
        if component.metadata_type is metadata_type and component.full_name == full_name:
            children = (Element("fullName", full_name), *component.elements)
            return Element("records", children=children, attributes=(("xsi:type", metadata_type.name),))
    return Element("records", attributes=(("xsi:nil", "true"),))
