"""Access tokens that the org has given out, and until when they live."""

from dataclasses import dataclass, field
from functools import cached_property

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.sandbox.org.apps import App
from tests.sandbox.org.ids import random_text
from tests.sandbox.org.users import User


@dataclass(eq=False)
class Session:
    """One access token. `timeout` is in seconds; use extends an opaque token's life, a JWT's end is fixed."""

    token: str = field(repr=False)
    user: User
    app: App
    scopes: frozenset[str]
    is_jwt: bool
    timeout: float
    expires_at: float

    def lives(self, now: float) -> bool:
        return now < self.expires_at and not self.user.frozen

    def use(self, now: float) -> None:
        if not self.is_jwt:
            self.expires_at = now + self.timeout


class Sessions:
    """The sessions of an org, live and dead; `given_out` are the tokens of all that there ever were."""

    def __init__(self, org_id: str, issuer: str) -> None:
        self._org_id = org_id
        self._issuer = issuer
        self._sessions: dict[str, Session] = {}
        self.given_out: list[str] = []

    def open(self, user: User, app: App, now: float) -> Session:
        """A session for a login that was accepted: a new one, or the user's own where the app hands it out again."""
        if app.reuses_session:
            for session in self._sessions.values():
                if session.user is user and session.app is app and session.lives(now):
                    session.use(now)
                    return session
        expires_at = now + app.session_timeout
        is_jwt = app.issues_jwt_access_tokens
        token = self._jwt(user, app, now, expires_at) if is_jwt else f"{self._org_id[:15]}!{random_text(96)}"
        session = Session(token, user, app, frozenset(app.scopes), is_jwt, app.session_timeout, expires_at)
        self._sessions[token] = session
        self.given_out.append(token)
        return session

    def find(self, token: str, now: float) -> Session | None:
        """The live session of a token, which counts as used."""
        session = self._sessions.get(token)
        if session is None or not session.lives(now):
            return None
        session.use(now)
        return session

    def kill(self, token: str) -> bool:
        """End one session; False where no live or dead session has that token."""
        return self._sessions.pop(token, None) is not None

    def kill_all(self, username: str | None = None) -> None:
        """End all sessions, or those of one user."""
        kept = {t: s for t, s in self._sessions.items() if username is not None and s.user.username != username}
        self._sessions = kept

    def live(self, now: float) -> tuple[Session, ...]:
        return tuple(session for session in self._sessions.values() if session.lives(now))

    @cached_property
    def _signing_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def _jwt(self, user: User, app: App, now: float, expires_at: float) -> str:
        claims = {
            "iss": self._issuer,
            "aud": [self._issuer],
            "sub": f"uid:{user.user_id}",
            "client_id": app.consumer_key,
            "scp": " ".join(sorted(app.scopes)),
            "iat": int(now),
            "exp": int(expires_at),
            "jti": random_text(22),
        }
        return jwt.encode(claims, self._signing_key, algorithm="RS256", headers={"tnk": f"core/prod/{self._org_id}"})
