"""The local DynamoDB keeps AWS's rules of items and conditions, asked by boto3, and goes wrong on demand."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from tests.sandbox.aws import Act, Crash, DropConnection, Garble, LocalAws, Refuse

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).parents[2]
TABLE = "tokens"
# No retries, and what boto3 itself would refuse reaches the service.
PLAIN = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
NOW = {":now": {"N": "100"}}


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


@pytest.fixture
def client(aws: LocalAws) -> "DynamoDBClient":
    """Knows a table with an item `known`."""
    return with_table(aws)


def with_table(aws: LocalAws) -> "DynamoDBClient":
    client = aws.client("dynamodb", config=PLAIN)
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.update_time_to_live(TableName=TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    put(client, "known", "first", ends=10)
    return client


def put(client: "DynamoDBClient", key: str, holder: str, *, ends: int, **condition: Any) -> None:
    item = {"id": {"S": key}, "holder": {"S": holder}, "ends": {"N": str(ends)}, "ttl": {"N": str(ends)}}
    client.put_item(TableName=TABLE, Item=item, **condition)


def holder(client: "DynamoDBClient", key: str = "known") -> str | None:
    answer = client.get_item(TableName=TABLE, Key={"id": {"S": key}}, ConsistentRead=True)
    return answer["Item"]["holder"]["S"] if "Item" in answer else None


def refused(call: Callable[[], object]) -> Any:
    """The members of the refusal of a call."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response


def code(call: Callable[[], object]) -> str:
    return str(refused(call)["Error"]["Code"])


# Items


def test_an_item_comes_back_with_the_types_that_it_was_put_with(aws: LocalAws, client: "DynamoDBClient") -> None:
    inner = {"L": [{"BOOL": True}, {"NULL": True}]}
    item: Any = {"id": {"S": "all"}, "n": {"N": "12.50"}, "b": {"B": b"\x00\xff"}, "m": {"M": {"inner": inner}}}
    client.put_item(TableName=TABLE, Item=item)

    assert client.get_item(TableName=TABLE, Key={"id": {"S": "all"}})["Item"] == item
    row = {"id": "all", "n": Decimal("12.50"), "b": b"\x00\xff", "m": {"inner": [True, None]}}
    assert row in aws.dynamodb.rows(TABLE)


def test_an_expired_item_stays_as_it_does_on_aws_for_days(aws: LocalAws, client: "DynamoDBClient") -> None:
    assert client.describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    assert holder(client) == "first"
    assert [row["ttl"] for row in aws.dynamodb.rows(TABLE)] == [10]


def test_a_test_reads_the_rows_without_a_call_in_the_log(aws: LocalAws, client: "DynamoDBClient") -> None:
    before = len(aws.calls())

    assert aws.dynamodb.rows(TABLE) == [{"id": "known", "holder": "first", "ends": 10, "ttl": 10}]
    assert len(aws.calls()) == before


def test_each_local_aws_has_tables_of_its_own(client: "DynamoDBClient") -> None:
    with LocalAws() as other:
        assert other.client("dynamodb").list_tables()["TableNames"] == []
        put(with_table(other), "known", "the other's", ends=10)

        assert holder(client) == "first"


def test_a_table_s_arn_is_of_the_account_that_all_else_is_of(client: "DynamoDBClient") -> None:
    arn = client.describe_table(TableName=TABLE)["Table"]["TableArn"]
    assert arn == f"arn:aws:dynamodb:us-east-1:123456789012:table/{TABLE}"


# Conditions


