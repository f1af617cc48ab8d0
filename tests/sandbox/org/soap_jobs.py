"""Writing over the SOAP Metadata API, and the asynchronous jobs: deploy and retrieve."""

import base64
import binascii

from tests.sandbox.org.app_kinds import APP_KINDS
from tests.sandbox.org.deploy_report import deploy_report
from tests.sandbox.org.deployments import DeployOptions
from tests.sandbox.org.planning import ComponentProblemError, plan
from tests.sandbox.org.retrievals import Retrieved
from tests.sandbox.org.soap_messages import SoapCall, SoapFaultError
from tests.sandbox.org.soap_reading import file_properties
from tests.sandbox.org.state import Org
from tests.sandbox.org.users import User
from tests.sandbox.org.xmltree import Element, elements_of

MAX_UPDATES = 10
# simple-salesforce writes Python's own words.
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "": False}


def update_metadata(org: Org, call: SoapCall) -> tuple[Element, ...]:
    """Write components at once, each for itself. As declarative as a deploy: what isn't sent is gone."""
    sent = [child for child in call.element.children if child.name == "metadata"]
    if len(sent) > MAX_UPDATES:
        raise SoapFaultError("EXCEEDED_ID_LIMIT", f"cannot submit more than {MAX_UPDATES} records")
    return elements_of({"result": [_update(org, component, call.version) for component in sent]})


def deploy(org: Org, call: SoapCall) -> tuple[Element, ...]:
    """Take a package in."""
    options = call.element.child("DeployOptions") or Element("DeployOptions")
    archive = _decoded(call.element.child_text("ZipFile"))
    taken = DeployOptions(
        check_only=_boolean(options, "checkOnly"),
        single_package=_boolean(options, "singlePackage"),
        allow_missing_files=_boolean(options, "allowMissingFiles"),
    )
    deployment = org.deployments.submit(archive, taken, org.clock.now(), call.user.user_id)
    return _queued(deployment.deployment_id)


def check_deploy_status(org: Org, call: SoapCall) -> tuple[Element, ...]:
    """Say how a deploy is getting on."""
    deployment = org.deployments.find(call.element.child_text("asyncProcessId"))
    if deployment is None:
        raise _unknown_job()
    report = deploy_report(org, deployment, details=_boolean(call.element, "includeDetails"))
    # The schema wants the element, with or without something in it.
    return elements_of({"result": report | {"details": report["details"] or {}}})


def retrieve(org: Org, call: SoapCall) -> tuple[Element, ...]:
    """Take a request for a package in."""
    # By its place, not by its name: the Salesforce CLI calls it `request`, and real orgs take that.
    request = next(iter(call.element.children), Element("retrieveRequest"))
    wanted = request.child("unpackaged") or Element("unpackaged")
    members = [
        (types.child_text("name"), member.text)
        for types in wanted.children
        if types.name == "types"
        for member in types.children
        if member.name == "members"
    ]
    try:
        version = float(wanted.child_text("version") or request.child_text("apiVersion"))
    except ValueError as error:
        raise SoapFaultError("soapenv:Client", "apiVersion is not a number") from error
    single = _boolean(request, "singlePackage")
    retrieval = org.retrievals.submit(members, version, single_package=single, now=org.clock.now())
    return _queued(retrieval.retrieval_id)


def check_retrieve_status(org: Org, call: SoapCall) -> tuple[Element, ...]:
    """Say how a retrieve is getting on, and hand the package out when it is done."""
    retrieval = org.retrievals.find(call.element.child_text("asyncProcessId"), org.clock.now())
    if retrieval is None:
        raise _unknown_job()
    result = retrieval.result
    wants_archive = call.element.child("includeZip") is None or _boolean(call.element, "includeZip")
    report = {
        "done": result is not None,
        "fileProperties": _properties(org, result, retrieval.folder, call.user) if result else [],
        "id": retrieval.retrieval_id,
        "messages": _messages(result) if result else [],
        "status": "Succeeded" if result else "InProgress",
        "success": result is not None,
        "zipFile": result.archive_text if result and wants_archive else None,
    }
    answer = elements_of(report)
    if report["zipFile"] is None:
        answer = (*answer, Element("zipFile", attributes=(("xsi:nil", "true"),)))
    return (Element("result", children=answer),)


def _update(org: Org, sent: Element, version: int) -> dict[str, object]:
    full_name = sent.child_text("fullName")
    type_name = next((value.rpartition(":")[2] for name, value in sent.attributes if name == "xsi:type"), "")
    kind = APP_KINDS.get(type_name)
    if kind is None or version < kind.component.since:
        raise SoapFaultError("INVALID_TYPE", f"INVALID_TYPE: Unknown type:{type_name}")
    component = Element(type_name, children=tuple(child for child in sent.children if child.name != "fullName"))
    try:
        planned = plan(kind, full_name, component, org.apps)
    except ComponentProblemError as error:
        refused = {"message": str(error), "statusCode": "INVALID_CROSS_REFERENCE_KEY"}
        return {"errors": refused, "fullName": full_name, "success": False}
    planned.app.write(planned.write, org.clock.now())
    return {"fullName": full_name, "success": True}


def _queued(job_id: str) -> tuple[Element, ...]:
    return elements_of({"result": {"done": False, "id": job_id, "state": "Queued"}})


def _unknown_job() -> SoapFaultError:
    return SoapFaultError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")


def _properties(org: Org, result: Retrieved, folder: str, user: User) -> list[dict[str, object]]:
    return [
        file_properties(org, component, user) | {"fileName": folder + component.file_name}
        for component in result.components
    ]


def _messages(result: Retrieved) -> list[dict[str, object]]:
    return [{"fileName": "unpackaged/package.xml", "problem": problem} for problem in result.missing]


def _boolean(parent: Element, name: str) -> bool:
    try:
        return _BOOLEANS[parent.child_text(name).strip().lower()]
    except KeyError as error:
        raise SoapFaultError("soapenv:Client", f"{name} is not a valid value for the type xsd:boolean") from error


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise SoapFaultError("soapenv:Client", "ZipFile is not base64") from error
