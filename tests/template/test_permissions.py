"""Who may do what, in every combination of customer keys and admin secret."""

from itertools import product
from typing import Any

import pytest

from tests.template.iam import listed, statements_of
from tests.template.transformed import resolved

SECRET_KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"
ADMIN_KEY = "arn:aws:kms:eu-west-1:123456789012:key/22222222-2222-2222-2222-222222222222"
ADMIN_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:salesforce/admin-AbCdEf"

# The rule in the template refuses a key without its secret before anything is made.
COMBINATIONS = [
    {"SecretKmsKeyArn": secret_key, "AdminSecretArn": admin, "AdminSecretKmsKeyArn": admin_key}
    for secret_key, (admin, admin_key) in product(
        ("", SECRET_KEY), (("", ""), (ADMIN_SECRET, ""), (ADMIN_SECRET, ADMIN_KEY))
    )
]

AUTHORITY = "arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/11111111-2222-3333-4444-555555555555"

SHARED = [parameters | {"ShareTokens": "true"} for parameters in COMBINATIONS]

Statement = dict[str, Any]

ROLES = ("RotationRole", "TokenVendorRole", "KeyMonitorRole")
NOTIFICATION_KEY = {"Fn::GetAtt": ["NotificationKey", "Arn"]}


def only_in(service: str) -> dict[str, Any]:
    """The condition that a key is used through a service."""
    return {"StringEquals": {"kms:ViaService": {"Fn::Sub": f"{service}.${{AWS::Region}}.amazonaws.com"}}}


def only_of(secret: str) -> dict[str, Any]:
    """The condition that a key opens that secret alone, which Secrets Manager says to KMS in the encryption context."""
    through = only_in("secretsmanager")["StringEquals"]
    return {"StringEquals": through | {"kms:EncryptionContext:SecretARN": {"Ref": secret}}}


ONLY_FOR = {
    str(NOTIFICATION_KEY): only_in("sns"),
    str({"Ref": "SecretKmsKeyArn"}): only_of("Secret"),
    str({"Ref": "AdminSecretKmsKeyArn"}): only_of("AdminSecretArn"),
}

# An alarm of another account, or another stack, is none of ours.
BY_OUR_ALARMS = {
    "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    "ArnLike": {
        "aws:SourceArn": {
            "Fn::Sub": "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:${AWS::StackName}-*"
        }
    },
}


def allowed(statements: list[Statement], resource: Any) -> set[str]:
    return {
        action
        for statement in statements
        if statement["Resource"] == resource
        for action in listed(statement["Action"])
    }


@pytest.mark.parametrize("parameters", COMBINATIONS)
def test_the_rotation_may_do_this_and_nothing_else(template: dict[str, Any], parameters: dict[str, str]) -> None:
    statements = statements_of("RotationRole", resolved(template, **parameters))

    assert allowed(statements, {"Ref": "Secret"}) == {
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
    }
    assert allowed(statements, {"Ref": "NotificationTopic"}) == {"sns:Publish"}
    assert allowed(statements, NOTIFICATION_KEY) == {"kms:Decrypt", "kms:GenerateDataKey"}
    expected = 4
    for parameter, actions in {
        "AdminSecretArn": {"secretsmanager:GetSecretValue"},
        "AdminSecretKmsKeyArn": {"kms:Decrypt"},
        "SecretKmsKeyArn": {"kms:Decrypt", "kms:GenerateDataKey"},
    }.items():
        assert allowed(statements, {"Ref": parameter}) == (actions if parameters[parameter] else set())
        expected += bool(parameters[parameter])
    assert allowed(statements, {"Fn::GetAtt": ["RotationLogGroup", "Arn"]}) == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    assert len(statements) == expected


