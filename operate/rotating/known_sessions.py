"""Sessions of Salesforce that can be known from here: those whose tokens the vendor's environments share in a table."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from operate.rotating.following import Tell
from operate.rotating.looking import Looked
from salesforce_keypair.errors import SalesforceUnavailable, SecretUnavailable
from salesforce_keypair.salesforce.hosts import Hosts
from salesforce_keypair.salesforce.transport import Transport
from salesforce_keypair.sealed_token import unsealed
from salesforce_keypair.timing import Clock, Deadline
from salesforce_keypair.token_cache import Token
from salesforce_keypair.token_table import TableUnavailable, TokenTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REVOKE_PATH = "/services/oauth2/revoke"


class Sessions:
    """Ends sessions of Salesforce by their tokens (RFC 7009)."""

    def __init__(self, *, transport: Transport, hosts: Hosts) -> None:
        self._transport = transport
        self._hosts = hosts

    def revoke(self, token: str, instance_url: str, deadline: Deadline) -> bool:
        """End a session; false where it was over already. Raises SalesforceUnavailable."""
        origin = self._hosts.origin(instance_url, what="instance_url of the token")
        answer = self._transport.send("POST", origin, REVOKE_PATH, data={"token": token}, deadline=deadline)
        if answer.status == 200:
            return True
        if answer.status == 400:
            return False
        raise SalesforceUnavailable(
            f"{origin} answered the revocation of a token with HTTP {answer.status}", remedy="run this again"
        )


class SharedSessions:
    """The tokens in a table, to be revoked and dropped."""

    def __init__(self, *, client: "DynamoDBClient", table: str, sessions: Sessions, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._rows = TokenTable(client, table, clock)
        self._sessions = sessions

    def end(self, looked: Looked, deadline: Deadline, tell: Tell) -> None:
        """Revoke the secret's shared token, then drop its row; killed in between, the same again finishes.

        Raises SecretUnavailable where DynamoDB refuses, SalesforceUnavailable.
        """
        try:
            row = self._rows.read(looked.arn).row
        except TableUnavailable as error:
            raise SecretUnavailable(str(error), remedy="then run this again") from error
        token: Token | None = None
        if row is not None:
            keys = [version.key for version in looked.versions if version.version_id == row.key_version]
            token = unsealed(keys[0], row) if keys and keys[0] is not None else None
        if row is None:
            tell(f"The table {self._table} shares no token.")
        elif token is None:
            tell("The shared token isn't one that a labelled version's key opens, so its session can't be known.")
        elif self._sessions.revoke(token.value, token.instance_url, deadline):
            tell(f"The session of the shared token (sha256 {token.fingerprint}) is revoked.")
        else:
            tell(f"The session of the shared token (sha256 {token.fingerprint}) was over already.")
        self._drop(looked.arn)
        tell(f"The secret's row in the table {self._table} is dropped.")

    def _drop(self, row_id: str) -> None:
        try:
            self._client.delete_item(TableName=self._table, Key={"id": {"S": row_id}})
        except (ClientError, BotoCoreError) as error:
            raise SecretUnavailable(
                f"DynamoDB didn't delete the row of the shared token ({type(error).__name__})",
                remedy="allow dynamodb:DeleteItem on the table, then run this again",
            ) from error
