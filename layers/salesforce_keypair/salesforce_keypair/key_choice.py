"""Which version of a secret's key to log in with, and what to try while a new certificate spreads."""

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

from salesforce_keypair.credential import Credential, VersionedKey
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret, LoginRefused, SecretUnavailable
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.seams import Login
from salesforce_keypair.secret_history import SecretState
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK, Value
from salesforce_keypair.timing import ATTEMPTS, Clock, Deadline, retrying

logger = logging.getLogger(__name__)

# How long one request may go round the keys while servers of Salesforce disagree about the certificate.
PATIENCE_SECONDS = 6.0
_PAUSE_SECONDS = 0.25
# Versions whose parsed keys are kept, of all secrets together.
_KEPT_VERSIONS = 64


class SecretReader(Protocol):
    """What is read of a secret."""

    def state(self, secret_id: str) -> SecretState:
        """Labels now."""
        ...

    def read(self, secret_id: str, *, version_id: str) -> Value | None:
        """A version's value, if it has one."""
        ...

    def read_labelled(self, secret_id: str, label: str) -> Value | None:
        """The value that carries a label now, if there is one."""
        ...


class KeyChoice:
    """Logs in with AWSCURRENT, or with another labelled version where Salesforce honours only that one yet."""

    def __init__(self, *, store: SecretReader, login: Login, parse: Callable[[str], Credential], clock: Clock) -> None:
        self._store = store
        self._login = login
        self._parse = parse
        self._clock = clock
        self._parsed: dict[tuple[str, str], Credential] = {}
        self._last_worked: dict[str, str] = {}

    def log_in(
        self, secret_id: str, *, deadline: Deadline, patient: bool, attempts: int = ATTEMPTS
    ) -> tuple[VersionedKey, Session]:
        """A session, and the key that gave it; each key is tried so many times where Salesforce doesn't answer.

        AWSCURRENT is read afresh each time. A refusal that a spreading change may explain leads to the other labelled
        versions; with `patient` the round is made again for some seconds, for servers that know different keys may
        refuse both by turns. Raises the refusal of AWSCURRENT if none logs in, or what stands in the way of asking.
        """
        key = self.current(secret_id)
        try:
            return key, self._try(key, deadline, attempts)
        except LoginRefused as error:
            if not error.retryable:
                raise
            refusal = error
        patience = deadline.within(min(PATIENCE_SECONDS, deadline.remaining() / 2) if patient else 0.0)
        tried = {key.version_id}
        pause = _PAUSE_SECONDS
        while True:
            for other in _reachable(self._candidates(secret_id, key, tried)):
                try:
                    session = self._try(other, deadline, attempts)
                except LoginRefused:
                    continue
                if other.version_id != key.version_id:
                    logger.warning(
                        "AWSCURRENT was refused, but another labelled version logs in",
                        extra={"key_version": other.version_id},
                    )
                self._last_worked[secret_id] = other.version_id
                return other, session
            if patience.remaining() <= pause:
                raise refusal
            self._clock.sleep(pause)
            pause *= 1.5
            tried = set()

    def current(self, secret_id: str) -> VersionedKey:
        """The key of AWSCURRENT, or of AWSPREVIOUS where somebody overwrote the current version without one."""
        value = self._store.read_labelled(secret_id, CURRENT)
        credential = None
        if value is not None:
            credential = self._parsed_of(secret_id, value)
            key = _key(value, credential)
            if key is not None:
                return key
        previous = self._usable_key(secret_id, PREVIOUS, lambda: self._store.read_labelled(secret_id, PREVIOUS))
        if previous is not None and (credential is None or previous.credential.same_user(credential)):
            logger.warning(
                "AWSCURRENT holds no privateKey, so AWSPREVIOUS serves: somebody overwrote the secret",
                extra={"key_version": previous.version_id},
            )
            return previous
        # Tells a secret that isn't there from one that was never rotated: the first raises SecretUnavailable.
        self._store.state(secret_id)
        raise InvalidSecret("the secret holds no privateKey yet", remedy="rotate it once, which makes the key")

    def labelled(self, secret_id: str, version_id: str, current: VersionedKey) -> VersionedKey | None:
        """The key of a version that is labelled now and logs in as the same user as the current one, if it is such."""
        if version_id == current.version_id:
            return current
        try:
            if not self._store.state(secret_id).labels_of(version_id):
                return None
            key = self._key_in(secret_id, version_id)
        except SecretUnavailable as error:
            logger.warning("a version can't be looked up", extra={"version": version_id, "reason": str(error)})
            return None
        return key if key is not None and key.credential.same_user(current.credential) else None

    def _try(self, key: VersionedKey, deadline: Deadline, attempts: int) -> Session:
        return retrying(
            lambda: self._login(key.credential, deadline=deadline),
            clock=self._clock,
            deadline=deadline,
            attempts=attempts,
        )

    def _candidates(self, secret_id: str, current: VersionedKey, tried: set[str]) -> Iterator[VersionedKey]:
        """The keys of the labelled versions but those tried: labels read afresh, the last one that worked first.

        Only those that log in as the same user of the same org: the document may have been changed to name another.
        """
        state = self._store.state(secret_id)
        labelled = [state.version_with(label) for label in (CURRENT, PENDING, PREVIOUS, ROLLED_BACK)]
        last = self._last_worked.get(secret_id)
        for version_id in dict.fromkeys([last if last in labelled else None, *labelled]):
            if version_id is None or version_id in tried:
                continue
            key = self._key_in(secret_id, version_id)
            if key is not None and key.credential.same_user(current.credential):
                yield key

    def _key_in(self, secret_id: str, version_id: str) -> VersionedKey | None:
        """The key of a version, if it has a usable one."""
        return self._usable_key(secret_id, version_id, lambda: self._store.read(secret_id, version_id=version_id))

    def _usable_key(self, secret_id: str, version: str, read: Callable[[], Value | None]) -> VersionedKey | None:
        """The key of the version that is read, if it has a usable one; `version` names it in the log."""
        try:
            value = read()
            return None if value is None else _key(value, self._parsed_of(secret_id, value))
        except (InvalidSecret, HostNotAllowed) as error:
            logger.warning("a labelled version can't be used", extra={"version": version, "reason": str(error)})
            return None

    def _parsed_of(self, secret_id: str, value: Value) -> Credential:
        """A version's document, parsed once: what a version id of a secret names never changes."""
        name = (secret_id, value.version_id)
        credential = self._parsed.get(name)
        if credential is None:
            credential = self._parse(value.text)
            while len(self._parsed) >= _KEPT_VERSIONS:
                del self._parsed[next(iter(self._parsed))]
            self._parsed[name] = credential
        return credential


def _key(value: Value, credential: Credential) -> VersionedKey | None:
    """The key of a version's document, if it holds one."""
    if credential.private_key is None:
        return None
    return VersionedKey(value.arn, value.version_id, credential, credential.private_key)


def _reachable(keys: Iterator[VersionedKey]) -> Iterator[VersionedKey]:
    """Those keys, as far as AWS gives them: a caller is then told of the refusal, which holds for a while."""
    try:
        yield from keys
    except SecretUnavailable as error:
        logger.warning("the other versions can't be looked up", extra={"reason": str(error)})
