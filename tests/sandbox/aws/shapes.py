"""Checks a request's parameters against AWS's own model of the service, as it comes with botocore."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from tests.sandbox.aws.api_error import ApiError

_TYPES: dict[str, type] = {
    "string": str,
    "blob": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "list": list,
    "structure": dict,
    "map": dict,
}


@cache
def service_model(service: str) -> ServiceModel:
    """AWS's model of `service`."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def check(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Refuse what the model forbids: missing, wrongly typed, too short, too long, malformed.

    Raises ApiError: `ValidationException`; it names the member and never quotes its value, which may be secret.
    """
    shape = service_model(service).operation_model(operation).input_shape
    if shape is not None:
        _check(shape, parameters, path="")


def _check(shape: Shape, value: Any, *, path: str) -> None:
    if not _has_type(shape, value):
        raise ApiError("SerializationException", f"Value at '{path}' must be a {shape.type_name}")
    if isinstance(shape, StructureShape):
        _check_members(shape, value, path=path)
    elif isinstance(shape, ListShape):
        _check_range(shape, len(value), path=path, what="length")
        for item in value:
            _check(shape.member, item, path=f"{path}.member")
    elif isinstance(shape, MapShape):
        for item in value.values():
            _check(shape.value, item, path=f"{path}.value")
    elif shape.type_name in ("integer", "long"):
        _check_range(shape, value, path=path, what="value")
    elif shape.type_name == "string":
        # AWS's documentation gives the limits of secret values in bytes.
        _check_range(shape, len(value.encode()), path=path, what="length")
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            raise _violated(path, f"Member must satisfy regular expression pattern: {pattern}")


def _has_type(shape: Shape, value: object) -> bool:
    # In Python a bool is an int, in JSON it isn't.
    wanted = _TYPES[shape.type_name]
    return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))


def _check_members(shape: StructureShape, value: Mapping[str, Any], *, path: str) -> None:
    for name in shape.required_members:
        if value.get(name) is None:
            raise _violated(_join(path, name), "Member must not be null")
    for name, member in value.items():
        if name not in shape.members:
            raise ApiError("SerializationException", f"Unknown member '{_join(path, name)}'")
        if member is not None:
            _check(shape.members[name], member, path=_join(path, name))


def _check_range(shape: Shape, size: int, *, path: str, what: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        raise _violated(path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > high:
        raise _violated(path, f"Member must have {what} less than or equal to {high}")


def _join(path: str, name: str) -> str:
    # Secrets Manager words members with a small first letter in these messages.
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member


def _violated(path: str, constraint: str) -> ApiError:
    return ApiError(
        "ValidationException",
        f"1 validation error detected: Value at '{path}' failed to satisfy constraint: {constraint}",
    )
