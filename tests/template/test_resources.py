"""What the stack is made of: the secret, its schedule, the layers and the functions."""

import ast
from typing import Any

import pytest

from salesforce_keypair.settings import Settings
from salesforce_token import CLIENT_CONFIG
from tests.template.transformed import TEMPLATE, resolved, source

FUNCTIONS = {
    "RotationFunction": "functions/rotation",
    "TokenVendorFunction": "functions/token_vendor",
    "KeyMonitorFunction": "functions/key_monitor",
}
LAYERS = ("KeyPairLayer", "SalesforceTokenLayer")

# What the README lists, without the one that belongs to tests, and what Powertools reads.
KNOWN_VARIABLES = {
    "SECRET_ID",
    "TOKEN_LIFETIME_SECONDS",
    "TOKEN_TABLE",
    "SETTLING_SECONDS",
    "SETTLED_LOGINS",
    "SETTLED_INTERVAL_SECONDS",
    "TOKEN_VENDOR_FUNCTION",
    "NOTIFICATION_TOPIC_ARN",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
}
SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:salesforce/keypair-AbCdEf"
# What the names of resources become in a stack.
MADE = {
    "Secret": SECRET_ARN,
    "TokenTable": "stack-TokenTable-1ABCDEFGHIJKL",
    "TokenVendorFunction": "stack-TokenVendorFunction-1ABCDEFGHIJKL",
    "NotificationTopic": "arn:aws:sns:us-east-1:123456789012:stack-NotificationTopic-1ABCDEFGHIJKL",
}


def variables_of(function: str, template: dict[str, Any]) -> dict[str, Any]:
    variables: dict[str, Any] = template["Resources"][function]["Properties"]["Environment"]["Variables"]
    return variables


def made_of(layer: str, resources: dict[str, Any]) -> str:
    """What the transform calls a layer: its name and a hash of what is in it."""
    (name,) = (name for name in resources if name.startswith(layer))
    return name


def test_the_secret_stays_when_the_stack_goes(resources: dict[str, Any]) -> None:
    secret = resources["Secret"]

    assert secret["DeletionPolicy"] == "Retain"
    assert secret["UpdateReplacePolicy"] == "Retain"


def test_the_template_never_writes_the_secrets_value(resources: dict[str, Any]) -> None:
    assert resources["Secret"]["Properties"].keys() == {"Name", "Description", "KmsKeyId"}


@pytest.mark.parametrize("key", ["", "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"])
def test_the_secret_is_encrypted_with_the_customers_key_where_one_is_given(template: dict[str, Any], key: str) -> None:
    properties = resolved(template, SecretKmsKeyArn=key)["Resources"]["Secret"]["Properties"]

    assert properties.get("KmsKeyId") == ({"Ref": "SecretKmsKeyArn"} if key else None)


def test_the_schedule_waits_for_all_that_lets_the_function_run(resources: dict[str, Any]) -> None:
    assert set(resources["RotationSchedule"]["DependsOn"]) == {"RotationPermission", "RotationSecretPolicy"}


