"""Every alarm and every graph looks at a metric that the functions really print, under the very same dimensions."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from salesforce_keypair.errors import KeyPairError
from tests.sandbox.world import VENDOR_NAME
from tests.scenarios.handlers import Deployed, Handler, loaded
from tests.scenarios.set_ups import two_apps
from tests.scenarios.support import SHORT_WAIT, STEPS, Stage, event, step_event
from tests.template.test_alarms import alarms_in
from tests.template.transformed import resolved, transformed

STACK = "stack-of-the-alarms"
FUNCTIONS = {"RotationFunction", "TokenVendorFunction"}
# "AWS Lambda Developer Guide", Types of metrics for Lambda functions.
OF_LAMBDA = {"Errors", "Throttles", "Duration", "Invocations"}
# What a vendor prints in the same line as the others, in trouble that isn't played here.
IN_TROUBLE = {"StaleTokensServed", "TokensFromTable", "TokenTableFailures"}

Metric = tuple[str, str, tuple[tuple[str, str], ...]]


def metric(namespace: str, name: str, dimensions: dict[str, str]) -> Metric:
    return (namespace, name, tuple(sorted(dimensions.items())))


def printed_by(handler: Handler) -> Iterator[Metric]:
    for line in handler.printed():
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            for names in directive["Dimensions"]:
                dimensions = {name: line[name] for name in names}
                for each in directive["Metrics"]:
                    yield metric(directive["Namespace"], each["Name"], dimensions)


@pytest.fixture(scope="module")
def printed() -> Iterator[tuple[str, set[Metric]]]:
    """The secret's ARN, and what the three functions print in good and bad times, under the names of the template."""
    with Stage(SHORT_WAIT) as stage:
        two_apps(stage)
        names = {kind: f"{STACK}-{kind}" for kind in ("rotation", "token-vendor", "key-monitor")}
        served = {"SECRET_ID": stage.arn}
        with (
            loaded("rotation", stage, POWERTOOLS_SERVICE_NAME=names["rotation"]) as rotation,
            loaded("token_vendor", stage, POWERTOOLS_SERVICE_NAME=names["token-vendor"], **served) as vendor,
            loaded(
                "key_monitor",
                stage,
                POWERTOOLS_SERVICE_NAME=names["key-monitor"],
                TOKEN_VENDOR_FUNCTION=VENDOR_NAME,
                **served,
            ) as monitor,
        ):
            stage.world.aws.stand_in(Deployed(VENDOR_NAME, vendor))
            request = stage.begin(schedule="rate(30 days)")
            for step in STEPS:
                rotation(step_event(step, request))
            with pytest.raises(KeyPairError):
                rotation({})
            vendor(event("vend-default"))
            vendor(event("vend-default"))
            monitor(event("monitor-schedule"))
            found = {each for handler in (rotation, vendor, monitor) for each in printed_by(handler)}
        yield stage.arn, found


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    made: dict[str, Any] = resolved(transformed())["Resources"]
    return made


def in_stack(value: Any, arn: str) -> str:
    """What CloudFormation makes of a value."""
    if isinstance(value, str):
        return value
    if "Fn::Sub" in value:
        return filled(value["Fn::Sub"], arn)
    return arn if value["Ref"] == "Secret" else str(value["Ref"])


def filled(text: str, arn: str) -> str:
    named = {"AWS::StackName": STACK, "AWS::Region": "us-east-1", "Secret": arn} | {name: name for name in FUNCTIONS}
    for name, value in named.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    return text


def is_lambdas(each: Metric) -> bool:
    namespace, name, dimensions = each
    return namespace == "AWS/Lambda" and name in OF_LAMBDA and dict(dimensions).get("FunctionName") in FUNCTIONS


def test_every_alarm_looks_at_what_is_printed(resources: dict[str, Any], printed: tuple[str, set[Metric]]) -> None:
    arn, found = printed
    watched = {
        name: metric(
            alarm["Namespace"],
            alarm["MetricName"],
            {each["Name"]: in_stack(each["Value"], arn) for each in alarm["Dimensions"]},
        )
        for name, alarm in alarms_in(resources).items()
    }

    assert {name: each for name, each in watched.items() if each not in found and not is_lambdas(each)} == {}


def test_every_graph_shows_what_is_printed(resources: dict[str, Any], printed: tuple[str, set[Metric]]) -> None:
    arn, found = printed
    body = json.loads(filled(resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"], arn))
    shown = set()
    for widget in body["widgets"]:
        for namespace, name, *rest in widget["properties"]["metrics"]:
            dimensions = rest[:-1] if isinstance(rest[-1], dict) else rest
            shown.add(metric(namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True))))
    in_trouble = {metric("SalesforceKeyPair", name, {"service": f"{STACK}-token-vendor"}) for name in IN_TROUBLE}

    assert {each for each in shown - found - in_trouble if not is_lambdas(each)} == set()


def test_no_metric_has_more_dimensions_than_its_service_and_its_secret(printed: tuple[str, set[Metric]]) -> None:
    arn, found = printed

    assert {tuple(name for name, _ in dimensions) for _, _, dimensions in found} == {
        ("service",),
        ("secret", "service"),
    }
    assert {value for _, _, dimensions in found for name, value in dimensions if name == "secret"} == {arn}
