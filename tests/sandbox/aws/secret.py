"""One secret: its versions and the rules of its staging labels.

Rules without another source: "Secrets Manager API Reference", PutSecretValue and UpdateSecretVersionStage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tests.sandbox.aws.api_error import ApiError

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"
PREVIOUS = "AWSPREVIOUS"
MAX_LABELS = 20


@dataclass(frozen=True)
class Value:
    """What a version holds; a binary value in base64, as it travels. One of the two is set."""

    string: str | None = field(default=None, repr=False)
    binary: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Version:
    """A version: `value` is None while nobody has put one; no labels means deprecated. Times are epoch seconds."""

    version_id: str
    created_at: float
    value: Value | None = None
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RotationSettings:
    """How the secret is to be rotated."""

    enabled: bool = False
    function_arn: str | None = None
    rules: Mapping[str, object] = field(default_factory=dict)


class Secret:
    """The versions and labels of one secret. Not safe for threads: its keeper holds a lock."""

    def __init__(self, arn: str, name: str, *, description: str | None, kms_key_id: str | None, now: float) -> None:
        self.arn = arn
        self.name = name
        self.description = description
        self.kms_key_id = kms_key_id
        self.created_at = now
        self.changed_at = now
        self.rotated_at: float | None = None
        self.rotation = RotationSettings()
        self._versions: dict[str, Version] = {}
        # Keyed by label, so that no label can be on two versions.
        self._labels: dict[str, str] = {}

    def labels(self) -> dict[str, str]:
        """Label -> version id."""
        return dict(self._labels)

    def versions(self) -> list[Version]:
        """Every version, oldest first: empty and deprecated ones included."""
        return [self._with_labels(version) for version in self._versions.values()]

    def find(self, version_id: str) -> Version | None:
        """The version of that id, if there is one."""
        version = self._versions.get(version_id)
        return self._with_labels(version) if version else None

    def labelled(self, label: str) -> Version | None:
        """The version under that label, if there is one."""
        version_id = self._labels.get(label)
        return self.find(version_id) if version_id else None

    def unfinished_rotation(self) -> str | None:
        """The version id that is pending and not current: while there is one, no other rotation may start."""
        pending = self._labels.get(PENDING)
        return pending if pending and pending != self._labels.get(CURRENT) else None

    def add_pending(self, version_id: str, *, now: float) -> None:
        """The empty version that Secrets Manager makes before a rotation's first step."""
        self._versions[version_id] = Version(version_id, now)
        self._labels[PENDING] = version_id

    def remove(self, version_id: str) -> None:
        """Take a version away with its labels."""
        self._versions.pop(version_id, None)
        self._labels = {label: holder for label, holder in self._labels.items() if holder != version_id}

    def purge_deprecated(self) -> None:
        """Delete the versions without a label, as Secrets Manager may at any time."""
        for version in self.versions():
            if not version.labels:
                self.remove(version.version_id)

    def put(self, version_id: str, value: Value, labels: Iterable[str] | None, *, now: float) -> Version:
        """PutSecretValue: make a version, or fill the empty one of that id; the same again does nothing.

        Raises ApiError: `ResourceExistsException` where the version holds something else, `LimitExceededException`.
        """
        known = self._versions.get(version_id)
        if known and known.value is not None:
            if known.value != value:
                raise ApiError(
                    "ResourceExistsException",
                    f"You can't use ClientRequestToken {version_id} because that value is already in use for a "
                    f"version of secret {self.arn}.",
                )
            return self._with_labels(known)
        wanted = [CURRENT] if labels is None else list(labels)
        if not self._versions and CURRENT not in wanted:
            # "If this operation creates the first version for the secret", it is current, whatever was asked for.
            wanted.append(CURRENT)
        held = self._with_labels(known).labels if known else frozenset()
        if len(held | set(wanted)) > MAX_LABELS:
            raise ApiError("LimitExceededException", f"A version can have at most {MAX_LABELS} staging labels.")
        self._versions[version_id] = replace(known, value=value) if known else Version(version_id, now, value)
        for label in wanted:
            self._attach(label, version_id)
        self.changed_at = now
        return self._with_labels(self._versions[version_id])

    def move_label(self, label: str, *, remove_from: str | None, move_to: str | None, now: float) -> None:
        """UpdateSecretVersionStage.

        Raises ApiError: `InvalidParameterException` where `remove_from` isn't where the label is, or AWSCURRENT would
        be on no version; `ResourceNotFoundException`; `InvalidRequestException` where an empty one would be current.
        """
        holder = self._labels.get(label)
        if remove_from is None and move_to is None:
            raise ApiError("InvalidParameterException", "You must specify RemoveFromVersionId or MoveToVersionId.")
        self._check_remove_from(label, holder, remove_from, move_to)
        if move_to is None:
            if label == CURRENT:
                raise ApiError(
                    "InvalidParameterException",
                    f"You can only move staging label {CURRENT} to a different secret version. "
                    "It can't be completely removed.",
                )
            del self._labels[label]
        else:
            self._check_move_to(label, move_to)
            self._attach(label, move_to)
        self.changed_at = now

    def _check_remove_from(self, label: str, holder: str | None, remove_from: str | None, move_to: str | None) -> None:
        if remove_from is None:
            if holder is not None and holder != move_to:
                raise ApiError(
                    "InvalidParameterException",
                    f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to "
                    f"version {holder}, so you must explicitly reference that version in RemoveFromVersionId.",
                )
        elif remove_from != holder:
            # By the documentation's words this also refuses the repeat of a move whose answer was lost.
            where = f"version {holder}" if holder else "no version"
            raise ApiError(
                "InvalidParameterException",
                f"RemoveFromVersionId is {remove_from}, but staging label {label} is currently attached to {where}.",
            )

    def _check_move_to(self, label: str, move_to: str) -> None:
        target = self._versions.get(move_to)
        if target is None:
            raise ApiError("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
        if label == CURRENT and target.value is None:
            # What AWS answers isn't documented; a current version that can't be read would break every reader.
            raise ApiError("InvalidRequestException", f"Version {move_to} holds no value: it can't become {CURRENT}.")
        labels = self._with_labels(target).labels | {label}
        if len(labels) > MAX_LABELS:
            raise ApiError("LimitExceededException", f"A version can have at most {MAX_LABELS} staging labels.")

    def _attach(self, label: str, version_id: str) -> None:
        before = self._labels.get(label)
        self._labels[label] = version_id
        if label == CURRENT and before is not None and before != version_id:
            self._labels[PREVIOUS] = before

    def _with_labels(self, version: Version) -> Version:
        labels = frozenset(label for label, holder in self._labels.items() if holder == version.version_id)
        return replace(version, labels=labels)
