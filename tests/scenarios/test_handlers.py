"""The handlers: an event in, a step or a token out, and what they log and count on the way."""

import hashlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from salesforce_keypair.errors import (
    ForeignCertificate,
    InvalidRequest,
    InvalidSecret,
    InvalidSettings,
    KeyPairError,
    LoginRefused,
    NotPending,
)
from tests.integration.org_client import key_pair
from tests.sandbox.org import Kind
from tests.scenarios.handlers import Context, Handler, loaded, logged_in, metrics_in
from tests.scenarios.support import CREATE, STEPS, Stage, event, step_event

AUDITED = (
    "secret",
    "org",
    "user",
    "key_version",
    "source",
    "request_id",
    "caller",
    "claimed_caller",
    "token_sha256",
)
REPLY = {
    "access_token",
    "token_type",
    "instance_url",
    "issued_at",
    "expires_in",
    "expires_at",
    "org_id",
    "username",
    "key_version",
}


@pytest.fixture
def rotation(stage: Stage) -> Iterator[Handler]:
    with loaded("rotation", stage) as handler:
        yield handler


@pytest.fixture
def vendor(stage: Stage) -> Iterator[Handler]:
    stage.install_key()
    with loaded("token_vendor", stage, SECRET_ID=f"{stage.arn}, salesforce/keypair") as handler:
        yield handler


# The rotation function


def test_a_rotation_is_done_by_the_events_of_its_four_steps(stage: Stage, rotation: Handler) -> None:
    request = stage.begin()

    answers = [rotation(step_event(step, request)) for step in STEPS]

    assert answers == [None] * 4
    assert stage.labels()["AWSCURRENT"] == request.version_id
    assert metrics_in(rotation.printed()) == {"RotationStepsSucceeded": 4, "RotationsSucceeded": 1}


def test_every_line_of_a_step_tells_which_rotation_and_step_it_is_about(stage: Stage, rotation: Handler) -> None:
    request = stage.begin()

    for step in STEPS:
        rotation(step_event(step, request))
        lines = logged_in(rotation.printed())
        assert lines
        for line in lines:
            assert (line["correlation_id"], line["step"]) == (request.version_id, step)
            assert line["secret_id"] == stage.arn
            assert line["level"] == "INFO"


