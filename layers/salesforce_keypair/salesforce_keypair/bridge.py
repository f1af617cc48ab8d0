"""The bridge over a swap: a fresh token of the old key for all, because for some minutes no key may log in."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from salesforce_keypair.credential import Credential, VersionedKey
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.rotating_secret import RotatingSecret
from salesforce_keypair.seams import Login
from salesforce_keypair.shared_tokens import KeyOf, SharedTokens
from salesforce_keypair.timing import Clock, Deadline, retrying
from salesforce_keypair.token_cache import Token

logger = logging.getLogger(__name__)

# The rotation goes on without it, so it doesn't wait for it long.
_LOGIN_SECONDS = 20.0
# What the calls of a table that doesn't answer take at most.
_TABLE_SECONDS = 15.0
# For the write that comes next.
_LEASE_SECONDS = 8.0
_NO_BRIDGE = "no bridge over the change of the certificate; callers whose tokens end meanwhile depend on logins"


class Bridge:
    """Leaves a token in the shared table that outlives the change of a certificate, as sessions do."""

    def __init__(self, *, shared: SharedTokens | None, login: Login, token_lifetime: float, clock: Clock) -> None:
        self._shared = shared
        self._login = login
        self._token_lifetime = token_lifetime
        self._clock = clock

    def leave_before_change(
        self, secret: RotatingSecret, current: Credential, pending: Credential, deadline: Deadline
    ) -> None:
        """Help callers over a change of the app's certificate, where it is the app in use that changes."""
        if current.private_key is not None and pending.same_app(current):
            self.leave(secret.current_key, secret.labelled_key, deadline)

    def leave(self, current_key: Callable[[], VersionedKey | None], key_of: KeyOf, deadline: Deadline) -> None:
        """Log in with the current key and share the token; a line in the log says why where that comes to nothing.

        Raises nothing: a rotation doesn't depend on it.
        """
        if self._shared is None:
            logger.info(_NO_BRIDGE, extra={"reason": "there is no TOKEN_TABLE"})
            return
        key = current_key()
        if key is None:
            _missing("the current key can't be read")
            return
        issued_at = self._clock.time()
        within = deadline.before(_TABLE_SECONDS).within(_LOGIN_SECONDS)
        try:
            session = retrying(lambda: self._login(key.credential, deadline=within), clock=self._clock, deadline=within)
        except KeyPairError as error:
            _missing(str(error))
            return
        token = Token.of_login(
            session,
            username=key.credential.username,
            key_version=key.version_id,
            issued_at=issued_at,
            lifetime=self._token_lifetime,
        )
        found = self._shared.look(key, key_of)
        if found is not None and found.token is not None and found.token.value == token.value:
            _missing("Salesforce returned the session that is shared already, which is no younger for that")
            return
        # A row that isn't believed gives way to the lease alone: it may say of itself that it lives for a day.
        taken = None
        if found is not None and found.token is None:
            taken = self._shared.take_lease(key.secret_arn, key_of, seconds=_LEASE_SECONDS)
        if not self._shared.put(key, token, lease=None if taken is None else taken[0]):
            _missing("the table didn't take the token, or holds one that lives longer")
            return
        until = datetime.fromtimestamp(token.expires_at, UTC).isoformat(timespec="seconds")
        logger.info("a token of the current key bridges the change of the certificate", extra={"until": until})


def _missing(why: str) -> None:
    logger.warning(_NO_BRIDGE, extra={"reason": why})
