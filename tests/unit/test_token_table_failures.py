"""DynamoDB fails, or answers otherwise than DynamoDB does: the text says what to do, and nothing is written twice."""

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from salesforce_keypair.token_table import Entry, TableUnavailable, TokenTable
from tests.sandbox.aws import SERVER_ERROR, THROTTLED, Act, DropConnection, Garble, Refuse
from tests.unit.sharing import CONFIG, ID, NOW, Table, row

EMPTY = Entry(None, 0.0)


def put(tokens: TokenTable) -> object:
    return tokens.put(ID, row(NOW + 901))


def put_with_lease(tokens: TokenTable) -> object:
    return tokens.put(ID, row(), owner="me")


def take_lease(tokens: TokenTable) -> object:
    return tokens.take_lease(ID, "me", seconds=8)


def release(tokens: TokenTable) -> object:
    tokens.release(ID, "me")
    return None


def read(tokens: TokenTable) -> object:
    return tokens.read(ID)


Call = Callable[[TokenTable], object]
WRITES: list[Call] = [take_lease, put, put_with_lease, release]
CALLS: list[tuple[str, Call]] = [("GetItem", read), *(("UpdateItem", write) for write in WRITES)]


@pytest.mark.parametrize("trouble", [DropConnection(), DropConnection(after_effect=True), THROTTLED, SERVER_ERROR])
@pytest.mark.parametrize(("operation", "call"), CALLS, ids=[call.__name__ for _, call in CALLS])
def test_one_fault_on_the_way_changes_nothing(table: Table, operation: str, call: Call, trouble: Any) -> None:
    """The SDK asks again; where only the answer was lost, it must not be refused by what it has written itself."""
    outcomes = []
    for fault in (None, trouble):
        tokens = table.opened()
        tokens.put(ID, row(), owner=None)
        if call is not take_lease:
            tokens.take_lease(ID, "me", seconds=8)
        before = len(table.calls())
        if fault is not None:
            table.aws.faults.inject(operation, fault)
        outcomes.append((call(tokens), table.rows()))
        assert len(table.calls()) - before == (1 if fault is None else 2)
        table.opened().take_lease(ID, "me", seconds=0)
        table.forge(ID, expires_at={"N": "0"}, lease_until=None, lease_owner=None)

    undisturbed, disturbed = outcomes
    assert disturbed == undisturbed


def other_tables(table: Table) -> dict[str, TokenTable]:
    """Tables that aren't as they should be."""
    client = table.aws.client("dynamodb", config=CONFIG)
    attributes: list[Any] = [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "sort")]
    numbers: list[Any] = [{"AttributeName": "id", "AttributeType": "N"}]
    schemas: dict[str, tuple[list[Any], list[Any]]] = {
        "another key": ([{"AttributeName": "sort", "KeyType": "HASH"}], attributes[1:]),
        "a number as key": ([{"AttributeName": "id", "KeyType": "HASH"}], numbers),
        "a sort key": (
            [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "sort", "KeyType": "RANGE"}],
            attributes,
        ),
    }
    for number, (schema, definitions) in enumerate(schemas.values()):
        client.create_table(
            TableName=f"{table.name}-{number}",
            KeySchema=schema,
            AttributeDefinitions=definitions,
            BillingMode="PAY_PER_REQUEST",
        )
    return {name: TokenTable(client, f"{table.name}-{number}", table.clock) for number, name in enumerate(schemas)} | {
        "no table": TokenTable(client, "nowhere", table.clock)
    }


def test_a_table_that_is_not_as_it_should_be_is_told_of_with_what_to_do(table: Table) -> None:
    for name, tokens in other_tables(table).items():
        remedy = "TOKEN_TABLE" if name == "no table" else "partition key id (string) and no sort key"
        for operation, call in CALLS:
            with pytest.raises(TableUnavailable) as caught:
                call(tokens)
            assert operation in str(caught.value), name
            assert remedy in str(caught.value), name
            assert caught.value.__cause__ is not None


DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/vendor-role/salesforce-token-vendor is not authorized to perform: "
    "dynamodb:GetItem on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/salesforce-keypair-TokenTable-1A2B3C4D"
)
TROUBLES: list[tuple[Any, str]] = [
    (Refuse("AccessDeniedException", message=DENIED), DENIED),
    (Refuse("AccessDeniedException"), "in the function's role"),
    (THROTTLED, "ThrottlingException"),
    (Refuse("ProvisionedThroughputExceededException"), "with ProvisionedThroughputExceededException"),
    (Refuse("A1" * 20), "with [redacted]"),
    (SERVER_ERROR, "health page"),
    (DropConnection(), "route or an endpoint"),
    (DropConnection(after_effect=True), "route or an endpoint"),
    (Garble(status=503), "503"),
    (Garble(b"[]"), "proxy"),
    (Garble(b"7"), "proxy"),
    (Garble(b"\xff"), "proxy"),
    (Garble(b"[" * 100_000), "proxy"),
    (Garble(b'{"Item": [], "Attributes": []}'), "proxy"),
    (Garble(b'{"Item": {"sealed": {"B": 7}}, "Attributes": {"sealed": {"B": 7}}}'), "proxy"),
]


@pytest.mark.parametrize(("trouble", "told"), TROUBLES, ids=[f"{trouble}"[:60] for trouble, _ in TROUBLES])
@pytest.mark.parametrize(("operation", "call"), CALLS[:2], ids=["read", "take_lease"])
def test_a_table_that_fails_is_told_of_with_what_to_do(
    table: Table, operation: str, call: Call, trouble: Any, told: str
) -> None:
    assert_told(table, operation, call, trouble, told)


@pytest.mark.parametrize(("trouble", "told"), [TROUBLES[number] for number in (0, 6, 9)])
@pytest.mark.parametrize("write", WRITES[1:])
def test_a_table_that_fails_a_write_is_told_of_with_what_to_do(
    table: Table, write: Call, trouble: Any, told: str
) -> None:
    assert_told(table, "UpdateItem", write, trouble, told)


def assert_told(table: Table, operation: str, call: Call, trouble: Any, told: str) -> None:
    table.aws.faults.inject(operation, trouble, times=None)

    with pytest.raises(TableUnavailable) as caught:
        call(table.opened())

    assert operation in str(caught.value)
    assert told in str(caught.value)
    assert ": " in str(caught.value)
    assert caught.value.__cause__ is not None
    whole = "".join(traceback.format_exception(caught.value))
    assert "sealed\\xff" not in whole
    assert "c2VhbGVk" not in whole


STRANGE = [
    b"<html>down for maintenance</html>",
    b"",
    b"{",
    b'{"Item": null, "Attributes": null}',
    b'{"Item": {"lease_until": {"N": 5}}}',
    b'{"Item": {"lease_until": {}, "expires_at": null}}',
    b'{"Item": {"lease_until": {"N": "5", "S": "x"}, "sealed": {"B": "*"}}}',
]


@pytest.mark.parametrize("body", STRANGE, ids=lambda body: body[:40].decode())
def test_an_answer_with_nothing_in_it_that_can_be_used_is_an_empty_row(table: Table, body: bytes) -> None:
    table.opened().put(ID, row())
    table.aws.faults.inject("GetItem", Garble(body))

    assert table.opened().read(ID) == EMPTY


@pytest.mark.parametrize("body", STRANGE[:4], ids=lambda body: body[:40].decode())
def test_an_answer_that_does_not_give_the_lease_is_none(table: Table, body: bytes) -> None:
    table.aws.faults.inject("UpdateItem", Garble(body))

    with pytest.raises(TableUnavailable, match="UpdateItem"):
        table.opened().take_lease(ID, "me", seconds=8)


def test_what_the_other_side_echoes_is_not_shown(table: Table) -> None:
    token = "00D000000000001!" + "AQ.secret_" * 8
    table.aws.faults.inject("GetItem", Refuse("ValidationException", message=f"can't read {token}"))

    with pytest.raises(TableUnavailable) as caught:
        table.opened().read(ID)

    assert token[20:40] not in str(caught.value)
    assert "can't read" in str(caught.value)


def test_two_who_write_at_once_leave_the_token_that_lives_longer(table: Table) -> None:
    """As where a lease had ended before its holder was done."""
    other = table.opened()
    table.aws.faults.inject("UpdateItem", Act(lambda: other.put(ID, row(NOW + 950, b"later"))), skip=0)

    stored = table.opened().put(ID, row())

    assert not stored
    assert table.opened().read(ID).row == row(NOW + 950, b"later")
