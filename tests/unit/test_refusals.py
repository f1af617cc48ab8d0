"""Salesforce's refusals: every one that is known is told with class, cause and remedy; the others in its own words."""

from itertools import product

import pytest

from salesforce_keypair.errors import LoginRefused, LoginThrottled, SalesforceError, SalesforceUnavailable
from salesforce_keypair.salesforce.refusals import ANY, REFUSALS, Grant, Kind, Refusal, refusal_of, refused
from tests.sandbox.org import REFUSALS as THE_ORGS

JWT, CLIENT = Grant.JWT_BEARER, Grant.CLIENT_CREDENTIALS
EXPECTED: dict[Kind, tuple[type[SalesforceError], bool]] = {
    Kind.SETTLING: (LoginRefused, True),
    Kind.CONFIG: (LoginRefused, False),
    Kind.TRANSIENT: (SalesforceUnavailable, True),
    Kind.THROTTLED: (LoginThrottled, True),
}
ROWS = [
    (row, row.error if row.error != ANY else "some_error", f"Well, {phrase.upper()}!" if phrase else "whatever")
    for row in REFUSALS
    for phrase in row.phrases or ("",)
]

# What Salesforce is documented and reported to say, and what waiting does to it, apart from the product's own table.
FACTS = [
    ("invalid_grant", "invalid assertion", JWT, Kind.SETTLING),
    ("invalid_client_id", "client identifier invalid", JWT, Kind.SETTLING),
    ("app_not_found", "External client app is not installed in this org", JWT, Kind.SETTLING),
    ("invalid_grant", "user hasn't approved this consumer", JWT, Kind.SETTLING),
    ("invalid_grant", "user hasn\N{RIGHT SINGLE QUOTATION MARK}t approved this consumer", JWT, Kind.SETTLING),
    ("invalid_app_access", "user is not admin approved to access this app", JWT, Kind.CONFIG),
    ("invalid_grant", "audience is invalid", JWT, Kind.CONFIG),
    ("invalid_grant", "Audience validation failed", JWT, Kind.CONFIG),
    ("invalid_grant", "expired authorization code", JWT, Kind.CONFIG),
    ("invalid_grant", "not authorized", JWT, Kind.CONFIG),
    ("INSUFFICIENT_ACCESS", "not authorized", JWT, Kind.CONFIG),
    ("invalid_grant", "ip restricted", JWT, Kind.CONFIG),
    ("invalid_grant", "request not supported on this domain", JWT, Kind.CONFIG),
    ("invalid_grant", "no valid scopes defined", JWT, Kind.CONFIG),
    ("invalid_request", "flow requires a refresh_token scope to be assigned", JWT, Kind.CONFIG),
    ("invalid_client", "app must be installed into org", JWT, Kind.CONFIG),
    ("invalid_client", "invalid client credentials", JWT, Kind.SETTLING),
    ("invalid_client", "invalid client credentials", CLIENT, Kind.CONFIG),
    ("unsupported_grant_type", "grant type not supported", JWT, Kind.CONFIG),
    ("inactive_user", "user is inactive", JWT, Kind.CONFIG),
    ("inactive_org", "organization is locked", JWT, Kind.CONFIG),
    ("rate_limit_exceeded", "login rate exceeded", JWT, Kind.THROTTLED),
    ("invalid_grant", "Login Rate Exceeded", JWT, Kind.THROTTLED),
    ("unknown_error", "retry your request", JWT, Kind.TRANSIENT),
]


@pytest.mark.parametrize(("row", "error", "description"), ROWS)
def test_every_row_is_told_with_its_class_cause_and_remedy(row: Refusal, error: str, description: str) -> None:
    grant = row.grant or JWT
    kind, retryable = EXPECTED[row.kind]
    told = refused(error, description, grant=grant, who="robot@example.com")

    assert refusal_of(error, description, grant) is row
    assert type(told) is kind
    assert told.retryable is retryable
    for words in (error, description, row.cause, row.remedy, "robot@example.com"):
        assert words in str(told)


@pytest.mark.parametrize(("error", "description", "grant", "kind"), FACTS)
def test_what_salesforce_is_known_to_say_is_in_its_class(
    error: str, description: str, grant: Grant, kind: Kind
) -> None:
    row = refusal_of(error, description, grant)

    assert row is not None
    assert row.kind is kind


def test_every_row_has_words_for_a_person() -> None:
    for row in REFUSALS:
        assert row.cause
        assert row.remedy
        assert all(phrase == phrase.lower() for phrase in row.phrases)
        # Salesforce writes both kinds of apostrophe, so a row does without.
        assert not any("'" in phrase for phrase in row.phrases)


def test_what_the_emulated_org_says_is_known_but_for_one_that_only_an_admin_meets() -> None:
    unknown = {each.description for each in THE_ORGS if refusal_of(each.error, each.description, JWT) is None}

    assert unknown == {"no client credentials user enabled"}


@pytest.mark.parametrize(
    ("error", "description"),
    [
        ("invalid_grant", "no client credentials user enabled"),
        ("invalid_grant", ""),
        ("invalid_client", "something new"),
        ("invalid_request", "missing required parameter"),
        ("brand_new_error", "of a later release"),
    ],
)
def test_an_unknown_refusal_keeps_salesforces_words_and_is_not_tried_again(error: str, description: str) -> None:
    told = refused(error, description, grant=JWT, who="robot@example.com")

    assert refusal_of(error, description, JWT) is None
    assert type(told) is LoginRefused
    assert not told.retryable
    assert f"with {error} ({description}), which" in str(told) if description else f"with {error}, which" in str(told)
    assert told.remedy


@pytest.mark.parametrize(
    ("error", "description"),
    [
        *product(["{}", "invalid_grant"], ["invalid assertion {}", "something new: {}"]),
        ("rate_limit_exceeded", "{}"),
        ("unknown_error", "{}"),
    ],
)
@pytest.mark.parametrize("secret", ["hunter2", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIzTVZHOSJ9.c2lnbmF0dXJl"])
def test_no_refusal_shows_what_was_sent(error: str, description: str, secret: str) -> None:
    told = refused(error.format(secret), description.format(secret), grant=JWT, who="robot", sent=(secret,))

    assert secret not in str(told)
    assert "[redacted]" in str(told)
