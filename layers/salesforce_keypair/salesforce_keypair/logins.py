"""Logins that callers pay for: not while a refusal holds, and each one noted."""

from collections.abc import Iterable
from dataclasses import replace

from salesforce_keypair.credential import VersionedKey
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.key_choice import KeyChoice
from salesforce_keypair.standing_back import Refusal, StandingBack
from salesforce_keypair.timing import ATTEMPTS, Clock, Deadline
from salesforce_keypair.token_cache import Token, TokenState
from salesforce_keypair.vend_request import VendRequest


class Logins:
    """Makes tokens of logins with the right version of a secret's key."""

    def __init__(self, *, keys: KeyChoice, standing_back: StandingBack, token_lifetime: float, clock: Clock) -> None:
        self._keys = keys
        self._standing_back = standing_back
        self._token_lifetime = token_lifetime
        self._clock = clock

    def check(self, secret_id: str) -> None:
        """Raise the last refusal again while it holds."""
        self._standing_back.check(secret_id)

    def heed(self, secret_id: str, refusal: Refusal) -> None:
        """Take over a refusal that another environment met."""
        self._standing_back.heed(secret_id, refusal)

    def refusal(self, secret_id: str) -> Refusal | None:
        """The last refusal, while it holds."""
        return self._standing_back.holding(secret_id)

    def log_in(self, request: VendRequest, known: Iterable[Token], deadline: Deadline) -> tuple[VersionedKey, Token]:
        """A token and the key that got it; where it is one of the `known`, then with the times of its first login.

        Raises what the login ends with, or the last refusal again while it holds.
        """
        secret_id = request.secret_id
        self._standing_back.check(secret_id)
        issued_at = self._clock.time()
        known = tuple(known)
        try:
            key, session = self._keys.log_in(
                secret_id,
                deadline=deadline,
                patient=self._standing_back.may_be_patient(secret_id),
                # With a token in hand that will do, callers mustn't wait for an org that doesn't answer.
                attempts=1 if any(_does_meanwhile(each, request, issued_at) for each in known) else ATTEMPTS,
            )
        except KeyPairError as error:
            told = self._standing_back.after(secret_id, error)
            if told is error:
                raise
            raise told from error
        self._standing_back.reset(secret_id)
        token = Token.of_login(
            session,
            username=key.credential.username,
            key_version=key.version_id,
            issued_at=issued_at,
            lifetime=self._token_lifetime,
        )
        token = replace(token, min_ttl=request.min_ttl, forced_at=issued_at if request.force_refresh else 0.0)
        for each in known:
            if each.value == token.value:
                token = token.first_seen(each)
        return key, token


def _does_meanwhile(token: Token, request: VendRequest, now: float) -> bool:
    """Whether a token answers a request where no new one comes, for as long as was asked for."""
    lives = token.state(now, min_ttl=0) is not TokenState.DEAD
    return lives and not request.force_refresh and token.expires_at - now >= request.min_ttl
