"""The token vendor over HTTP: what a caller of its Function URL gets, and what the audit line says of them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.org_client import key_pair
from tests.sandbox.aws import Refuse
from tests.sandbox.org import Kind, faults
from tests.sandbox.org.refusals import LOGIN_RATE_EXCEEDED
from tests.scenarios.handlers import Context, Handler, loaded, logged_in, metrics_in
from tests.scenarios.support import Stage, event
from tests.scenarios.test_handlers import REPLY

ROLE = "arn:aws:sts::123456789012:assumed-role/billing/invoices"


@pytest.fixture
def vendor(stage: Stage) -> Iterator[Handler]:
    stage.install_key()
    with loaded("token_vendor", stage, SECRET_ID=stage.arn) as handler:
        yield handler


def over_http(context: Context | None = None, *, method: str = "POST", path: str = "/token", **members: Any) -> Any:
    """The event of `events/`, as Lambda makes it for an invocation."""
    sent = event("vend-url") | members
    sent["requestContext"]["http"] |= {"method": method, "path": path}
    if context is not None:
        sent["requestContext"]["requestId"] = context.aws_request_id
    return sent


def refused(answer: dict[str, Any]) -> tuple[int, str, str | None]:
    """Status, OAuth's error and ours; the rest is as RFC 6749 wants it."""
    body = json.loads(answer["body"])
    assert body.keys() <= {"error", "error_description", "error_code"}
    assert not set('"\\\n') & set(body["error_description"])
    return answer["statusCode"], body["error"], body.get("error_code")


def test_a_caller_gets_what_a_direct_one_gets_and_nothing_between_keeps_it(stage: Stage, vendor: Handler) -> None:
    answer = vendor(over_http())

    assert answer["statusCode"] == 200
    assert answer["headers"] == {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"}
    body = json.loads(answer["body"])
    assert body.keys() == REPLY
    assert body["token_type"] == "Bearer"
    assert stage.outsider.liveness(body["access_token"]).status_code == 200
    assert vendor(event("vend-default"))["access_token"] == body["access_token"]


@pytest.mark.parametrize("body", [None, "", "{}"])
def test_an_empty_body_asks_for_nothing_special(vendor: Handler, body: str | None) -> None:
    assert vendor(over_http(body=body))["statusCode"] == 200


def test_a_body_may_come_in_base64(vendor: Handler) -> None:
    assert vendor(over_http(body="e30=", isBase64Encoded=True))["statusCode"] == 200


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"body": "grant_type=client_credentials"}, 400),
        ({"body": '{"secret_id": "payroll"}'}, 400),
        ({"body": "[]"}, 400),
        ({"body": '{"min_ttl_seconds": 1, "min_ttl_seconds": 2}'}, 400),
        ({"body": "???", "isBase64Encoded": True}, 400),
        ({"method": "GET"}, 405),
        ({"path": "/"}, 404),
    ],
)
def test_a_request_that_cant_be_used_is_told_so_before_anything_is_asked(
    stage: Stage, vendor: Handler, members: dict[str, Any], status: int
) -> None:
    answer = vendor(over_http(**members))

    assert refused(answer) == (status, "invalid_request", "InvalidRequest" if status == 400 else None)
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert answer["headers"].get("Allow") == ("POST" if status == 405 else None)
    assert stage.requests() == 0


def freeze(stage: Stage) -> None:
    stage.world.user.frozen = True


def throttle(stage: Stage) -> None:
    stage.world.org.faults.add(faults.oauth_error(LOGIN_RATE_EXCEEDED), Kind.TOKEN, times=None)


def take_salesforce_down(stage: Stage) -> None:
    stage.world.org.faults.add(faults.html_page(), Kind.TOKEN, times=None)


def forbid_the_secret(stage: Stage) -> None:
    stage.world.aws.faults.inject("GetSecretValue", Refuse("AccessDeniedException"))


@pytest.mark.parametrize(
    ("trouble", "expected", "retry_after"),
    [
        (freeze, (502, "server_error", "LoginRefused"), None),
        (throttle, (429, "temporarily_unavailable", "LoginThrottled"), "900"),
        (take_salesforce_down, (503, "temporarily_unavailable", "SalesforceUnavailable"), "5"),
        (forbid_the_secret, (502, "server_error", "SecretUnavailable"), None),
    ],
)
def test_a_failure_says_whether_to_ask_again(
    stage: Stage, vendor: Handler, trouble: Any, expected: tuple[int, str, str], retry_after: str | None
) -> None:
    trouble(stage)
    context = Context(seconds=30)

    answer = vendor(over_http(context), context)

    assert refused(answer) == expected
    assert answer["headers"].get("Retry-After") == retry_after
    lines = vendor.printed()
    assert metrics_in(lines)["VendsFailed"] == 1
    assert [line["caller"] for line in lines if "_aws" in line] == [ROLE]
    assert [line["error"] for line in logged_in(lines) if line["level"] == "ERROR"] == [expected[2]]


def test_a_key_that_may_yet_be_honoured_is_worth_another_try(stage: Stage, vendor: Handler) -> None:
    stage.world.app.install(key_pair("somebody else").pem)

    status, _, code = refused(vendor(over_http(), Context(seconds=30)))

    assert (status, code) == (503, "LoginRefused")


def test_the_audit_line_names_the_role_that_aws_let_in(vendor: Handler) -> None:
    context = Context()

    vendor(over_http(context), context)

    (line,) = vendor.printed()
    assert (line["caller"], line.get("claimed_caller")) == (ROLE, None)


def test_an_event_that_a_direct_caller_made_up_names_nobody(vendor: Handler) -> None:
    vendor(over_http(), Context())

    (line,) = vendor.printed()
    assert (line.get("caller"), line["claimed_caller"]) == (None, ROLE)


@pytest.mark.parametrize("authorizer", [None, {}, {"iam": None}, {"iam": {"userArn": 7}}, {"iam": {"userArn": ""}}])
def test_a_caller_without_a_name_is_left_out(vendor: Handler, authorizer: Any) -> None:
    sent = over_http()
    sent["requestContext"]["authorizer"] = authorizer

    assert vendor(sent)["statusCode"] == 200
    (line,) = vendor.printed()
    assert not {"caller", "claimed_caller"} & line.keys()