def test_a_condition_that_fails_tells_the_item_to_who_asks_for_it(client: "DynamoDBClient") -> None:
    condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(id)"}

    silent = refused(lambda: put(client, "known", "second", ends=20, **condition))
    condition |= {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    telling = refused(lambda: put(client, "known", "second", ends=20, **condition))

    assert silent["Error"]["Code"] == telling["Error"]["Code"] == "ConditionalCheckFailedException"
    assert "Item" not in silent
    assert telling["Item"]["holder"] == {"S": "first"}
    assert holder(client) == "first"


@pytest.mark.parametrize(("ends", "taken"), [(99, True), (100, False), (101, False)])
def test_a_lease_is_taken_over_when_it_has_ended(client: "DynamoDBClient", ends: int, *, taken: bool) -> None:
    put(client, "known", "first", ends=ends)
    condition = {"ConditionExpression": "attribute_not_exists(id) OR ends < :now", "ExpressionAttributeValues": NOW}

    if taken:
        put(client, "known", "second", ends=200, **condition)
    else:
        assert code(lambda: put(client, "known", "second", ends=200, **condition)) == "ConditionalCheckFailedException"

    assert holder(client) == ("second" if taken else "first")


@pytest.mark.parametrize("comparison", ["<", "<=", ">", ">=", "="])
def test_values_of_two_types_compare_as_false(client: "DynamoDBClient", comparison: str) -> None:
    client.put_item(TableName=TABLE, Item={"id": {"S": "known"}, "ends": {"S": "100"}, "holder": {"S": "first"}})

    condition: dict[str, Any] = {"ConditionExpression": f"ends {comparison} :now", "ExpressionAttributeValues": NOW}

    assert code(lambda: put(client, "known", "second", ends=1, **condition)) == "ConditionalCheckFailedException"
    condition["ConditionExpression"] += " OR attribute_exists(holder)"
    put(client, "known", "second", ends=1, **condition)

    assert holder(client) == "second"


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Python changes threads so often that whatever two of them can do at once, they do."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.slow
@pytest.mark.usefixtures("hasty_threads")
def test_of_many_who_write_at_once_under_a_condition_one_succeeds(aws: LocalAws, client: "DynamoDBClient") -> None:
    clients = [aws.client("dynamodb", config=PLAIN) for _ in range(8)]
    at_once = threading.Barrier(len(clients))

    def take(number: int, key: str) -> bool:
        at_once.wait()
        try:
            put(clients[number], key, str(number), ends=1, ConditionExpression="attribute_not_exists(id)")
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(len(clients)) as pool:
        for key in map(str, range(20)):
            assert sum(pool.map(lambda number, key=key: take(number, key), range(len(clients)))) == 1


# What is refused


X: dict[str, Any] = {"id": {"S": "x"}}
WRONG = [
    ("get_item", {"Key": {"id": {"N": "1"}}}),
    ("delete_item", {"Key": {"id": {"B": b"known"}}}),
    ("update_item", {"Key": {"id": {"N": "1"}}}),
    ("put_item", {"Item": {"id": {"N": "1"}}}),
    ("get_item", {"Key": {"id": {"S": "known"}, "holder": {"S": "first"}}}),
    ("get_item", {"Key": {"id": {"S": ""}}}),
    ("put_item", {"Item": {"holder": {"S": "no key"}}}),
    ("put_item", {"Item": {"id": {"S": "known"}, "n": {"S": "1", "N": "1"}}}),
    ("put_item", {"Item": {"id": {"S": "known"}, "n": {"M": {"empty": {}}}}}),
    ("put_item", {"Item": {"id": {"S": "known"}, "n": {"N": "many"}}}),
    ("put_item", {"Item": {"id": {"S": "known"}}, "ConditionExpression": "ends < :now"}),
    ("put_item", {"Item": {"id": {"S": "known"}}, "ConditionExpression": "attribute_exists(#holder)"}),
    ("put_item", {"Item": {"id": {"S": "known"}}, "ExpressionAttributeValues": NOW}),
    # Reserved words.
    ("put_item", {"Item": X, "ConditionExpression": "ttl < :now", "ExpressionAttributeValues": NOW}),
    ("update_item", {"Key": X, "UpdateExpression": "SET ttl = :now", "ExpressionAttributeValues": NOW}),
    ("update_item", {"Key": X, "UpdateExpression": "REMOVE token"}),
]


@pytest.mark.parametrize(("operation", "parameters"), WRONG)
def test_what_aws_finds_invalid_is_refused_and_changes_nothing(
    aws: LocalAws, client: "DynamoDBClient", operation: str, parameters: dict[str, Any]
) -> None:
    before = aws.dynamodb.rows(TABLE)

    call = getattr(client, operation)
    assert code(lambda: call(TableName=TABLE, **parameters)) == "ValidationException"

    assert aws.dynamodb.rows(TABLE) == before


def test_an_item_of_more_than_400_kilobytes_is_refused(client: "DynamoDBClient") -> None:
    put(client, "big", "x" * 400_000, ends=1)

    assert code(lambda: put(client, "big", "x" * 409_600, ends=1)) == "ValidationException"
    grow = {":v": {"S": "x" * 10_000}}
    key = {"id": {"S": "big"}}
    assert (
        code(
            lambda: client.update_item(
                TableName=TABLE, Key=key, UpdateExpression="SET more = :v", ExpressionAttributeValues=grow
            )
        )
        == "ValidationException"
    )


@pytest.mark.parametrize("operation", ["get_item", "delete_item", "update_item", "put_item", "scan", "describe_table"])
def test_a_table_that_is_not_there_is_not_found(client: "DynamoDBClient", operation: str) -> None:
    key = {"id": {"S": "known"}}
    parameters = {"put_item": {"Item": key}, "scan": {}, "describe_table": {}}.get(operation, {"Key": key})

    call = getattr(client, operation)
    assert code(lambda: call(TableName="another", **parameters)) == "ResourceNotFoundException"


def test_what_it_cannot_do_it_says(client: "DynamoDBClient") -> None:
    assert code(client.list_backups) == "NotImplementedException"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "ValidationException"),
        ({"Key": {"id": {"S": 1}}}, "SerializationException"),
        ({"Key": {}, "ConsistentRead": "no"}, "SerializationException"),
    ],
)
def test_a_request_that_is_not_of_aws_s_model_is_refused(
    client: "DynamoDBClient", parameters: dict[str, Any], expected: str
) -> None:
    assert code(lambda: client.get_item(TableName=TABLE, **parameters)) == expected


