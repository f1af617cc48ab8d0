"""The secret that is onboarded: what it holds, and how a document becomes current without losing a key."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from salesforce_keypair.aws_refusal import is_refusal
from salesforce_keypair.credential import certificate_in, holds_private_key
from salesforce_keypair.errors import InvalidSecret, SecretUnavailable
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.members import json_object
from salesforce_keypair.secret_answers import answer_of
from salesforce_keypair.secret_history import SecretState
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK, SecretsManager, Value
from salesforce_keypair.ways_out import go_back

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# Only while a document is being made current.
ONBOARDING = "ONBOARDING"


@dataclass(frozen=True, slots=True)
class Found:
    """A secret before anything is written. `arn` is the name that was given where there is no such secret."""

    arn: str
    exists: bool
    schedule: str | None
    """When it rotates, in Secrets Manager's words; none while rotation is off."""
    rotating: bool
    current: str | None
    """The version that AWSCURRENT is on."""
    document: Mapping[str, Any] = field(repr=False)
    certificates: Sequence[Certificate]
    """Of all its versions."""


class Secret:
    """One secret, as onboarding reads and writes it. Methods raise SecretUnavailable where AWS refuses."""

    def __init__(self, client: "SecretsManagerClient", store: SecretsManager, secret_id: str) -> None:
        self._client = client
        self._store = store
        self._secret_id = secret_id

    def look(self) -> Found:
        """What is there. Raises InvalidSecret where a document must not be built on it."""
        described = self._described()
        if described is None:
            return Found(self._secret_id, False, None, False, None, {}, ())
        state = self._store.state(self._secret_id)
        values = self._values(state)
        current = state.version_with(CURRENT)
        value = None if current is None else values.get(current)
        document = {} if value is None else json_object(value.text)
        if "privateKey" not in document:
            _refuse_lost_key(self._secret_id, state, values)
        pending = state.version_with(PENDING)
        return Found(
            arn=described["ARN"],
            exists=True,
            schedule=_schedule_of(described) if state.rotation_enabled else None,
            rotating=pending is not None and pending != current and pending in values,
            current=current,
            document=document,
            certificates=[
                certificate for each in values.values() if (certificate := certificate_in(each.text)) is not None
            ],
        )

    def create(self, document: Mapping[str, Any]) -> str:
        """Make the secret with its first document; returns its ARN."""
        answer = answer_of(
            "CreateSecret",
            lambda: self._client.create_secret(
                Name=self._secret_id,
                Description="Salesforce key pair, rotated by the salesforce-keypair application",
                SecretString=_text(document),
            ),
        )
        return answer["ARN"]

    def write(self, document: Mapping[str, Any], found: Found) -> None:
        """Make a document current, only if AWSCURRENT is still where it was when it was looked at.

        PutSecretValue would move AWSCURRENT off whatever a rotation has put it on meanwhile, and the new key would be
        lost. So the document comes in under a label of its own, and AWSCURRENT is moved from the version it was on.
        """
        version_id = str(uuid.uuid4())
        answer_of(
            "PutSecretValue",
            lambda: self._client.put_secret_value(
                SecretId=found.arn,
                ClientRequestToken=version_id,
                SecretString=_text(document),
                VersionStages=[ONBOARDING],
            ),
        )
        try:
            # The first version of all is current at once.
            if self._store.state(found.arn).version_with(CURRENT) != version_id:
                self._store.move_label(found.arn, CURRENT, onto=version_id, off=found.current)
        except SecretUnavailable as error:
            raise SecretUnavailable(
                f"AWSCURRENT stays where it is; {error.what}", remedy="run this again: it looks anew", retryable=True
            ) from error
        finally:
            self._store.move_label(found.arn, ONBOARDING, onto=None, off=version_id)

    def _described(self) -> Mapping[str, Any] | None:
        try:
            return answer_of("DescribeSecret", lambda: self._client.describe_secret(SecretId=self._secret_id))
        except SecretUnavailable as error:
            if is_refusal(error.__cause__, "ResourceNotFoundException"):
                return None
            raise

    def _values(self, state: SecretState) -> Mapping[str, Value]:
        versions = dict.fromkeys([*state.labels, *self._store.all_versions(self._secret_id)])
        read = {version: self._store.read(self._secret_id, version_id=version) for version in versions}
        return {version: value for version, value in read.items() if value is not None}


def full_arn(store: SecretsManager, secret_id: str) -> str:
    """The ARN of a secret that can be read, by whatever name; else the name, which what looks at it explains."""
    try:
        value = store.read_labelled(secret_id, CURRENT)
    except (SecretUnavailable, InvalidSecret):
        return secret_id
    return secret_id if value is None else value.arn


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, allow_nan=False, indent=2)


def _refuse_lost_key(secret_id: str, state: SecretState, values: Mapping[str, Value]) -> None:
    for version, labels in state.labels.items():
        # A rotation that is under way makes the first key, and one that was undone came to nothing.
        if labels & {CURRENT, PENDING, ROLLED_BACK} or version not in values:
            continue
        if holds_private_key(values[version].text):
            back = (
                go_back(secret_id)
                if PREVIOUS in labels
                else "move AWSCURRENT back to that version (update-secret-version-stage)"
            )
            raise InvalidSecret(
                f"AWSCURRENT holds no key, but version {version} does: somebody overwrote the secret",
                remedy=f"{back}, then run this again",
            )


def _schedule_of(described: Mapping[str, Any]) -> str:
    rules = described.get("RotationRules") or {}
    days = rules.get("AutomaticallyAfterDays")
    return rules.get("ScheduleExpression") or (f"every {days} days" if days else "without a schedule")
