"""The template as CloudFormation gets it, by AWS's own translator; `-m tests.template.transformed` prints it."""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).parents[2] / "template.yaml"

# The translator takes code from S3 only; `sam deploy` has put it there by then.
_UPLOADED = {
    "AWS::Serverless::Function": ("CodeUri", "s3://bucket/code.zip"),
    "AWS::Serverless::LayerVersion": ("ContentUri", "s3://bucket/layer.zip"),
}

_NO_VALUE = {"Ref": "AWS::NoValue"}


def source() -> dict[str, Any]:
    """The template as it is written, its short forms (!Ref) spelt out."""
    template: dict[str, Any] = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    return template


def transformed() -> dict[str, Any]:
    """The template after the transform, with its conditions still open."""
    template = source()
    for resource in template["Resources"].values():
        if resource["Type"] in _UPLOADED:
            member, uri = _UPLOADED[resource["Type"]]
            resource["Properties"][member] = uri
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    translated = translator.translate(template, parameter_values={})
    # Through JSON, so that it is read as CloudFormation reads it, without the translator's own kinds of dict and str.
    plain: dict[str, Any] = json.loads(json.dumps(translated))
    return plain


def resolved(template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """The template as a stack with these parameters gets it: each condition decided, what is AWS::NoValue left out."""
    values = {name: parameter["Default"] for name, parameter in template["Parameters"].items()} | parameters
    holds = {name: _holds(condition, values) for name, condition in template["Conditions"].items()}
    result: dict[str, Any] = _decided(template, holds)
    for part in ("Resources", "Outputs"):
        result[part] = {
            name: entry for name, entry in result[part].items() if holds.get(entry.get("Condition", ""), True)
        }
    return result


def _holds(condition: dict[str, Any], values: dict[str, Any]) -> bool:
    ((function, argument),) = condition.items()
    if function == "Fn::Not":
        return not _holds(argument[0], values)
    if function == "Fn::Equals":
        left, right = (_compared(side, values) for side in argument)
        # CloudFormation compares text.
        return str(left) == str(right)
    raise AssertionError(f"a condition with {function}: teach it here")


def _compared(side: Any, values: dict[str, Any]) -> Any:
    match side:
        case {"Ref": name}:
            return values[name]
        case {"Fn::Join": ["", {"Ref": name}]}:
            return values[name].replace(",", "")
    return side


def _decided(node: Any, holds: dict[str, bool]) -> Any:
    if isinstance(node, dict):
        if node.keys() == {"Fn::If"}:
            condition, then, otherwise = node["Fn::If"]
            return _decided(then if holds[condition] else otherwise, holds)
        members = {name: _decided(value, holds) for name, value in node.items()}
        return {name: value for name, value in members.items() if value != _NO_VALUE}
    if isinstance(node, list):
        return [item for item in (_decided(item, holds) for item in node) if item != _NO_VALUE]
    return node


if __name__ == "__main__":
    json.dump(transformed(), sys.stdout, indent=2)
