"""The client for callers: when it asks the vendor, what it serves meanwhile, and what it says when there is no token.

The vendor is a function in the local Lambda that answers what a test wants; the tests with the real one are among the
integration tests.
"""

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from salesforce_token import SalesforceToken, TokenUnavailable
from tests.sandbox.aws import Function, LocalAws
from tests.sandbox.aws.faults import Act, Delay, Disturbance, DropConnection, Garble, Refuse
from tests.sandbox.world import ROOT
from tests.unit.support import FakeClock

HANDLER = """
import json, pathlib, time

def lambda_handler(event, context):
    answer = json.loads(pathlib.Path(__file__).with_name("answer.json").read_text())
    if "error" in answer:
        raise type(answer["error"], (Exception,), {})(answer["text"])
    if answer.get("hangs"):
        time.sleep(60)
    custom = context.client_context and context.client_context.custom
    if event.get("secret_id") == "the client context":
        return answer["reply"] | {"username": json.dumps(custom)}
    return answer["reply"]
"""
THREADS = 20


@dataclass(frozen=True)
class Vendor:
    """A function that answers what it is told to."""

    aws: LocalAws
    function: Function
    folder: Path

    def gives(self, token: str = "first", *, expires_in: float = 900, **members: Any) -> None:
        """From now on it gives that token; a member given as None is left out."""
        reply = {
            "access_token": f"secret-{token}",
            "token_type": "Bearer",
            "instance_url": "https://acme.my.salesforce.com",
            "issued_at": 1,
            "expires_in": expires_in,
            "expires_at": 901,
            "org_id": "00D000000000001AAA",
            "username": "robot@example.com",
            "key_version": "v1",
        }
        self._answer({"reply": {name: value for name, value in (reply | members).items() if value is not None}})

    def answers(self, reply: object) -> None:
        """From now on it answers that."""
        self._answer({"reply": reply})

    def fails(self, error: str = "LoginRefused", text: str = "invalid assertion: wait") -> None:
        """From now on it fails."""
        self._answer({"error": error, "text": text})

    def hangs(self) -> None:
        """From now on it doesn't come to an end."""
        self._answer({"hangs": True})

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What it was asked so far."""
        return [json.loads(result.event) for result in self.function.results]

    def client(self, clock: FakeClock | None = None, **options: Any) -> SalesforceToken:
        """A client of it that tries once."""
        once = self.aws.client("lambda", config=Config(retries={"total_max_attempts": 1}))
        return SalesforceToken("vendor", client=once, now=(clock or FakeClock()).time, **options)

    def _answer(self, answer: object) -> None:
        (self.folder / "answer.json").write_text(json.dumps(answer))


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Vendor]:
    (tmp_path / "app.py").write_text(HANDLER)
    with LocalAws() as aws:
        vendor = Vendor(aws, aws.create_function("vendor", tmp_path, timeout=30), tmp_path)
        vendor.gives()
        yield vendor


def test_a_token_says_what_a_caller_needs(vendor: Vendor, clock: FakeClock) -> None:
    token = vendor.client(clock).get()

    assert token.access_token == "secret-first"
    assert token.instance_url == "https://acme.my.salesforce.com"
    assert token.expires_at == clock.time() + 900
    assert (token.org_id, token.username, token.key_version) == ("00D000000000001AAA", "robot@example.com", "v1")


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        ({}, {"min_ttl_seconds": 60}),
        ({"min_ttl_seconds": 300}, {"min_ttl_seconds": 300}),
        ({"secret_id": "salesforce/other"}, {"min_ttl_seconds": 60, "secret_id": "salesforce/other"}),
    ],
)
def test_the_vendor_is_asked_for_what_the_caller_wants(
    vendor: Vendor, options: dict[str, Any], request_: dict[str, Any]
) -> None:
    vendor.client(**options).get()

    assert vendor.asked == [request_]


@pytest.mark.parametrize("min_ttl", [0, 60, 300])
def test_the_vendor_is_asked_once_until_too_little_of_the_token_is_left(
    vendor: Vendor, clock: FakeClock, min_ttl: float
) -> None:
    client = vendor.client(clock, min_ttl_seconds=min_ttl)
    first = client.get()
    clock.advance(900 - min_ttl - 1)
    assert client.get() == first
    assert len(vendor.asked) == 1

    vendor.gives("second")
    clock.advance(2)

    assert client.get().access_token == "secret-second"
    assert len(vendor.asked) == 2


def test_a_stale_token_is_served_and_the_vendor_left_in_peace_for_half_of_what_it_lives(
    vendor: Vendor, clock: FakeClock
) -> None:
    vendor.gives("stale", expires_in=20)
    client = vendor.client(clock)

    for _ in range(10):
        assert client.get().access_token == "secret-stale"
        clock.advance(0.9)
    assert len(vendor.asked) == 1

    vendor.gives("new")
    clock.advance(1.1)
    assert client.get().access_token == "secret-new"


def test_a_token_of_which_less_is_left_than_of_the_one_in_hand_does_not_replace_it(
    vendor: Vendor, clock: FakeClock
) -> None:
    client = vendor.client(clock)
    client.get()
    clock.advance(850)
    vendor.gives("of an environment that got its own earlier", expires_in=20)

    assert client.get().access_token == "secret-first"


def test_while_a_token_lives_a_failing_vendor_is_not_noticed_nor_pestered(
    vendor: Vendor, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    client = vendor.client(clock)
    client.get()
    vendor.fails()
    clock.advance(850)

    for _ in range(10):
        assert client.get().access_token == "secret-first"
        clock.advance(2)

    assert len(vendor.asked) == 2
    assert "invalid assertion: wait" in caplog.text


def test_a_vendor_that_works_again_is_found_before_the_token_ends(vendor: Vendor, clock: FakeClock) -> None:
    client = vendor.client(clock)
    client.get()
    vendor.fails()
    clock.advance(850)
    client.get()

    vendor.gives("second")
    clock.advance(26)

    assert client.get().access_token == "secret-second"


def test_a_dead_token_is_never_served(vendor: Vendor, clock: FakeClock) -> None:
    client = vendor.client(clock, min_ttl_seconds=0)
    client.get()
    vendor.fails()
    clock.advance(900)

    with pytest.raises(TokenUnavailable):
        client.get()


def test_a_token_that_dies_while_the_vendor_fails_is_not_served_either(vendor: Vendor, clock: FakeClock) -> None:
    client = vendor.client(clock)
    client.get()
    vendor.fails()
    clock.advance(890)
    vendor.aws.faults.inject("Invoke", _letting_pass(clock, 11))

    with pytest.raises(TokenUnavailable):
        client.get()


def test_a_token_that_comes_too_late_is_not_served(vendor: Vendor, clock: FakeClock) -> None:
    vendor.gives(expires_in=5)
    vendor.aws.faults.inject("Invoke", _letting_pass(clock, 6))

    with pytest.raises(TokenUnavailable) as raised:
        vendor.client(clock).get()

    assert raised.value.code == "TokenExpired"


def test_a_failure_is_told_again_for_a_second_without_asking(vendor: Vendor, clock: FakeClock) -> None:
    vendor.fails()
    client = vendor.client(clock)
    for _ in range(3):
        with pytest.raises(TokenUnavailable) as raised:
            client.get()
        assert (raised.value.code, str(raised.value)) == ("LoginRefused", "invalid assertion: wait")
    assert len(vendor.asked) == 1

    vendor.gives()
    clock.advance(1.1)
    assert client.get().access_token == "secret-first"


def test_a_clock_that_is_set_back_stretches_neither_a_token_nor_a_failure(vendor: Vendor, clock: FakeClock) -> None:
    vendor.fails()
    client = vendor.client(clock)
    with pytest.raises(TokenUnavailable):
        client.get()
    clock.now -= 3600
    vendor.gives()
    assert client.get().access_token == "secret-first"

    clock.now -= 3600
    vendor.gives("second")
    assert client.get().access_token == "secret-second"


def test_a_refused_token_is_followed_by_one_that_nobody_had(vendor: Vendor, clock: FakeClock) -> None:
    client = vendor.client(clock)
    refused = client.get()
    vendor.gives("second")

    client.refused(refused)

    assert client.get().access_token == "secret-second"
    assert vendor.asked[1:] == [{"min_ttl_seconds": 60, "force_refresh": True}]
    client.get()
    clock.advance(850)
    client.get()
    assert vendor.asked[2:] == [{"min_ttl_seconds": 60}]


def test_a_token_refused_late_does_not_cost_the_one_that_followed_it(vendor: Vendor, clock: FakeClock) -> None:
    client = vendor.client(clock)
    refused = client.get()
    vendor.gives("second")
    client.refused(refused)
    client.get()
    clock.advance(60)

    client.refused(refused)

    assert client.get().access_token == "secret-second"
    assert len(vendor.asked) == 2


def test_a_refused_token_is_not_served_where_the_vendor_fails(vendor: Vendor, clock: FakeClock) -> None:
    client = vendor.client(clock)
    refused = client.get()
    vendor.fails()
    client.refused(refused)
    with pytest.raises(TokenUnavailable, match="invalid assertion"):
        client.get()

    clock.advance(2)
    vendor.gives("second")

    assert client.get().access_token == "secret-second"
    assert [asked.get("force_refresh") for asked in vendor.asked] == [None, True, True]


def test_tokens_that_are_refused_at_once_are_not_forced_out_one_after_another(vendor: Vendor, clock: FakeClock) -> None:
    client = vendor.client(clock)
    client.refused(client.get())
    for _ in range(10):
        client.refused(client.get())
        clock.advance(0.9)
    assert len(vendor.asked) == 2

    clock.advance(1.1)
    client.refused(client.get())
    client.get()

    assert len(vendor.asked) == 3


def test_many_threads_are_one_call_of_the_vendor(vendor: Vendor) -> None:
    client = vendor.client()
    vendor.aws.faults.inject("Invoke", Delay(0.5))

    with ThreadPoolExecutor(THREADS) as pool:
        tokens = list(pool.map(lambda _: client.get().access_token, range(THREADS)))

    assert tokens == ["secret-first"] * THREADS
    assert len(vendor.asked) == 1


def test_many_threads_are_one_call_of_a_vendor_that_fails(vendor: Vendor) -> None:
    client = vendor.client()
    vendor.fails()
    vendor.aws.faults.inject("Invoke", Delay(0.5))

    def told(_: int) -> str:
        with pytest.raises(TokenUnavailable) as raised:
            client.get()
        return raised.value.code

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(told, range(THREADS))) == ["LoginRefused"] * THREADS

    assert len(vendor.asked) == 1


def test_many_threads_whose_token_was_refused_force_one(vendor: Vendor) -> None:
    client = vendor.client()
    refused = client.get()
    vendor.gives("second")
    vendor.aws.faults.inject("Invoke", Delay(0.2))

    def again(_: int) -> str:
        client.refused(refused)
        return client.get().access_token

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(again, range(THREADS))) == ["secret-second"] * THREADS

    assert len(vendor.asked) == 2


@pytest.mark.parametrize(
    ("disturbance", "code", "text"),
    [
        (Refuse("AccessDeniedException", 403, "not authorized"), "AccessDeniedException", "InvokeTokenVendorPolicyArn"),
        (Refuse("TooManyRequestsException", 429, "Rate Exceeded."), "TooManyRequestsException", "Rate Exceeded"),
        (Refuse("ServiceException", 500, "Oh dear"), "ServiceException", "Oh dear"),
        (DropConnection(), "ConnectionClosedError", "route to AWS Lambda"),
    ],
)
def test_what_aws_refuses_is_told_with_cause_and_remedy(
    vendor: Vendor, disturbance: Disturbance, code: str, text: str
) -> None:
    vendor.aws.faults.inject("Invoke", disturbance)

    with pytest.raises(TokenUnavailable, match=text) as raised:
        vendor.client().get()

    assert raised.value.code == code
    assert raised.value.__cause__ is not None


def test_a_vendor_that_is_not_there_is_told(vendor: Vendor) -> None:
    client = SalesforceToken("nobody", client=vendor.aws.client("lambda"))

    with pytest.raises(TokenUnavailable, match=r"nobody \(ResourceNotFoundException.*stack's outputs"):
        client.get()


def test_a_vendor_that_lambda_stopped_is_told(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HANDLER)
    with LocalAws() as aws:
        vendor = Vendor(aws, aws.create_function("vendor", tmp_path, timeout=1), tmp_path)
        vendor.hangs()

        with pytest.raises(TokenUnavailable, match="timed out") as raised:
            vendor.client().get()

    assert raised.value.code == "Sandbox.Timedout"


@pytest.mark.parametrize(
    "reply",
    [
        "hello",
        None,
        {},
        {"access_token": "secret-first"},
        {"access_token": "secret-first", "instance_url": "https://acme.my.salesforce.com", "expires_in": "soon"},
    ],
)
def test_an_answer_that_is_no_token_is_told_without_showing_it(vendor: Vendor, reply: object) -> None:
    vendor.answers(reply)

    with pytest.raises(TokenUnavailable, match="isn't a token") as raised:
        vendor.client().get()

    assert raised.value.code == "InvalidReply"
    assert "secret" not in str(raised.value)


def test_an_answer_that_cannot_be_read_is_told_without_carrying_it(vendor: Vendor) -> None:
    vendor.aws.faults.inject("Invoke", Garble(b"secret-first"))

    with pytest.raises(TokenUnavailable, match="isn't a token") as raised:
        vendor.client().get()

    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


def test_a_failure_that_only_the_reply_tells_of_is_one(vendor: Vendor) -> None:
    """As with SAM's local Lambda."""
    vendor.answers({"errorType": "LoginThrottled", "errorMessage": "too many logins: wait"})

    with pytest.raises(TokenUnavailable, match="too many logins: wait") as raised:
        vendor.client().get()

    assert raised.value.code == "LoginThrottled"


