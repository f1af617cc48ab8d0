"""Logging in: an assertion or a client secret becomes a session, and a session is seen to work."""

import re
import uuid
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import jwt

from salesforce_keypair.credential import ClientCredentials, Credential
from salesforce_keypair.errors import (
    InvalidSecret,
    LoginRefused,
    LoginThrottled,
    SalesforceError,
    SalesforceUnavailable,
)
from salesforce_keypair.json_text import parse_json
from salesforce_keypair.keypair import PrivateKey
from salesforce_keypair.redaction import foreign_words
from salesforce_keypair.salesforce.hosts import Hosts, Origin
from salesforce_keypair.salesforce.refusals import EXPIRED_ASSERTION, Grant, refusal_of, refused
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.salesforce.transport import Answer, Transport
from salesforce_keypair.timing import Clock, Deadline

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path, not a password
# Salesforce: "The expiration time … must be within 3 minutes"; it tolerates as much again.
ASSERTION_SECONDS = 180
# A reply's Date that is further off than this is a wrong clock; less is the network's and the rounding's.
CLOCK_TOLERANCE_SECONDS = 60
# The longest session that an org can set.
MAX_SESSION_SECONDS = 86_400.0

_NEW_DOMAIN = "set baseUri to the org's present My Domain; it may have been renamed"
_END_OF_TIME = 253_402_300_800.0  # the year 10000
_REFUSING = frozenset({400, 401, 403})
# What fits an Authorization header; a server takes no longer one.
_TOKEN = re.compile(r"[!-~]{1,16000}")
_SCHEME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_ID = r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?"
_IDENTITY = re.compile(rf"/id/(?P<org>{_ID})/(?P<user>{_ID})\Z")
_ID_LENGTH = 15  # the case-sensitive part; the 18-character form adds a checksum


