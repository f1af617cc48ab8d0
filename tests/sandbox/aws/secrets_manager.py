"""Secrets Manager, as strict as AWS where it matters to a rotation.

Sources: "Secrets Manager API Reference" and botocore's model of the service; where both are silent, the code says so.
"""

import json
import secrets as randomness
import string
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tests.sandbox.aws import json_protocol, shapes
from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.gateway import ACCOUNT, REGION
from tests.sandbox.aws.http_server import Request, Response
from tests.sandbox.aws.rotations import Rotation, RotationPolicy, RotationRequest
from tests.sandbox.aws.rotator import RotationFunctions, Rotator
from tests.sandbox.aws.secret import CURRENT, Secret, Value, Version

_TARGET = "secretsmanager."
_NAME_CHARACTERS = frozenset(string.ascii_letters + string.digits + "/_+=.@-")

Parameters = Mapping[str, Any]


class SecretsManager:
    """The service, and what a test looks at and sets without going through HTTP. Safe for threads.

    `now` dates what happens in it, in epoch seconds.
    """

    def __init__(
        self, functions: RotationFunctions, policy: RotationPolicy, now: Callable[[], float] = time.time
    ) -> None:
        self._lock = threading.RLock()
        self._now = now
        self._rotator = Rotator(functions, policy, self._lock, now)
        self._secrets: dict[str, Secret] = {}
        self._operations: dict[str, Callable[[Parameters], Parameters]] = {
            "CreateSecret": self._create_secret,
            "PutSecretValue": self._put_secret_value,
            "GetSecretValue": self._get_secret_value,
            "DescribeSecret": self._describe_secret,
            "ListSecretVersionIds": self._list_secret_version_ids,
            "UpdateSecretVersionStage": self._update_secret_version_stage,
            "RotateSecret": self._rotate_secret,
            "CancelRotateSecret": self._cancel_rotate_secret,
        }

    # What a test looks at and sets

    def labels(self, secret_id: str) -> dict[str, str]:
        """Label -> version id."""
        with self._lock:
            return self._find(secret_id).labels()

    def versions(self, secret_id: str) -> list[Version]:
        """Every version, oldest first: empty and deprecated ones included."""
        with self._lock:
            return self._find(secret_id).versions()

    def values(self) -> list[str]:
        """Every text that any version of any secret holds."""
        with self._lock:
            versions = [version for secret in self._secrets.values() for version in secret.versions()]
        return [v.value.string for v in versions if v.value is not None and v.value.string is not None]

    def rotation_tokens(self) -> list[str]:
        """Every token that a rotation of any secret came with."""
        with self._lock:
            rotations = [each for secret in self._secrets.values() for each in self._rotator.rotations(secret.arn)]
        return [each.request.rotation_token for each in rotations if each.request.rotation_token is not None]

    def purge_deprecated(self, secret_id: str) -> None:
        """Delete the versions without a label, as AWS may at any time."""
        with self._lock:
            self._find(secret_id).purge_deprecated()

    @property
    def rotation_policy(self) -> RotationPolicy:
        """How the rotations that start from now on are delivered."""
        return self._rotator.policy

    @rotation_policy.setter
    def rotation_policy(self, policy: RotationPolicy) -> None:
        self._rotator.policy = policy

    def open_rotation(self, secret_id: str, version_id: str | None = None) -> RotationRequest:
        """Begin a rotation as RotateSecret does but deliver no step: the test delivers, late, twice or out of order.

        Raises ApiError: `InvalidRequestException` while another one is unfinished.
        """
        with self._lock:
            return self._rotator.open(self._find(secret_id), version_id or str(uuid.uuid4()))

    def rotations(self, secret_id: str) -> list[Rotation]:
        """The rotations and schedule tests that RotateSecret started, oldest first."""
        with self._lock:
            return self._rotator.rotations(self._find(secret_id).arn)

    def wait_for_rotation(self, secret_id: str, timeout: float = 60.0) -> Rotation:
        """The latest rotation, once it has ended. Raises LookupError where none was started, TimeoutError."""
        rotations = self.rotations(secret_id)
        if not rotations:
            raise LookupError(f"No rotation of {secret_id} was started")
        rotation = rotations[-1]
        rotation.wait(timeout)
        return rotation

    def stop_rotations(self) -> None:
        """Deliver nothing more to any function."""
        self._rotator.stop()

    def wait_for_all_rotations(self) -> None:
        """Wait until none is under way. Raises TimeoutError."""
        self._rotator.wait_for_all()

    # The wire protocol

    def read(self, request: Request) -> tuple[str, Parameters]:
        """The operation and its parameters, checked against AWS's model. Raises ApiError."""
        operation, parameters = json_protocol.read(
            request, service="secretsmanager", target=_TARGET, title="Secrets Manager"
        )
        shapes.check("secretsmanager", operation, parameters)
        return operation, parameters

    def perform(self, operation: str, parameters: Parameters) -> Response:
        """Do it. Raises ApiError."""
        perform = self._operations.get(operation)
        if perform is None:
            raise ApiError("NotImplementedException", f"This local Secrets Manager has no {operation}.", status=501)
        answer = {name: value for name, value in perform(parameters).items() if value is not None}
        return Response(200, json.dumps(answer).encode(), {"Content-Type": "application/x-amz-json-1.1"})

    def refusal(self, error: ApiError) -> Response:
        """The answer by which Secrets Manager refuses."""
        return error.response()

    # The operations

    def _create_secret(self, parameters: Parameters) -> Parameters:
        name = parameters["Name"]
        if not set(name) <= _NAME_CHARACTERS:
            raise ApiError("ValidationException", "Invalid name. Use letters, digits and /_+=.@- only.")
        value = _value(parameters)
        token = _client_request_token(parameters) if value else None
        with self._lock:
            existing = self._secrets.get(name)
            if existing:
                version = existing.find(token) if token else None
                if version is None or version.value != value:
                    raise ApiError(
                        "ResourceExistsException",
                        f"The operation failed because the secret {name} already exists.",
                    )
                return {"ARN": existing.arn, "Name": name, "VersionId": token}
            suffix = "".join(randomness.choice(string.ascii_letters + string.digits) for _ in range(6))
            secret = Secret(
                f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{suffix}",
                name,
                description=parameters.get("Description"),
                kms_key_id=parameters.get("KmsKeyId"),
                now=self._now(),
            )
            if value and token:
                secret.put(token, value, None, now=self._now())
            self._secrets[name] = secret
            return {"ARN": secret.arn, "Name": name, "VersionId": token}

    def _put_secret_value(self, parameters: Parameters) -> Parameters:
        value = _value(parameters)
        if value is None:
            raise ApiError("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
        token = _client_request_token(parameters)
        with self._lock:
            secret = self._find(parameters["SecretId"])
            self._rotator.check_token(secret, token, parameters.get("RotationToken"))
            version = secret.put(token, value, parameters.get("VersionStages"), now=self._now())
            return _identity(secret) | {"VersionId": token, "VersionStages": sorted(version.labels)}

    def _get_secret_value(self, parameters: Parameters) -> Parameters:
        version_id, label = parameters.get("VersionId"), parameters.get("VersionStage")
        with self._lock:
            secret = self._find(parameters["SecretId"])
            if version_id:
                version, sought = secret.find(version_id), f"VersionId: {version_id}"
                if version and label and label not in version.labels:
                    raise ApiError(
                        "InvalidRequestException",
                        "You provided a VersionStage that is not associated to the provided VersionId.",
                    )
            else:
                label = label or CURRENT
                version, sought = secret.labelled(label), f"staging label: {label}"
        if version is None or version.value is None:
            raise ApiError(
                "ResourceNotFoundException", f"Secrets Manager can't find the specified secret value for {sought}"
            )
        return _identity(secret) | {
            "VersionId": version.version_id,
            "VersionStages": sorted(version.labels) or None,
            "CreatedDate": version.created_at,
            "SecretString": version.value.string,
            "SecretBinary": version.value.binary,
        }

    def _describe_secret(self, parameters: Parameters) -> Parameters:
        with self._lock:
            secret = self._find(parameters["SecretId"])
            labelled = {v.version_id: sorted(v.labels) for v in secret.versions() if v.labels}
            return _identity(secret) | {
                "Description": secret.description,
                "KmsKeyId": secret.kms_key_id,
                "RotationEnabled": secret.rotation.enabled if secret.rotation.function_arn else None,
                "RotationLambdaARN": secret.rotation.function_arn,
                "RotationRules": dict(secret.rotation.rules) or None,
                "LastRotatedDate": secret.rotated_at,
                "LastChangedDate": secret.changed_at,
                "CreatedDate": secret.created_at,
                "VersionIdsToStages": labelled or None,
            }

    def _list_secret_version_ids(self, parameters: Parameters) -> Parameters:
        with self._lock:
            secret = self._find(parameters["SecretId"])
            # "ListSecretVersionIds only returns versions that contain a secret value."
            listed = [v for v in secret.versions() if v.value and (v.labels or parameters.get("IncludeDeprecated"))]
        start = _page_start(parameters.get("NextToken"), len(listed))
        end = start + parameters.get("MaxResults", 100)
        versions = [
            {"VersionId": v.version_id, "CreatedDate": v.created_at}
            | ({"VersionStages": sorted(v.labels)} if v.labels else {})
            for v in listed[start:end]
        ]
        return _identity(secret) | {"Versions": versions, "NextToken": str(end) if end < len(listed) else None}

    def _update_secret_version_stage(self, parameters: Parameters) -> Parameters:
        with self._lock:
            secret = self._find(parameters["SecretId"])
            secret.move_label(
                parameters["VersionStage"],
                remove_from=parameters.get("RemoveFromVersionId"),
                move_to=parameters.get("MoveToVersionId"),
                now=self._now(),
            )
            return _identity(secret)

    def _rotate_secret(self, parameters: Parameters) -> Parameters:
        token = _client_request_token(parameters)
        with self._lock:
            secret = self._find(parameters["SecretId"])
        return _identity(secret) | {"VersionId": self._rotator.rotate(secret, token, parameters)}

    def _cancel_rotate_secret(self, parameters: Parameters) -> Parameters:
        with self._lock:
            secret = self._find(parameters["SecretId"])
            return _identity(secret) | {"VersionId": self._rotator.cancel(secret)}

    def _find(self, secret_id: str) -> Secret:
        for secret in self._secrets.values():
            if secret_id in (secret.name, secret.arn):
                return secret
        raise ApiError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")


def _identity(secret: Secret) -> dict[str, Any]:
    return {"ARN": secret.arn, "Name": secret.name}


def _client_request_token(parameters: Parameters) -> str:
    # "If you generate a raw HTTP request … you must generate a ClientRequestToken"; the SDKs do.
    token = parameters.get("ClientRequestToken")
    if not isinstance(token, str):
        raise ApiError("InvalidParameterException", "You must provide a ClientRequestToken.")
    return token


def _value(parameters: Parameters) -> Value | None:
    text, binary = parameters.get("SecretString"), parameters.get("SecretBinary")
    if text is not None and binary is not None:
        raise ApiError("InvalidParameterException", "You can't specify both a SecretString and a SecretBinary.")
    return None if text is None and binary is None else Value(text, binary)


def _page_start(next_token: str | None, count: int) -> int:
    if next_token is None:
        return 0
    if not next_token.isdecimal() or int(next_token) >= count:
        raise ApiError("InvalidNextTokenException", "The NextToken value is invalid.")
    return int(next_token)