@pytest.mark.parametrize("parameters", COMBINATIONS)
def test_the_vendor_may_read_its_secret_and_nothing_else(template: dict[str, Any], parameters: dict[str, str]) -> None:
    statements = statements_of("TokenVendorRole", resolved(template, **parameters))

    assert allowed(statements, {"Ref": "Secret"}) == {"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}
    assert allowed(statements, {"Ref": "SecretKmsKeyArn"}) == (
        {"kms:Decrypt"} if parameters["SecretKmsKeyArn"] else set()
    )
    assert allowed(statements, {"Fn::GetAtt": ["TokenVendorLogGroup", "Arn"]}) == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    assert len(statements) == 2 + bool(parameters["SecretKmsKeyArn"])


@pytest.mark.parametrize("parameters", COMBINATIONS)
def test_the_monitor_may_read_and_ask_and_nothing_else(template: dict[str, Any], parameters: dict[str, str]) -> None:
    statements = statements_of("KeyMonitorRole", resolved(template, **parameters))

    assert allowed(statements, {"Ref": "Secret"}) == {
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
    }
    assert allowed(statements, {"Fn::GetAtt": ["TokenVendorFunction", "Arn"]}) == {"lambda:InvokeFunction"}
    expected = 3
    for parameter, action in {
        "AdminSecretArn": "secretsmanager:GetSecretValue",
        "AdminSecretKmsKeyArn": "kms:Decrypt",
        "SecretKmsKeyArn": "kms:Decrypt",
    }.items():
        assert allowed(statements, {"Ref": parameter}) == ({action} if parameters[parameter] else set())
        expected += bool(parameters[parameter])
    assert allowed(statements, {"Fn::GetAtt": ["KeyMonitorLogGroup", "Arn"]}) == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    assert len(statements) == expected


def test_an_authority_may_be_asked_for_certificates_that_log_in_and_for_no_others(template: dict[str, Any]) -> None:
    alone = statements_of("RotationRole", resolved(template))
    certified = statements_of("RotationRole", resolved(template, CertificateAuthorityArn=AUTHORITY))
    issue, get = (statement for statement in certified if statement not in alone)

    leaf = "arn:${AWS::Partition}:acm-pca:::template/EndEntityClientAuthCertificate/V1"
    assert issue == {
        "Effect": "Allow",
        "Action": "acm-pca:IssueCertificate",
        "Resource": {"Ref": "CertificateAuthorityArn"},
        "Condition": {"StringEquals": {"acm-pca:TemplateArn": {"Fn::Sub": leaf}}},
    }
    assert (get["Action"], get["Resource"]) == ("acm-pca:GetCertificate", {"Ref": "CertificateAuthorityArn"})


@pytest.mark.parametrize("role", ["TokenVendorRole", "KeyMonitorRole"])
def test_nobody_but_the_rotation_asks_an_authority(template: dict[str, Any], role: str) -> None:
    certified = statements_of(role, resolved(template, CertificateAuthorityArn=AUTHORITY))

    assert certified == statements_of(role, resolved(template))


@pytest.mark.parametrize("parameters", SHARED)
@pytest.mark.parametrize("role", ["RotationRole", "TokenVendorRole"])
def test_shared_tokens_add_one_row_read_and_one_written(
    template: dict[str, Any], role: str, parameters: dict[str, str]
) -> None:
    alone = statements_of(role, resolved(template, **(parameters | {"ShareTokens": "false"})))
    shared = statements_of(role, resolved(template, **parameters))
    added = [statement for statement in shared if statement not in alone]

    assert allowed(added, {"Fn::GetAtt": ["TokenTable", "Arn"]}) == {"dynamodb:GetItem", "dynamodb:UpdateItem"}
    keys = [statement for statement in added if statement["Resource"] == {"Ref": "SecretKmsKeyArn"}]
    assert [statement["Condition"] for statement in keys] == (
        [only_in("dynamodb")] if parameters["SecretKmsKeyArn"] else []
    )
    assert len(added) == 1 + len(keys)


@pytest.mark.parametrize("parameters", COMBINATIONS)
def test_the_secret_is_open_only_to_the_function_that_rotates_it(
    template: dict[str, Any], parameters: dict[str, str]
) -> None:
    for statement in statements_of("RotationRole", resolved(template, **parameters)):
        condition = statement.get("Condition")
        if statement["Resource"] == {"Ref": "Secret"}:
            function = {"Fn::GetAtt": ["RotationFunction", "Arn"]}
            assert condition == {"StringEquals": {"secretsmanager:resource/AllowRotationLambdaArn": function}}
        elif statement["Resource"] == {"Ref": "AdminSecretArn"}:
            # Nobody rotates the admin secret through this function, so the condition would never hold.
            assert condition is None


@pytest.mark.parametrize("parameters", COMBINATIONS)
@pytest.mark.parametrize("role", ROLES)
def test_keys_are_used_through_the_service_and_for_the_secret_that_they_are_given_for(
    template: dict[str, Any], role: str, parameters: dict[str, str]
) -> None:
    statements = statements_of(role, resolved(template, **parameters))

    for statement in statements:
        if any(action.startswith("kms:") for action in listed(statement["Action"])):
            assert statement["Condition"] == ONLY_FOR[str(statement["Resource"])]


def test_nothing_is_allowed_by_a_wildcard(resources: dict[str, Any]) -> None:
    # In a key's own policy the wildcard is the key, and EC2's actions know no other resource before there is one.
    others = {name: each for name, each in resources.items() if name not in {"NotificationKey", "EnterVpcPolicy"}}
    found = list(_statements(others))

    assert len(found) >= 14
    for statement in found:
        assert statement["Effect"] == "Allow"
        assert "*" not in str(statement["Action"])
        assert "*" not in str(statement.get("Resource", ""))
        assert not {"NotAction", "NotResource", "NotPrincipal"} & statement.keys()


def test_roles_are_our_own_and_carry_no_managed_policies_but_for_a_vpc(resources: dict[str, Any]) -> None:
    roles = {name: resource for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"}

    assert roles.keys() == set(ROLES)
    for role in roles.values():
        assert role["Properties"]["ManagedPolicyArns"] == {
            "Fn::If": ["InVpc", [{"Ref": "EnterVpcPolicy"}], {"Ref": "AWS::NoValue"}]
        }
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert trust["Action"] == "sts:AssumeRole"


def test_functions_are_called_by_those_services_alone_that_they_are_for(resources: dict[str, Any]) -> None:
    permissions = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::Permission"]
    rules = [name for name, each in resources.items() if each["Type"] == "AWS::Events::Rule"]
    by_secrets_manager = {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Fn::GetAtt": ["RotationFunction", "Arn"]},
        "Principal": "secretsmanager.amazonaws.com",
        "SourceAccount": {"Ref": "AWS::AccountId"},
    }
    by_rules = [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": "KeyMonitorFunction"},
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": [rule, "Arn"]},
        }
        for rule in rules
    ]

    assert len(rules) == 2
    assert sorted(map(str, permissions)) == sorted(map(str, [by_secrets_manager, *by_rules]))


def test_our_alarms_and_the_rotation_may_notify_and_nobody_else(resources: dict[str, Any]) -> None:
    policy = resources["NotificationTopicPolicy"]["Properties"]
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert policy["Topics"] == [{"Ref": "NotificationTopic"}]
    assert resources["NotificationTopic"]["Properties"] == {"KmsMasterKeyId": NOTIFICATION_KEY}
    assert (statement["Principal"], statement["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    assert statement["Resource"] == {"Ref": "NotificationTopic"}
    assert statement["Condition"] == BY_OUR_ALARMS


def test_the_key_of_notifications_is_our_alarms_and_this_accounts(resources: dict[str, Any]) -> None:
    key = resources["NotificationKey"]["Properties"]
    account, alarms = key["KeyPolicy"]["Statement"]

    assert key["EnableKeyRotation"] is True
    assert account["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert alarms["Condition"] == BY_OUR_ALARMS
    assert {account["Effect"], alarms["Effect"]} == {"Allow"}


def test_callers_get_a_policy_that_invokes_the_vendor_and_no_more(resources: dict[str, Any]) -> None:
    document = resources["InvokeTokenVendorPolicy"]["Properties"]["PolicyDocument"]

    assert document["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": {"Fn::GetAtt": ["TokenVendorFunction", "Arn"]},
        }
    ]


@pytest.mark.parametrize("role", ROLES)
def test_a_permissions_boundary_bounds_the_roles_where_one_is_given(template: dict[str, Any], role: str) -> None:
    boundary = "arn:aws:iam::123456789012:policy/boundary"

    bounded = resolved(template, PermissionsBoundaryArn=boundary)["Resources"][role]["Properties"]
    free = resolved(template)["Resources"][role]["Properties"]

    assert bounded["PermissionsBoundary"] == {"Ref": "PermissionsBoundaryArn"}
    assert "PermissionsBoundary" not in free


def _statements(node: Any) -> list[Statement]:
    """Every statement of every policy, wherever it stands, both sides of each Fn::If."""
    if isinstance(node, list):
        return [statement for item in node for statement in _statements(item)]
    if not isinstance(node, dict):
        return []
    own = [node] if "Effect" in node else []
    return own + [statement for value in node.values() for statement in _statements(value)]
