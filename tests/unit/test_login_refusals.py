"""What a login is told when Salesforce refuses it, and when it doesn't answer the token that it gave."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from salesforce_keypair.credential import ClientCredentials
from salesforce_keypair.errors import KeyPairError, LoginRefused, LoginThrottled, SalesforceUnavailable
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.transport import Transport
from tests.integration.org_client import key_pair
from tests.sandbox.org import Kind, Refusal
from tests.sandbox.org.faults import Fault, answering, html_page, oauth_error, redirected, rest_error
from tests.scenarios.promises import assert_tells_what_to_do
from tests.unit.support import LOOPBACK, TOKEN_REPLY, Billing, FakeClock, Received, answering_host, parse, text_of


def told(billing: Billing, fault: Fault) -> KeyPairError:
    """What a login ends with that meets a fault."""
    billing.org.faults.add(fault)
    with pytest.raises(KeyPairError) as caught:
        billing.login.jwt_bearer(billing.credential(), deadline=billing.clock.deadline())
    assert_tells_what_to_do(caught.value)
    return caught.value


# Refusals


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_is_told_with_user_cause_and_remedy(billing: Billing, status: int) -> None:
    error = told(billing, oauth_error(Refusal("invalid_grant", "audience is invalid", status)))

    assert type(error) is LoginRefused
    for words in ("robot@example.com", billing.org.url, "invalid_grant (audience is invalid)", "remove audience"):
        assert words in str(error)


def test_a_refusal_without_a_description_is_told_by_its_name_alone(billing: Billing) -> None:
    error = told(billing, answering(400, '{"error": "inactive_user"}'))

    assert "with inactive_user;" in error.what
    assert "reactivate the user" in error.remedy


def test_what_only_a_key_is_told_may_pass(billing: Billing) -> None:
    """The same words are a matter of configuration where a consumer secret was sent."""
    assert told(billing, oauth_error(Refusal("invalid_client", "invalid client credentials", 400))).retryable


def test_a_refusal_in_the_form_of_a_rest_error_is_understood(billing: Billing) -> None:
    error = told(billing, rest_error(403, "INSUFFICIENT_ACCESS", "not authorized"))

    assert "INSUFFICIENT_ACCESS (not authorized)" in error.what
    assert "API Enabled" in error.remedy


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (answering(429, "slow down"), LoginThrottled),
        (answering(420), SalesforceUnavailable),
        (answering(500, '{"error": "invalid_grant"}'), SalesforceUnavailable),
        (html_page(503), SalesforceUnavailable),
        (html_page(400), SalesforceUnavailable),
        (answering(400, "[]"), SalesforceUnavailable),
        (answering(400, '{"error": 5}'), SalesforceUnavailable),
        (answering(400, '["error"]'), SalesforceUnavailable),
        (answering(404), SalesforceUnavailable),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_status_without_an_oauth_refusal_is_told_by_its_number(
    billing: Billing, fault: Fault, kind: type[KeyPairError]
) -> None:
    error = told(billing, fault)

    assert type(error) is kind
    assert f"HTTP {fault.answer.status if fault.answer else ''}" in error.what
    assert error.retryable


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_the_assertion_goes_nowhere_else(billing: Billing, status: int) -> None:
    error = told(billing, redirected("https://evil.example/services/oauth2/token", status))

    assert type(error) is LoginRefused
    assert not error.retryable
    assert "redirect" in error.what
    assert "renamed" in error.remedy
    assert len(billing.org.log.entries()) == 1


# Servers that echo what they were sent


def echoed(text: str) -> dict[str, str]:
    return {"error": f"invalid_client {text}", "error_description": f"no: {text} {text[:50]} {text[-50:]}"}


def test_an_assertion_that_salesforce_echoes_is_not_shown(clock: FakeClock) -> None:
    sent: list[str] = []

    def answer(received: Received) -> tuple[int, object, dict[str, str]]:
        sent.append(received.form["assertion"])
        return 400, echoed(sent[-1]), {}

    with answering_host(answer) as url:
        login = SalesforceLogin(transport=Transport(), hosts=LOOPBACK, clock=clock)
        with pytest.raises(LoginRefused, match=r"no: \[redacted\]") as caught:
            login.jwt_bearer(parse(text_of(key_pair("first"), baseUri=url)), deadline=clock.deadline())
    for part in sent[-1].split("."):
        assert part[:20] not in str(caught.value)
        assert part[-20:] not in str(caught.value)


@pytest.mark.parametrize("secret", ["hunter2", "x" * 64, "with space & more"])
def test_a_consumer_secret_that_salesforce_echoes_is_not_shown(clock: FakeClock, secret: str) -> None:
    with answering_host(lambda received: (400, echoed(received.form["client_secret"]), {})) as url:
        admin = ClientCredentials(LOOPBACK.origin(url, what="url"), "3MVG9admin", secret)
        login = SalesforceLogin(transport=Transport(), hosts=LOOPBACK, clock=clock)
        with pytest.raises(LoginRefused, match=r"no: \[redacted\]") as caught:
            login.client_credentials(admin, deadline=clock.deadline())
    assert secret not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_token_that_the_api_echoes_is_not_shown(clock: FakeClock, status: int) -> None:
    token = TOKEN_REPLY["access_token"]

    def answer(received: Received) -> tuple[int, object, dict[str, str]]:
        if received.method == "POST":
            return 200, TOKEN_REPLY | {"instance_url": url}, {}
        bearer = received.authorization.removeprefix("Bearer ")
        assert bearer == token
        return status, [{"errorCode": f"BAD {bearer}", "message": f"no: {bearer}"}], {}

    with answering_host(answer) as url:
        login = SalesforceLogin(transport=Transport(), hosts=LOOPBACK, clock=clock)
        with pytest.raises(KeyPairError) as caught:
            login.prove(parse(text_of(key_pair("first"), baseUri=url)), deadline=clock.deadline())
    assert token[-16:] not in str(caught.value)


# A token that works


def prove(billing: Billing, **members: Any) -> None:
    billing.login.prove(billing.credential(**members), deadline=billing.clock.deadline())


def test_a_proof_is_a_login_and_a_call_each_over_a_new_connection(billing: Billing) -> None:
    login, credential = billing.login, billing.credential(apiVersion="v68.0")
    for _ in range(2):
        login.prove(credential, deadline=billing.clock.deadline())
    entries = billing.org.log.entries()

    assert [entry.kind for entry in entries] == [Kind.TOKEN, Kind.LIVENESS] * 2
    assert entries[1].path == "/services/data/v68.0/"
    assert len({entry.connection for entry in entries}) == 4


def identity(org_id: str, user_id: str) -> Fault:
    return answering(200, json.dumps({"identity": f"https://x/id/{org_id}/{user_id}"}), content_type="application/json")


def test_ids_of_15_and_18_characters_are_the_same(billing: Billing) -> None:
    billing.org.faults.add(identity(billing.org.org_id[:15], billing.user.user_id[:15]), Kind.LIVENESS)
    prove(billing)


@pytest.mark.parametrize(("other_org", "other_user"), [(True, False), (False, True), (True, True)])
def test_a_token_answered_as_somebody_else_proves_nothing(billing: Billing, other_org: bool, other_user: bool) -> None:
    org_id = "00D000000000009AAA" if other_org else billing.org.org_id
    user_id = "005000000000009AAA" if other_user else billing.user.user_id
    billing.org.faults.add(identity(org_id, user_id), Kind.LIVENESS)
    with pytest.raises(LoginRefused, match="another org or user") as caught:
        prove(billing)
    assert not caught.value.retryable
    assert_tells_what_to_do(caught.value)


WHO = "robot@example.com at http://127.0.0.1"
LIVENESS: list[tuple[Fault, type[KeyPairError], bool, Iterable[str]]] = [
    (rest_error(401, "INVALID_SESSION_ID"), LoginRefused, True, [WHO, "(INVALID_SESSION_ID)", "Login History"]),
    (rest_error(401, "INVALID_SESSION_ID", "not authorized"), LoginRefused, False, ["API Enabled"]),
    (
        rest_error(403, "REQUEST_LIMIT_EXCEEDED"),
        SalesforceUnavailable,
        True,
        [WHO, "HTTP 403 (REQUEST_LIMIT_EXCEEDED)"],
    ),
    (rest_error(403, "INSUFFICIENT_ACCESS", "not authorized"), LoginRefused, False, ["API Enabled"]),
    (rest_error(403, "API_DISABLED_FOR_ORG", "off"), LoginRefused, False, [WHO, "API_DISABLED_FOR_ORG (off)"]),
    (rest_error(404, "NOT_FOUND"), LoginRefused, False, [WHO, "no API v67.0", "apiVersion"]),
    (html_page(503), SalesforceUnavailable, True, [WHO, "HTTP 503: "]),
    (html_page(200), SalesforceUnavailable, True, ["can't be understood (the org's API)"]),
    (answering(200, "[]"), SalesforceUnavailable, True, ["can't be understood (the org's API)"]),
    (answering(200, "{}"), SalesforceUnavailable, True, ["identity"]),
    (answering(200, '{"identity": "https://x/id/a/b"}'), SalesforceUnavailable, True, ["identity"]),
    (redirected("https://evil.example"), LoginRefused, False, [WHO, "redirect", "My Domain"]),
]


@pytest.mark.parametrize(
    ("fault", "kind", "retryable", "words"),
    LIVENESS,
    ids=[f"{row[0].name} {row[1].__name__} {row[2]}" for row in LIVENESS],
)
def test_a_token_that_is_not_answered_proves_nothing(
    billing: Billing, fault: Fault, kind: type[KeyPairError], retryable: bool, words: Iterable[str]
) -> None:
    billing.org.faults.add(fault, Kind.LIVENESS)
    with pytest.raises(KeyPairError) as caught:
        prove(billing)

    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert_tells_what_to_do(caught.value)
    for each in words:
        assert each in str(caught.value)