def test_setting_the_schedule_up_rotates_nothing(resources: dict[str, Any]) -> None:
    properties = resources["RotationSchedule"]["Properties"]

    assert properties == {
        "SecretId": {"Ref": "Secret"},
        "RotationLambdaARN": {"Fn::GetAtt": ["RotationFunction", "Arn"]},
        "RotateImmediatelyOnUpdate": False,
        "RotationRules": {"ScheduleExpression": {"Ref": "RotationScheduleExpression"}},
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_functions_run_the_same_way(resources: dict[str, Any], function: str) -> None:
    properties = resources[function]["Properties"]

    assert properties["Runtime"] == "python3.13"
    assert properties["Handler"] == "app.lambda_handler"
    assert properties["Architectures"] == [{"Ref": "Architecture"}]
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    # Tracing would bring a policy whose actions know no resource.
    assert "TracingConfig" not in properties


@pytest.mark.parametrize(
    ("function", "seconds"), [("RotationFunction", 900), ("TokenVendorFunction", 30), ("KeyMonitorFunction", 300)]
)
def test_time_outs_are_within_lambdas_limit(resources: dict[str, Any], function: str, seconds: int) -> None:
    assert resources[function]["Properties"]["Timeout"] == seconds <= 900


@pytest.mark.parametrize(
    ("function", "role", "log_group"),
    [
        ("RotationFunction", "RotationRole", "RotationLogGroup"),
        ("TokenVendorFunction", "TokenVendorRole", "TokenVendorLogGroup"),
        ("KeyMonitorFunction", "KeyMonitorRole", "KeyMonitorLogGroup"),
    ],
)
def test_each_function_has_its_own_role_and_log(
    resources: dict[str, Any], function: str, role: str, log_group: str
) -> None:
    properties = resources[function]["Properties"]

    assert properties["Role"] == {"Fn::GetAtt": [role, "Arn"]}
    assert properties["LoggingConfig"]["LogGroup"] == {"Ref": log_group}
    assert resources[log_group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize(("function", "folder"), FUNCTIONS.items())
def test_the_handler_is_where_the_template_says(function: str, folder: str) -> None:
    properties = source()["Resources"][function]["Properties"]
    module = ast.parse((TEMPLATE.parent / folder / "app.py").read_text(encoding="utf-8"))

    assert properties["CodeUri"] == folder
    assert "lambda_handler" in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_is_built_by_its_makefile(layer: str) -> None:
    written = source()["Resources"][layer]
    makefile = (TEMPLATE.parent / written["Properties"]["ContentUri"] / "Makefile").read_text(encoding="utf-8")

    assert written["Metadata"]["BuildMethod"] == "makefile"
    assert f"\nbuild-{layer}:" in makefile


def test_the_functions_use_their_own_layer_alone(resources: dict[str, Any]) -> None:
    layer = made_of("KeyPairLayer", resources)

    assert resources[layer]["Properties"]["CompatibleRuntimes"] == ["python3.13"]
    assert {str(resources[function]["Properties"]["Layers"]) for function in FUNCTIONS} == {str([{"Ref": layer}])}


def test_the_layer_of_callers_fits_every_function_in_python(template: dict[str, Any]) -> None:
    layer = made_of("SalesforceTokenLayer", template["Resources"])
    properties = template["Resources"][layer]["Properties"]

    assert properties["CompatibleRuntimes"] == ["python3.11", "python3.12", "python3.13", "python3.14"]
    assert properties["CompatibleArchitectures"] == ["arm64", "x86_64"]
    assert template["Outputs"]["SalesforceTokenLayerArn"]["Value"] == {"Ref": layer}


def test_callers_wait_until_the_vendor_must_have_answered(resources: dict[str, Any]) -> None:
    seconds = resources["TokenVendorFunction"]["Properties"]["Timeout"]

    assert seconds < CLIENT_CONFIG.read_timeout < 2 * seconds  # type: ignore[attr-defined]


@pytest.mark.parametrize(("layer", "policy"), [("KeyPairLayer", "Delete"), ("SalesforceTokenLayer", "Retain")])
def test_an_update_takes_old_layer_versions_along_where_nobody_else_names_them(
    resources: dict[str, Any], layer: str, policy: str
) -> None:
    assert resources[made_of(layer, resources)]["DeletionPolicy"] == policy


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_environment_holds_known_variables_only(template: dict[str, Any], function: str) -> None:
    variables = variables_of(function, template)

    assert variables.keys() <= KNOWN_VARIABLES
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "SalesforceKeyPair"


def test_the_monitor_watches_the_secret_that_the_vendor_serves(template: dict[str, Any]) -> None:
    template = resolved(template)
    monitor = variables_of("KeyMonitorFunction", template)

    assert variables_of("TokenVendorFunction", template)["SECRET_ID"] == monitor["SECRET_ID"] == {"Ref": "Secret"}
    assert "SECRET_ID" not in variables_of("RotationFunction", template)
    assert monitor["TOKEN_VENDOR_FUNCTION"] == {"Ref": "TokenVendorFunction"}


def test_the_rotation_knows_where_to_notify(template: dict[str, Any]) -> None:
    assert variables_of("RotationFunction", template)["NOTIFICATION_TOPIC_ARN"] == {"Ref": "NotificationTopic"}


@pytest.mark.parametrize("bound", ["Default", "MinValue", "MaxValue"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_functions_accept_every_value_that_the_parameters_allow(
    template: dict[str, Any], function: str, bound: str
) -> None:
    variables = variables_of(function, resolved(template))
    environment = {name: _value_of(value, bound, template) for name, value in variables.items()}

    settings = Settings.from_environment(environment, serves_secrets=function != "RotationFunction")

    assert settings.settling == float(template["Parameters"]["SettlingSeconds"][bound])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_tokens_are_shared_where_asked(template: dict[str, Any], function: str) -> None:
    assert variables_of(function, resolved(template, ShareTokens="true"))["TOKEN_TABLE"] == {"Ref": "TokenTable"}
    assert variables_of(function, resolved(template))["TOKEN_TABLE"] == ""


def test_there_is_a_table_only_where_tokens_are_shared(template: dict[str, Any]) -> None:
    without, beside = resolved(template)["Resources"], resolved(template, ShareTokens="true")["Resources"]

    assert beside.keys() - without.keys() == {"TokenTable", "ShareTokensPolicy"}


@pytest.mark.parametrize("key", ["", "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"])
def test_the_table_is_as_the_functions_expect_it_and_encrypted_like_the_secret(
    template: dict[str, Any], key: str
) -> None:
    resources = resolved(template, ShareTokens="true", SecretKmsKeyArn=key)["Resources"]
    table = resources["TokenTable"]["Properties"]

    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["AttributeDefinitions"] == [{"AttributeName": "id", "AttributeType": "S"}]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    encryption = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "SecretKmsKeyArn"}}
    assert table.get("SSESpecification") == (encryption if key else None)


@pytest.mark.parametrize(("number", "reserved"), [("-1", None), ("0", 0), ("50", 50)])
def test_the_vendor_reserves_concurrency_where_asked(
    template: dict[str, Any], number: str, reserved: int | None
) -> None:
    properties = resolved(template, VendorReservedConcurrency=number)["Resources"]["TokenVendorFunction"]["Properties"]

    expected = None if reserved is None else {"Ref": "VendorReservedConcurrency"}
    assert properties.get("ReservedConcurrentExecutions") == expected


def test_the_rotation_reserves_none(resources: dict[str, Any]) -> None:
    assert "ReservedConcurrentExecutions" not in resources["RotationFunction"]["Properties"]


def test_a_check_that_is_passed_over_says_why() -> None:
    skipped = [skip for each in source()["Resources"].values() for skip in _skips(each)]

    assert skipped
    for skip in skipped:
        assert skip.keys() == {"id", "comment"}
        assert len(skip["comment"].split()) > 3, skip


def _skips(resource: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    return found


def _value_of(value: Any, bound: str, template: dict[str, Any]) -> str:
    if isinstance(value, dict) and value.get("Ref") in MADE:
        return MADE[value["Ref"]]
    if isinstance(value, dict) and value.keys() == {"Ref"}:
        return str(template["Parameters"][value["Ref"]][bound])
    return str(value)
