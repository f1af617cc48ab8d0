"""A secret during one rotation: its pending and current documents, and whose certificates it knows."""

import logging

from salesforce_keypair.credential import Credential, VersionedKey, certificate_in
from salesforce_keypair.errors import (
    HostNotAllowed,
    InvalidRequest,
    InvalidSecret,
    NotPending,
    RolledBack,
    SecretUnavailable,
)
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.rotation_request import RotationRequest
from salesforce_keypair.salesforce.app_certificate import Installed
from salesforce_keypair.seams import Parse, SecretStore
from salesforce_keypair.secret_history import SecretState
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK, UPLOAD_REQUESTED
from salesforce_keypair.ways_out import START_AGAIN, give_up_command, go_back

logger = logging.getLogger(__name__)


class RotatingSecret:
    """What a delivery finds in the secret. Values are read by version id, never by a label that may move."""

    def __init__(self, *, request: RotationRequest, store: SecretStore, parse: Parse) -> None:
        self._request = request
        self._store = store
        self._parse = parse
        self._state = store.state(request.secret_id)

    @property
    def labels(self) -> frozenset[str]:
        """The labels of the version that is rotated to."""
        return self._state.labels_of(self._request.version_id)

    @property
    def state(self) -> SecretState:
        """Labels of all versions, as of the last look."""
        return self._state

    def look_again(self) -> None:
        """Read the labels afresh: other deliveries may have moved them."""
        self._state = self._store.state(self._request.secret_id)

    def is_over(self) -> bool:
        """Whether the version is current already. Raises where this delivery is about no rotation that goes on."""
        if not self._state.rotation_enabled:
            raise InvalidRequest("rotation of the secret is off or was cancelled", remedy="turn rotation on first")
        if CURRENT in self.labels:
            if PENDING in self.labels:
                self.close()
            return True
        if ROLLED_BACK in self.labels:
            # Killed between the two labels of putting back: the app holds the old certificate already.
            if PENDING in self.labels:
                self.close()
            raise RolledBack(
                "this rotation was undone before, for Salesforce didn't honour its certificate in time",
                remedy=START_AGAIN,
            )
        if PENDING not in self.labels:
            raise NotPending(
                "the version of this request isn't labelled AWSPENDING, or isn't a version of the secret",
                remedy=f"nothing was changed; {START_AGAIN} if none is under way",
            )
        return False

    def moved_meanwhile(self) -> NotPending | None:
        """The error to end with where the version isn't the pending one any more, as of the last look."""
        if PENDING in self.labels and CURRENT not in self.labels:
            return None
        return NotPending(
            "the new key didn't settle, and its labels were moved meanwhile, so nothing was put back",
            remedy="see who changes the secret's labels, and which certificate the app should hold",
        )

    def close(self) -> None:
        """Take AWSPENDING off the version, which ends its rotation.

        Left on a version that is current, it would stay behind when the next document is stored, and a pending version
        that isn't current keeps rotations from starting. What a person was asked for goes first: a process that ends in
        between leaves a pending label, which the next delivery takes off.
        """
        if UPLOAD_REQUESTED in self.labels:
            self._store.move_label(self._request.secret_id, UPLOAD_REQUESTED, onto=None, off=self._request.version_id)
        self._store.move_label(self._request.secret_id, PENDING, onto=None, off=self._request.version_id)

    def to_be_tested(self) -> Credential | None:
        """The document of the version that is rotated to; none for one that only sets a schedule up.

        Whether the version of RotateImmediately=false is empty or holds a copy of what is current isn't documented.
        """
        value = self._store.read(self._request.secret_id, version_id=self._request.version_id)
        return None if value is None or value.text == self.current_text() else self._parse(value.text)

    def pending(self) -> Credential | None:
        """The document of the version that is rotated to, if it was stored yet."""
        return self._document(self._request.version_id)

    def required_pending(self) -> Credential:
        """The document of the version that is rotated to, with its key. Raises NotPending before createSecret."""
        pending = self.pending()
        if pending is None:
            raise NotPending(
                "the pending version holds no key yet",
                remedy="nothing was changed; createSecret comes first, and Secrets Manager will deliver it",
            )
        self.required_key(pending)
        return pending

    def required_key(self, pending: Credential) -> None:
        """Stop where somebody stored a pending document without a key. Raises InvalidSecret."""
        if pending.private_key is None:
            raise InvalidSecret(
                "the pending version holds a document without privateKey, which no rotation stores",
                remedy=f"{self._give_up}, then {START_AGAIN}",
            )

    def current_text(self) -> str | None:
        """The value of AWSCURRENT, unread."""
        version_id = self._state.version_with(CURRENT)
        value = None if version_id is None else self._store.read(self._request.secret_id, version_id=version_id)
        return None if value is None else value.text

    def current(self) -> Credential:
        """The document of AWSCURRENT. Raises InvalidSecret where there is none."""
        text = self.current_text()
        if text is None:
            raise InvalidSecret(
                "the secret has no current value",
                remedy="store its document first (docs/secret-document.md describes it)",
            )
        return self._parse(text)

    def current_key(self) -> VersionedKey | None:
        """The key of AWSCURRENT, if it holds one and can be read."""
        version_id = self._state.version_with(CURRENT)
        return None if version_id is None else self.labelled_key(version_id)

    def labelled_key(self, version_id: str) -> VersionedKey | None:
        """The key of a labelled version, if it is one, holds a usable key and can be read."""
        if version_id not in self._state.labels:
            return None
        try:
            value = self._store.read(self._request.secret_id, version_id=version_id)
            if value is None:
                return None
            credential = self._parse(value.text)
        except (InvalidSecret, HostNotAllowed, SecretUnavailable) as error:
            logger.warning("a version can't be looked up", extra={"version": version_id, "reason": str(error)})
            return None
        if credential.private_key is None:
            return None
        return VersionedKey(value.arn, version_id, credential, credential.private_key)

    def refuse_overwritten(self, current: Credential) -> None:
        """Stop where AWSCURRENT lost the key that another labelled version still has. Raises InvalidSecret.

        The versions of earlier rotations that came to nothing don't count: a first rotation may be tried again.
        """
        if current.private_key is not None:
            return
        for version_id, labels in self._state.labels.items():
            # That a person was asked to upload a certificate doesn't say that anybody did.
            used = labels - {UPLOAD_REQUESTED}
            never_current = not used or used & {CURRENT, PENDING, ROLLED_BACK}
            if not never_current and self._certificate_of(version_id) is not None:
                raise InvalidSecret(
                    f"AWSCURRENT holds no privateKey, but the version labelled {', '.join(sorted(labels))} does: "
                    "somebody overwrote the secret",
                    remedy=f"{self._back_to(labels)}, and change single members of its document only",
                )

    def refuse_changed_settings(self, pending: Credential, current: Credential) -> None:
        """Stop unless AWSCURRENT still says what the pending version was made from. Raises InvalidSecret."""
        if not pending.is_successor_of(current):
            raise InvalidSecret(
                "the document was changed after this rotation had made its pending version from it",
                remedy=f"{self._give_up}, then {START_AGAIN}, which begins with the changed document",
            )

    @property
    def _give_up(self) -> str:
        return f"give this rotation up ({give_up_command(self._request.secret_id)})"

    def _back_to(self, labels: frozenset[str]) -> str:
        if PREVIOUS not in labels:
            return f"move {CURRENT} back onto that version (update-secret-version-stage)"
        back = go_back(self._request.secret_id)
        under_way = self._state.version_with(PENDING) not in (None, self._state.version_with(CURRENT))
        return f"{self._give_up}, {back}" if under_way else back

    def knows(self, installed: Installed) -> bool:
        """Whether the app's certificate is of any version of the secret, unlabelled ones included."""
        labelled = [version for version in self._state.labels if version != self._request.version_id]
        if any(self._is_of(version_id, installed) for version_id in labelled):
            return True
        every = self._store.all_versions(self._request.secret_id)
        return any(self._is_of(version_id, installed) for version_id in every if version_id not in self._state.labels)

    def _is_of(self, version_id: str, installed: Installed) -> bool:
        certificate = self._certificate_of(version_id)
        return certificate is not None and certificate.same_key(installed.certificate)

    def _certificate_of(self, version_id: str) -> Certificate | None:
        """The certificate of a version whose document may be unusable otherwise."""
        try:
            value = self._store.read(self._request.secret_id, version_id=version_id)
        except InvalidSecret:
            return None
        return None if value is None else certificate_in(value.text)

    def _document(self, version_id: str) -> Credential | None:
        value = self._store.read(self._request.secret_id, version_id=version_id)
        return None if value is None else self._parse(value.text)
