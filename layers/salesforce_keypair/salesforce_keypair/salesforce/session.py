"""What a login gives: a token, whose it is and where it is good."""

from dataclasses import dataclass, field

from salesforce_keypair.salesforce.hosts import Origin


@dataclass(frozen=True, slots=True)
class Session:
    """What a login gave. `expires_at` is epoch seconds of our own clock, where the token itself says."""

    access_token: str = field(repr=False)
    token_type: str
    instance: Origin
    org_id: str
    user_id: str
    expires_at: float | None

    @property
    def is_jwt(self) -> bool:
        """Whether the token is a JWT, which SOAP refuses below API 68.0."""
        return is_jwt(self.access_token)


def is_jwt(access_token: str) -> bool:
    """Whether a token is a JWT, which says itself when it ends; opaque ones have a `!` in them."""
    return access_token.count(".") == 2 and "!" not in access_token
