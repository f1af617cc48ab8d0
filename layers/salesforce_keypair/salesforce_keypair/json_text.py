"""JSON from other parties, read so that what goes wrong with it doesn't carry it along."""

import json
import math
from typing import Any, TypeVar

T = TypeVar("T")

# What the AWS SDK's parser meets in an answer of another shape than it expects, and we in what it hands on; it doesn't
# check.
GARBLED = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError)

_MAX_DEPTH = 64


def parse_json(text: str | bytes) -> Any:
    """The value that a text is. Raises ValueError, which says where and why and holds no more of the text.

    A JSONDecodeError carries the whole text, be it as another error's context; so none leaves here. Numbers that JSON
    has no way to write again, and members given twice, of which all but one would be lost, are refused. So is what is
    nested so deeply that it can be read here and not shown or written elsewhere, where more of the stack is in use.
    """
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_without_duplicates
        )
        _refuse_depth(value)
        return value
    except (ValueError, RecursionError) as error:
        problem = str(error)
    raise ValueError(problem)


def typed(value: object, kind: type[T]) -> T:
    """The value, if it is of that type. Raises TypeError, which says nothing of the value."""
    if not isinstance(value, kind):
        raise TypeError
    return value


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        holders = [each for each in level if isinstance(each, (dict, list))]
        if not holders:
            return
        level = [inner for each in holders for inner in (each.values() if isinstance(each, dict) else each)]
    raise ValueError("it is nested too deeply")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a member twice")
    return members
