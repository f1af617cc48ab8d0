"""The token vendor's Function URL: there only where it is asked for, and only for those whom IAM lets in."""

from typing import Any

from tests.template.transformed import resolved

VENDOR = {"Fn::GetAtt": ["TokenVendorFunction", "Arn"]}


def test_there_is_a_url_only_where_one_is_asked_for(template: dict[str, Any]) -> None:
    without, beside = resolved(template), resolved(template, TokenUrl="true")

    added = beside["Resources"].keys() - without["Resources"].keys()
    assert added == {"TokenUrlEndpoint", "CallTokenUrlPolicy", "TokenUrlErrorsAlarm"}
    assert beside["Outputs"].keys() - without["Outputs"].keys() == {"TokenUrl", "CallTokenUrlPolicyArn"}


def test_nobody_calls_it_without_a_signature(resources: dict[str, Any]) -> None:
    # Without CORS, too: no page in a browser has business here.
    assert resources["TokenUrlEndpoint"]["Properties"] == {"TargetFunctionArn": VENDOR, "AuthType": "AWS_IAM"}


def test_its_callers_may_not_invoke_the_function_past_it(resources: dict[str, Any]) -> None:
    url, function = resources["CallTokenUrlPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert (url["Action"], url["Resource"]) == ("lambda:InvokeFunctionUrl", VENDOR)
    assert url["Condition"] == {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
    assert (function["Action"], function["Resource"]) == ("lambda:InvokeFunction", VENDOR)
    assert function["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
