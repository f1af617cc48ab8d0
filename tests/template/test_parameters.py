"""What a person is asked when deploying, and what a wrong answer is told."""

import re
from typing import Any

import pytest

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/11111111-1111-1111-1111-111111111111"
AUTHORITY = f"arn:aws:acm-pca:eu-west-1:{ACCOUNT}:certificate-authority/11111111-2222-3333-4444-555555555555"


def test_every_parameter_is_described_and_bounded(template: dict[str, Any]) -> None:
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert parameter["ConstraintDescription"], name
        bounds = parameter.keys() & {"AllowedPattern", "AllowedValues", "MinValue"}
        assert len(bounds) == 1, name
        assert ("MinValue" in parameter) == ("MaxValue" in parameter), name


def test_every_parameter_stands_in_one_group(template: dict[str, Any]) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]

    assert sorted(grouped) == sorted(template["Parameters"])


def test_every_parameter_is_used(template: dict[str, Any]) -> None:
    used = str([template["Conditions"], template["Resources"]])

    assert [name for name in template["Parameters"] if f"{{'Ref': '{name}'}}" not in used] == []


def test_every_parameter_has_a_default_that_it_allows(template: dict[str, Any]) -> None:
    for name, parameter in template["Parameters"].items():
        default = parameter["Default"]
        if "AllowedPattern" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], default), name
        elif "AllowedValues" in parameter:
            assert default in parameter["AllowedValues"], name
        else:
            assert parameter["MinValue"] <= default <= parameter["MaxValue"], name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SecretName", "prod/salesforce+billing@eu"),
        ("SecretName", "x" * 256),
        ("SecretKmsKeyArn", KEY),
        ("SecretKmsKeyArn", KEY.replace("key/", "key/mrk-").replace("arn:aws:", "arn:aws-us-gov:")),
        ("RotationScheduleExpression", "rate(4 hours)"),
        ("RotationScheduleExpression", "cron(0 2 ? * SUN#1 *)"),
        ("AdminSecretArn", f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:salesforce/admin-AbCdE1"),
        ("MoreSecretArns", f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:salesforce/keypair-two-AbCdE1"),
        ("AdminSecretKmsKeyArn", KEY),
        ("CertificateAuthorityArn", AUTHORITY),
        ("CertificateAuthorityArn", AUTHORITY.replace("arn:aws:", "arn:aws-cn:")),
        ("VpcSubnetIds", "subnet-0123456789abcdef0,subnet-01234567"),
        ("VpcSecurityGroupIds", "sg-0123456789abcdef0"),
        ("PermissionsBoundaryArn", f"arn:aws:iam::{ACCOUNT}:policy/boundaries/developers"),
        ("NotificationEmail", "on.call+keys@example.com"),
    ],
)
def test_a_right_answer_is_taken(template: dict[str, Any], name: str, value: str) -> None:
    assert re.fullmatch(template["Parameters"][name]["AllowedPattern"], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SecretName", ""),
        ("SecretName", "two words"),
        ("SecretName", "x" * 257),
        ("SecretKmsKeyArn", "alias/mine"),
        ("SecretKmsKeyArn", KEY.replace("key/", "alias/")),
        ("SecretKmsKeyArn", KEY.replace("key/1", "key/*")),
        ("RotationScheduleExpression", "30 days"),
        ("RotationScheduleExpression", "rate()"),
        ("AdminSecretArn", "salesforce/admin"),
        ("AdminSecretArn", f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:*"),
        ("AdminSecretArn", f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:salesforce/admin"),
        ("MoreSecretArns", f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:salesforce/*"),
        ("MoreSecretArns", "salesforce/keypair-two"),
        ("AdminSecretKmsKeyArn", KEY.replace(ACCOUNT, "12345")),
        ("CertificateAuthorityArn", AUTHORITY.removesuffix("5")),
        ("CertificateAuthorityArn", f"{AUTHORITY}/certificate/0123456789abcdef"),
        ("CertificateAuthorityArn", "Acme"),
        ("VpcSubnetIds", "subnet-0123456789abcdef0, subnet-01234567"),
        ("VpcSubnetIds", "subnet-01234567,"),
        ("VpcSecurityGroupIds", "default"),
        ("PermissionsBoundaryArn", "boundary"),
        ("NotificationEmail", "on call@example.com"),
        ("NotificationEmail", "on-call"),
    ],
)
def test_a_wrong_answer_is_refused_before_anything_is_made(template: dict[str, Any], name: str, value: str) -> None:
    assert not re.fullmatch(template["Parameters"][name]["AllowedPattern"], value)


def given(name: str) -> dict[str, Any]:
    """The condition that a parameter isn't empty."""
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]}


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("AdminSecretKmsKeyArn", "AdminSecretArn"),
        ("VpcSubnetIds", "VpcSecurityGroupIds"),
        ("VpcSecurityGroupIds", "VpcSubnetIds"),
    ],
)
def test_what_is_nothing_alone_is_refused_alone(template: dict[str, Any], name: str, needed: str) -> None:
    (rule,) = (rule for rule in template["Rules"].values() if rule["RuleCondition"] == given(name))
    (assertion,) = rule["Assertions"]

    assert assertion["Assert"] == given(needed)
    assert assertion["AssertDescription"] == f"{name} is given without {needed}. Give both, or neither."


def test_every_output_is_described(template: dict[str, Any]) -> None:
    assert template["Outputs"].keys() == {
        "SecretArn",
        "RotationFunctionArn",
        "TokenVendorFunctionName",
        "TokenVendorFunctionArn",
        "SalesforceTokenLayerArn",
        "InvokeTokenVendorPolicyArn",
        "TokenUrl",
        "CallTokenUrlPolicyArn",
        "KeyMonitorFunctionName",
        "NotificationTopicArn",
        "DashboardName",
    }
    for name, output in template["Outputs"].items():
        assert output["Description"], name