def test_nothing_shows_the_token(vendor: Vendor, caplog: pytest.LogCaptureFixture) -> None:
    for logger in (None, "botocore"):
        # Botocore's own level, too: the commands hold it down for all of their process.
        caplog.set_level(logging.DEBUG, logger=logger)
    client = vendor.client()
    token = client.get()
    client.refused(token)
    again = client.get()
    shown = f"{token} {token!r} {[again]} {client} {vars(client)} {client.auth()}"

    assert "acme.my.salesforce.com" in shown
    assert "secret-first" not in shown
    assert "botocore" in caplog.text
    assert "secret-first" not in caplog.text


@pytest.mark.parametrize(
    ("name", "options", "custom"),
    [
        (None, {}, None),
        ("billing", {}, {"claimed_caller": "billing"}),
        ("billing", {"claimed_caller": "nightly export"}, {"claimed_caller": "nightly export"}),
        ("billing", {"claimed_caller": ""}, None),
        (None, {"claimed_caller": "x" * 256}, {"claimed_caller": "x" * 256}),
    ],
)
def test_the_vendor_hears_who_calls(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, name: str | None, options: dict[str, Any], custom: object
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    if name is not None:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", name)

    token = vendor.client(secret_id="the client context", **options).get()

    assert json.loads(token.username) == custom
    sent = vendor.aws.calls("Invoke")[0].parameters["ClientContext"]
    assert sent is None or len(base64.b64decode(sent)) <= 300


@pytest.mark.parametrize("caller", ["x" * 257, "two\nlines", "naïve"])
def test_a_caller_that_does_not_fit_into_a_log_line_is_refused(vendor: Vendor, caller: str) -> None:
    with pytest.raises(ValueError, match="256 characters"):
        vendor.client(claimed_caller=caller)


@pytest.fixture
def environment(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of a function beside the vendor, which the default client goes by."""
    for name, value in vendor.aws.environment("the environment").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.mark.usefixtures("environment")
def test_by_default_it_takes_the_environments_lambda_and_tries_a_throttled_call_once_more(vendor: Vendor) -> None:
    vendor.aws.faults.inject("Invoke", Refuse("TooManyRequestsException", 429, "Rate Exceeded."))

    assert SalesforceToken(vendor.function.arn).get().access_token == "secret-first"

    assert [(call.caller, call.outcome) for call in vendor.aws.calls("Invoke")] == [
        ("the environment", "TooManyRequestsException"),
        ("the environment", "ok"),
    ]


@pytest.mark.usefixtures("environment")
def test_by_default_it_does_not_try_more_often_than_that(vendor: Vendor) -> None:
    vendor.aws.faults.inject("Invoke", Refuse("TooManyRequestsException", 429, "Rate Exceeded."), times=None)

    with pytest.raises(TokenUnavailable, match="Rate Exceeded"):
        SalesforceToken("vendor").get()

    assert len(vendor.aws.calls("Invoke")) == 2


def test_it_needs_nothing_but_boto3() -> None:
    """What an empty function with the layer has: the standard library and what Lambda itself brings."""
    script = """
import boto3, sys
boto3.client("lambda", region_name="us-east-1")
before = set(sys.modules)
import salesforce_token
standard = sys.stdlib_module_names
print(sorted({name.partition(".")[0] for name in set(sys.modules) - before} - standard))
"""
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "layers" / "salesforce_token")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert finished.stdout.strip() == "['salesforce_token']"


def _letting_pass(clock: FakeClock, seconds: float) -> Disturbance:
    return Act(lambda: clock.advance(seconds))
