"""What the README tells callers to write, run as it stands there: as a Lambda function with the layer for callers.

The org is at a My Domain over https, which simple-salesforce insists on.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint

from tests.integration.org_client import key_pair
from tests.sandbox.aws import Function, LocalAws
from tests.sandbox.org import App, EmulatedOrg, Org, ThrowAwayAuthority, User
from tests.sandbox.world import CALLERS_LAYER, FUNCTIONS, LAYER
from tests.scenarios.readme import snippets

ACCOUNT = "123456789012"
REQUESTS, ERRORS, SIMPLE_SALESFORCE = range(3)


@dataclass(frozen=True)
class Place:
    """An org, a vendor of its tokens, and the way to it that every function is told."""

    org: Org
    app: App
    user: User
    aws: LocalAws
    vendor: Function
    variables: dict[str, str]

    def caller(self, folder: Path, snippet: int) -> Function:
        """A function that is one of the README's snippets."""
        (folder / "app.py").write_text(snippets("python", using="salesforce_token")[snippet])
        return self.aws.create_function(
            folder.name, folder, layers=[CALLERS_LAYER], environment=self.variables, timeout=60
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    authority = ThrowAwayAuthority(tmp_path_factory.mktemp("authority"))
    with EmulatedOrg(tls=authority, my_domain="acme.my.salesforce.com") as org, LocalAws() as aws:
        user = org.add_user("robot@example.com")
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair().pem)
        document = {
            "consumerKey": app.consumer_key,
            "username": user.username,
            "baseUri": org.url,
            "privateKey": key_pair().private_pem,
            "certificate": key_pair().pem,
        }
        secret = aws.client("secretsmanager").create_secret(Name="key-pair", SecretString=json.dumps(document))["ARN"]
        variables = {"HTTPS_PROXY": str(org.proxy_url), "REQUESTS_CA_BUNDLE": str(authority.ca_file)}
        vendor = aws.create_function(
            "token-vendor",
            FUNCTIONS / "token_vendor",
            layers=[LAYER],
            environment=variables | {"SECRET_ID": secret},
            timeout=30,
        )
        yield Place(org, app, user, aws, vendor, variables)


def result_of(function: Function) -> Any:
    result = function.invoke({})
    assert result.error_message is None, result.error_message
    return result.value


def test_there_are_as_many_as_are_tried_here() -> None:
    assert len(snippets("python", using="salesforce_token")) == 3
    assert [len(snippets(language, using="lambda")) for language in ("json", "js")] == [1, 1]


@pytest.mark.parametrize("snippet", [REQUESTS, SIMPLE_SALESFORCE], ids=["requests", "simple-salesforce"])
def test_a_query_is_answered_also_after_its_session_was_killed(place: Place, tmp_path: Path, snippet: int) -> None:
    caller = place.caller(tmp_path, snippet)
    place.vendor.recycle()
    before = len(place.vendor.results)

    (record,) = result_of(caller)
    assert record["Name"] == "Emulated org"
    place.org.sessions.kill_all()
    (again,) = result_of(caller)

    assert again == record
    assert [json.loads(result.event) for result in place.vendor.results[before:]] == [
        {"min_ttl_seconds": 60},
        {"min_ttl_seconds": 60, "force_refresh": True},
    ]
    assert f'"claimed_caller":"{caller.name}"' in place.vendor.output().replace(": ", ":")


@pytest.mark.slow
def test_the_token_and_the_reason_for_none_are_told(place: Place, tmp_path: Path) -> None:
    caller = place.caller(tmp_path, ERRORS)

    told = result_of(caller)
    assert (told["org"], told["user"]) == (place.org.org_id, place.user.username)

    place.user.frozen = True
    place.vendor.recycle()
    caller.recycle()
    try:
        failed = result_of(caller)
    finally:
        place.user.frozen = False
        place.vendor.recycle()
    assert failed["failed"] == "LoginRefused"
    assert "inactive" in failed["because"]
    assert '"claimed_caller":"nightly export"' in place.vendor.output().replace(": ", ":")


def test_an_error_that_nobody_catches_has_the_name_that_the_state_machine_waits_for(
    place: Place, tmp_path: Path
) -> None:
    caller = place.caller(tmp_path, REQUESTS)
    place.user.frozen = True
    place.vendor.recycle()
    try:
        failed = caller.invoke({})
    finally:
        place.user.frozen = False
        place.vendor.recycle()

    (machine,) = snippets("json", using="StartAt")
    (state,) = json.loads(machine)["States"].values()
    assert state["Retry"][0]["ErrorEquals"] == [failed.error_type]


def findings(machine: dict[str, Any]) -> list[str]:
    """What cfn-lint has to say of a state machine."""
    properties = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/machine", "Definition": machine}
    resources = {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    return [str(finding) for finding in lint(json.dumps(template))]


def test_the_state_machine_is_one() -> None:
    (text,) = snippets("json", using="StartAt")
    machine = json.loads(text)

    assert findings(machine) == []
    machine["States"]["ExportInvoices"]["Retry"][0]["ErrorEquals"] = "TokenUnavailable"
    assert findings(machine) != []


@pytest.mark.slow
def test_the_function_with_the_layer_can_be_deployed() -> None:
    (resource,) = snippets("yaml", using="SalesforceTokenLayerArn")
    for output, arn in {
        "SalesforceTokenLayerArn": f"arn:aws:lambda:eu-central-1:{ACCOUNT}:layer:stack-salesforce-token:1",
        "InvokeTokenVendorPolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/stack-InvokeTokenVendorPolicy-1ABCDEFGHIJKL",
    }.items():
        resource = resource.replace(f"<{output}>", arn)

    assert [str(finding) for finding in lint(f"Transform: AWS::Serverless-2016-10-31\nResources:\n{resource}")] == []
