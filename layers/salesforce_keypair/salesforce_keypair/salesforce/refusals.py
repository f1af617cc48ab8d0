"""What the token endpoint answers when it refuses: class, cause and remedy of each, as data.

Classifier, error texts and documentation all come from `REFUSALS`. The wording of descriptions drifts, so a row matches
by the OAuth error and a lower-cased part of the description; the first match counts.
"""

from dataclasses import dataclass
from enum import StrEnum

from salesforce_keypair.errors import LoginRefused, LoginThrottled, SalesforceError, SalesforceUnavailable
from salesforce_keypair.redaction import named

ANY = "*"


class Kind(StrEnum):
    """What waiting does to a refusal."""

    SETTLING = "settling"
    """May pass by itself while an app's change spreads; means the wrong set-up otherwise."""
    CONFIG = "config"
    """Never passes by itself."""
    TRANSIENT = "transient"
    """Passes soon."""
    THROTTLED = "throttled"
    """Passes late, and later the more is asked."""


class Grant(StrEnum):
    """How a token was asked for."""

    JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    CLIENT_CREDENTIALS = "client_credentials"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row: what Salesforce says, what it means, and what helps. Without phrases the error alone decides."""

    error: str
    phrases: tuple[str, ...]
    kind: Kind
    cause: str
    remedy: str
    grant: Grant | None = None

    def matches(self, error: str, description: str, grant: Grant) -> bool:
        """Whether this row is about that refusal; `description` in lower case."""
        return (
            self.error in (error, ANY)
            and (not self.phrases or any(phrase in description for phrase in self.phrases))
            and self.grant in (grant, None)
        )


EXPIRED_ASSERTION = Refusal(
    "invalid_grant",
    ("expired authorization code",),
    Kind.CONFIG,
    cause="the assertion's time isn't the org's, or the username, the audience or the certificate is wrong",
    remedy="compare username, audience and certificate with the org; the clock was corrected if it was off",
)

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "rate_limit_exceeded",
        (),
        Kind.THROTTLED,
        cause="the user has used up the 3,600 logins of an hour",
        remedy="stop asking for 15 minutes or more, and find out who logs in that often",
    ),
    Refusal(
        ANY,
        ("login rate exceeded",),
        Kind.THROTTLED,
        cause="the user has used up the 3,600 logins of an hour",
        remedy="stop asking for 15 minutes or more, and find out who logs in that often",
    ),
    Refusal(
        "invalid_grant",
        ("invalid assertion",),
        Kind.SETTLING,
        cause="the signature doesn't match the app's certificate, or the app has none",
        remedy="wait while a rotation is under way; otherwise install the certificate of AWSCURRENT in the app",
    ),
    Refusal(
        "invalid_client_id",
        (),
        Kind.SETTLING,
        cause="the consumer key is unknown in this org, or a new app hasn't spread yet",
        remedy="wait if the app was changed within 10 minutes; otherwise correct consumerKey",
    ),
    Refusal(
        "app_not_found",
        (),
        Kind.SETTLING,
        cause="the External Client App isn't in this org, or a generic host or audience was used",
        remedy="set baseUri and audience to the org's My Domain; after a sandbox refresh create the app again",
    ),
    Refusal(
        "invalid_grant",
        ("approved this consumer",),
        Kind.SETTLING,
        cause="the user isn't pre-authorised for the app, or there is no such username",
        remedy=(
            "pre-authorise the user's profile or permission set in the app's policies, set the refresh token policy to "
            "'valid until revoked', and check username: a sandbox refresh adds a suffix"
        ),
    ),
    Refusal(
        "invalid_app_access",
        (),
        Kind.CONFIG,
        cause="the app's policies lack the user's profile or permission set",
        remedy="add the user's profile or permission set under the app's policies",
    ),
    Refusal(
        "invalid_grant",
        ("audience is invalid", "audience validation failed"),
        Kind.CONFIG,
        cause="the audience isn't right for that host",
        remedy="remove audience from the secret, or set it to the My Domain's origin without a trailing slash",
    ),
    EXPIRED_ASSERTION,
    Refusal(
        ANY,
        ("not authorized",),
        Kind.CONFIG,
        cause="the app enforces IP ranges, or the user lacks API Enabled",
        remedy="set the app to 'Relax IP restrictions', and give the user API Enabled through a permission set",
    ),
    Refusal(
        ANY,
        ("ip restricted",),
        Kind.CONFIG,
        cause="the address that asked is outside the login IP ranges",
        remedy="ask from a fixed address inside the ranges, or set the app to 'Relax IP restrictions'",
    ),
    Refusal(
        "invalid_grant",
        ("request not supported on this domain",),
        Kind.CONFIG,
        cause="a generic host was asked",
        remedy="set baseUri to the org's My Domain",
    ),
    Refusal(
        "invalid_grant",
        ("no valid scopes defined",),
        Kind.CONFIG,
        cause="the app has no usable scope",
        remedy="add the scope 'Manage user data via APIs (api)' to the app",
    ),
    Refusal(
        "invalid_request",
        ("refresh_token",),
        Kind.CONFIG,
        cause="the app lacks a scope that the JWT bearer flow needs",
        remedy="add the scope 'Perform requests at any time (refresh_token, offline_access)' to the app",
    ),
    Refusal(
        "invalid_client",
        ("installed",),
        Kind.CONFIG,
        cause="the app isn't installed in this org",
        remedy="install the app in this org",
    ),
    Refusal(
        "invalid_client",
        ("invalid client credentials",),
        Kind.SETTLING,
        cause="an External Client App may say this where the signature doesn't match its certificate",
        remedy="wait while a rotation is under way; otherwise install the certificate of AWSCURRENT in the app",
        grant=Grant.JWT_BEARER,
    ),
    Refusal(
        "invalid_client",
        ("invalid client credentials",),
        Kind.CONFIG,
        cause="the consumer secret is wrong",
        remedy="correct consumerSecret in the admin's secret",
        grant=Grant.CLIENT_CREDENTIALS,
    ),
    Refusal(
        "unsupported_grant_type",
        (),
        Kind.CONFIG,
        cause="the flow isn't known at that address, or not enabled for the app",
        remedy="check that baseUri is the org's My Domain and that the app's flow is enabled",
    ),
    Refusal(
        "inactive_user",
        (),
        Kind.CONFIG,
        cause="the user is frozen or inactive",
        remedy="reactivate the user in Setup",
    ),
    Refusal(
        "inactive_org",
        (),
        Kind.CONFIG,
        cause="the org is locked or inactive",
        remedy="ask Salesforce to unlock the org",
    ),
    Refusal(
        "unknown_error",
        (),
        Kind.TRANSIENT,
        cause="a fault on Salesforce's side",
        remedy="try again; see Salesforce's status page if it lasts",
    ),
)


def refusal_of(error: str, description: str, grant: Grant) -> Refusal | None:
    """The first row that is about this refusal, if any."""
    lowered = description.lower()
    return next((refusal for refusal in REFUSALS if refusal.matches(error, lowered, grant)), None)


def refused(error: str, description: str, *, grant: Grant, who: str, sent: tuple[str, ...] = ()) -> SalesforceError:
    """The error for a refusal that `who` met; what Salesforce said is quoted without the secrets that were `sent`."""
    refusal = refusal_of(error, description, grant)
    said = named(error, description, sent=sent)
    if refusal is None:
        # Config, for waiting is only right where somebody knows that it helps.
        return LoginRefused(
            f"Salesforce refused the login of {who} with {said}, which isn't a refusal known here",
            remedy="look its words up in Salesforce's help and in Setup's Login History",
        )
    what = f"Salesforce refused the login of {who} with {said}; {refusal.cause}"
    if refusal.kind is Kind.THROTTLED:
        return LoginThrottled(what, remedy=refusal.remedy)
    if refusal.kind is Kind.TRANSIENT:
        return SalesforceUnavailable(what, remedy=refusal.remedy)
    return LoginRefused(what, remedy=refusal.remedy, retryable=refusal.kind is Kind.SETTLING)
