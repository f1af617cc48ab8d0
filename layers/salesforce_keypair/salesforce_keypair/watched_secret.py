"""A secret as the monitor sees it: its versions by label, what they hold, and since when."""

from datetime import datetime
from functools import cached_property

from salesforce_keypair.credential import Credential, certificate_in
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.seams import Parse, SecretHistory
from salesforce_keypair.secret_history import History
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK, UPLOAD_REQUESTED

# An edit of the document makes a version, a rotation another: what is further back than this is no standby in use.
LOOKS_BACK = 10

_UNUSED = frozenset({PENDING, ROLLED_BACK, UPLOAD_REQUESTED})


class WatchedSecret:
    """Reads each version once, by its id."""

    def __init__(self, *, secret_id: str, store: SecretHistory, parse: Parse) -> None:
        self._secret_id = secret_id
        self._store = store
        self._parse = parse
        self._texts: dict[str, str | None] = {}
        self.history: History = store.history(secret_id)

    def version_with(self, label: str) -> str | None:
        """The version that carries a label."""
        return self.history.state.version_with(label)

    def unfinished(self) -> str | None:
        """The version of a rotation that has begun and not ended."""
        pending = self.version_with(PENDING)
        return None if pending == self.version_with(CURRENT) else pending

    def since(self, version_id: str) -> datetime | None:
        """When a version came; of an empty one it is only known that it came no later than the secret's last change."""
        return self.history.created.get(version_id, self.history.changed)

    def document(self, label: str) -> Credential | None:
        """The document of the version with that label; none where there is no value. Raises InvalidSecret."""
        version_id = self.version_with(label)
        text = None if version_id is None else self._text(version_id)
        return None if text is None else self._parse(text)

    def certificate(self, label: str) -> Certificate | None:
        """The certificate of the version with that label, whatever else its document says."""
        version_id = self.version_with(label)
        return None if version_id is None else self._certificate_of(version_id)

    def of_app(self, consumer_key: str) -> list[Credential]:
        """The documents with a key of that app, newest first, down to the last one that was ever current.

        Those before it are of rotations since, which haven't ended or came to nothing. None where none was current, as
        far as one looks back.
        """
        found = []
        for version_id in self._worth_reading():
            try:
                text = self._text(version_id)
                credential = None if text is None else self._parse(text)
            except (InvalidSecret, HostNotAllowed):
                continue
            if credential is not None and credential.private_key and credential.consumer_key == consumer_key:
                found.append(credential)
                if self._was_current(version_id):
                    return found
        return []

    @cached_property
    def key_since(self) -> datetime | None:
        """When the key of AWSCURRENT came: with the first version that holds it, for an edit makes a new one.

        A rotation that was given up leaves a version with a key that was never current, perhaps without a label.
        Secrets Manager tells it from one that was current by its date alone: it is later than the last rotation that
        succeeded. Where there is no such date the key counts as the older one, which is no false all-clear.
        """
        current = self.version_with(CURRENT)
        if current is None or current not in self.history.created:
            return None
        since = self.history.created[current]
        last = self.history.rules.last
        key = self._certificate_of(current)
        for version_id in self._newest_first():
            at = self.history.created[version_id]
            if at >= since or self._came_to_nothing(version_id):
                continue
            before = self._certificate_of(version_id)
            if before is None if key is None else key.same_key(before):
                since = at
            elif PREVIOUS in self.history.state.labels_of(version_id) or (last is not None and at <= last):
                break
        return since

    @property
    def had_key(self) -> bool:
        """Whether a rotation has succeeded, and a version without a label holds a key that may be its."""
        if self.history.rules.last is None:
            return False
        without_label = (each for each in self._newest_first() if not self.history.state.labels_of(each))
        return any(self._certificate_of(version_id) is not None for version_id in without_label)

    @property
    def edited(self) -> datetime | None:
        """When the document of AWSCURRENT was changed last, if it was since its key came."""
        current, since = self.version_with(CURRENT), self.key_since
        came = None if current is None else self.history.created.get(current)
        return came if came is not None and since is not None and since < came else None

    def _worth_reading(self) -> list[str]:
        """The versions since the key of AWSCURRENT came, and as many of those before as one looks back."""
        since = self.key_since
        newest = self._newest_first()
        later = [version_id for version_id in newest if since is None or self.history.created[version_id] >= since]
        return newest[: len(later) + LOOKS_BACK]

    def _was_current(self, version_id: str) -> bool:
        """Whether a version is or was ever current, as labels and dates tell.

        A rotation puts in a key of the other app than the current one's, so what came after the current key is of
        rotations that haven't ended or came to nothing, unless its label says otherwise.
        """
        since = self.key_since
        if self.history.state.labels_of(version_id) & {CURRENT, PREVIOUS}:
            return True
        return since is not None and self.history.created[version_id] < since and not self._came_to_nothing(version_id)

    def _came_to_nothing(self, version_id: str) -> bool:
        """Whether its labels say that it is of a rotation that hasn't ended or was undone."""
        labels = self.history.state.labels_of(version_id)
        return bool(labels & _UNUSED) and not labels & {CURRENT, PREVIOUS}

    def _newest_first(self) -> list[str]:
        created = self.history.created
        return sorted(created, key=lambda version: created[version], reverse=True)

    def _certificate_of(self, version_id: str) -> Certificate | None:
        try:
            text = self._text(version_id)
        except InvalidSecret:
            return None
        return None if text is None else certificate_in(text)

    def _text(self, version_id: str) -> str | None:
        if version_id not in self._texts:
            value = self._store.read(self._secret_id, version_id=version_id)
            self._texts[version_id] = None if value is None else value.text
        return self._texts[version_id]
