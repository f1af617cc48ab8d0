"""What DynamoDB refuses and moto doesn't.

Sources: "DynamoDB API Reference", AttributeValue; "DynamoDB Developer Guide", Expressions. The words are AWS's own as
they are reported; programs go by the code.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.sandbox.aws.api_error import ApiError

_VALUES = ("Key", "Item", "ExpressionAttributeValues")
_EXPRESSIONS = ("ConditionExpression", "FilterExpression", "ProjectionExpression", "UpdateExpression")
_PLACEHOLDER = re.compile(r"[:#][A-Za-z0-9_]+")


def check(parameters: Mapping[str, Any]) -> None:
    """Refuse values of two types or of none, and placeholders that are unknown or unused. Raises ApiError."""
    for member in _VALUES:
        for value in (parameters.get(member) or {}).values():
            _check_value(value)
    used = set(_placeholders(parameters))
    for member, kind in (("ExpressionAttributeNames", "name"), ("ExpressionAttributeValues", "value")):
        sign = "#" if kind == "name" else ":"
        defined = set(parameters.get(member) or {})
        if unknown := sorted(name for name in used - defined if name.startswith(sign)):
            raise _invalid(f"An expression attribute {kind} used in expression is not defined: {unknown[0]}")
        if unused := sorted(defined - used):
            raise _invalid(f"Value provided in {member} unused in expressions: keys: {{{', '.join(unused)}}}")


def check_key(key: Mapping[str, Mapping[str, Any]], attribute_types: Mapping[str, str]) -> None:
    """Refuse a key whose values aren't of the table's types. Raises ApiError."""
    for name, value in key.items():
        if name in attribute_types and attribute_types[name] not in value:
            raise _invalid("The provided key element does not match the schema")


def _check_value(value: Mapping[str, Any]) -> None:
    if len(value) > 1:
        raise _invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one")
    if not value:
        raise _invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    for member in value.get("L") or (value.get("M") or {}).values():
        _check_value(member)


def _placeholders(parameters: Mapping[str, Any]) -> Iterator[str]:
    for member in _EXPRESSIONS:
        yield from _PLACEHOLDER.findall(parameters.get(member) or "")


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)
