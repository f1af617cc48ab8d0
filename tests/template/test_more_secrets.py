"""Several secrets with one rotation function, one vendor and one monitor: MoreSecretArns."""

from dataclasses import replace
from typing import Any

import pytest

from salesforce_keypair.settings import Settings
from tests.template.iam import Grant, grants_of
from tests.template.transformed import resolved
from tests.template.witnessing import PARAMETERS, ROLES, STACK

OWN = STACK["Secret"]
MORE = tuple(f"arn:aws:secretsmanager:us-east-1:123456789012:secret:salesforce/{name}-AbCdEf" for name in ("b", "c"))
WITH_MORE = PARAMETERS | {"MoreSecretArns": ",".join(MORE)}
OF_BOTH = {"Fn::Join": [",", [{"Ref": "Secret"}, {"Fn::Join": [",", {"Ref": "MoreSecretArns"}]}]]}


def for_more(grant: Grant) -> list[Grant]:
    """What a grant for the stack's own secret is for the others; nothing where it is for something else."""
    if grant.resource == OWN:
        return [replace(grant, resource=arn) for arn in MORE]
    conditions = tuple((key, MORE if values == (OWN,) else values) for key, values in grant.conditions)
    return [] if conditions == grant.conditions else [replace(grant, conditions=conditions)]


@pytest.mark.parametrize("key", ["", PARAMETERS["SecretKmsKeyArn"]])
@pytest.mark.parametrize("role", ROLES)
def test_each_function_may_do_with_further_secrets_what_it_does_with_its_own(
    template: dict[str, Any], role: str, key: str
) -> None:
    of_one = set(grants_of(role, resolved(template, **PARAMETERS | {"SecretKmsKeyArn": key}), STACK))
    of_more = set(grants_of(role, resolved(template, **WITH_MORE | {"SecretKmsKeyArn": key}), dict(STACK) | WITH_MORE))

    assert of_more - of_one == {more for grant in of_one for more in for_more(grant)}
    assert of_one < of_more


@pytest.mark.parametrize("function", ["TokenVendorFunction", "KeyMonitorFunction"])
def test_the_stacks_own_secret_comes_first(template: dict[str, Any], function: str) -> None:
    properties = resolved(template, **WITH_MORE)["Resources"][function]["Properties"]
    written = properties["Environment"]["Variables"]["SECRET_ID"]

    assert written == OF_BOTH
    settings = Settings.from_environment({"SECRET_ID": ",".join((OWN, *MORE))}, serves_secrets=True)
    assert settings.secret_ids == (OWN, *MORE)


def test_a_moved_label_of_each_starts_the_monitor(template: dict[str, Any]) -> None:
    rules = [
        each for each in resolved(template, **WITH_MORE)["Resources"].values() if each["Type"] == "AWS::Events::Rule"
    ]
    (pattern,) = (each["Properties"]["EventPattern"] for each in rules if "EventPattern" in each["Properties"])

    assert pattern["resources"] == {"Fn::Split": [",", OF_BOTH]}


def test_secrets_manager_may_call_the_rotation_for_each_secret_of_the_account(resources: dict[str, Any]) -> None:
    permission = resources["RotationPermission"]["Properties"]

    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert "SourceArn" not in permission
