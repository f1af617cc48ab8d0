"""The emulated org's token endpoint: who gets in, and the refusal of everybody else."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.integration.org_client import Client, Pair, certificate_of, key_pair, refusal
from tests.sandbox.org import EmulatedOrg, OrgClock, PermittedUsers, Presence, refusals
from tests.sandbox.org.faults import oauth_error
from tests.sandbox.org.refusals import REFUSALS, Refusal

Change = Callable[[Client], None]


@pytest.fixture
def client() -> Iterator[Client]:
    with EmulatedOrg() as org:
        user = org.add_user("robot@example.com")
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair().pem)
        with Client(org, app, user) as client:
            yield client


def test_a_login_answers_a_session_of_this_org_without_expires_in(client: Client) -> None:
    answer = client.login().json()

    assert set(answer) == {"access_token", "scope", "instance_url", "id", "token_type"}
    assert answer["access_token"].startswith(client.org.org_id[:15] + "!")
    assert answer["instance_url"] == client.org.url
    assert answer["id"] == f"https://login.salesforce.com/id/{client.org.org_id}/{client.user.user_id}"
    assert (len(client.org.org_id), len(client.user.user_id)) == (18, 18)
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "api")


def test_an_app_can_issue_jwt_access_tokens(client: Client) -> None:
    app = client.org.add_external_client_app("Modern", approved=[client.user], jwt_access_tokens=True)
    app.install(key_pair().pem)
    app.session_timeout = 900
    token = Client(client.org, app, client.user, client.http).access_token()

    claims = jwt.decode(token, options={"verify_signature": False})

    assert claims["exp"] - claims["iat"] == 900
    assert client.liveness(token).status_code == 200


def _attribute(owner: str, **values: object) -> Change:
    def change(client: Client) -> None:
        for name, value in values.items():
            setattr(getattr(client, owner), name, value)

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_attribute("app", consumer_key="another"), None),
        (_attribute("app", approved=set()), refusals.NOT_ADMIN_APPROVED),
        (
            _attribute("app", approved=set(), permitted_users=PermittedUsers.ALL_MAY_SELF_AUTHORIZE),
            refusals.USER_NOT_APPROVED,
        ),
        (_attribute("app", presence=Presence.MISSING), refusals.APP_NOT_FOUND),
        (_attribute("app", presence=Presence.UNINSTALLED), refusals.APP_NOT_INSTALLED),
        (_attribute("app", scopes=set()), refusals.NO_VALID_SCOPES),
        (_attribute("app", scopes={"refresh_token"}), refusals.NO_VALID_SCOPES),
        (_attribute("app", scopes={"api"}), refusals.REFRESH_SCOPE_MISSING),
        (_attribute("app", relaxes_ip=False), None),
        (_attribute("user", ip_in_range=False), None),
        (_attribute("user", frozen=True), refusals.INACTIVE_USER),
        (_attribute("user", api_enabled=False), None),
        (_attribute("org", locked=True), refusals.INACTIVE_ORG),
        (_attribute("org", login_limit=0), refusals.LOGIN_RATE_EXCEEDED),
    ],
)
def test_state_decides_the_refusal(client: Client, change: Change, expected: Refusal | None) -> None:
    change(client)
    response = client.login()

    if expected is None:
        assert response.status_code == 200
    else:
        assert refusal(response) == (expected.error, expected.description)
        assert client.org.log.logins(client.user.username).refused == 1


def test_an_enforced_ip_range_refuses_a_user_outside_it(client: Client) -> None:
    client.app.relaxes_ip = False
    client.user.ip_in_range = False

    assert refusal(client.login()) == ("invalid_grant", "ip restricted")


def test_an_org_may_ask_for_api_enabled_at_login(client: Client) -> None:
    client.org.login_needs_api_enabled = True
    client.user.api_enabled = False

    assert refusal(client.login()) == ("invalid_grant", "not authorized")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"iss": "3MVG9unknown"}, refusals.UNKNOWN_CLIENT),
        ({"sub": "nobody@example.com"}, refusals.USER_NOT_APPROVED),
        ({"aud": "https://elsewhere.my.salesforce.com"}, refusals.INVALID_AUDIENCE),
        ({"aud": "https://login.salesforce.com"}, refusals.APP_NOT_FOUND),
        ({"aud": "https://test.salesforce.com/"}, refusals.APP_NOT_FOUND),
        ({"aud": None}, refusals.INVALID_AUDIENCE),
        ({"exp": None}, refusals.INVALID_ASSERTION),
        ({"exp": "soon"}, refusals.INVALID_ASSERTION),
        ({"exp": "nan"}, refusals.INVALID_ASSERTION),
    ],
)
def test_claims_decide_the_refusal(client: Client, changed: dict[str, Any], expected: Refusal) -> None:
    assert refusal(client.login(**changed)) == (expected.error, expected.description)


def test_an_audience_with_a_trailing_slash_is_refused_unless_listed(client: Client) -> None:
    slashed = client.org.url + "/"

    assert refusal(client.login(aud=slashed)) == ("invalid_grant", "audience is invalid")
    client.org.accepted_audiences.add(slashed)
    assert client.login(aud=slashed).status_code == 200


@pytest.mark.parametrize("seconds_past_exp", [0, 179])
def test_a_lapse_of_three_minutes_is_tolerated(client: Client, seconds_past_exp: int) -> None:
    assert client.login(exp=int(client.org.clock.now()) - seconds_past_exp).status_code == 200


@pytest.mark.parametrize("form", [int, str, float])
def test_an_assertion_is_refused_past_the_tolerance_by_the_orgs_clock(
    client: Client, form: Callable[[int], object]
) -> None:
    exp = form(int(time.time()) + 180)
    assert client.login(exp=exp).status_code == 200

    client.org.clock.advance(362)
    response = client.login(exp=exp)

    assert refusal(response) == ("invalid_grant", "expired authorization code")
    ahead = parsedate_to_datetime(response.headers["Date"]).timestamp() - time.time()
    assert 355 < ahead < 365


def test_exp_in_milliseconds_is_taken(client: Client) -> None:
    assert client.login(exp=int(time.time() * 1000)).status_code == 200


def test_a_repeated_jti_is_refused(client: Client) -> None:
    assert client.login(jti="one").status_code == 200
    assert refusal(client.login(jti="one")) == ("invalid_grant", "invalid assertion")
    assert client.login(jti="two").status_code == 200
    assert [client.login(jti=None).status_code for _ in range(2)] == [200, 200]


def test_only_the_installed_certificate_counts(client: Client) -> None:
    assert refusal(client.login(key_pair("second"))) == ("invalid_grant", "invalid assertion")
    client.app.install(key_pair("second").pem)
    assert client.logs_in(key_pair("second"))
    assert not client.logs_in(key_pair())
    client.app.install(None)
    assert not client.logs_in(key_pair("second"))


def test_a_wrong_key_can_be_called_invalid_client_credentials(client: Client) -> None:
    client.app.wrong_key_refusal = refusals.INVALID_CLIENT_CREDENTIALS

    assert refusal(client.login(key_pair("second"))) == ("invalid_client", "invalid client credentials")


def test_an_expired_certificate_is_not_refused(client: Client) -> None:
    pair = key_pair("expired")
    expired = Pair(pair.key, certificate_of(pair.key, ended_days_ago=10))
    client.app.install(expired.pem)

    assert client.logs_in(expired)


@pytest.mark.parametrize("algorithm", ["RS384", "PS256"])
def test_other_algorithms_are_invalid_assertions(client: Client, algorithm: str) -> None:
    assertion = jwt.encode(client.claims(), key_pair().key, algorithm=algorithm)

    assert refusal(client.send_assertion(assertion)) == ("invalid_grant", "invalid assertion")


def _signed_as_rs256_but_named(claims: dict[str, Any], algorithm: str) -> str:
    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = f"{encoded(json.dumps({'alg': algorithm}).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(key_pair().key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def test_an_unsigned_or_elliptic_or_broken_assertion_is_invalid(client: Client) -> None:
    elliptic = jwt.encode(client.claims(), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256")
    unsigned = jwt.encode(client.claims(), "", algorithm="none")
    right = jwt.encode(client.claims(), key_pair().key, algorithm="RS256")
    header, _, signature = right.split(".")
    forged = f"{header}.{unsigned.split('.')[1]}.{signature}"

    renamed = _signed_as_rs256_but_named(client.claims(), "RS512")

    for assertion in (elliptic, unsigned, forged, renamed, "", "a.b.c", "W10.W10.W10"):
        assert refusal(client.send_assertion(assertion)) == ("invalid_grant", "invalid assertion")


def test_anything_but_a_form_of_a_known_grant_is_an_unsupported_grant(client: Client) -> None:
    url = f"{client.org.url}/services/oauth2/token"
    as_json = client.http.post(url, json={"grant_type": "client_credentials"}, timeout=10)

    for response in (as_json, client.token({"grant_type": "password"}), client.token({})):
        assert refusal(response) == ("unsupported_grant_type", "grant type not supported")


def test_a_generic_token_host_does_not_know_the_app(client: Client) -> None:
    admin = client.org.add_external_client_app("Admin", client_credentials_user=client.user)
    form = {"grant_type": "client_credentials", "client_id": admin.consumer_key, "client_secret": admin.consumer_secret}

    assert refusal(client.login(host="test.salesforce.com"))[0] == "app_not_found"
    response = client.token(form, host="login.salesforce.com")
    assert refusal(response) == ("invalid_grant", "request not supported on this domain")


def test_client_credentials_log_the_apps_user_in(client: Client) -> None:
    admin = client.org.add_external_client_app("Admin", client_credentials_user=client.user)
    right = {
        "grant_type": "client_credentials",
        "client_id": admin.consumer_key,
        "client_secret": admin.consumer_secret,
    }
    plain = right | {"client_id": client.app.consumer_key, "client_secret": client.app.consumer_secret}

    assert client.token(right).status_code == 200
    assert refusal(client.token(right | {"client_secret": "no"})) == ("invalid_client", "invalid client credentials")
    assert refusal(client.token(right | {"client_id": "no"}))[0] == "invalid_client_id"
    assert refusal(client.token(plain)) == ("invalid_grant", "no client credentials user enabled")
    client.user.frozen = True
    assert refusal(client.token(right))[0] == "inactive_user"


def test_logins_are_counted_by_user_and_throttled_until_the_hour_is_over(client: Client) -> None:
    client.org.login_limit = 2
    other = client.org.add_user("other@example.com", approved=[client.app])

    assert [client.login().status_code for _ in range(2)] == [200, 200]
    assert refusal(client.login()) == ("rate_limit_exceeded", "login rate exceeded")
    assert client.login(sub=other.username).status_code == 200
    client.org.clock.advance(3600)
    assert client.login().status_code == 200

    counted = client.org.log.logins(client.user.username)
    assert (counted.accepted, counted.refused) == (3, 1)
    assert client.org.log.logins().accepted == 4


def test_a_refused_login_does_not_use_the_hours_number_up(client: Client) -> None:
    client.org.login_limit = 1
    for _ in range(3):
        client.login(key_pair("second"))

    assert client.logs_in()


@pytest.mark.parametrize("expected", REFUSALS, ids=str)
def test_every_refusal_can_be_injected_once(client: Client, expected: Refusal) -> None:
    client.org.faults.add(oauth_error(expected), on="token")

    assert refusal(client.login()) == (expected.error, expected.description)
    assert client.logs_in()


def test_the_clock_can_be_held_still() -> None:
    with EmulatedOrg(clock=OrgClock(source=lambda: 1_000_000.0)) as org:
        user = org.add_user("robot@example.com")
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair().pem)
        with Client(org, app, user) as client:
            assert client.login().headers["Date"] == "Mon, 12 Jan 1970 13:46:40 GMT"
            assert refusal(client.login(exp=999_819))[1] == "expired authorization code"
            assert client.login(exp=999_820).status_code == 200
