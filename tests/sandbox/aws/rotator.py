"""RotateSecret and CancelRotateSecret: when a rotation may start, and what it starts with."""

import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.rotations import (
    STEPS,
    InvocationResult,
    Outcome,
    Rotation,
    RotationPolicy,
    RotationRequest,
)
from tests.sandbox.aws.secret import RotationSettings, Secret

_RATE = re.compile(r"rate\((?P<count>\d+) (?P<unit>hours?|days?)\)")
_SHORTEST_RATE_HOURS = 4


class RotationFunctions(Protocol):
    """The functions that can be asked to rotate."""

    def exists(self, arn: str) -> bool:
        """Whether there is a function of that ARN."""
        ...

    def invoke(self, name: str, payload: bytes) -> InvocationResult:
        """Invoke it and wait. Raises ApiError where it can't be invoked."""
        ...


@dataclass(frozen=True)
class _NotInvoked:
    error_type: str | None
    error_message: str | None


class Rotator:
    """Starts, repeats and cancels rotations. `lock` guards the secrets; it is free while a function runs."""

    def __init__(
        self,
        functions: RotationFunctions,
        policy: RotationPolicy,
        lock: threading.RLock,
        now: Callable[[], float],
    ) -> None:
        self.policy = policy
        self._functions = functions
        self._lock = lock
        self._now = now
        self._rotations: list[Rotation] = []
        self._requests: dict[tuple[str, str], RotationRequest] = {}

    def rotations(self, secret_arn: str) -> list[Rotation]:
        """The rotations of that secret, schedule tests included, oldest first."""
        with self._lock:
            return [rotation for rotation in self._rotations if rotation.request.secret_arn == secret_arn]

    def stop(self) -> None:
        """Deliver nothing more to any function."""
        with self._lock:
            for rotation in self._rotations:
                rotation.cancel()

    def wait_for_all(self) -> None:
        """Wait until no rotation is under way. Raises TimeoutError."""
        with self._lock:
            rotations = list(self._rotations)
        for rotation in rotations:
            rotation.wait()

    def check_token(self, secret: Secret, version_id: str, rotation_token: str | None) -> None:
        """Where the version's rotation came with a RotationToken, it must be handed back. Raises ApiError."""
        request = self._requests.get((secret.arn, version_id))
        if request and request.rotation_token and rotation_token != request.rotation_token:
            raise ApiError("AccessDeniedException", "The RotationToken isn't the one of this rotation.")

    def open(self, secret: Secret, version_id: str) -> RotationRequest:
        """Make the empty pending version.

        Raises ApiError: `InvalidRequestException` while another rotation is unfinished.
        """
        if secret.unfinished_rotation() is not None:
            raise ApiError(
                "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted."
            )
        if secret.find(version_id) is not None:
            raise ApiError("InvalidRequestException", f"Version {version_id} already exists.")
        secret.add_pending(version_id, now=self._now())
        token = str(uuid.uuid4()) if self.policy.hand_out_tokens else None
        request = RotationRequest(secret.arn, version_id, token)
        self._requests[secret.arn, version_id] = request
        return request

    def rotate(self, secret: Secret, version_id: str, parameters: Mapping[str, Any]) -> str | None:
        """RotateSecret; the id of the version under way, None where only the schedule was set. Raises ApiError."""
        rules = parameters.get("RotationRules")
        _check_rules(rules or {})
        with self._lock:
            before = secret.rotation
            arn = parameters.get("RotationLambdaARN") or before.function_arn
            if arn is None:
                raise ApiError(
                    "InvalidRequestException", "No Lambda rotation function ARN is associated with this secret."
                )
            if not self._functions.exists(arn):
                raise ApiError(
                    "AccessDeniedException",
                    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy "
                    "grants access to the principal secretsmanager.amazonaws.com.",
                )
            immediately = parameters.get("RotateImmediately", True)
            settings = RotationSettings(enabled=True, function_arn=arn, rules=rules or before.rules)
            known = self._requests.get((secret.arn, version_id)) if immediately else None
            request = known or self.open(secret, version_id)
            secret.rotation = settings
            if immediately:
                if known is None or self._is_to_be_delivered_again(secret, known):
                    self._start(secret, request, arn)
                return version_id
        self._test_schedule(secret, request, arn, before)
        return None

    def cancel(self, secret: Secret) -> str | None:
        """CancelRotateSecret: labels stay as they are; the id of the unfinished version, if any. Raises ApiError."""
        with self._lock:
            if secret.rotation.function_arn is None:
                raise ApiError("InvalidRequestException", "Rotation was never configured for this secret.")
            secret.rotation = replace(secret.rotation, enabled=False)
            for rotation in self.rotations(secret.arn):
                rotation.cancel()
            return secret.unfinished_rotation()

    def _is_to_be_delivered_again(self, secret: Secret, request: RotationRequest) -> bool:
        # The same token means the same rotation: nothing to do while it runs or once it is finished.
        runs = any(r.outcome is Outcome.RUNNING for r in self._rotations if r.request == request)
        return not runs and secret.unfinished_rotation() == request.version_id

    def _start(self, secret: Secret, request: RotationRequest, function_arn: str) -> None:
        def succeeded() -> None:
            with self._lock:
                secret.rotated_at = self._now()

        rotation = Rotation(request, self._invoker(function_arn), self.policy, STEPS, on_success=succeeded)
        self._rotations.append(rotation)
        rotation.start()

    def _test_schedule(
        self, secret: Secret, request: RotationRequest, function_arn: str, before: RotationSettings
    ) -> None:
        # AWS documents that testSecret is called and the version removed, not what a failure does. Refusing the call,
        # with the schedule left as it was, is the reading under which a test notices; AWS may set it all the same.
        rotation = Rotation(request, self._invoker(function_arn), replace(self.policy, repeats=0), ("testSecret",))
        with self._lock:
            self._rotations.append(rotation)
        rotation.run()
        failure = rotation.deliveries[-1].error_message if rotation.outcome is not Outcome.SUCCEEDED else None
        with self._lock:
            secret.remove(request.version_id)
            del self._requests[secret.arn, request.version_id]
            if failure is not None:
                secret.rotation = before
        if failure is not None:
            raise ApiError("InvalidRequestException", f"The testSecret step of the rotation function failed: {failure}")

    def _invoker(self, function_arn: str) -> "_Invoker":
        return _Invoker(self._functions, function_arn)


@dataclass(frozen=True)
class _Invoker:
    functions: RotationFunctions
    arn: str

    def __call__(self, payload: bytes) -> InvocationResult:
        try:
            return self.functions.invoke(self.arn, payload)
        except ApiError as error:
            return _NotInvoked(error.code, error.message)


def _check_rules(rules: Mapping[str, Any]) -> None:
    expression = rules.get("ScheduleExpression")
    if expression is None:
        return
    if "AutomaticallyAfterDays" in rules:
        raise ApiError(
            "InvalidParameterException", "You can specify AutomaticallyAfterDays or ScheduleExpression, but not both."
        )
    rate = _RATE.fullmatch(expression)
    if rate is None and not expression.startswith("cron("):
        raise ApiError("InvalidParameterException", "The ScheduleExpression is neither rate(hours or days) nor cron().")
    if rate and int(rate["count"]) * (24 if rate["unit"].startswith("day") else 1) < _SHORTEST_RATE_HOURS:
        raise ApiError("InvalidParameterException", "A secret can be rotated as often as every four hours.")
