"""The SOAP Metadata API: one envelope in, the answer of one call or a fault out."""

from collections.abc import Callable

from tests.sandbox.org import soap_jobs, soap_reading
from tests.sandbox.org.exchange import Reply, Request
from tests.sandbox.org.metadata_types import NEWEST_API_VERSION, OLDEST_API_VERSION
from tests.sandbox.org.sessions import Session
from tests.sandbox.org.soap_messages import SOAP_NAMESPACE, SoapCall, SoapFaultError, answer_reply, fault_reply
from tests.sandbox.org.state import Org
from tests.sandbox.org.xmltree import METADATA_NAMESPACE, Element, InvalidXmlError, parse_xml, to_element

JWT_SESSIONS_SINCE = 68

_CALLS: dict[str, Callable[[Org, SoapCall], tuple[Element, ...]]] = {
    "describeMetadata": soap_reading.describe_metadata,
    "listMetadata": soap_reading.list_metadata,
    "readMetadata": soap_reading.read_metadata,
    "updateMetadata": soap_jobs.update_metadata,
    "deploy": soap_jobs.deploy,
    "checkDeployStatus": soap_jobs.check_deploy_status,
    "retrieve": soap_jobs.retrieve,
    "checkRetrieveStatus": soap_jobs.check_retrieve_status,
}


def soap(org: Org, request: Request, version_text: str) -> Reply:
    """Answer one call, or a fault with status 500."""
    username: str | None = None
    try:
        element, session_id = _envelope(request)
        version = _version(version_text)
        session = _session(org, session_id, version)
        username = session.user.username
        result = _answer(org, SoapCall(element, session.user, version))
    except SoapFaultError as fault:
        return fault_reply(fault.code, fault.message, username=username)
    return answer_reply(element.name, result, username=username)


def _answer(org: Org, call: SoapCall) -> tuple[Element, ...]:
    answer = _CALLS.get(call.element.name)
    if answer is None:
        raise SoapFaultError("soapenv:Client", f"No operation available for request {call.element.name}")
    return answer(org, call)


def _envelope(request: Request) -> tuple[Element, str]:
    if request.content_type != "text/xml":
        raise SoapFaultError(
            "soapenv:Client", f"content-type of the request should be text/xml, not {request.content_type}"
        )
    if "soapaction" not in {name.lower() for name in request.headers}:
        raise SoapFaultError("soapenv:Client", "SOAPAction HTTP header missing")
    try:
        envelope = parse_xml(request.body)
        calls = envelope.findall(f"{{{SOAP_NAMESPACE}}}Body/*")
        if len(calls) != 1:
            raise SoapFaultError("soapenv:Client", "Body must hold exactly one call")
        # simple-salesforce writes the package it wants to retrieve without a namespace.
        call = to_element(calls[0], bare=calls[0].tag.endswith("}retrieve"))
    except InvalidXmlError as error:
        raise SoapFaultError("soapenv:Client", str(error)) from error
    path = f"{{{SOAP_NAMESPACE}}}Header/{{{METADATA_NAMESPACE}}}SessionHeader/{{{METADATA_NAMESPACE}}}sessionId"
    return call, (envelope.findtext(path) or "").strip()


def _version(text: str) -> int:
    number, _, minor = text.partition(".")
    if not number.isdecimal() or minor != "0" or not OLDEST_API_VERSION <= int(number) <= NEWEST_API_VERSION:
        raise SoapFaultError("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
    return int(number)


def _session(org: Org, session_id: str, version: int) -> Session:
    session = org.sessions.find(session_id, org.clock.now())
    if session is None:
        raise SoapFaultError("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session")
    if session.is_jwt and version < JWT_SESSIONS_SINCE:
        raise SoapFaultError("INVALID_SESSION_ID", "This session ID isn't valid for use with this API")
    if not (session.user.api_enabled and session.user.metadata_permission and session.scopes & {"api", "full"}):
        raise SoapFaultError(
            "INSUFFICIENT_ACCESS", "use of the Metadata API requires a user with the ModifyMetadata permission"
        )
    return session
