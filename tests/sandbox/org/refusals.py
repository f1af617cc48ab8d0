"""What the token endpoint says when it refuses, in Salesforce's words as its users report them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """An OAuth error pair and its HTTP status."""

    error: str
    description: str
    status: int = 400

    def __str__(self) -> str:
        return f"{self.error}/{self.description}"


INVALID_ASSERTION = Refusal("invalid_grant", "invalid assertion")
UNKNOWN_CLIENT = Refusal("invalid_client_id", "client identifier invalid")
APP_NOT_FOUND = Refusal("app_not_found", "External client app is not installed in this org")
USER_NOT_APPROVED = Refusal("invalid_grant", "user hasn't approved this consumer")
NOT_ADMIN_APPROVED = Refusal("invalid_app_access", "user is not admin approved to access this app")
INVALID_AUDIENCE = Refusal("invalid_grant", "audience is invalid")
AUDIENCE_VALIDATION_FAILED = Refusal("invalid_grant", "Audience validation failed")
EXPIRED = Refusal("invalid_grant", "expired authorization code")
NOT_AUTHORIZED = Refusal("invalid_grant", "not authorized")
IP_RESTRICTED = Refusal("invalid_grant", "ip restricted")
WRONG_DOMAIN = Refusal("invalid_grant", "request not supported on this domain")
NO_VALID_SCOPES = Refusal("invalid_grant", "no valid scopes defined")
REFRESH_SCOPE_MISSING = Refusal(
    "invalid_request", "apps that use the JWT bearer flow require a refresh_token scope to be assigned"
)
APP_NOT_INSTALLED = Refusal("invalid_client", "app must be installed into org")
INVALID_CLIENT_CREDENTIALS = Refusal("invalid_client", "invalid client credentials")
UNSUPPORTED_GRANT = Refusal("unsupported_grant_type", "grant type not supported")
INACTIVE_USER = Refusal("inactive_user", "user is inactive")
INACTIVE_ORG = Refusal("inactive_org", "organization is inactive")
LOGIN_RATE_EXCEEDED = Refusal("rate_limit_exceeded", "login rate exceeded")
RETRY_REQUEST = Refusal("unknown_error", "retry your request")
NO_CLIENT_CREDENTIALS_USER = Refusal("invalid_grant", "no client credentials user enabled")

REFUSALS = (
    INVALID_ASSERTION,
    UNKNOWN_CLIENT,
    APP_NOT_FOUND,
    USER_NOT_APPROVED,
    NOT_ADMIN_APPROVED,
    INVALID_AUDIENCE,
    AUDIENCE_VALIDATION_FAILED,
    EXPIRED,
    NOT_AUTHORIZED,
    IP_RESTRICTED,
    WRONG_DOMAIN,
    NO_VALID_SCOPES,
    REFRESH_SCOPE_MISSING,
    APP_NOT_INSTALLED,
    INVALID_CLIENT_CREDENTIALS,
    UNSUPPORTED_GRANT,
    INACTIVE_USER,
    INACTIVE_ORG,
    LOGIN_RATE_EXCEEDED,
    RETRY_REQUEST,
    NO_CLIENT_CREDENTIALS_USER,
)
