"""A secret as the monitor sees it: its versions by label, what they hold, and since when."""

from datetime import datetime

from salesforce_keypair.credential import Credential, certificate_in
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret
from salesforce_keypair.keypair import Certificate
from salesforce_keypair.seams import Parse, SecretHistory
from salesforce_keypair.secret_store import CURRENT, PENDING, ROLLED_BACK, UPLOAD_REQUESTED, History

# An edit of the document makes a version, a rotation another: what is further back than this is no standby in use.
LOOKS_BACK = 10


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

    def last_with(self, consumer_key: str) -> Credential | None:
        """The newest document with a key of that app that was ever current, as far as one looks back."""
        for version_id in self._newest_first()[:LOOKS_BACK]:
            try:
                text = self._text(version_id)
                credential = None if text is None else self._parse(text)
            except (InvalidSecret, HostNotAllowed):
                continue
            if credential is not None and credential.private_key and credential.consumer_key == consumer_key:
                return credential
        return None

    def key_since(self) -> datetime | None:
        """When the key of AWSCURRENT came: with the first version that holds it, for an edit makes a new one."""
        current = self.version_with(CURRENT)
        if current is None or current not in self.history.created:
            return None
        since = self.history.created[current]
        key = self._certificate_of(current)
        for version_id in self._newest_first():
            at = self.history.created[version_id]
            if at >= since:
                continue
            before = self._certificate_of(version_id)
            same = before is None if key is None else key.same_key(before)
            if not same:
                break
            since = at
        return since

    def _newest_first(self) -> list[str]:
        """The versions that are or were current: not those of rotations that haven't ended or came to nothing."""
        created, state = self.history.created, self.history.state
        unused = {PENDING, ROLLED_BACK, UPLOAD_REQUESTED}
        kept = [version for version in created if not state.labels_of(version) & unused]
        return sorted(kept, key=lambda version: created[version], reverse=True)

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
