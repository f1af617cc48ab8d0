"""Asking the vendor as the monitor does: every way in which it can end, and nothing kept of a token."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from botocore.config import Config

from salesforce_keypair.vend_check import Ending, InvokedVendor, Vend
from tests.sandbox.aws import Delay, DropConnection, LocalAws, Refuse
from tests.sandbox.aws.environment import Invocation
from tests.sandbox.aws.functions import Result
from tests.unit.support import TOKEN_REPLY

IMPATIENT = Config(read_timeout=0.2, retries={"total_max_attempts": 1})


@dataclass
class Vendor:
    """A function whose answer is set by the test."""

    name: str = "vendor"
    arn: str = "arn:aws:lambda:us-east-1:123456789012:function:vendor"
    payload: bytes = b"{}"
    failed: bool = False
    asked: list[object] = field(default_factory=list)

    def invoke_raw(self, invocation: Invocation) -> Result:
        self.asked.append(json.loads(invocation.payload))
        return Result(invocation.request_id, b"", self.payload, self.failed, False, 0.0, 0.0, None)


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def vendor(aws: LocalAws) -> Vendor:
    vendor = Vendor()
    aws.stand_in(vendor)
    return vendor


@pytest.fixture
def ask(aws: LocalAws) -> InvokedVendor:
    return InvokedVendor(aws.client("lambda", config=IMPATIENT), "vendor")


@pytest.mark.parametrize("anew", [True, False])
def test_a_token_is_asked_for_and_forgotten(vendor: Vendor, ask: InvokedVendor, anew: bool) -> None:
    vendor.payload = json.dumps(TOKEN_REPLY).encode()
    vend = ask("key-pair", anew=anew)

    assert vend == Vend(Ending.TOKEN)
    assert vendor.asked == [{"secret_id": "key-pair", "force_refresh": anew}]
    assert TOKEN_REPLY["access_token"] not in repr(vars(ask)) + repr(vend)


@pytest.mark.parametrize("failed", [True, False])
def test_an_error_is_told_by_its_name_and_text(vendor: Vendor, ask: InvokedVendor, failed: bool) -> None:
    vendor.failed = failed
    vendor.payload = b'{"errorType": "LoginRefused", "errorMessage": "invalid assertion: wait"}'

    assert ask("key-pair", anew=True) == Vend(Ending.ERROR, "LoginRefused", "invalid assertion: wait")


@pytest.mark.parametrize(
    ("payload", "failed", "error"),
    [
        (b"Task timed out after 30.00 seconds", True, "Unhandled"),
        (b"null", True, "Unhandled"),
        (b'{"errorType": "' + b"A1" * 400 + b'"}', True, "[redacted]"),
        (b"", False, "InvalidReply"),
        (b"[]", False, "InvalidReply"),
        (b'{"access_token": ""}', False, "InvalidReply"),
        (b'{"access_token": 7}', False, "InvalidReply"),
        (b"\xff", False, "InvalidReply"),
    ],
)
def test_what_is_no_token_is_an_error(
    vendor: Vendor, ask: InvokedVendor, payload: bytes, failed: bool, error: str
) -> None:
    vendor.payload, vendor.failed = payload, failed
    vend = ask("key-pair", anew=True)

    assert (vend.ending, vend.error) == (Ending.ERROR, error)
    assert vend.reason


def test_a_token_in_an_error_is_not_handed_on(vendor: Vendor, ask: InvokedVendor) -> None:
    vendor.failed = True
    vendor.payload = json.dumps({"errorType": "X", "errorMessage": f"got {TOKEN_REPLY['access_token']}"}).encode()

    assert ask("key-pair", anew=True).reason == "got [redacted]"


@pytest.mark.parametrize(
    ("disturbance", "ending", "error"),
    [
        (Refuse("AccessDeniedException", status=403), Ending.UNASKED, "AccessDeniedException"),
        # Callers get none either.
        (Refuse("TooManyRequestsException", status=429), Ending.ERROR, "TooManyRequestsException"),
        (DropConnection(), Ending.UNASKED, "ConnectionClosedError"),
    ],
)
def test_a_vendor_that_is_busy_fails_and_one_that_is_out_of_reach_was_not_asked(
    aws: LocalAws, ask: InvokedVendor, disturbance: Refuse | DropConnection, ending: Ending, error: str
) -> None:
    aws.stand_in(Vendor())
    aws.faults.inject("Invoke", disturbance)
    vend = ask("key-pair", anew=True)

    assert (vend.ending, vend.error) == (ending, error)
    assert vend.reason


def test_a_vendor_that_is_gone_was_not_asked(ask: InvokedVendor) -> None:
    assert (ask("key-pair", anew=True).ending, ask("key-pair", anew=True).error) == (
        Ending.UNASKED,
        "ResourceNotFoundException",
    )


def test_a_vendor_that_does_not_answer_in_time_fails(aws: LocalAws, vendor: Vendor, ask: InvokedVendor) -> None:
    aws.faults.inject("Invoke", Delay(0.5))

    assert ask("key-pair", anew=True) == Vend(Ending.ERROR, "ReadTimeoutError", "the vendor didn't answer in time")
