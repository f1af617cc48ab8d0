"""The token vendor's Function URL: `POST /token` in, OAuth's answers out (RFC 6749, section 5).

Source of the event's shape: "AWS Lambda Developer Guide", Invoking function URLs, payload format 2.0. Lambda has let in
only whom IAM allows.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from salesforce_keypair.errors import InvalidRequest, KeyPairError, LoginThrottled
from salesforce_keypair.json_text import parse_json
from salesforce_keypair.redaction import foreign_words
from salesforce_keypair.standing_back import THROTTLED_SECONDS

_PATH = "/token"
_NO_STORE = {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"}
# What else may pass than logins that are used up is tried again by the vendor itself within seconds.
_UNAVAILABLE_SECONDS = 5
# What RFC 6749 takes in a description; the quotation mark and the backslash aren't.
_NOT_IN_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def is_http(event: object) -> bool:
    """Whether an event is a Function URL's. (A direct caller may send its like, and is answered alike.)"""
    return isinstance(event, Mapping) and event.get("version") == "2.0" and "http" in _part(event, "requestContext")


def asked_of(event: Any) -> object:
    """What the caller asks the vendor for: a URL's body, where an empty one is {}; else the event itself.

    Raises InvalidRequest.
    """
    if not is_http(event):
        return event
    body = event.get("body") or ""
    try:
        text = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") is True else body
        return parse_json(text or "{}")
    except (ValueError, TypeError, binascii.Error):
        raise InvalidRequest("the body isn't JSON", remedy="send a JSON object; {} is one") from None


def url_caller(event: Any, request_id: str) -> dict[str, str]:
    """The audit line's field for who called the URL; none where nobody did.

    AWS vouches for the ARN, though not for the session's name in it, which is the caller's own choice. Who may invoke
    the function directly can make such an event up, but can't know which id the invocation will have: without the right
    one, it is a claim.
    """
    context = _part(event, "requestContext") if is_http(event) else {}
    arn = _part(_part(context, "authorizer"), "iam").get("userArn")
    if not isinstance(arn, str) or not arn:
        return {}
    return {"caller" if context.get("requestId") == request_id else "claimed_caller": foreign_words(arn)}


def answered(event: Mapping[str, Any], vend: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """What the URL answers: a token, or an error in OAuth's words. Raises what isn't raised on purpose.

    502 is for what lasts until a person changes something: not the caller's fault, and no use in trying again.
    """
    http = _part(_part(event, "requestContext"), "http")
    if http.get("path") != _PATH:
        return _error(404, "invalid_request", f"there is nothing but {_PATH} here")
    if http.get("method") != "POST":
        return _error(405, "invalid_request", "a token is asked for by POST", Allow="POST")
    try:
        return _answer(200, vend())
    except InvalidRequest as error:
        return _error(400, "invalid_request", str(error), code=error.code)
    except LoginThrottled as error:
        return _later(429, error, int(THROTTLED_SECONDS))
    except KeyPairError as error:
        if error.retryable:
            return _later(503, error, _UNAVAILABLE_SECONDS)
        return _error(502, "server_error", str(error), code=error.code)


def _later(status: int, error: KeyPairError, seconds: int) -> dict[str, Any]:
    headers = {"Retry-After": str(seconds)}
    return _error(status, "temporarily_unavailable", str(error), code=error.code, **headers)


def _error(status: int, error: str, text: str, *, code: str | None = None, **headers: str) -> dict[str, Any]:
    described = _NOT_IN_DESCRIPTION.sub(lambda each: "'" if each[0] == '"' else "?", text)
    body = {"error": error, "error_description": described, "error_code": code}
    return _answer(status, {name: value for name, value in body.items() if value is not None}, **headers)


def _answer(status: int, body: Mapping[str, Any], **headers: str) -> dict[str, Any]:
    return {"statusCode": status, "headers": {**_NO_STORE, **headers}, "body": json.dumps(body)}


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = of.get(name)
    return part if isinstance(part, Mapping) else {}
