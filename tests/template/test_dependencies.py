"""No resource waits for itself. Before the transform a linter can't see all of these circles."""

import re
from collections.abc import Iterator
from copy import deepcopy
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pytest


def dependencies(resources: dict[str, Any]) -> dict[str, set[str]]:
    """Which resources each one names, by Ref, GetAtt, Sub or DependsOn, on both sides of each Fn::If."""
    return {name: set(_names(resource)) & resources.keys() for name, resource in resources.items()}


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _names(item)
    elif isinstance(node, dict):
        for member, value in node.items():
            yield from _named_by(member, value)
            yield from _names(value)


def _named_by(member: str, value: Any) -> list[str]:
    match member:
        case "Ref":
            return [value]
        case "DependsOn":
            return value if isinstance(value, list) else [value]
        case "Fn::GetAtt":
            return [value[0] if isinstance(value, list) else value.split(".")[0]]
        case "Fn::Sub":
            text = value[0] if isinstance(value, list) else value
            return re.findall(r"\$\{([A-Za-z0-9]+)[.}]", text)
    return []


def test_resources_can_be_made_one_after_another(resources: dict[str, Any]) -> None:
    order = list(TopologicalSorter(dependencies(resources)).static_order())

    assert len(order) == len(resources)
    for earlier, later in [
        ("RotationLogGroup", "RotationFunction"),
        ("RotationSecretPolicy", "RotationSchedule"),
        ("RotationPermission", "RotationSchedule"),
        ("Secret", "RotationSchedule"),
    ]:
        assert order.index(earlier) < order.index(later)


@pytest.mark.parametrize(
    "reference",
    [
        {"Ref": "RotationFunction"},
        {"Fn::GetAtt": ["RotationFunction", "Arn"]},
        {"Fn::GetAtt": "RotationFunction.Arn"},
        {"Fn::Sub": "${RotationFunction.Arn}:*"},
    ],
)
def test_a_role_that_names_its_own_function_would_be_found(resources: dict[str, Any], reference: Any) -> None:
    circular = deepcopy(resources)
    circular["RotationRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"] = reference

    with pytest.raises(CycleError):
        TopologicalSorter(dependencies(circular)).prepare()
