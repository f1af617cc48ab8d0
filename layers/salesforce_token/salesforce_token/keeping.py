"""A token kept for as long as it is good for something."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import boto3

from salesforce_token.asking import CLIENT_CONFIG, Token, TokenUnavailable, Vendor, client_context
from salesforce_token.requests_auth import BearerAuth

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from requests import PreparedRequest

# After a failure with nothing to serve, who asks within this time is told the same again.
_PAUSE_SECONDS = 1.0
# A token that the vendor couldn't renew doesn't get better by asking all the time.
_LONGEST_PAUSE_SECONDS = 30.0
# A token so new that is refused isn't refused for its age, and each one that is forced out costs a login.
_NEW_SECONDS = 10.0

logger = logging.getLogger(__name__)


class SalesforceToken:
    """The token of one secret, kept until shortly before its end. Make one and share it: it is safe for threads.

    `function_name` is the vendor's name or ARN. A new token is asked for when less than `min_ttl_seconds` are left, and
    lives that long at least where the vendor has such a one. `claimed_caller` is for the vendor's log, by default the
    name of the Lambda function that this runs in. `client` is a boto3 client of Lambda where the default won't do.
    """

    def __init__(
        self,
        function_name: str,
        *,
        secret_id: str | None = None,
        min_ttl_seconds: float = 60,
        claimed_caller: str | None = None,
        client: "LambdaClient | None" = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._vendor = Vendor(
            client=client or boto3.client("lambda", config=CLIENT_CONFIG),
            function_name=function_name,
            secret_id=secret_id,
            min_ttl_seconds=min_ttl_seconds,
            client_context=client_context(claimed_caller),
            now=now,
        )
        self._min_ttl = min_ttl_seconds
        self._now = now
        self._held = _Held()
        # Held while the vendor is asked, so that the others wait for its answer instead of asking too.
        self._asking = threading.Lock()

    def get(self) -> Token:
        """A token that lives, from memory where possible. Raises TokenUnavailable."""
        token = self._served()
        if token is None:
            with self._asking:
                token = self._served() or self._asked()
        return token

    def refused(self, token: Token) -> None:
        """Say that Salesforce answered `token` with INVALID_SESSION_ID: the next `get` asks for a new one."""
        with self._asking:
            held, now = self._held, self._now()
            is_new = held.forced_at <= now < held.forced_at + _NEW_SECONDS
            if held.token is not None and held.token.access_token == token.access_token and not is_new:
                self._held = _Held(force=True)

    def auth(self) -> "Callable[[PreparedRequest], PreparedRequest]":
        """What `auth` of a requests session or call can be.

        The token goes to the org's own host alone, or ForeignHost is raised. A call that is answered with 401
        INVALID_SESSION_ID is repeated once with a new token, if its body can be sent again.
        """
        return BearerAuth(get=self.get, refused=self.refused)

    def _served(self) -> Token | None:
        """The token in hand where it will do. Raises TokenUnavailable where the vendor has just failed."""
        held, now = self._held, self._now()
        if now < held.since:
            # The clock was set back: how long that has been held is anybody's guess.
            return None
        if held.token is not None and now < held.token.expires_at:
            lives_long_enough = held.token.expires_at - now >= self._min_ttl
            return held.token if lives_long_enough or now < held.ask_again_at else None
        if held.failure is not None and now < held.ask_again_at:
            raise TokenUnavailable(*held.failure)
        return None

    def _asked(self) -> Token:
        """A token from the vendor, or the one in hand where the vendor fails and it still lives."""
        held, asked_at = self._held, self._now()
        if asked_at < held.since:
            held = _Held(force=held.force)
        try:
            token = self._vendor.ask(force=held.force)
        except TokenUnavailable as error:
            now = self._now()
            if held.token is None or held.token.expires_at <= now:
                told = (str(error), error.code)
                self._held = _Held(since=now, ask_again_at=now + _PAUSE_SECONDS, failure=told, force=held.force)
                raise
            logger.warning("no new Salesforce token; the old one is served while it lives: %s", error)
            self._held = replace(held, ask_again_at=_ask_again_at(held.token, now))
            return held.token
        # Each environment of the vendor may have a token of its own, and this one's may be the older one.
        if held.token is not None and held.token.expires_at > token.expires_at:
            token = held.token
        now = self._now()
        forced_at = now if held.force else held.forced_at
        self._held = _Held(token, since=asked_at, ask_again_at=_ask_again_at(token, now), forced_at=forced_at)
        return token


@dataclass(frozen=True, slots=True)
class _Held:
    """All that is known. Replaced as a whole, so that it can be read without the lock. Times are epoch seconds."""

    token: Token | None = None
    since: float = 0.0
    # Until then the vendor isn't asked while there is a token that lives, or a failure to tell of.
    ask_again_at: float = 0.0
    # Its text and code, not the exception, whose traceback holds on to all that went on.
    failure: tuple[str, str] | None = None
    # Salesforce refused the last token, which the vendor may still think good.
    force: bool = False
    forced_at: float = float("-inf")


def _ask_again_at(token: Token, now: float) -> float:
    """Half-way to its end: soon enough to be rid of a token that ends, seldom enough not to pester the vendor."""
    return now + min(max((token.expires_at - now) / 2, _PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
