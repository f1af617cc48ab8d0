"""The Metadata API, as far as one component needs it: list and read over SOAP, deploy over REST.

SOAP reads because it answers a component as XML at once; REST deploys because it takes JWT-format tokens too.
Every call may be repeated: reads change nothing, and a deploy sends the same whole component again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from salesforce_keypair.errors import InstallationRefused, SalesforceUnavailable
from salesforce_keypair.json_text import parse_json
from salesforce_keypair.redaction import foreign_words, named
from salesforce_keypair.salesforce.component import NAMESPACE, UnusableXml, is_nil, package_of, qualified, soap_payload
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.salesforce.transport import Answer, Transport
from salesforce_keypair.timing import Clock, Deadline, retrying

# readMetadata's own limit.
READ_AT_ONCE = 10

_SOAP_JWT_SINCE = 68
_POLL_SECONDS = (0.5, 1.0, 2.0, 3.0)
# 401 among them: the session was replaced once by then, so it is their servers that disagree.
_PASSING = frozenset({200, 401, 408, 420, 429})
_PASSING_FAULTS = frozenset(
    {"INVALID_SESSION_ID", "REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW", "UNKNOWN_EXCEPTION"}
)
_TRY_AGAIN = "try again; see Salesforce's status page if it lasts"
_PERMISSIONS = (
    "give the admin's user API Enabled, 'Modify Metadata Through Metadata API Functions' and the permissions to view "
    "and edit the app"
)
_FAULTS = {
    "INSUFFICIENT_ACCESS": _PERMISSIONS,
    "INVALID_TYPE": "set apiVersion to v60.0 or later, and see that the org has External Client Apps",
    "UNSUPPORTED_API_VERSION": "set apiVersion to one that the org offers",
    "API_DISABLED_FOR_ORG": "use an edition of Salesforce with API access",
    "API_CURRENTLY_DISABLED": _PERMISSIONS,
}


class MetadataApi:
    """The Metadata API of one org, as one user and at one pinned version, which decides what a write must hold."""

    def __init__(
        self,
        *,
        transport: Transport,
        clock: Clock,
        authorize: Callable[[], Session],
        api_version: str,
        deadline: Deadline,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._authorize = authorize
        self._api_version = api_version
        self._deadline = deadline
        self._session: Session | None = None

    def full_names(self, metadata_type: str) -> list[str]:
        """The full names of all components of a type."""
        query = f"<m:queries><m:type>{escape(metadata_type)}</m:type></m:queries>"
        reply = self._soap("listMetadata", f"{query}<m:asOfVersion>{self._api_version}</m:asOfVersion>")
        return [name.text for name in reply.iterfind(qualified("result", "fullName")) if name.text]

    def read(self, metadata_type: str, full_names: Sequence[str]) -> list[Element]:
        """The components of those names that exist; at most `READ_AT_ONCE` names."""
        names = "".join(f"<m:fullNames>{escape(name)}</m:fullNames>" for name in full_names)
        reply = self._soap("readMetadata", f"<m:type>{escape(metadata_type)}</m:type>{names}")
        return [record for record in reply.iterfind(qualified("result", "records")) if not is_nil(record)]

    def deploy(self, *, metadata_type: str, full_name: str, path: str, component: Element, check_only: bool) -> None:
        """Write a whole component, or with `check_only` rehearse that; back when Salesforce is done with it."""
        try:
            archive = package_of(
                metadata_type=metadata_type,
                full_name=full_name,
                path=path,
                component=component,
                api_version=self._api_version,
            )
        except UnusableXml as error:
            raise _garbled("a component") from error
        options = {
            "singlePackage": True,
            "rollbackOnError": True,
            "checkOnly": check_only,
            "ignoreWarnings": False,
            "allowMissingFiles": False,
            "purgeOnDelete": False,
        }
        parts = {
            "json": (None, json.dumps({"deployOptions": options}), "application/json"),
            "file": ("deploy.zip", archive, "application/zip"),
        }
        deploy_id = _deploy_id(self._rest("POST", "", files=parts, expected=201))
        result = self._finished(deploy_id)
        if result.get("success") is not True or result.get("status") not in ("Succeeded", None):
            raise _deploy_refused(result, "rehearsal of the change" if check_only else "change")

    def _finished(self, deploy_id: str) -> Mapping[str, Any]:
        for attempt in count():
            result = self._rest("GET", f"/{deploy_id}?includeDetails=true", expected=200).get("deployResult")
            if not isinstance(result, dict):
                raise _garbled("a deploy's status")
            if result.get("done") is True:
                return result
            pause = _POLL_SECONDS[min(attempt, len(_POLL_SECONDS) - 1)]
            if self._deadline.remaining() <= pause:
                break
            self._clock.sleep(pause)
        raise SalesforceUnavailable(
            "Salesforce is still at work on the deploy, and the time is up", remedy="the next delivery looks again"
        )

    def _rest(self, method: str, tail: str, *, expected: int, files: Any = None) -> dict[str, Any]:
        def once() -> dict[str, Any]:
            path = f"/services/data/v{self._api_version}/metadata/deployRequest{tail}"
            answer = self._authorized(
                lambda session: self._transport.send(
                    method,
                    session.instance,
                    path,
                    bearer=session.access_token,
                    files=files,
                    deadline=self._deadline,
                ),
                expired=lambda answer: answer.status == 401,
            )
            if answer.status == expected:
                return _json_object(answer)
            raise self._rest_error(answer, polling=method == "GET")

        return retrying(once, clock=self._clock, deadline=self._deadline)

    def _soap(self, operation: str, body: str) -> Element:
        def once() -> Element:
            answer = self._authorized(
                lambda session: self._transport.send(
                    "POST",
                    session.instance,
                    f"/services/Soap/m/{self._api_version}",
                    data=_envelope(operation, body, session.access_token),
                    headers={"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'},
                    deadline=self._deadline,
                ),
                expired=lambda answer: answer.status == 500 and b"INVALID_SESSION_ID" in answer.body,
            )
            self._check_redirect(answer)
            if answer.status not in (200, 500):
                raise _no_use(answer)
            try:
                payload = soap_payload(answer.body)
            except UnusableXml as error:
                raise _garbled("a SOAP answer") from error
            if payload.tag == qualified(f"{operation}Response"):
                return payload
            raise self._fault(payload)

        return retrying(once, clock=self._clock, deadline=self._deadline)

    def _authorized(self, send: Callable[[Session], Answer], *, expired: Callable[[Answer], bool]) -> Answer:
        """The answer to a request with the session; a session that has ended is replaced once."""
        if self._session is None:
            self._session = self._logged_in()
        answer = send(self._session)
        if expired(answer):
            self._session = self._logged_in()
            answer = send(self._session)
        return answer

    def _logged_in(self) -> Session:
        session = self._authorize()
        if session.is_jwt and int(self._api_version.split(".")[0]) < _SOAP_JWT_SINCE:
            raise InstallationRefused(
                f"the admin's app issues JWT-format tokens, which SOAP refuses at API {self._api_version}",
                remedy=f"set apiVersion to v{_SOAP_JWT_SINCE}.0, or turn JWT-based tokens off in the admin's app",
            )
        return session

    def _check_redirect(self, answer: Answer) -> None:
        if answer.is_redirect:
            raise InstallationRefused(
                "Salesforce's Metadata API answered with a redirect, which isn't followed",
                remedy="set baseUri to the org's present My Domain; it may have been renamed",
            )

    def _rest_error(self, answer: Answer, *, polling: bool) -> Exception:
        self._check_redirect(answer)
        code, message = _rest_words(answer)
        # Right after the deploy was taken its status can be unknown for a moment.
        early = polling and code == "INVALID_CROSS_REFERENCE_KEY"
        passing = answer.status >= 500 or answer.status in _PASSING or code == "REQUEST_LIMIT_EXCEEDED"
        if early or passing:
            return _no_use(answer)
        return _refused(code or f"HTTP {answer.status}", message, _FAULTS.get(code, _PERMISSIONS))

    def _fault(self, payload: Element) -> Exception:
        code = (payload.findtext("faultcode") or "").rpartition(":")[2]
        message = payload.findtext("faultstring") or ""
        if not code:
            return _garbled("a SOAP answer")
        if code in _PASSING_FAULTS:
            return SalesforceUnavailable(f"Salesforce's Metadata API answered {foreign_words(code)}", remedy=_TRY_AGAIN)
        return _refused(code, message, _FAULTS.get(code, _PERMISSIONS))


def _envelope(operation: str, body: str, token: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:m="{NAMESPACE}"><e:Header><m:SessionHeader><m:sessionId>{escape(token)}</m:sessionId>'
        f"</m:SessionHeader></e:Header><e:Body><m:{operation}>{body}</m:{operation}></e:Body></e:Envelope>"
    ).encode()


def _json_object(answer: Answer) -> dict[str, Any]:
    try:
        reply = parse_json(answer.body)
    except ValueError as error:
        raise _garbled("a REST answer") from error
    if not isinstance(reply, dict):
        raise _garbled("a REST answer")
    return reply


def _rest_words(answer: Answer) -> tuple[str, str]:
    """Code and message of a REST error, `[{"errorCode", "message"}]`; both empty where it is something else."""
    try:
        reply = parse_json(answer.body)
    except ValueError:
        return "", ""
    first = reply[0] if isinstance(reply, list) and reply else reply
    if not isinstance(first, dict) or not isinstance(first.get("errorCode"), str):
        return "", ""
    return first["errorCode"], str(first.get("message") or "")


def _deploy_id(reply: dict[str, Any]) -> str:
    deploy_id = reply.get("id")
    if not isinstance(deploy_id, str) or not deploy_id.isascii() or not deploy_id.isalnum():
        raise _garbled("the answer to a deploy")
    return deploy_id


def _deploy_refused(result: Mapping[str, Any], what: str) -> InstallationRefused:
    details = result.get("details")
    failures = details.get("componentFailures") if isinstance(details, dict) else None
    # Salesforce's JSON has an object where there is one, and an array where there are several.
    listed = failures if isinstance(failures, list) else [failures]
    problems = [str(failure["problem"]) for failure in listed if isinstance(failure, dict) and failure.get("problem")]
    said = "; ".join(problems) or str(result.get("errorMessage") or result.get("status") or "no reason")
    return InstallationRefused(
        f"Salesforce refused the {what} of the app's certificate ({foreign_words(said)})",
        remedy="correct what it names; if it is a permission, " + _PERMISSIONS,
    )


def _refused(code: str, message: str, remedy: str) -> InstallationRefused:
    return InstallationRefused(f"Salesforce's Metadata API answered {named(code, message)}", remedy=remedy)


def _no_use(answer: Answer) -> SalesforceUnavailable:
    return SalesforceUnavailable(f"Salesforce's Metadata API answered HTTP {answer.status}", remedy=_TRY_AGAIN)


def _garbled(what: str) -> SalesforceUnavailable:
    return SalesforceUnavailable(f"Salesforce sent {what} that can't be understood", remedy=_TRY_AGAIN)
