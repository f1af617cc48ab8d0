"""The token vendor, asked as a workload asks it. Its tokens are dropped unread."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from operate.checks.aws_words import shell_remedy, words_of
from operate.checks.described import Described
from operate.checks.finding import Finding, failed, ok, skipped, warning
from salesforce_keypair.aws_refusal import code_of
from salesforce_keypair.errors import InvalidRequest, SecretUnavailable
from salesforce_keypair.json_text import parse_json
from salesforce_keypair.redaction import foreign_words

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient

OUTPUT = "TokenVendorFunctionName"
_UNSERVED = "a-secret-that-no-vendor-serves"
_MAX_TEXT = 1_000
_REMEDIES = {
    "AccessDeniedException": "give this shell's identity the policy in the stack's output InvokeTokenVendorPolicyArn",
    "ResourceNotFoundException": f"use the name or ARN in the stack's output {OUTPUT}, in the stack's own Region",
    "TooManyRequestsException": "raise the concurrency that the vendor may use (VendorReservedConcurrency), or wait",
}


class NoVendor(Exception):
    """It isn't known which function is the vendor; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an invocation: the name of an error and what to do, or a token's version, all that is kept of it."""

    error_type: str | None
    text: str = ""
    key_version: str = ""
    reached: bool = True


def find(stacks: Callable[[], "CloudFormationClient"], secret: Described, stack: str | None) -> str:
    """The vendor that the stack of a secret names in its outputs. Raises NoVendor."""
    try:
        client = stacks()
        name = stack
        if name is None:
            owned = client.describe_stack_resources(PhysicalResourceId=secret.arn)["StackResources"]
            name = next((resource["StackName"] for resource in owned if "StackName" in resource), None)
        found = [] if name is None else client.describe_stacks(StackName=name)["Stacks"]
    except (ClientError, BotoCoreError) as error:
        # CloudFormation answers ValidationError for a resource that is no stack's.
        raise NoVendor(f"no stack is known to own the secret ({words_of(error)}); name it with --vendor") from error
    except SecretUnavailable as error:
        raise NoVendor(f"{error.what}; name it with --vendor") from error
    except ResponseParserError as error:
        raise NoVendor("what answers isn't CloudFormation; name the vendor with --vendor") from error
    for each in found:
        for output in each.get("Outputs", []):
            if output.get("OutputKey") == OUTPUT:
                return str(output.get("OutputValue"))
    raise NoVendor(f"the stack {name} has no output {OUTPUT}; name the function with --vendor")


def judge_answer(functions: "LambdaClient", vendor: str, secret: Described, current_version: str | None) -> Finding:
    """Whether it gives a token for the secret."""
    # A vendor knows its secrets by the names in its SECRET_ID alone: the template's by ARN, others' also by name.
    answer = _invoke(functions, vendor, {"secret_id": secret.arn})
    if answer.error_type == InvalidRequest.code:
        answer = _invoke(functions, vendor, {"secret_id": secret.name})
    if answer.error_type is not None:
        return failed(
            f"{vendor} gives no token",
            cause=f"it failed with {answer.error_type}",
            remedy=answer.text or "see its log",
            error=answer.error_type,
        )
    if answer.key_version != current_version:
        version = foreign_words(answer.key_version[:8])
        return ok(f"{vendor} gives a token that lives, of another version ({version}) than AWSCURRENT")
    return ok(f"{vendor} gives a token of AWSCURRENT's key")


def judge_refusal(functions: "LambdaClient", vendor: str, admin_secret: str | None) -> Finding:
    """Whether it refuses a secret that it must not serve: the admin's, if there is one."""
    what = "the admin's secret" if admin_secret else "a secret that isn't its own"
    answer = _invoke(functions, vendor, {"secret_id": admin_secret or _UNSERVED})
    if answer.error_type == InvalidRequest.code:
        return ok(f"{vendor} refuses {what}")
    if not answer.reached:
        return skipped(f"{vendor} wasn't asked for {what}", cause="it can't be invoked")
    if answer.error_type is not None:
        return warning(
            f"{vendor} refuses {what}, but for another reason",
            cause=f"it failed with {answer.error_type}",
            remedy=answer.text or "see its log",
            error=answer.error_type,
        )
    return failed(
        f"{vendor} hands out tokens for {what}",
        cause="its SECRET_ID lists that secret, or it isn't this project's vendor",
        remedy="take that secret out of the vendor's SECRET_ID and its role, and see who may invoke it",
    )


def _invoke(functions: "LambdaClient", vendor: str, request: Mapping[str, Any]) -> Answer:
    try:
        reply = functions.invoke(FunctionName=vendor, Payload=json.dumps(request))
        payload = reply["Payload"].read()
    except (ClientError, BotoCoreError) as error:
        code = code_of(error) if isinstance(error, ClientError) else type(error).__name__
        return Answer(code, _REMEDIES.get(code) or shell_remedy(error) or "see its log and try again", reached=False)
    members = _members(payload)
    if reply.get("FunctionError") or "errorType" in members:
        # SAM's local Lambda says by the reply alone that a function failed.
        error_type = foreign_words(members.get("errorType") or reply.get("FunctionError") or "Unhandled")
        return Answer(error_type, _harmless(str(members.get("errorMessage") or "")))
    if not isinstance(members.get("access_token"), str):
        return Answer("InvalidReply", "check that the function is the token vendor")
    return Answer(None, key_version=str(members.get("key_version") or ""))


def _members(payload: bytes) -> Mapping[str, Any]:
    # What can't be read is nothing, and not an exception, which would carry the payload along.
    try:
        reply = parse_json(payload)
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}


def _harmless(text: str) -> str:
    """A function's error text, whole: the remedy is at its end. Word by word, for what looks like a credential."""
    return " ".join(foreign_words(word) for word in text.split())[:_MAX_TEXT]