class SalesforceLogin:
    """The token endpoint of an org's My Domain, and the one call that shows that a token works."""

    def __init__(self, *, transport: Transport, hosts: Hosts, clock: Clock) -> None:
        self._transport = transport
        self._hosts = hosts
        self._clock = clock
        self._clock_offset = 0.0

    def jwt_bearer(self, credential: Credential, *, deadline: Deadline, new_connection: bool = False) -> Session:
        """Log in with a key pair (RFC 7523). Raises InvalidSecret or what the token endpoint refuses with.

        Each try signs an assertion of its own, for a repeated `jti` is refused. A clock that is off is corrected once.
        """
        key = credential.private_key
        if key is None:
            raise InvalidSecret("privateKey is missing", remedy="rotate the secret once, which makes the key")

        def ask() -> tuple[Answer, str]:
            assertion = self._assertion(credential, key)
            form = {"grant_type": Grant.JWT_BEARER.value, "assertion": assertion}
            return self._ask(credential.base_uri, form, deadline, new_connection=new_connection), assertion

        answer, assertion = ask()
        if self._clock_was_off(answer):
            answer, assertion = ask()
        who = f"{credential.username} at {credential.base_uri}"
        return self._session(answer, grant=Grant.JWT_BEARER, who=who, sent=(assertion,))

    def client_credentials(self, admin: ClientCredentials, *, deadline: Deadline) -> Session:
        """Log in with a consumer key and secret (RFC 6749, section 4.4). Raises what the endpoint refuses with."""
        form = {
            "grant_type": Grant.CLIENT_CREDENTIALS.value,
            "client_id": admin.consumer_key,
            "client_secret": admin.consumer_secret,
        }
        answer = self._ask(admin.base_uri, form, deadline)
        who = f"the admin's client credentials at {admin.base_uri}"
        return self._session(answer, grant=Grant.CLIENT_CREDENTIALS, who=who, sent=(admin.consumer_secret,))

    def prove(self, credential: Credential, *, deadline: Deadline) -> None:
        """Log in over a connection of its own and see the token answered as the same org and user.

        The new connection lets another of Salesforce's servers answer, which may not know a change yet.
        """
        session = self.jwt_bearer(credential, deadline=deadline, new_connection=True)
        self.check(session, credential, deadline=deadline)

    def check(self, session: Session, credential: Credential, *, deadline: Deadline) -> None:
        """See a token answered as its login's org and user. Raises LoginRefused or SalesforceUnavailable."""
        answer = self._transport.send(
            "GET",
            session.instance,
            f"/services/data/v{credential.api_version}/",
            bearer=session.access_token,
            deadline=deadline,
            new_connection=True,
        )
        who = f"{credential.username} at {session.instance}"
        org_id, user_id = _identity_of(_liveness(answer, who=who, api_version=credential.api_version))
        if (org_id[:_ID_LENGTH], user_id[:_ID_LENGTH]) != (session.org_id[:_ID_LENGTH], session.user_id[:_ID_LENGTH]):
            raise LoginRefused(
                f"the token of {who} was answered as another org or user",
                remedy="ask Salesforce's support; nothing was changed",
            )

    def _assertion(self, credential: Credential, key: PrivateKey) -> str:
        claims = {
            "iss": credential.consumer_key,
            "sub": credential.username,
            "aud": credential.audience,
            "exp": int(self._clock.time() + self._clock_offset) + ASSERTION_SECONDS,
            "jti": uuid.uuid4().hex,
        }
        try:
            return jwt.encode(claims, key.rsa_key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise InvalidSecret("privateKey can't sign", remedy="rotate the secret, which makes a new key") from error

    def _ask(self, origin: Origin, form: dict[str, str], deadline: Deadline, *, new_connection: bool = False) -> Answer:
        return self._transport.send(
            "POST",
            origin,
            TOKEN_PATH,
            data=form,
            headers={"Accept": "application/json"},
            deadline=deadline,
            new_connection=new_connection,
        )

    def _clock_was_off(self, answer: Answer) -> bool:
        """Whether a refusal is our clock's fault, by the answer's Date; if so it is corrected for what follows."""
        said = _refusal_in(answer)
        if said is None or refusal_of(*said, Grant.JWT_BEARER) is not EXPIRED_ASSERTION:
            return False
        theirs = date_of(answer)
        if theirs is None:
            return False
        offset = theirs - self._clock.time()
        if abs(offset - self._clock_offset) <= CLOCK_TOLERANCE_SECONDS:
            return False
        self._clock_offset = offset
        return True

    def _session(self, answer: Answer, *, grant: Grant, who: str, sent: tuple[str, ...]) -> Session:
        if answer.status != 200:
            raise _no_token(answer, grant=grant, who=who, sent=sent)
        reply = _json_of(answer, what="the token endpoint")
        access_token, instance_url, identity = (_text(reply, name) for name in ("access_token", "instance_url", "id"))
        token_type = reply.get("token_type") or "Bearer"
        if not _TOKEN.fullmatch(access_token) or not isinstance(token_type, str) or not _SCHEME.fullmatch(token_type):
            raise _garbled("the token endpoint")
        org_id, user_id = _identity_of(identity)
        return Session(
            access_token=access_token,
            token_type=token_type,
            instance=self._hosts.origin(instance_url, what="instance_url in the token reply"),
            org_id=org_id,
            user_id=user_id,
            expires_at=self._expiry_of(access_token, answer),
        )

    def _expiry_of(self, access_token: str, answer: Answer) -> float | None:
        try:
            claims = jwt.decode(access_token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None  # opaque, as most are
        expiry = claims.get("exp")
        if isinstance(expiry, bool) or not isinstance(expiry, (int, float)) or not 0 < expiry < _END_OF_TIME:
            return None
        # By their clock; what is left of it is the same by ours.
        now = self._clock.time()
        theirs = date_of(answer) or now + self._clock_offset
        if expiry <= theirs:
            raise _garbled("a token that has expired already")
        return now + (min(expiry, theirs + MAX_SESSION_SECONDS) - theirs)


def _no_token(answer: Answer, *, grant: Grant, who: str, sent: tuple[str, ...]) -> SalesforceError:
    if answer.is_redirect:
        return LoginRefused(
            f"the token endpoint answered {who} with a redirect, which isn't followed",
            remedy=_NEW_DOMAIN,
        )
    said = _refusal_in(answer)
    if said is not None:
        return refused(*said, grant=grant, who=who, sent=sent)
    if answer.status == 429:
        return LoginThrottled(
            f"Salesforce answered the login of {who} with HTTP 429", remedy="stop asking for 15 minutes or more"
        )
    return SalesforceUnavailable(
        f"Salesforce answered the login of {who} with HTTP {answer.status}",
        remedy="try again; see Salesforce's status page if it lasts",
    )


def _refusal_in(answer: Answer) -> tuple[str, str] | None:
    """OAuth's error and description (RFC 6749, section 5.2), or those of Salesforce's REST errors, if it holds any."""
    if answer.status not in _REFUSING:
        return None
    try:
        reply = parse_json(answer.body)
    except ValueError:
        return None
    if isinstance(reply, list) and reply and isinstance(reply[0], dict):
        reply = {"error": reply[0].get("errorCode"), "error_description": reply[0].get("message")}
    if not isinstance(reply, dict) or not isinstance(reply.get("error"), str):
        return None
    return reply["error"], str(reply.get("error_description") or "")


def _liveness(answer: Answer, *, who: str, api_version: str) -> str:
    """The identity URL that the org answers a token with."""
    if answer.status == 200:
        return _text(_json_of(answer, what="the org's API"), "identity")
    if answer.status == 404:
        raise LoginRefused(f"{who} has no API v{api_version}", remedy="set apiVersion to one that the org offers")
    if answer.is_redirect:
        raise LoginRefused(f"the org's API answered {who} with a redirect, which isn't followed", remedy=_NEW_DOMAIN)
    said = _refusal_in(answer)
    if said is None or said[0] == "REQUEST_LIMIT_EXCEEDED":
        detail = "" if said is None else f" ({foreign_words(said[0])})"
        raise SalesforceUnavailable(
            f"the org's API answered the new token of {who} with HTTP {answer.status}{detail}", remedy="try again"
        )
    if answer.status == 401 and refusal_of(*said, Grant.JWT_BEARER) is None:
        # Like a certificate, a session made a moment ago can be unknown to another of Salesforce's servers.
        raise LoginRefused(
            f"the org's API doesn't take the new token of {who} ({foreign_words(said[0])})",
            remedy="wait while a rotation is under way; otherwise see the user's Login History in Setup",
            retryable=True,
        )
    raise refused(*said, grant=Grant.JWT_BEARER, who=who)


def _identity_of(url: str) -> tuple[str, str]:
    """Org and user id at the end of an identity URL, `https://…/id/<org>/<user>`."""
    try:
        found = _IDENTITY.search(urlsplit(url).path)
    except ValueError:
        found = None
    if found is None:
        raise _garbled("the identity URL")
    return found["org"], found["user"]


def _json_of(answer: Answer, *, what: str) -> dict[str, object]:
    try:
        reply = parse_json(answer.body)
    except ValueError as error:
        raise _garbled(what) from error
    if not isinstance(reply, dict):
        raise _garbled(what)
    return reply


def _text(reply: dict[str, object], name: str) -> str:
    value = reply.get(name)
    if not isinstance(value, str) or not value:
        raise _garbled(f"{name} in the answer")
    return value


def _garbled(what: str) -> SalesforceUnavailable:
    return SalesforceUnavailable(
        f"Salesforce answered with something that can't be understood ({what})",
        remedy="try again; if it lasts, see whether a proxy stands in between",
    )


def date_of(answer: Answer) -> float | None:
    """When the answer was sent, epoch seconds by the sender's clock; none where it doesn't say."""
    try:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
