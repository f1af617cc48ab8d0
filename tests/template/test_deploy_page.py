"""docs/deploy.md tells what to choose for each parameter, what the functions are told, and what they measure."""

import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
# What Powertools reads; and what test orgs need, which a template never sets.
POWERTOOLS = {"POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME"}
TEST_ORGS = {"EXTRA_SALESFORCE_HOSTS"}


def named_in(heading: str) -> set[str]:
    """The names at the beginning of the rows below a heading."""
    section = PAGE.partition(f"{heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_it_has_the_templates_parameters(template: dict[str, Any]) -> None:
    assert named_in("### Parameters") == set(template["Parameters"])


def test_it_has_the_functions_variables(resources: dict[str, Any]) -> None:
    functions = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::Function"]
    told = {name for function in functions for name in function["Environment"]["Variables"]}

    assert named_in("## What the functions are told") == told - POWERTOOLS | TEST_ORGS


def test_it_has_every_metric_that_an_alarm_or_the_dashboard_looks_at(resources: dict[str, Any]) -> None:
    alarms = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    looked_at = {alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == "SalesforceKeyPair"}
    (dashboard,) = [each for each in resources.values() if each["Type"] == "AWS::CloudWatch::Dashboard"]
    looked_at |= set(re.findall(r'"SalesforceKeyPair", "(\w+)"', dashboard["Properties"]["DashboardBody"]["Fn::Sub"]))

    measured = PAGE.partition("## What they measure\n")[2]
    assert {name for name in looked_at if f"`{name}`" not in measured} == set()
