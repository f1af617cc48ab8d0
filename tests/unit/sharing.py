"""What the tests of shared tokens have in common: keys as versions of a secret, and a table on the local DynamoDB."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.token_cache import Token
from salesforce_keypair.token_table import Row, TokenTable
from tests.integration.org_client import key_pair
from tests.sandbox.aws import Call, LocalAws
from tests.unit.support import ORG_ID, FakeClock, arn_of, parse, text_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

S = "salesforce/keypair"
ID = arn_of(S)
# When the clocks of the tests begin.
NOW = 1_800_000_000
# As the functions ask, but patient: the machine that tests run on may be busy.
CONFIG = Config(connect_timeout=20, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2})
_names = itertools.count()


def version(name: str = "first", version_id: str = "v1", secret_id: str = S, **members: Any) -> VersionedKey:
    """A version of a secret that holds the key pair of that name."""
    credential = parse(text_of(key_pair(name), **members))
    assert credential.private_key is not None
    return VersionedKey(arn_of(secret_id), version_id, credential, credential.private_key)


def row(expires_at: int = NOW + 900, sealed: bytes = b"") -> Row:
    """A row that nobody can open. No two seals are alike, so neither are these."""
    return Row("v1", "https://acme.my.salesforce.com", NOW, expires_at, sealed or b"\0sealed\xff %d" % expires_at)


def a_token(clock: FakeClock, **changed: Any) -> Token:
    """A token of this moment that lives for a quarter of an hour, but for what is changed."""
    right: dict[str, Any] = {
        "value": f"{ORG_ID[:15]}!" + "AQ.shared_" * 9,
        "token_type": "Bearer",
        "instance_url": "https://acme.my.salesforce.com",
        "org_id": ORG_ID,
        "username": "robot@example.com",
        "key_version": "v1",
        "issued_at": clock.time(),
        "expires_at": clock.time() + 900,
    }
    return Token(**right | changed)


@dataclass(frozen=True)
class Table:
    """A table of its own on a local AWS that several share."""

    aws: LocalAws
    clock: FakeClock
    name: str = field(default_factory=lambda: f"tokens-{next(_names)}")

    def create(self) -> "Table":
        """Make it, as the template does."""
        _client(self.aws).create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        return self

    def opened(self) -> TokenTable:
        """As an execution environment has it."""
        return TokenTable(_client(self.aws), self.name, self.clock)

    def rows(self) -> dict[str, dict[str, Any]]:
        """All that it holds, by id."""
        return {row["id"]: row for row in self.aws.dynamodb.rows(self.name)}

    def forge(self, row_id: str, **attributes: Mapping[str, Any] | None) -> None:
        """Change attributes of a row, or make one, as somebody may who can write; None takes one out."""
        key = {"id": {"S": row_id}}
        found: dict[str, Any] = _client(self.aws).get_item(TableName=self.name, Key=key).get("Item", key)
        item = {name: value for name, value in (found | attributes).items() if value is not None}
        _client(self.aws).put_item(TableName=self.name, Item=item)

    def copy(self, row_id: str, to: str) -> None:
        """Put a row at another place, too."""
        item = _client(self.aws).get_item(TableName=self.name, Key={"id": {"S": row_id}})["Item"]
        _client(self.aws).put_item(TableName=self.name, Item={**item, "id": {"S": to}})

    def calls(self, operation: str | None = None) -> list[Call]:
        """What environments have asked of it."""
        return [
            call
            for call in self.aws.calls(operation, caller=_CALLER)
            if call.parameters.get("TableName") == self.name and call.operation in ("GetItem", "UpdateItem")
        ]


_CALLER = "token-vendor"


@cache
def _client(aws: LocalAws) -> "DynamoDBClient":
    return aws.client("dynamodb", caller=_CALLER, config=CONFIG)
