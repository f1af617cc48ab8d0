"""The SOAP Metadata API, as far as reading goes: listMetadata and readMetadata."""

from datetime import UTC, datetime

from tests.sandbox.org.apps import ExternalClientApp
from tests.sandbox.org.exchange import Reply, Request
from tests.sandbox.org.metadata_types import (
    EXTERNAL_CLIENT_APP,
    METADATA_TYPES,
    NEWEST_API_VERSION,
    OLDEST_API_VERSION,
    MetadataType,
)
from tests.sandbox.org.sessions import Session
from tests.sandbox.org.soap_messages import SOAP_NAMESPACE, answer_reply, fault_reply
from tests.sandbox.org.state import Org
from tests.sandbox.org.xmltree import METADATA_NAMESPACE, Element, InvalidXmlError, parse_xml, to_element

JWT_SESSIONS_SINCE = 68
MAX_READ = 10
MAX_QUERIES = 3


class _SoapFaultError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code if ":" in code else f"sf:{code}"
        self.message = message


def soap(org: Org, request: Request, version_text: str) -> Reply:
    """Answer one call, or a fault with status 500."""
    username: str | None = None
    try:
        call, session_id = _envelope(request)
        version = _version(version_text)
        session = _session(org, session_id, version)
        username = session.user.username
        match call.name:
            case "listMetadata":
                result = _list_metadata(org, call, session, version)
            case "readMetadata":
                result = _read_metadata(org, call, version)
            case other:
                return fault_reply("soapenv:Client", f"No operation available for request {other}", username=username)
    except _SoapFaultError as fault:
        return fault_reply(fault.code, fault.message, username=username)
    return answer_reply(call.name, result, username=username)


def _envelope(request: Request) -> tuple[Element, str]:
    if request.content_type != "text/xml":
        raise _SoapFaultError(
            "soapenv:Client", f"content-type of the request should be text/xml, not {request.content_type}"
        )
    if "soapaction" not in {name.lower() for name in request.headers}:
        raise _SoapFaultError("soapenv:Client", "SOAPAction HTTP header missing")
    try:
        envelope = parse_xml(request.body)
        calls = envelope.findall(f"{{{SOAP_NAMESPACE}}}Body/*")
        if len(calls) != 1:
            raise _SoapFaultError("soapenv:Client", "Body must hold exactly one call")
        call = to_element(calls[0])
    except InvalidXmlError as error:
        raise _SoapFaultError("soapenv:Client", str(error)) from error
    path = f"{{{SOAP_NAMESPACE}}}Header/{{{METADATA_NAMESPACE}}}SessionHeader/{{{METADATA_NAMESPACE}}}sessionId"
    return call, (envelope.findtext(path) or "").strip()


def _version(text: str) -> int:
    number, _, minor = text.partition(".")
    if not number.isdecimal() or minor != "0" or not OLDEST_API_VERSION <= int(number) <= NEWEST_API_VERSION:
        raise _SoapFaultError("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
    return int(number)


def _session(org: Org, session_id: str, version: int) -> Session:
    session = org.sessions.find(session_id, org.clock.now())
    if session is None:
        raise _SoapFaultError("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
    if session.is_jwt and version < JWT_SESSIONS_SINCE:
        raise _SoapFaultError("INVALID_SESSION_ID", "This session ID isn't valid for use with this API")
    if not (session.user.api_enabled and session.user.metadata_permission and session.scopes & {"api", "full"}):
        raise _SoapFaultError(
            "INSUFFICIENT_ACCESS", "use of the Metadata API requires a user with the ModifyMetadata permission"
        )
    return session


def _type(name: str, version: int) -> MetadataType:
    metadata_type = METADATA_TYPES.get(name)
    if metadata_type is None or version < metadata_type.since:
        raise _SoapFaultError("INVALID_TYPE", f"INVALID_TYPE: Unknown type:{name}")
    return metadata_type


def _list_metadata(org: Org, call: Element, session: Session, version: int) -> tuple[Element, ...]:
    queries = [child for child in call.children if child.name == "queries"]
    if not 1 <= len(queries) <= MAX_QUERIES:
        raise _SoapFaultError("EXCEEDED_ID_LIMIT", f"between 1 and {MAX_QUERIES} queries are allowed")
    found = []
    for query in queries:
        named = query.child("type")
        metadata_type = _type(named.text if named else "", version)
        found += [_properties(org, app, metadata_type, session) for app in org.apps]
    return tuple(found)


def _properties(org: Org, app: ExternalClientApp, metadata_type: MetadataType, session: Session) -> Element:
    is_header = metadata_type is EXTERNAL_CLIENT_APP
    full_name = app.name if is_header else app.full_name
    now = datetime.fromtimestamp(org.clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    texts = {
        "createdById": session.user.user_id,
        "createdByName": "Integration Admin",
        "createdDate": now,
        "fileName": metadata_type.file_name(full_name),
        "fullName": full_name,
        "id": app.app_id if is_header else app.component_id,
        "lastModifiedById": session.user.user_id,
        "lastModifiedByName": "Integration Admin",
        "lastModifiedDate": now,
        "manageableState": "unmanaged",
        "type": metadata_type.name,
    }
    return Element("result", children=tuple(Element(name, text) for name, text in texts.items()))


def _read_metadata(org: Org, call: Element, version: int) -> tuple[Element, ...]:
    named = call.child("type")
    metadata_type = _type(named.text if named else "", version)
    full_names = [child.text for child in call.children if child.name == "fullNames"]
    if len(full_names) > MAX_READ:
        raise _SoapFaultError("EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MAX_READ} records")
    return (Element("result", children=tuple(_record(org, metadata_type, name) for name in full_names)),)


def _record(org: Org, metadata_type: MetadataType, full_name: str) -> Element:
    for app in org.apps:
        is_header = metadata_type is EXTERNAL_CLIENT_APP
        if full_name == (app.name if is_header else app.full_name):
            elements = app.header_component() if is_header else app.component()
            children = (Element("fullName", full_name), *elements)
            return Element("records", children=children, attributes=(("xsi:type", metadata_type.name),))
    return Element("records", attributes=(("xsi:nil", "true"),))
