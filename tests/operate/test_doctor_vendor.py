"""How doctor finds a token vendor, what it makes of its answers, and that it shows none of them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from operate.checks import vendor
from operate.checks.described import Described, Schedule
from operate.checks.finding import Status
from tests.operate.doctoring import Doctored, doctor, in_use
from tests.scenarios.support import Stage

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:salesforce/keypair-AbCdEf"
SECRET = Described(
    ARN, ARN, "salesforce/keypair", False, (), (), None, Schedule(False, None, None, "", None, None, None)
)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(served=True) as made:
        in_use(made)
        yield made


def asked(stage: Stage, folder: Path, body: str) -> Doctored:
    """Doctor's view of a function that somebody else wrote."""
    (folder / "app.py").write_text(f"def lambda_handler(event, context):\n    {body}\n", encoding="utf-8")
    name = f"vendor-{folder.name}"
    stage.world.aws.create_function(name, folder)
    return doctor(stage, vendor=name)


def test_a_vendor_that_serves_everything_fails_what_it_must_refuse(stage: Stage, tmp_path: Path) -> None:
    seen = asked(stage, tmp_path, "return {'access_token': 'very-secret-token', 'key_version': 'another-version'}")

    assert seen.failures == ["vendor.refuses"]
    assert "hands out tokens for the admin's secret" in seen["vendor.refuses"].finding.what
    assert "of another version (another-)" in seen["vendor.answers"].finding.what
    assert "very-secret-token" not in seen.text


def test_a_vendors_error_is_told_by_its_name_with_its_whole_text(stage: Stage, tmp_path: Path) -> None:
    long = "what happened " * 30
    token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIzTVZHOSJ9.c2ln"
    body = f"raise type('NotSettled', (Exception,), {{}})('{long}: {token} mend it')"

    seen = asked(stage, tmp_path, body)

    finding = seen["vendor.answers"].finding
    assert finding.error == "NotSettled"
    assert (finding.remedy or "").endswith("[redacted] mend it")
    assert seen["vendor.refuses"].status is Status.WARNING


def test_a_vendor_that_knows_its_secrets_by_name_is_asked_by_name(stage: Stage, tmp_path: Path) -> None:
    refusal = "raise type('InvalidRequest', (Exception,), {})('not served')"
    body = f"if event['secret_id'] != 'salesforce/keypair': {refusal}\n    return {{'access_token': 'a'}}"

    assert asked(stage, tmp_path, body).failures == []


def test_a_vendor_of_other_secrets_is_told_as_that(stage: Stage, tmp_path: Path) -> None:
    seen = asked(stage, tmp_path, "raise type('InvalidRequest', (Exception,), {})('secret_id is not served')")

    assert seen.failures == ["vendor.answers"]
    assert seen["vendor.answers"].finding.error == "InvalidRequest"


def test_a_function_that_isnt_the_vendor_is_told_as_that(stage: Stage, tmp_path: Path) -> None:
    assert asked(stage, tmp_path, "return []")["vendor.answers"].finding.error == "InvalidReply"


def test_a_vendor_that_isnt_there_is_told_and_not_asked_twice(stage: Stage) -> None:
    seen = doctor(stage, vendor="nobody-of-this-name")

    assert seen.failures == ["vendor.answers"]
    assert vendor.OUTPUT in (seen["vendor.answers"].finding.remedy or "")
    assert seen["vendor.refuses"].status is Status.SKIPPED


def stack_answer(outputs: list[dict[str, str]]) -> dict[str, Any]:
    stack = {"StackName": "keys", "CreationTime": datetime.now(UTC), "StackStatus": "CREATE_COMPLETE"}
    return {"Stacks": [stack | {"Outputs": outputs}]}


RESOURCE = {
    "StackName": "keys",
    "LogicalResourceId": "Secret",
    "ResourceType": "AWS::SecretsManager::Secret",
    "Timestamp": datetime(2026, 1, 1, tzinfo=UTC),
    "ResourceStatus": "CREATE_COMPLETE",
}


Stacks = tuple["CloudFormationClient", Stubber]


@pytest.fixture
def stacks() -> Iterator[Stacks]:
    client = boto3.client("cloudformation", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize("stack", [None, "keys"])
def test_the_vendor_is_found_in_the_outputs_of_the_secrets_stack(stacks: Stacks, stack: str | None) -> None:
    client, answers = stacks
    if stack is None:
        answers.add_response("describe_stack_resources", {"StackResources": [RESOURCE]}, {"PhysicalResourceId": ARN})
    outputs = [{"OutputKey": vendor.OUTPUT, "OutputValue": "keys-vendor"}]
    answers.add_response("describe_stacks", stack_answer(outputs), {"StackName": "keys"})

    assert vendor.find(lambda: client, SECRET, stack) == "keys-vendor"


def test_a_secret_of_no_stack_and_a_stack_without_a_vendor_are_told(
    stacks: Stacks,
) -> None:
    client, answers = stacks
    answers.add_client_error("describe_stack_resources", "ValidationError", "Stack for … does not exist")
    with pytest.raises(vendor.NoVendor, match=r"no stack is known to own the secret .*--vendor"):
        vendor.find(lambda: client, SECRET, None)
    answers.add_response("describe_stacks", stack_answer([]), {"StackName": "keys"})
    with pytest.raises(vendor.NoVendor, match="the stack keys has no output TokenVendorFunctionName"):
        vendor.find(lambda: client, SECRET, "keys")
