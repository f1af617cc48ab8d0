"""The rows of the DynamoDB table that shares tokens: one for each secret, with a sealed token and a lease.

Nothing in a row is believed here; the token in it says itself whether it is genuine, and a lease holds for no longer
than leases last, whatever the row says.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from salesforce_keypair.aws_refusal import code_of, message_of
from salesforce_keypair.json_text import GARBLED
from salesforce_keypair.redaction import foreign_words
from salesforce_keypair.timing import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Answer = TypeVar("Answer")
T = TypeVar("T")

# What no lease exceeds: a row that says more is wrong.
MAX_LEASE_SECONDS = 60.0
# Nor a session: Salesforce offers 24 hours at most.
_MAX_LIFE_SECONDS = 90_000
# DynamoDB deletes a row some time after this moment; nothing relies on when.
_KEPT_AFTER_SECONDS = 3_600

_BUSY = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"})
_REFUSED = "ConditionalCheckFailedException"
_INTEGER = re.compile(r"[0-9]{1,15}")
_MORE_CAPACITY = "let the table be billed by request, or give it more capacity"
_REMEDIES = {
    "AccessDeniedException": "allow GetItem and UpdateItem on the table in the function's role, and its KMS key",
    "ProvisionedThroughputExceededException": _MORE_CAPACITY,
    "ResourceNotFoundException": "correct TOKEN_TABLE, or create the table",
    "ThrottlingException": _MORE_CAPACITY,
    "ValidationException": "the table needs the partition key id (string) and no sort key",
}


class TableUnavailable(Exception):
    """DynamoDB refused or didn't answer; the text says what to do. Never reaches a caller: tokens do without it."""


class TableBusy(TableUnavailable):
    """More asked of the row at once than one partition answers; it passes within seconds."""


