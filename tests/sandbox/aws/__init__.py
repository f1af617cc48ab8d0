"""A local AWS to test against: Secrets Manager with rotation, DynamoDB, SNS, and Lambda in AWS's runtime client."""

from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.faults import (
    SERVER_ERROR,
    THROTTLED,
    Act,
    Crash,
    Delay,
    DropConnection,
    FaultPlan,
    Garble,
    Refuse,
)
from tests.sandbox.aws.functions import Function, Result
from tests.sandbox.aws.gateway import Call
from tests.sandbox.aws.local import LocalAws
from tests.sandbox.aws.rotations import Delivery, Outcome, Rotation, RotationPolicy, RotationRequest
from tests.sandbox.aws.secret import Value, Version
from tests.sandbox.aws.topics import Message

__all__ = [
    "SERVER_ERROR",
    "THROTTLED",
    "Act",
    "ApiError",
    "Call",
    "Crash",
    "Delay",
    "Delivery",
    "DropConnection",
    "FaultPlan",
    "Function",
    "Garble",
    "LocalAws",
    "Message",
    "Outcome",
    "Refuse",
    "Result",
    "Rotation",
    "RotationPolicy",
    "RotationRequest",
    "Value",
    "Version",
]
