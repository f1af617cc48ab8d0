"""What a step that the rotation function was asked for ended with, to whoever asked."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from operate.rotating.deployed import DeployedFunction
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.rotation_request import Step
from tests.sandbox.aws import LocalAws
from tests.sandbox.aws.environment import Invocation
from tests.sandbox.aws.functions import Result
from tests.unit.support import FakeClock


@dataclass
class Failing:
    """A rotation function that ends with an error."""

    payload: bytes
    name: str = "rotation"
    arn: str = "arn:aws:lambda:us-east-1:123456789012:function:rotation"

    def invoke_raw(self, invocation: Invocation) -> Result:
        return Result(invocation.request_id, b"", self.payload, True, False, 0.0, 0.0, None)


def ended_with(name: str, text: str) -> bytes:
    return json.dumps({"errorType": name, "errorMessage": text}).encode()


@pytest.mark.parametrize(
    ("payload", "code", "text"),
    [
        (ended_with("NotSettled", "it waits: upload it"), "NotSettled", "setSecret failed: it waits: upload it"),
        (ended_with("SecretUnavailable", "no: allow it"), "SecretUnavailable", "setSecret failed: no: allow it"),
        (ended_with("Sandbox.Timedout", "after 900 s"), "RotationError", "failed with Sandbox.Timedout: after 900 s"),
        (ended_with("ClassVar", "not one of ours"), "RotationError", "failed with ClassVar: not one of ours"),
        (b"Task timed out", "RotationError", "failed with an error that can't be read: see the function's log"),
    ],
)
def test_a_step_that_fails_is_told_by_the_name_under_which_its_error_is_documented(
    payload: bytes, code: str, text: str
) -> None:
    with LocalAws() as aws:
        aws.stand_in(Failing(payload))
        lambdas: Any = aws.client("lambda")
        function = DeployedFunction(client=lambdas, name="rotation", clock=FakeClock())

        with pytest.raises(KeyPairError) as caught:
            function.deliver(Step.SET_SECRET, secret_arn="arn:secret", version_id="one")

    assert caught.value.code == code
    assert str(caught.value).endswith(text)
