"""The runbook has a section for each alarm of the template, and for no other."""

import re
from pathlib import Path
from typing import Any

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
STACK = "${AWS::StackName}-"


def test_each_alarm_has_a_section_and_each_section_an_alarm(resources: dict[str, Any]) -> None:
    names = [
        resource["Properties"]["AlarmName"]["Fn::Sub"].removeprefix(STACK)
        for resource in resources.values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]
    by_alarm = RUNBOOK.read_text(encoding="utf-8").partition("\n## By alarm\n")[2].partition("\n## ")[0]

    assert sorted(re.findall(r"^### (.+)$", by_alarm, re.MULTILINE)) == sorted(names)


def test_each_section_says_how_urgent_it_is_what_to_run_first_and_when_it_is_over() -> None:
    by_alarm = RUNBOOK.read_text(encoding="utf-8").partition("\n## By alarm\n")[2].partition("\n## ")[0]
    _, *sections = re.split(r"^### ", by_alarm, flags=re.MULTILINE)

    for section in sections:
        assert re.search(r"\*\*(Now|Today|This week)\*\*", section, re.IGNORECASE), section
        assert re.search(r"^First ", section, re.MULTILINE) or " First " in section, section
        assert re.search(r"^Over ", section, re.MULTILINE), section
