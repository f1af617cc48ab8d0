"""The events that a person hands to `sam local invoke`, as the services send them."""

import json
import uuid
from typing import Any

import pytest

from tests.template.transformed import TEMPLATE

EVENTS = TEMPLATE.parent / "events"
ROTATION = {
    "rotation-create-secret": "createSecret",
    "rotation-create-secret-with-rotation-token": "createSecret",
    "rotation-set-secret": "setSecret",
    "rotation-test-secret": "testSecret",
    "rotation-schedule-test-only": "testSecret",
    "rotation-finish-secret": "finishSecret",
}
VENDING = {
    "vend-default": set(),
    "vend-min-ttl": {"min_ttl_seconds"},
    "vend-force-refresh": {"force_refresh"},
    "vend-secret-id": {"secret_id"},
}
OVER_HTTP = {"vend-url"}
MONITORING = {"monitor-schedule", "monitor-label-updated"}
SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:salesforce/keypair-AbCdEf"


def event(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return read


def test_there_is_one_file_for_each_kind() -> None:
    assert {path.stem for path in EVENTS.iterdir()} == ROTATION.keys() | VENDING.keys() | OVER_HTTP | MONITORING


@pytest.mark.parametrize(("name", "step"), ROTATION.items())
def test_a_rotation_event_is_what_secrets_manager_sends(name: str, step: str) -> None:
    sent = event(name)

    assert sent["Step"] == step
    assert sent["SecretId"] == SECRET_ARN
    assert str(uuid.UUID(sent["ClientRequestToken"])) == sent["ClientRequestToken"]
    assert sent.keys() - {"Step", "SecretId", "ClientRequestToken"} == (
        {"RotationToken"} if "rotation-token" in name else set()
    )


def test_the_rotation_token_has_a_length_that_aws_allows() -> None:
    assert 36 <= len(event("rotation-create-secret-with-rotation-token")["RotationToken"]) <= 256


def test_a_schedules_test_comes_under_a_token_of_its_own() -> None:
    of_schedule, of_rotation = event("rotation-schedule-test-only"), event("rotation-test-secret")

    assert of_schedule["ClientRequestToken"] != of_rotation["ClientRequestToken"]


@pytest.mark.parametrize(("name", "members"), VENDING.items())
def test_a_vendor_request_holds_what_its_name_says(name: str, members: set[str]) -> None:
    assert event(name).keys() == members


def test_a_request_over_http_is_what_a_function_url_with_iam_sends() -> None:
    sent = event("vend-url")
    context = sent["requestContext"]

    assert (sent["version"], context["http"]["method"], context["http"]["path"]) == ("2.0", "POST", "/token")
    assert context["authorizer"]["iam"]["userArn"].startswith("arn:aws:sts::123456789012:assumed-role/")
    assert json.loads(sent["body"]) == {"min_ttl_seconds": 300}


@pytest.mark.parametrize("name", sorted(MONITORING))
def test_a_monitors_event_is_what_eventbridge_sends(name: str) -> None:
    sent = event(name)

    assert sent.keys() == {
        "version",
        "id",
        "detail-type",
        "source",
        "account",
        "time",
        "region",
        "resources",
        "detail",
    }
    assert (sent["version"], len(sent["resources"])) == ("0", 1)
    assert str(uuid.UUID(sent["id"])) == sent["id"]


def test_a_moved_label_names_the_secret_that_the_templates_rule_lets_through() -> None:
    sent = event("monitor-label-updated")

    assert (sent["source"], sent["detail-type"]) == ("aws.secretsmanager", "Secret Label Updated")
    assert sent["resources"] == [SECRET_ARN]
    assert sent["detail"].keys() == {"name", "labelUpdated", "versionId"}
    assert str(uuid.UUID(sent["detail"]["versionId"])) == sent["detail"]["versionId"]
