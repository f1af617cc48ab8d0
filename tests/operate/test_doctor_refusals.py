"""Every refusal that Salesforce is known for leads to its remedy, and the remedy is what doctor says to begin with."""

from collections.abc import Callable, Iterator

import pytest

from salesforce_keypair.salesforce.refusals import ANY, REFUSALS, Grant, Refusal, refusal_of
from tests.operate.doctoring import CURRENT_LOGIN, doctor, rotated
from tests.sandbox.org import Kind, PermittedUsers, Presence, faults
from tests.sandbox.org.exchange import Request
from tests.sandbox.org.refusals import Refusal as Said
from tests.sandbox.world import World
from tests.scenarios.support import Stage

ROWS = [
    pytest.param(row, Said(row.error if row.error != ANY else "some_error", phrase), id=f"{row.error} {phrase}")
    for row in REFUSALS
    for phrase in row.phrases or ("whatever",)
]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Shared: doctor changes nothing, and each test takes back what it did to the org."""
    with Stage() as made:
        rotated(made)
        yield made


@pytest.fixture(autouse=True)
def forget_faults(stage: Stage) -> Iterator[None]:
    yield
    stage.world.org.faults.clear()


def is_asked_with(grant: Grant) -> Callable[[Request], bool]:
    return lambda request: (request.form or {}).get("grant_type") == grant


@pytest.mark.parametrize(("row", "said"), ROWS)
def test_every_refusal_leads_to_its_remedy(stage: Stage, row: Refusal, said: Said) -> None:
    grant = row.grant or Grant.JWT_BEARER
    stage.world.org.faults.add(faults.oauth_error(said), Kind.TOKEN, times=None, where=is_asked_with(grant))

    seen = doctor(stage)

    check = seen[CURRENT_LOGIN if grant is Grant.JWT_BEARER else "admin.login"]
    assert seen.report.first == check
    assert check.finding.remedy == row.remedy
    assert row.cause in (check.finding.cause or "")
    assert f"begin with {check.id}: {row.remedy}." in seen.text
    assert not seen.report.well


@pytest.mark.parametrize(
    "said", [Said("inactive_user", "user is inactive"), Said("invalid_grant", "ip restricted")], ids=str
)
def test_a_refusal_that_only_the_admin_meets_is_told_there(stage: Stage, said: Said) -> None:
    where = is_asked_with(Grant.CLIENT_CREDENTIALS)
    stage.world.org.faults.add(faults.oauth_error(said), Kind.TOKEN, times=None, where=where)
    row = refusal_of(said.error, said.description, Grant.CLIENT_CREDENTIALS)

    seen = doctor(stage)

    assert row is not None
    assert seen.failures == ["admin.login"]
    assert seen["admin.login"].finding.remedy == row.remedy


# What the org's state makes it say: what is set to what, and a part of the remedy.
STATES: dict[str, tuple[Callable[[World], list[tuple[object, str, object]]], str]] = {
    "frozen user": (lambda world: [(world.user, "frozen", True)], "reactivate the user"),
    "locked org": (lambda world: [(world.org, "locked", True)], "ask Salesforce to unlock the org"),
    "user not in the app's policies": (
        lambda world: [(world.app, "approved", set())],
        "add the user's profile or permission set under the app's policies",
    ),
    "user not approved": (
        lambda world: [
            (world.app, "approved", set()),
            (world.app, "permitted_users", PermittedUsers.ALL_MAY_SELF_AUTHORIZE),
        ],
        "pre-authorise the user's profile",
    ),
    "no api scope": (
        lambda world: [(world.app, "scopes", {"refresh_token"})],
        "add the scope 'Manage user data via APIs (api)'",
    ),
    "no refresh scope": (
        lambda world: [(world.app, "scopes", {"api"})],
        "add the scope 'Perform requests at any time",
    ),
    "address outside the ranges": (
        lambda world: [(world.user, "ip_in_range", False), (world.app, "relaxes_ip", False)],
        "Relax IP restrictions",
    ),
    "user without API Enabled": (lambda world: [(world.user, "api_enabled", False)], "give the user API Enabled"),
    "app gone": (
        lambda world: [(world.app, "presence", Presence.MISSING)],
        "after a sandbox refresh create the app again",
    ),
    "too many logins": (lambda world: [(world.org, "login_limit", 0)], "stop asking for 15 minutes or more"),
}


@pytest.mark.parametrize("state", STATES)
def test_what_is_wrong_in_the_org_leads_to_what_mends_it(
    stage: Stage, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong, remedy = STATES[state]
    for thing, attribute, value in wrong(stage.world):
        monkeypatch.setattr(thing, attribute, value)

    first = doctor(stage).report.first

    assert first is not None
    assert remedy in (first.finding.remedy or "")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (faults.answering(503), "HTTP 503"),
        (faults.answering(420), "HTTP 420"),
        (faults.html_page(503), "HTTP 503"),
        (faults.html_page(200), "can't be understood"),
        (faults.reset_before_acting(), "no answer from"),
        (faults.truncated(), "no answer from"),
        (faults.redirected("https://elsewhere.example/"), "redirect"),
    ],
    ids=str,
)
def test_an_org_that_cant_be_understood_is_told_as_that(stage: Stage, fault: faults.Fault, cause: str) -> None:
    where = is_asked_with(Grant.JWT_BEARER)
    stage.world.org.faults.add(fault, Kind.TOKEN, times=None, where=where)

    seen = doctor(stage)

    assert seen.failures == [CURRENT_LOGIN]
    assert cause in (seen[CURRENT_LOGIN].finding.cause or "")
    assert seen[CURRENT_LOGIN].finding.error in ("SalesforceUnavailable", "LoginRefused")


def test_after_a_throttled_login_no_other_key_is_tried(stage: Stage) -> None:
    stage.world.org.faults.add(
        faults.oauth_error(Said("rate_limit_exceeded", "login rate exceeded")),
        Kind.TOKEN,
        times=None,
        where=is_asked_with(Grant.JWT_BEARER),
    )

    seen = doctor(stage)

    assert seen.report.logins == 2
    assert seen.failures == [CURRENT_LOGIN]
    assert "throttled" in (seen["login.AWSPREVIOUS"].finding.cause or "")


def test_an_org_in_maintenance_isnt_asked_for_logins(stage: Stage) -> None:
    stage.world.org.faults.add(faults.html_page(503), times=None)

    seen = doctor(stage)

    assert seen.failures == ["host.answers"]
    assert seen.report.logins == 0
    assert "status page" in (seen["host.answers"].finding.remedy or "")
