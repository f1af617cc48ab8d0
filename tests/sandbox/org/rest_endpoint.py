"""REST: what a token needs to be worth anything, the list of versions, the liveness call and one query."""

import re

from tests.sandbox.org.exchange import Reply, Request, json_reply, rest_reply
from tests.sandbox.org.metadata_types import NEWEST_API_VERSION, OLDEST_API_VERSION
from tests.sandbox.org.sessions import Session
from tests.sandbox.org.state import Org

INVALID_SESSION = rest_reply(401, "INVALID_SESSION_ID", "Session expired or invalid")
NOT_FOUND = rest_reply(404, "NOT_FOUND", "The requested resource does not exist")
_SELECT = re.compile(r"\s*SELECT\s+(?P<fields>[\w\s,]+?)\s+FROM\s+(?P<type>\w+)(\s+LIMIT\s+\d+)?\s*", re.IGNORECASE)


def rest_session(org: Org, request: Request, version: int) -> Session | Reply:
    """The session of a REST request at a known version, or the refusal."""
    session = org.sessions.find(request.bearer_token, org.clock.now())
    if session is None:
        return INVALID_SESSION
    if not OLDEST_API_VERSION <= version <= NEWEST_API_VERSION:
        return NOT_FOUND
    if not session.user.api_enabled or not session.scopes & {"api", "full"}:
        return rest_reply(403, "INSUFFICIENT_ACCESS", "not authorized")
    return session


def versions(org: Org, request: Request) -> Reply:
    """The API versions, open to everybody: proves nothing about a token."""
    return json_reply(
        [
            {"label": f"API {number}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            for number in range(OLDEST_API_VERSION, NEWEST_API_VERSION + 1)
        ]
    )


def liveness(org: Org, request: Request, version: int) -> Reply:
    """The resources of a version; `identity` names the org and the user of the token."""
    session = rest_session(org, request, version)
    if isinstance(session, Reply):
        return session
    base = f"/services/data/v{version}.0"
    resources = {name: f"{base}/{name}" for name in ("limits", "metadata", "query", "sobjects", "tooling")}
    return json_reply({**resources, "identity": org.identity_url(session.user)}, username=session.user.username)


def query(org: Org, request: Request, version: int) -> Reply:
    """SOQL, as far as the Salesforce CLI asks before it deploys: the fields of Organization, and of nothing else."""
    session = rest_session(org, request, version)
    if isinstance(session, Reply):
        return session
    select = _SELECT.fullmatch(request.query.get("q", ""))
    if select is None:
        return rest_reply(400, "MALFORMED_QUERY", "unexpected token")
    if select["type"].lower() != "organization":
        return rest_reply(400, "INVALID_TYPE", f"sObject type '{select['type']}' is not supported.")
    organization = {
        "Id": org.org_id,
        "InstanceName": "CS1",
        "IsSandbox": True,
        "Name": "Emulated org",
        "NamespacePrefix": None,
        "OrganizationType": "Enterprise Edition",
        "TrialExpirationDate": None,
    }
    fields = re.split(r"\s*,\s*", select["fields"])
    unknown = [name for name in fields if name not in organization]
    if unknown:
        return rest_reply(400, "INVALID_FIELD", f"No such column '{unknown[0]}' on entity 'Organization'.")
    url = f"/services/data/v{version}.0/sobjects/Organization/{org.org_id}"
    record = {"attributes": {"type": "Organization", "url": url}, **{name: organization[name] for name in fields}}
    return json_reply({"totalSize": 1, "done": True, "records": [record]}, username=session.user.username)
