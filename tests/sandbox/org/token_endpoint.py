"""`/services/oauth2/token` and `/services/oauth2/revoke`: who may log in, and what the refusal is otherwise."""

from urllib.parse import urlencode

from tests.sandbox.org import refusals
from tests.sandbox.org.apps import App, PermittedUsers, Presence
from tests.sandbox.org.assertion import Assertion, MalformedAssertionError
from tests.sandbox.org.exchange import Reply, Request, json_reply, oauth_reply
from tests.sandbox.org.refusals import Refusal
from tests.sandbox.org.state import GENERIC_HOSTS, Org
from tests.sandbox.org.users import User

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXPIRY_LEEWAY_SECONDS = 180

_REFRESH_SCOPES = frozenset({"refresh_token", "offline_access"})
_ABSENCE = {
    Presence.MISSING: refusals.APP_NOT_FOUND,
    Presence.UNINSTALLED: refusals.APP_NOT_INSTALLED,
}


def token(org: Org, request: Request) -> Reply:
    """Log in with an assertion or with client credentials."""
    form = request.form or {}
    match form.get("grant_type"):
        case "client_credentials":
            return _client_credentials(org, request, form.get("client_id", ""), form.get("client_secret", ""))
        case grant if grant == JWT_BEARER:
            return _jwt_bearer(org, request, form.get("assertion", ""))
        case _:
            return oauth_reply(refusals.UNSUPPORTED_GRANT)


def revoke(org: Org, request: Request) -> Reply:
    """End the session of a token."""
    if org.sessions.kill((request.form or {}).get("token", "")):
        return Reply(200, outcome="revoked")
    refused = oauth_reply(Refusal("invalid_token", "this token is invalid or already revoked"))
    if not org.revoke_errors_as_query:
        return refused
    body = urlencode({"error": "invalid_token", "error_description": "this token is invalid or already revoked"})
    return Reply(400, body.encode(), "application/x-www-form-urlencoded", outcome=refused.outcome)


def _jwt_bearer(org: Org, request: Request, text: str) -> Reply:
    try:
        assertion = Assertion.parse(text)
    except MalformedAssertionError:
        return oauth_reply(refusals.INVALID_ASSERTION)
    consumer_key, username = assertion.text("iss"), assertion.text("sub")
    app = org.app_of(consumer_key)
    if app is None:
        return oauth_reply(refusals.UNKNOWN_CLIENT, username=username, consumer_key=consumer_key)
    user = org.users.get(username)
    refusal = (
        _refuse_app(org, request, app, assertion)
        or _refuse_assertion(org, request, app, assertion)
        or _refuse_user(org, app, user)
    )
    if refusal or user is None:
        return oauth_reply(refusal or refusals.USER_NOT_APPROVED, username=username, consumer_key=consumer_key)
    return _accept(org, app, user)


def _refuse_app(org: Org, request: Request, app: App, assertion: Assertion) -> Refusal | None:
    if org.locked:
        return refusals.INACTIVE_ORG
    audience_hosts = {audience.removeprefix("https://").rstrip("/") for audience in assertion.audiences}
    if not app.kind.known_at_generic_hosts and (_at_generic_host(request) or audience_hosts & GENERIC_HOSTS):
        return refusals.APP_NOT_FOUND
    # login. serves production orgs and test. serves sandboxes: which of them is this org's, only the test knows.
    if _at_generic_host(request) and f"https://{_host(request)}" not in org.accepted_audiences:
        return refusals.WRONG_DOMAIN
    return _ABSENCE.get(app.presence)


def _refuse_assertion(org: Org, request: Request, app: App, assertion: Assertion) -> Refusal | None:
    if not assertion.is_signed_by(org.honoured(app, request.connection)):
        return app.wrong_key_refusal
    if assertion.expires_at is None:
        return refusals.INVALID_ASSERTION
    if org.clock.now() > assertion.expires_at + EXPIRY_LEEWAY_SECONDS:
        return refusals.EXPIRED
    if not ({org.url} | org.accepted_audiences) & set(assertion.audiences):
        return refusals.INVALID_AUDIENCE
    jti = assertion.text("jti")
    if jti in app.used_jtis:
        return refusals.INVALID_ASSERTION
    if jti:
        app.used_jtis.add(jti)
    return None


def _refuse_user(org: Org, app: App, user: User | None) -> Refusal | None:
    if user is None:
        return refusals.USER_NOT_APPROVED
    if user.frozen:
        return refusals.INACTIVE_USER
    if user.username not in app.approved:
        by_admin = app.permitted_users is PermittedUsers.ADMIN_APPROVED
        return refusals.NOT_ADMIN_APPROVED if by_admin else refusals.USER_NOT_APPROVED
    if not app.scopes - _REFRESH_SCOPES:
        return refusals.NO_VALID_SCOPES
    if not app.scopes & _REFRESH_SCOPES:
        return refusals.REFRESH_SCOPE_MISSING
    return _refuse_login(org, app, user)


def _refuse_login(org: Org, app: App, user: User) -> Refusal | None:
    if not user.ip_in_range and not app.relaxes_ip:
        return refusals.IP_RESTRICTED
    if org.login_needs_api_enabled and not user.api_enabled:
        return refusals.NOT_AUTHORIZED
    # Last, so that only logins which would have succeeded use up the hour's number.
    return None if user.take_login(org.clock.now(), org.login_limit) else refusals.LOGIN_RATE_EXCEEDED


def _client_credentials(org: Org, request: Request, consumer_key: str, consumer_secret: str) -> Reply:
    app = org.app_of(consumer_key)
    user = app.client_credentials_user if app else None
    refusal = _refuse_client(org, request, app, consumer_secret) or (
        refusals.NO_CLIENT_CREDENTIALS_USER if user is None else None
    )
    if refusal is None and app and user:
        refusal = refusals.INACTIVE_USER if user.frozen else _refuse_login(org, app, user)
    username = user.username if user else None
    if refusal or app is None or user is None:
        return oauth_reply(refusal or refusals.UNKNOWN_CLIENT, username=username, consumer_key=consumer_key)
    return _accept(org, app, user)


def _refuse_client(org: Org, request: Request, app: App | None, consumer_secret: str) -> Refusal | None:
    if _at_generic_host(request):
        return refusals.WRONG_DOMAIN
    if org.locked:
        return refusals.INACTIVE_ORG
    if app is None:
        return refusals.UNKNOWN_CLIENT
    if app.presence is not Presence.INSTALLED:
        return _ABSENCE[app.presence]
    if consumer_secret != app.consumer_secret:
        return refusals.INVALID_CLIENT_CREDENTIALS
    if not app.allows_client_credentials:
        return refusals.NO_CLIENT_CREDENTIALS_USER
    return None if app.scopes - _REFRESH_SCOPES else refusals.NO_VALID_SCOPES


def _accept(org: Org, app: App, user: User) -> Reply:
    session = org.sessions.open(user, app, org.clock.now())
    body = {
        "access_token": session.token,
        "scope": " ".join(sorted(app.scopes - _REFRESH_SCOPES)),
        "instance_url": org.url,
        "id": org.identity_url(user),
        "token_type": "Bearer",
    }
    return json_reply(body, outcome="accepted", username=user.username, consumer_key=app.consumer_key)


def _at_generic_host(request: Request) -> bool:
    return _host(request) in GENERIC_HOSTS


def _host(request: Request) -> str:
    return request.header("Host").partition(":")[0].lower()
