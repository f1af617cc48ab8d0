"""A user of the org: what it may do, and how often it has logged in."""

from dataclasses import dataclass, field

from tests.sandbox.org.ids import new_id

LOGIN_WINDOW_SECONDS = 3600


@dataclass(eq=False)
class User:
    """An integration user or an administrator. Everything may be changed while the org runs."""

    username: str
    api_enabled: bool = True
    metadata_permission: bool = False
    frozen: bool = False
    ip_in_range: bool = True
    user_id: str = field(default_factory=lambda: new_id("005"))
    _window_start: float = field(default=float("-inf"), init=False, repr=False)
    _logins_in_window: int = field(default=0, init=False, repr=False)

    def take_login(self, now: float, limit: int) -> bool:
        """Count a login; False where the hour's number is used up. The hour begins with its first login."""
        if now - self._window_start >= LOGIN_WINDOW_SECONDS:
            self._window_start, self._logins_in_window = now, 0
        if self._logins_in_window >= limit:
            return False
        self._logins_in_window += 1
        return True
