"""The REST deploy: a package taken in, and what has become of it."""

import io
import json

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from tests.sandbox.org.deploy_report import deploy_report
from tests.sandbox.org.deployments import DeployOptions
from tests.sandbox.org.exchange import Reply, Request, json_reply, rest_reply
from tests.sandbox.org.rest_endpoint import NOT_FOUND, rest_session
from tests.sandbox.org.sessions import Session
from tests.sandbox.org.state import Org

# The documentation calls the part `json`; the Salesforce CLI sends `entity_content`.
_OPTION_PARTS = ("json", "entity_content")


def submit(org: Org, request: Request, version: int) -> Reply:
    """Take a package in."""
    session = _metadata_session(org, request, version)
    if isinstance(session, Reply):
        return session
    parts = _parts(request)
    description = next((parts[name] for name in _OPTION_PARTS if name in parts), None)
    archive = parts.get("file")
    if description is None or archive is None:
        return rest_reply(400, "INVALID_MULTIPART_REQUEST", "A deploy needs the parts json and file")
    try:
        options = _options(json.loads(description))
    except (ValueError, TypeError) as error:
        return rest_reply(400, "JSON_PARSER_ERROR", f"deployOptions can't be read: {error}")
    deployment = org.deployments.submit(archive, options, org.clock.now(), session.user.user_id)
    outcome = "rehearsal taken" if options.check_only else "deploy taken"
    result = {"id": deployment.deployment_id, "status": "Pending", "done": False, "success": False}
    body = {
        "id": deployment.deployment_id,
        "validatedDeployRequestId": None,
        "deployOptions": {"checkOnly": options.check_only, "singlePackage": options.single_package},
        "deployResult": {**result, "checkOnly": options.check_only},
    }
    return json_reply(body, 201, outcome=outcome, username=session.user.username)


def poll(org: Org, request: Request, version: int, deployment_id: str) -> Reply:
    """Say how a deploy is getting on."""
    session = _metadata_session(org, request, version)
    if isinstance(session, Reply):
        return session
    deployment = org.deployments.find(deployment_id)
    if deployment is None:
        return NOT_FOUND
    result = deploy_report(org, deployment, details=request.query.get("includeDetails") == "true")
    body = {"id": deployment.deployment_id, "validatedDeployRequestId": None, "deployResult": result}
    return json_reply(body, outcome=str(result["status"]), username=session.user.username)


def _metadata_session(org: Org, request: Request, version: int) -> Session | Reply:
    session = rest_session(org, request, version)
    if isinstance(session, Session) and not session.user.metadata_permission:
        message = "insufficient access rights: Modify Metadata Through Metadata API Functions is missing"
        return rest_reply(403, "INSUFFICIENT_ACCESS", message)
    return session


def _parts(request: Request) -> dict[str, bytes]:
    mime_type, options = parse_options_header(request.header("Content-Type"))
    if mime_type != "multipart/form-data":
        return {}
    _, form, files = FormDataParser(silent=True).parse(io.BytesIO(request.body), mime_type, len(request.body), options)
    sent = {name: value.encode() for name, value in form.items()}
    for name, upload in files.items():
        sent[name] = upload.read()
        upload.close()
    return sent


def _options(description: object) -> DeployOptions:
    options = description.get("deployOptions", {}) if isinstance(description, dict) else None
    if not isinstance(options, dict):
        raise TypeError("not an object")
    flags = {name: options.get(name, False) for name in ("checkOnly", "singlePackage", "allowMissingFiles")}
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name} is not a boolean")
    return DeployOptions(flags["checkOnly"], flags["singlePackage"], flags["allowMissingFiles"])
