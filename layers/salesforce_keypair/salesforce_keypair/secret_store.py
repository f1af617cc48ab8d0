"""Versions and labels of a secret, over AWS Secrets Manager.

Values are read by their immutable version id wherever it is known; a label may have moved by the time it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from salesforce_keypair.aws_refusal import is_refusal
from salesforce_keypair.errors import InvalidSecret, SecretUnavailable
from salesforce_keypair.json_text import typed
from salesforce_keypair.secret_answers import answer_of, require
from salesforce_keypair.secret_history import History, SecretState, dated_versions, history_of, state_of

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"
PREVIOUS = "AWSPREVIOUS"
# Ours: the version of a rotation that was undone. No delivery of that rotation swaps again.
ROLLED_BACK = "ROLLEDBACK"
# Ours, too: the version whose certificate a person was asked to upload.
UPLOAD_REQUESTED = "UPLOADREQUESTED"


@dataclass(frozen=True, slots=True)
class Value:
    """A version's value; `arn` is its secret's, by whatever name that was asked for."""

    arn: str
    version_id: str
    text: str = field(repr=False)


class SecretsManager:
    """Secrets as Secrets Manager keeps them. Every method raises SecretUnavailable where AWS refuses."""

    def __init__(self, client: "SecretsManagerClient") -> None:
        self._client = client

    def state(self, secret_id: str) -> SecretState:
        """Labels and rotation of a secret."""
        return state_of(self._client, secret_id)

    def read(self, secret_id: str, *, version_id: str) -> Value | None:
        """The value of a version; none where the version is empty or isn't there."""
        return self._read({"SecretId": secret_id, "VersionId": version_id})

    def read_labelled(self, secret_id: str, label: str) -> Value | None:
        """The value of the version that carries a label now; none where there is none."""
        return self._read({"SecretId": secret_id, "VersionStage": label})

    def put_pending(self, secret_id: str, version_id: str, text: str, *, rotation_token: str | None) -> bool:
        """Store a pending version's value; false where somebody was faster, and theirs stands."""
        given = {"RotationToken": rotation_token} if rotation_token is not None else {}
        try:
            answer = answer_of(
                "PutSecretValue",
                lambda: self._client.put_secret_value(
                    SecretId=secret_id,
                    ClientRequestToken=version_id,
                    SecretString=text,
                    VersionStages=[PENDING],
                    **given,
                ),
            )
        except SecretUnavailable as error:
            if is_refusal(error.__cause__, "ResourceExistsException"):
                return False
            raise
        require(answer, "VersionId", "PutSecretValue")
        return True

    def move_label(self, secret_id: str, label: str, *, onto: str | None, off: str | None) -> None:
        """Move a label between versions, put it on one or take it off one; done already is done."""
        moved: dict[str, str] = {}
        if onto is not None:
            moved["MoveToVersionId"] = onto
        if off is not None:
            moved["RemoveFromVersionId"] = off
        try:
            answer = answer_of(
                "UpdateSecretVersionStage",
                lambda: self._client.update_secret_version_stage(SecretId=secret_id, VersionStage=label, **moved),
            )
            # A page of somebody in between isn't the promotion of a key: what follows takes its pending label off.
            require(answer, "ARN", "UpdateSecretVersionStage")
        except SecretUnavailable:
            # Where the answer was lost the SDK asks again, and is told that the label isn't where it was any more.
            if self.state(secret_id).version_with(label) != onto:
                raise

    def all_versions(self, secret_id: str) -> list[str]:
        """The ids of all versions that are still kept, unlabelled ones included; the newest first."""
        return [version_id for _, version_id in sorted(dated_versions(self._client, secret_id), reverse=True)]

    def history(self, secret_id: str) -> History:
        """The state of a secret, and since when it is as it is."""
        return history_of(self._client, secret_id)

    def _read(self, which: dict[str, Any]) -> Value | None:
        try:
            return answer_of("GetSecretValue", lambda: _value_of(self._client.get_secret_value(**which)))
        except SecretUnavailable as error:
            if is_refusal(error.__cause__, "ResourceNotFoundException"):
                return None
            raise


def _value_of(answer: Mapping[str, Any]) -> Value:
    for member in ("ARN", "VersionId"):
        require(answer, member, "GetSecretValue")
    text = answer.get("SecretString")
    if text is None:
        raise InvalidSecret("the secret's value is binary", remedy="store the document as text (SecretString)")
    return Value(arn=typed(answer["ARN"], str), version_id=typed(answer["VersionId"], str), text=typed(text, str))