@dataclass(frozen=True, slots=True)
class Row:
    """A shared token as it lies in the table. Times are epoch seconds."""

    key_version: str
    instance_url: str
    issued_at: int
    expires_at: int
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the table holds for a secret: a token, if there is one, and until when somebody fetches the next.

    `held_until` is until when nobody should, who has a token that lives: the last login brought no better one.
    `refusal` is what it ended with instead of a token, sealed as well.
    """

    row: Row | None
    leased_until: float
    held_until: float = 0.0
    refusal: bytes | None = field(default=None, repr=False)


class TokenTable:
    """Reads are consistent. Every method raises TableUnavailable."""

    def __init__(self, client: "DynamoDBClient", name: str, clock: Clock) -> None:
        self._client = client
        self._name = name
        self._clock = clock

    def read(self, row_id: str) -> Entry:
        """What the table holds now."""
        answer = _call(
            "GetItem",
            lambda: self._client.get_item(TableName=self._name, Key={"id": {"S": row_id}}, ConsistentRead=True),
        )
        if "ResponseMetadata" not in answer or not isinstance(answer.get("Item", {}), Mapping):
            raise _garbled("GetItem")
        return self._entry(answer.get("Item", {}))

    def take_lease(self, row_id: str, owner: str, *, seconds: float, though_held: bool = False) -> Entry | None:
        """What the table holds, now that the lease on it is the owner's; None where another's holds.

        What nobody owns is `held`, and given to who can't wait until that is over.
        """
        now = self._clock.time()
        values = {
            ":owner": {"S": owner},
            ":until": {"N": _millis(now + seconds)},
            ":now": {"N": _millis(now)},
            ":most": {"N": _millis(now + MAX_LEASE_SECONDS)},
            ":number": {"S": "N"},
            # Whatever token is there must not be deleted before its end, should nobody write another one.
            ":ttl": {"N": str(int(now) + _MAX_LIFE_SECONDS)},
        }
        try:
            answer = _call(
                "UpdateItem",
                lambda: self._client.update_item(
                    TableName=self._name,
                    Key={"id": {"S": row_id}},
                    UpdateExpression="SET lease_owner = :owner, lease_until = :until, #ttl = :ttl",
                    # The owner's own lease: the SDK asks again where an answer was lost.
                    ConditionExpression=(
                        "lease_owner = :owner OR NOT attribute_type(lease_until, :number) "
                        "OR lease_until <= :now OR lease_until > :most"
                        + (" OR attribute_not_exists(lease_owner)" if though_held else "")
                    ),
                    ExpressionAttributeNames={"#ttl": "ttl"},
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                ),
            )
        except _ConditionFailed:
            return None
        if not isinstance(answer.get("Attributes"), Mapping):
            raise _garbled("UpdateItem")
        return self._entry(answer["Attributes"])

    def put(self, row_id: str, row: Row, *, owner: str | None = None, hold: float = 0.0) -> bool:
        """Store a token, under one's own lease or because it ends later; false where neither is so.

        The lease ends with it, and nobody who can wait takes the next one for `hold` seconds.
        """
        if owner is not None and self._put(row_id, row, owner=owner, hold=hold):
            return True
        return self._put(row_id, row, owner=None, hold=0.0)

    def release(self, row_id: str, owner: str, *, hold: float = 0.0, refusal: bytes | None = None) -> None:
        """End one's own lease, with what the login ended with, and hold the next one back for some seconds.

        Done already is done.
        """
        values: dict[str, Any] = {
            ":owner": {"S": owner},
            ":until": {"N": _millis(self._clock.time() + hold)},
        }
        update = "SET lease_until = :until"
        if refusal is not None:
            update += ", refusal = :refusal"
            values[":refusal"] = {"B": refusal}
        if hold > 0:
            update += " REMOVE lease_owner"
        try:
            _call(
                "UpdateItem",
                lambda: self._client.update_item(
                    TableName=self._name,
                    Key={"id": {"S": row_id}},
                    UpdateExpression=update,
                    ConditionExpression="lease_owner = :owner",
                    ExpressionAttributeValues=values,
                ),
            )
        except _ConditionFailed:
            return

    def _put(self, row_id: str, row: Row, *, owner: str | None, hold: float) -> bool:
        now = self._clock.time()
        values: dict[str, Any] = {
            ":version": {"S": row.key_version},
            ":url": {"S": row.instance_url},
            ":issued": {"N": str(row.issued_at)},
            ":expires": {"N": str(row.expires_at)},
            ":sealed": {"B": row.sealed},
            ":ttl": {"N": str(row.expires_at + _KEPT_AFTER_SECONDS)},
        }
        update = (
            "SET key_version = :version, instance_url = :url, issued_at = :issued, expires_at = :expires, "
            "sealed = :sealed, #ttl = :ttl"
        )
        if owner is not None:
            update += ", lease_until = :until"
            condition = "lease_owner = :owner"
            values |= {":owner": {"S": owner}, ":until": {"N": _millis(now + hold)}}
        else:
            # What claims to live longer than any session does is no reason to keep out one that is real. And the very
            # same bytes, which hold a nonce, are one's own: the SDK asks again where an answer was lost.
            condition = (
                "NOT attribute_type(expires_at, :number) OR expires_at < :expires OR expires_at > :most "
                "OR sealed = :sealed"
            )
            values |= {":number": {"S": "N"}, ":most": {"N": str(int(now) + _MAX_LIFE_SECONDS)}}
        try:
            _call(
                "UpdateItem",
                lambda: self._client.update_item(
                    TableName=self._name,
                    Key={"id": {"S": row_id}},
                    UpdateExpression=f"{update} REMOVE refusal{', lease_owner' if hold > 0 else ''}",
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#ttl": "ttl"},
                    ExpressionAttributeValues=values,
                ),
            )
        except _ConditionFailed:
            return False
        return True

    def _entry(self, item: Mapping[str, Any]) -> Entry:
        until = _integer(item, "lease_until") or 0
        left = until / 1000 - self._clock.time()
        ends = until / 1000 if 0 < left <= MAX_LEASE_SECONDS else 0.0
        is_owned = "lease_owner" in item
        return Entry(
            row=_row(item),
            leased_until=ends if is_owned else 0.0,
            held_until=0.0 if is_owned else ends,
            refusal=_typed(item, "refusal", "B", bytes),
        )


def _row(item: Mapping[str, Any]) -> Row | None:
    """The token in an item; none where it holds none, or something that no version of this program wrote."""
    key_version, instance_url = _typed(item, "key_version", "S", str), _typed(item, "instance_url", "S", str)
    sealed = _typed(item, "sealed", "B", bytes)
    issued_at, expires_at = _integer(item, "issued_at"), _integer(item, "expires_at")
    if key_version is None or instance_url is None or sealed is None or issued_at is None or expires_at is None:
        return None
    return Row(key_version, instance_url, issued_at, expires_at, sealed)


def _typed(item: Mapping[str, Any], name: str, attribute_type: str, python_type: type[T]) -> T | None:
    attribute = item.get(name)
    value = attribute.get(attribute_type) if isinstance(attribute, Mapping) else None
    return value if isinstance(value, python_type) else None


def _integer(item: Mapping[str, Any], name: str) -> int | None:
    text = _typed(item, name, "N", str)
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None


def _millis(moment: float) -> str:
    return str(int(moment * 1000))


class _ConditionFailed(Exception):
    """A conditional write found the row otherwise."""


def _call(operation: str, call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except ClientError as error:
        code = code_of(error)
        if code == _REFUSED and operation == "UpdateItem":
            raise _ConditionFailed from error
        remedy = _REMEDIES.get(code, "see AWS's health page if it lasts")
        # Known names are shown however long they are.
        name = code if code in _REMEDIES else foreign_words(code)
        kind = TableBusy if code in _BUSY else TableUnavailable
        raise kind(f"DynamoDB refused {operation} with {name} ({message_of(error)}): {remedy}") from error
    except BotoCoreError as error:
        raise TableUnavailable(
            f"DynamoDB didn't answer {operation} ({type(error).__name__}): in a VPC, give the function a route or an "
            "endpoint to DynamoDB"
        ) from error
    except GARBLED as error:
        raise _garbled(operation) from error


def _garbled(operation: str) -> TableUnavailable:
    return TableUnavailable(
        f"DynamoDB's answer to {operation} can't be understood: see whether a proxy stands in between"
    )
