"""The alarms: when each rings, whom it tells, and what it tells them to run; and what starts the monitor."""

import json
import re
from typing import Any

import pytest

from salesforce_keypair.monitoring import EXPIRES_SOON_DAYS, OVERDUE_INTERVALS, PENDING_LONG_HOURS
from tests.template.test_events import event
from tests.template.transformed import TEMPLATE, resolved

SECONDS = {"rate(15 minutes)": 900, "rate(30 minutes)": 1800, "rate(1 hour)": 3600}
# A user's logins in an hour, after which Salesforce blocks them.
MOST_LOGINS = 3600


def alarms_in(resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}


@pytest.fixture
def alarms(resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return alarms_in(resources)


def test_there_is_an_alarm_for_each_trouble(alarms: dict[str, dict[str, Any]]) -> None:
    assert sorted(alarms) == [
        "CertificateDriftAlarm",
        "CertificateExpires30DaysAlarm",
        "CertificateExpires7DaysAlarm",
        "ChecksFailingAlarm",
        "LoginsAlarm",
        "MonitorSilentAlarm",
        "RefusalCheckAlarm",
        "RotationFailingAlarm",
        "RotationOverdueAlarm",
        "RotationPendingAlarm",
        "RotationRolledBackAlarm",
        "StandbyCertificateExpires30DaysAlarm",
        "StandbyCertificateExpires7DaysAlarm",
        "TokenUrlErrorsAlarm",
        "VendCheckAlarm",
        "VendorErrorsAlarm",
    ]


def test_alarms_bear_the_stacks_name_which_is_what_lets_them_notify(alarms: dict[str, dict[str, Any]]) -> None:
    names = [alarm["AlarmName"]["Fn::Sub"] for alarm in alarms.values()]

    assert all(name.startswith("${AWS::StackName}-") for name in names)
    assert len(set(names)) == len(names)


def test_who_hears_of_trouble_hears_of_its_end(alarms: dict[str, dict[str, Any]]) -> None:
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "NotificationTopic"}]


def test_each_alarm_says_what_to_run(template: dict[str, Any], alarms: dict[str, dict[str, Any]]) -> None:
    pattern = template["Parameters"]["SecretName"]["AllowedPattern"]
    longest_name = max(length for length in range(1, 513) if re.fullmatch(pattern, "x" * length))
    for name, alarm in alarms.items():
        text = alarm["AlarmDescription"]["Fn::Sub"]
        assert re.search(r"[Rr]un: make (doctor|rotate|status|deploy)\b", text), name
        assert "SECRET=${SecretName}" in text, name
        # What CloudWatch takes, with the longest names of a stack and a secret.
        longest = text.replace("${AWS::StackName}", "s" * 128).replace("${SecretName}", "x" * longest_name)
        assert len(longest) <= 1024, name


def test_what_the_alarms_say_to_run_is_a_task(alarms: dict[str, dict[str, Any]]) -> None:
    makefile = (TEMPLATE.parent / "Makefile").read_text(encoding="utf-8")
    texts = " ".join(alarm["AlarmDescription"]["Fn::Sub"] for alarm in alarms.values())
    tasks = set(re.findall(r"\bmake ([a-z-]+)", texts))

    assert {"doctor", "status", "rotate", "resume"} <= tasks
    assert {task for task in tasks if not re.search(rf"^{task}:", makefile, re.MULTILINE)} == set()


