"""The functions in a VPC, where one is given, and what lets Lambda connect them."""

from typing import Any

import pytest

from tests.template.iam import statements_of
from tests.template.transformed import resolved
from tests.template.witnessing import ROLES

IN_VPC = {"VpcSubnetIds": "subnet-01234567,subnet-89abcdef", "VpcSecurityGroupIds": "sg-01234567"}
# Source: "AWSLambdaVPCAccessExecutionRole" in the reference of AWS's managed policies, without its actions of logs.
CONNECTING = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]
# CloudFormation shortens the stack's name in a function's to fit 64 characters, so it can't be gone by.
CALLED_BY_CODE = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:*"


@pytest.mark.parametrize("function", ["RotationFunction", "TokenVendorFunction", "KeyMonitorFunction"])
def test_the_functions_run_in_the_vpc_that_is_given_and_else_in_none(template: dict[str, Any], function: str) -> None:
    inside = resolved(template, **IN_VPC)["Resources"][function]["Properties"]
    outside = resolved(template)["Resources"][function]["Properties"]

    assert inside["VpcConfig"] == {
        "SubnetIds": {"Fn::Split": [",", {"Ref": "VpcSubnetIds"}]},
        "SecurityGroupIds": {"Fn::Split": [",", {"Ref": "VpcSecurityGroupIds"}]},
    }
    assert "VpcConfig" not in outside


@pytest.mark.parametrize("role", ROLES)
def test_lambda_may_connect_them_and_their_code_may_not(template: dict[str, Any], role: str) -> None:
    alone = statements_of(role, resolved(template))
    allow, deny = (each for each in statements_of(role, resolved(template, **IN_VPC)) if each not in alone)

    assert allow == {"Effect": "Allow", "Action": CONNECTING, "Resource": "*"}
    assert deny == {
        "Effect": "Deny",
        "Action": CONNECTING,
        "Resource": "*",
        "Condition": {"ArnLike": {"lambda:SourceFunctionArn": {"Fn::Sub": CALLED_BY_CODE}}},
    }