# Faults


def test_calls_are_logged_with_caller_operation_and_outcome(aws: LocalAws, client: "DynamoDBClient") -> None:
    other = aws.client("dynamodb", caller="other", config=PLAIN)
    holder(other)
    code(lambda: put(other, "known", "second", ends=20, ConditionExpression="attribute_not_exists(id)"))

    calls = aws.calls(caller="other")
    assert [(call.service, call.operation, call.outcome) for call in calls] == [
        ("dynamodb", "GetItem", "ok"),
        ("dynamodb", "PutItem", "ConditionalCheckFailedException"),
    ]
    assert [call.took_effect for call in calls] == [True, False]
    assert "second" not in repr(calls)


@pytest.mark.parametrize(
    "refuse",
    [
        Refuse("ProvisionedThroughputExceededException"),
        Refuse("AccessDeniedException"),
        Refuse("InternalServerError", status=500),
    ],
)
def test_an_injected_refusal_is_worded_as_dynamodb_words_its_own(
    aws: LocalAws, client: "DynamoDBClient", refuse: Refuse
) -> None:
    bodies: list[bytes] = []
    client.meta.events.register(
        "before-parse.dynamodb.PutItem", lambda response_dict, **_: bodies.append(response_dict["body"])
    )
    aws.faults.inject("PutItem", refuse)

    answer = refused(lambda: put(client, "known", "second", ends=20))

    assert answer["Error"]["Code"] == refuse.code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == refuse.status
    assert f'"com.amazonaws.dynamodb.v20120810#{refuse.code}"'.encode() in bodies[0]
    assert holder(client) == "first"


@pytest.mark.parametrize(("after_effect", "expected"), [(False, "first"), (True, "second")])
def test_a_connection_is_reset_before_or_after_the_effect(
    aws: LocalAws, client: "DynamoDBClient", *, after_effect: bool, expected: str
) -> None:
    aws.faults.inject("PutItem", DropConnection(after_effect=after_effect))

    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        put(client, "known", "second", ends=20)

    assert holder(client) == expected


def test_boto3_s_own_retry_meets_the_condition_that_it_has_made_false_itself(aws: LocalAws) -> None:
    with_table(aws)
    aws.faults.inject("PutItem", DropConnection(after_effect=True))
    retrying = aws.client("dynamodb")

    condition = "attribute_not_exists(id)"
    assert (
        code(lambda: put(retrying, "new", "mine", ends=20, ConditionExpression=condition))
        == "ConditionalCheckFailedException"
    )
    assert holder(retrying, "new") == "mine"


def test_a_garbled_answer_is_one_without_an_item(aws: LocalAws, client: "DynamoDBClient") -> None:
    aws.faults.inject("GetItem", Garble())
    assert holder(client) is None
    assert holder(client) == "first"


def test_somebody_else_is_faster(aws: LocalAws, client: "DynamoDBClient") -> None:
    aws.faults.inject("PutItem", Act(lambda: put(client, "new", "theirs", ends=1)), caller="other")
    other = aws.client("dynamodb", caller="other", config=PLAIN)
    condition = "attribute_not_exists(id)"

    lost = code(lambda: put(other, "new", "mine", ends=1, ConditionExpression=condition))

    assert (lost, holder(client, "new")) == ("ConditionalCheckFailedException", "theirs")


def test_a_call_that_is_late_holds_no_other_up(aws: LocalAws, client: "DynamoDBClient") -> None:
    arrived, released = threading.Event(), threading.Event()

    def wait() -> None:
        arrived.set()
        released.wait()

    aws.faults.inject("PutItem", Act(wait), caller="other")
    other = aws.client("dynamodb", caller="other", config=PLAIN)
    late = threading.Thread(target=put, args=(other, "known", "late"), kwargs={"ends": 1})
    late.start()
    try:
        assert arrived.wait(20)
        put(client, "known", "in time", ends=1)
        assert holder(client) == "in time"
    finally:
        released.set()
        late.join()
    assert holder(client) == "late"


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_caller_crashes_with_the_effect_or_without_it(
    aws: LocalAws, client: "DynamoDBClient", tmp_path: Path, *, after_effect: bool
) -> None:
    (tmp_path / "app.py").write_text(
        "import boto3\n"
        "def lambda_handler(event, context):\n"
        f"    boto3.client('dynamodb').put_item(TableName='{TABLE}', Item=event)\n"
    )
    function = aws.create_function("worker", tmp_path, timeout=20)
    aws.faults.inject("PutItem", Crash(function.kill, after_effect=after_effect), caller="worker")

    ended = function.invoke({"id": {"S": "new"}, "holder": {"S": "worker"}})

    assert ended.error_type == "Runtime.ExitError"
    assert (holder(client, "new") == "worker") is after_effect


def test_who_needs_no_table_does_not_load_moto() -> None:
    program = "import sys; from tests.sandbox.world import World; assert 'moto' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
