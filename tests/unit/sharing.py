"""What the tests of shared tokens have in common: a table on the local DynamoDB, and environments that share it."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.fetching import LEASE_SECONDS, Fetched, SharedLogins
from salesforce_keypair.key_choice import KeyChoice
from salesforce_keypair.logins import Logins
from salesforce_keypair.sealed_token import sealed
from salesforce_keypair.shared_tokens import SharedTokens
from salesforce_keypair.standing_back import StandingBack
from salesforce_keypair.token_cache import MemoryCache, Token
from salesforce_keypair.token_table import Row, TokenTable
from salesforce_keypair.vend_request import VendRequest
from salesforce_keypair.vending import TokenVendor
from tests.integration.org_client import key_pair
from tests.sandbox.aws import Call, LocalAws
from tests.unit.support import ORG_ID, FakeClock, MemoryLogin, MemorySecrets, arn_of, parse, text_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

S = "salesforce/keypair"
ID = arn_of(S)
# When the clocks of the tests begin.
NOW = 1_800_000_000
LIFETIME = 900.0
BROUGHT = f"{ORG_ID[:15]}!brought"
# As the functions ask; nothing here times out, for there are no sockets.
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 2})
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


class Environment:
    """An execution environment of the vendor that has just started: nothing in memory but what is given to it."""

    def __init__(self, office: "Office", chance: float) -> None:
        self.clock = office.clock
        self.failures = 0
        self.keys = KeyChoice(store=office.secrets, login=office.login, parse=parse, clock=office.clock)
        self.shared = SharedTokens(table=office.table.opened(), clock=office.clock, failed=self._note_failure)
        logins = Logins(
            keys=self.keys,
            standing_back=StandingBack(settling=720, clock=office.clock),
            token_lifetime=LIFETIME,
            clock=office.clock,
        )
        fetch = SharedLogins(
            keys=self.keys, logins=logins, shared=self.shared, clock=office.clock, chance=lambda: chance
        )
        self._vendor = TokenVendor(fetch=fetch, cache=MemoryCache(), clock=office.clock)

    def vend(self, *, seconds: float = 30.0, **event: Any) -> Fetched:
        """A caller's request, whose function has so many seconds left."""
        request = VendRequest.parse(event, secret_ids=(S, "another"), token_lifetime=LIFETIME)
        return self._vendor.vend(request, deadline=self.clock.deadline(seconds))

    def error(self, **event: Any) -> KeyPairError:
        """What a request fails with."""
        with pytest.raises(KeyPairError) as caught:
            self.vend(**event)
        return caught.value

    def look(self, secret_id: str = S) -> Token | None:
        """The token that it believes in."""
        current = self.keys.current(secret_id)
        found = self.shared.look(current, lambda each: self.keys.labelled(secret_id, each, current))
        assert found is not None, "the table failed"
        return found.token

    def _note_failure(self) -> None:
        self.failures += 1


class Office:
    """What environments share: the table, the secrets, and an org that honours the pairs `first` and `second`."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.clock = table.clock
        self.secrets = MemorySecrets()
        self.secrets.put(S, "v1", text_of(key_pair("first")), "AWSCURRENT")
        self.login = MemoryLogin(table.clock, {"first", "second"})

    def environment(self, *, chance: float = 0.5) -> Environment:
        """Another one."""
        return Environment(self, chance)

    def put(self, key: VersionedKey, token: Token) -> None:
        """Share a token as a holder of that key, whatever was there."""
        self.table.forge(key.secret_arn, expires_at={"N": "0"})
        assert self.table.opened().put(key.secret_arn, sealed(key, token))

    @property
    def logins(self) -> int:
        """How often the org was asked to log in."""
        return len(self.login.asked)

    def bring(self, owner: str, **changed: Any) -> None:
        """The environment that holds the lease has logged in."""
        token = a_token(self.clock, value=BROUGHT, **changed)
        assert self.table.opened().put(ID, sealed(version(), token), owner=owner)

    def hold_lease(self, seconds: float = LEASE_SECONDS) -> str:
        """Another environment takes the lease and is heard of no more; gives its name."""
        owner = "another environment"
        assert self.table.opened().take_lease(ID, owner, seconds=seconds) is not None
        return owner


_CALLER = "token-vendor"


@cache
def _client(aws: LocalAws) -> "DynamoDBClient":
    return aws.client("dynamodb", caller=_CALLER, config=CONFIG)