@pytest.mark.parametrize(
    ("name", "metric", "statistic", "comparison", "threshold"),
    [
        ("CertificateExpires30DaysAlarm", "CertificateDaysLeft", "Minimum", "LessThan", EXPIRES_SOON_DAYS),
        ("CertificateExpires7DaysAlarm", "CertificateDaysLeft", "Minimum", "LessThan", 7),
        ("StandbyCertificateExpires30DaysAlarm", "StandbyCertificateDaysLeft", "Minimum", "LessThan", 30),
        ("StandbyCertificateExpires7DaysAlarm", "StandbyCertificateDaysLeft", "Minimum", "LessThan", 7),
        ("RotationPendingAlarm", "PendingAgeHours", "Maximum", "GreaterThan", PENDING_LONG_HOURS),
        ("RotationOverdueAlarm", "KeyAgeInIntervals", "Maximum", "GreaterThan", OVERDUE_INTERVALS),
        ("RotationRolledBackAlarm", "RotationRolledBack", "Maximum", "GreaterThanOrEqualTo", 1),
        ("CertificateDriftAlarm", "CertificateDrift", "Maximum", "GreaterThanOrEqualTo", 1),
        ("VendCheckAlarm", "VendCheckFailed", "Maximum", "GreaterThanOrEqualTo", 1),
        ("RefusalCheckAlarm", "RefusalCheckFailed", "Maximum", "GreaterThanOrEqualTo", 1),
    ],
)
def test_a_measured_state_rings_at_once_and_until_it_is_measured_to_be_over(
    alarms: dict[str, dict[str, Any]], name: str, metric: str, statistic: str, comparison: str, threshold: float
) -> None:
    alarm = alarms[name]

    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == (metric, statistic, threshold)
    assert alarm["ComparisonOperator"] == f"{comparison}Threshold"
    assert (alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (1, "ignore")


@pytest.mark.parametrize(
    ("name", "metric", "statistic", "threshold", "hours"),
    [
        ("ChecksFailingAlarm", "ChecksFailed", "Minimum", 1, 3),
        ("LoginsAlarm", "TokensByLogin", "Sum", MOST_LOGINS / 2, 1),
    ],
)
def test_what_may_pass_rings_by_the_hour(
    alarms: dict[str, dict[str, Any]], name: str, metric: str, statistic: str, threshold: float, hours: int
) -> None:
    alarm = alarms[name]

    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == (metric, statistic, threshold)
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (3600, hours)
    assert alarm["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize(
    ("name", "metric", "function", "threshold"),
    [
        ("RotationFailingAlarm", "Errors", "RotationFunction", 1),
        ("VendorErrorsAlarm", "Errors", "TokenVendorFunction", 5),
        ("TokenUrlErrorsAlarm", "Url5xxCount", "TokenVendorFunction", 5),
    ],
)
def test_errors_of_a_function_are_lambdas_own_count(
    alarms: dict[str, dict[str, Any]], name: str, metric: str, function: str, threshold: int
) -> None:
    alarm = alarms[name]

    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/Lambda", metric, "Sum")
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": function}}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", threshold)


def test_the_refusals_that_the_monitor_provokes_do_not_ring(
    template: dict[str, Any], alarms: dict[str, dict[str, Any]]
) -> None:
    vendor = alarms["VendorErrorsAlarm"]
    most_runs = 1 + vendor["Period"] // min(SECONDS[rate] for rate in rates(template))

    assert most_runs < vendor["Threshold"]


def test_a_monitor_that_is_silent_or_fails_rings_whatever_its_schedule(
    template: dict[str, Any], alarms: dict[str, dict[str, Any]]
) -> None:
    alarm = alarms["MonitorSilentAlarm"]

    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("MonitorRuns", "Sum", 1)
    assert (alarm["ComparisonOperator"], alarm["TreatMissingData"]) == ("LessThanThreshold", "breaching")
    assert all(SECONDS[rate] <= alarm["Period"] for rate in rates(template))
    # A run that comes a little late leaves one period empty, not two.
    assert alarm["EvaluationPeriods"] == 2


def rates(template: dict[str, Any]) -> list[str]:
    allowed: list[str] = template["Parameters"]["MonitorScheduleExpression"]["AllowedValues"]
    return allowed


def test_the_monitor_runs_by_its_schedule_and_when_a_label_of_the_secret_moves(template: dict[str, Any]) -> None:
    resources = resolved(template)["Resources"]
    rules = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Events::Rule"]
    schedules = [rule["ScheduleExpression"] for rule in rules if "ScheduleExpression" in rule]
    (pattern,) = (rule["EventPattern"] for rule in rules if "EventPattern" in rule)
    sent = event("monitor-label-updated")

    assert schedules == [{"Ref": "MonitorScheduleExpression"}]
    assert pattern.pop("resources") == [{"Ref": "Secret"}]
    assert pattern == {"source": [sent["source"]], "detail-type": [sent["detail-type"]]}
    for rule in rules:
        assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["KeyMonitorFunction", "Arn"]}]


@pytest.mark.parametrize(("address", "expected"), [("", None), ("on-call@example.com", {"Ref": "NotificationEmail"})])
def test_alarms_come_by_e_mail_where_an_address_is_given(
    template: dict[str, Any], address: str, expected: dict[str, str] | None
) -> None:
    resources = resolved(template, NotificationEmail=address)["Resources"]
    subscription = resources.get("NotificationSubscription", {}).get("Properties", {})

    assert subscription.get("Endpoint") == expected
    assert subscription.get("TopicArn") == (expected and {"Ref": "NotificationTopic"})


def test_the_dashboard_is_json_whose_widgets_do_not_overlap(resources: dict[str, Any]) -> None:
    body = json.loads(resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    taken = [
        (x, y)
        for widget in body["widgets"]
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