def test_a_step_that_fails_is_counted_and_logged_with_what_to_do_and_raised(stage: Stage, rotation: Handler) -> None:
    stage.world.app.install(key_pair("somebody else").pem)
    request = stage.begin()
    rotation(step_event(CREATE, request))
    rotation.printed()

    with pytest.raises(ForeignCertificate) as caught:
        rotation(step_event("setSecret", request))

    lines = rotation.printed()
    assert metrics_in(lines) == {"RotationStepsFailed": 1}
    assert [line["error"] for line in lines if "_aws" in line] == ["ForeignCertificate"]
    (line,) = (line for line in logged_in(lines) if line["level"] == "ERROR")
    assert line["message"] == str(caught.value)
    assert (line["error"], line["retryable"], line["remedy"]) == ("ForeignCertificate", False, caught.value.remedy)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Step": "createSecret"},
        {"Step": "dropSecret", "SecretId": "x", "ClientRequestToken": "t" * 36},
        {"Step": "createSecret", "SecretId": "x", "ClientRequestToken": "short"},
        {"Step": "createSecret", "SecretId": "x", "ClientRequestToken": "t" * 36, "RotationToken": "short"},
    ],
)
def test_an_event_that_isnt_secrets_managers_is_refused_before_anything_is_asked(
    stage: Stage, rotation: Handler, sent: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        rotation(sent)

    assert stage.requests() == 0
    assert metrics_in(rotation.printed()) == {"RotationStepsFailed": 1}


def test_what_was_known_of_one_invocation_isnt_logged_with_the_next(stage: Stage, rotation: Handler) -> None:
    request = stage.begin()
    rotation(step_event(CREATE, request))
    rotation.printed()

    with pytest.raises(InvalidRequest):
        rotation({})

    for line in logged_in(rotation.printed()):
        assert request.version_id not in str(line)
        assert "step" not in line


def test_a_rotation_token_isnt_logged() -> None:
    with Stage(hand_out_tokens=True) as stage, loaded("rotation", stage) as rotation:
        request = stage.begin()
        assert request.rotation_token is not None
        for step in STEPS:
            rotation(step_event(step, request))

        assert request.rotation_token not in str(rotation.printed())


def test_a_step_has_the_time_that_lambda_says_less_a_margin_for_its_report(stage: Stage, rotation: Handler) -> None:
    stage.install_key()
    request = stage.begin()
    rotation(step_event(CREATE, request))
    rotation(step_event("setSecret", request))
    stage.world.app.install(key_pair("somebody else").pem)
    started = stage.clock.monotonic()

    with pytest.raises(KeyPairError):
        rotation(step_event("testSecret", request), Context(seconds=181.0))

    # A third of the 180 s is kept for putting back.
    assert 90 <= stage.clock.monotonic() - started <= 120


@pytest.mark.parametrize(
    ("variable", "value"),
    [("TOKEN_TABLE", "my tokens"), ("SETTLED_LOGINS", "0"), ("SETTLING_SECONDS", "soon"), ("AWS_ENDPOINT_URL", "")],
)
def test_a_wrong_setting_fails_the_functions_start_by_name(stage: Stage, variable: str, value: str) -> None:
    with pytest.raises(InvalidSettings) as caught, loaded("rotation", stage, **{variable: value}):
        pass

    # Without the loopback address the test org's host is what may not be there.
    assert {"AWS_ENDPOINT_URL": "EXTRA_SALESFORCE_HOSTS"}.get(variable, variable) in str(caught.value)


def test_settings_under_which_no_key_could_ever_settle_fail_the_functions_start(stage: Stage) -> None:
    # Every rotation would be put back, twelve minutes after its beginning.
    variables = {"SETTLED_LOGINS": "100", "SETTLED_INTERVAL_SECONDS": "10", "SETTLING_SECONDS": "720"}

    with pytest.raises(InvalidSettings) as caught, loaded("rotation", stage, **variables):
        pass

    assert "SETTLED_LOGINS" in str(caught.value)


def test_a_vendor_with_a_wrong_table_or_without_a_secret_fails_to_start(stage: Stage) -> None:
    for variables in ({"SECRET_ID": ""}, {"SECRET_ID": "x", "TOKEN_TABLE": "my tokens"}):
        with pytest.raises(InvalidSettings), loaded("token_vendor", stage, **variables):
            pass


# The token vendor


@pytest.mark.parametrize("name", ["vend-default", "vend-min-ttl", "vend-force-refresh"])
def test_each_kind_of_request_gets_a_token_that_works(stage: Stage, vendor: Handler, name: str) -> None:
    reply = vendor(event(name))

    assert reply.keys() == REPLY
    assert stage.outsider.liveness(reply["access_token"]).status_code == 200
    assert reply["key_version"] == stage.labels()["AWSCURRENT"]
    assert reply["expires_at"] - reply["issued_at"] == 900


def test_a_request_may_name_a_secret_that_is_served(stage: Stage, vendor: Handler) -> None:
    assert vendor(event("vend-secret-id", secret_id=stage.arn)).keys() == REPLY


def test_a_request_may_not_name_another_secret(stage: Stage, vendor: Handler) -> None:
    with pytest.raises(InvalidRequest) as caught:
        vendor(event("vend-secret-id", secret_id=stage.world.admin_secret_arn))

    assert stage.world.admin_secret_arn not in str(caught.value)
    assert stage.requests() == 0
    assert metrics_in(vendor.printed()) == {"VendsFailed": 1}


def test_a_login_and_a_cached_token_are_told_apart_in_the_metrics(stage: Stage, vendor: Handler) -> None:
    vendor(event("vend-default"))
    assert metrics_in(vendor.printed()) == {"TokensVended": 1, "TokensByLogin": 1}
    asked = stage.requests()

    vendor(event("vend-default"))

    assert metrics_in(vendor.printed()) == {"TokensVended": 1, "TokensFromCache": 1}
    assert stage.requests() == asked


def test_a_stale_token_is_served_while_salesforce_refuses_and_counted(stage: Stage, vendor: Handler) -> None:
    first = vendor(event("vend-default"))
    stage.clock.advance(700)
    stage.world.user.frozen = True
    vendor.printed()

    second = vendor(event("vend-default"))

    assert second["access_token"] == first["access_token"]
    assert second["expires_in"] == 200
    assert metrics_in(vendor.printed()) == {"TokensVended": 1, "StaleTokensServed": 1}


def test_a_token_is_never_logged(vendor: Handler) -> None:
    context = Context()

    reply = vendor(event("vend-default"), context)

    lines = vendor.printed()
    assert reply["access_token"] not in str(lines)
    assert [line["request_id"] for line in lines] == [context.aws_request_id]


def test_every_vend_leaves_one_line_that_says_who_got_which_token(stage: Stage, vendor: Handler) -> None:
    for source in ("fresh", "cached"):
        context = Context()
        reply = vendor(event("vend-default"), context)
        (line,) = vendor.printed()
        told = {name: line.get(name) for name in AUDITED}

        assert told == {
            "secret": stage.arn,
            "org": reply["org_id"],
            "user": reply["username"],
            "key_version": reply["key_version"],
            "source": source,
            "request_id": context.aws_request_id,
            "caller": None,
            "claimed_caller": None,
            "token_sha256": hashlib.sha256(reply["access_token"].encode()).hexdigest()[:12],
        }


def test_a_caller_is_named_only_where_aws_vouches_for_it(vendor: Handler) -> None:
    claim = SimpleNamespace(custom={"claimed_caller": "arn:aws:iam::123456789012:role/admin"})
    context = Context(client_context=claim, identity=SimpleNamespace(cognito_identity_id="eu-west-1:me"))

    vendor(event("vend-default"), Context(client_context=claim))
    vendor(event("vend-default"), context)

    told = [(line.get("caller"), line["claimed_caller"]) for line in vendor.printed()]
    assert told == [(None, claim.custom["claimed_caller"]), ("eu-west-1:me", claim.custom["claimed_caller"])]


@pytest.mark.parametrize("claim", [7, "", None, ["x"], {"x": 1}])
def test_a_claim_that_is_no_name_is_left_out(vendor: Handler, claim: object) -> None:
    vendor(event("vend-default"), Context(client_context=SimpleNamespace(custom={"claimed_caller": claim})))
    vendor(event("vend-default"), Context(client_context=SimpleNamespace(custom=None)))

    assert not any("claimed_caller" in line for line in vendor.printed())


def test_a_claim_is_short_and_holds_no_credential(vendor: Handler) -> None:
    for claim in ("x " * 1000, f"me 00D000000000001!{'AQ' * 40}"):
        vendor(event("vend-default"), Context(client_context=SimpleNamespace(custom={"claimed_caller": claim})))

    long, secret = (line["claimed_caller"] for line in vendor.printed())
    assert len(long) <= 256
    assert "AQAQ" not in secret


def test_no_metric_has_a_dimension_of_callers(vendor: Handler) -> None:
    context = Context(client_context=SimpleNamespace(custom={"claimed_caller": "batch"}))

    vendor(event("vend-default"), context)

    (line,) = vendor.printed()
    assert [directive["Dimensions"] for directive in line["_aws"]["CloudWatchMetrics"]] == [[["service"]]]


def test_a_request_that_failed_is_told_of_with_its_error(stage: Stage, vendor: Handler) -> None:
    stage.world.user.frozen = True
    context = Context()

    with pytest.raises(LoginRefused):
        vendor(event("vend-default"), context)

    (line,) = (line for line in vendor.printed() if "_aws" in line)
    assert (line["error"], line["level"], line["request_id"]) == ("LoginRefused", "ERROR", context.aws_request_id)


@pytest.mark.parametrize("sent", [{"min_ttl_seconds": 1000}, {"force_refresh": "yes"}, {"secret": "x"}])
def test_a_request_that_cant_be_used_is_refused_before_anything_is_asked(
    stage: Stage, vendor: Handler, sent: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        vendor(sent)

    assert stage.requests() == 0


def test_a_refused_login_is_raised_by_name_and_logged_with_what_to_do(stage: Stage, vendor: Handler) -> None:
    stage.world.user.frozen = True

    with pytest.raises(LoginRefused) as caught:
        vendor(event("vend-default"))

    lines = vendor.printed()
    assert metrics_in(lines) == {"VendsFailed": 1}
    (line,) = (line for line in logged_in(lines) if line["level"] == "ERROR")
    assert (line["error"], line["message"]) == ("LoginRefused", str(caught.value))


def test_a_secret_without_a_key_is_named(stage: Stage) -> None:
    with loaded("token_vendor", stage, SECRET_ID=stage.arn) as vendor, pytest.raises(InvalidSecret) as caught:
        vendor(event("vend-default"))

    assert "privateKey" in caught.value.what


def test_the_vendor_follows_a_rotation_without_being_told(stage: Stage, vendor: Handler) -> None:
    before = vendor(event("vend-default"))
    request = stage.rotate()

    # The token it has is still good; the next login is with the new key.
    assert vendor(event("vend-default"))["access_token"] == before["access_token"]
    assert vendor(event("vend-force-refresh"))["key_version"] == request.version_id


def test_the_vendor_logs_in_with_the_pending_key_while_that_alone_is_honoured(stage: Stage, vendor: Handler) -> None:
    request = stage.begin()
    stage.deliver(request, *STEPS[:2])

    assert vendor(event("vend-force-refresh"))["key_version"] == request.version_id


def test_the_rotation_functions_refusals_leave_the_org_alone(stage: Stage, rotation: Handler) -> None:
    request = stage.rotate()
    later = stage.rotate()
    stage.world.org.log.clear()

    with pytest.raises(NotPending):
        rotation(step_event("setSecret", request))

    assert stage.world.org.log.entries(Kind.TOKEN) == ()
    assert stage.labels()["AWSCURRENT"] == later.version_id
