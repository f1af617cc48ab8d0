"""The template's alarms on the key monitor's measures: which of them would ring, and what their e-mail would say.

Of CloudWatch there is only what these need: one measure decides, as it comes. Alarms that wait for several measures, or
for their absence, are left out.
"""

import json
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from tests.sandbox.world import ROOT, SECRET_NAME

STACK = "salesforce-keypair"
_SERVICE = "${AWS::StackName}-key-monitor"
_NAMES = {"${AWS::StackName}": STACK, "${SecretName}": SECRET_NAME}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}


@dataclass(frozen=True)
class _Alarm:
    name: str
    text: str
    metric: str
    breaches: Callable[[float, float], bool]
    threshold: float

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> "_Alarm":
        return cls(
            name=_filled(properties["AlarmName"]["Fn::Sub"]),
            text=_filled(properties["AlarmDescription"]["Fn::Sub"]),
            metric=properties["MetricName"],
            breaches=_COMPARISONS[properties["ComparisonOperator"]],
            threshold=properties["Threshold"],
        )


class Alarms:
    """Hears what the monitor prints, and tells of each alarm that begins or ends."""

    def __init__(self) -> None:
        self._ringing: set[str] = set()
        self._lines = 0

    @cached_property
    def _alarms(self) -> list[_Alarm]:
        # Not before the monitor runs, for reading the template takes a third of a second.
        template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
        found = (each["Properties"] for each in template["Resources"].values() if _is_decided_at_once(each))
        return [_Alarm.of(properties) for properties in found]

    def heard(self, printed: str) -> Iterator[str]:
        """What is new in all that the monitor has printed so far."""
        lines = printed.splitlines()
        new, self._lines = lines[self._lines :], len(lines)
        for name, value in _measures(new):
            for alarm in self._alarms:
                if alarm.metric == name:
                    yield from self._judge(alarm, value)

    def _judge(self, alarm: _Alarm, value: float) -> Iterator[str]:
        rings = alarm.breaches(value, alarm.threshold)
        if rings and alarm.name not in self._ringing:
            self._ringing.add(alarm.name)
            yield f"{alarm.name} RINGS: {alarm.text}"
        elif not rings and alarm.name in self._ringing:
            self._ringing.discard(alarm.name)
            yield f"{alarm.name} is over"


def _is_decided_at_once(resource: Mapping[str, Any]) -> bool:
    if resource["Type"] != "AWS::CloudWatch::Alarm":
        return False
    properties = resource["Properties"]
    services = [each["Value"] for each in properties["Dimensions"] if each["Name"] == "service"]
    return services == [{"Fn::Sub": _SERVICE}] and properties["EvaluationPeriods"] == 1


def _measures(lines: list[str]) -> Iterator[tuple[str, float]]:
    """The names and values in lines of the Embedded Metric Format."""
    for line in lines:
        if '"CloudWatchMetrics"' not in line:
            continue
        members = json.loads(line)
        for directive in members["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                for value in members[metric["Name"]]:
                    yield metric["Name"], value


def _filled(text: str) -> str:
    for name, value in _NAMES.items():
        text = text.replace(name, value)
    return text
