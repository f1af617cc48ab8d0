"""Sessions of the emulated org: how long a token lives, and what it opens."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
import requests

from tests.integration.org_client import Client, key_pair
from tests.sandbox.org import EmulatedOrg


@pytest.fixture
def client() -> Iterator[Client]:
    with EmulatedOrg() as org:
        user = org.add_user("robot@example.com")
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair().pem)
        app.session_timeout = 900
        with Client(org, app, user) as client:
            yield client


def test_liveness_names_org_and_user(client: Client) -> None:
    answer = client.liveness(client.access_token())

    assert answer.status_code == 200
    assert answer.json()["identity"].endswith(f"/id/{client.org.org_id}/{client.user.user_id}")


def test_the_list_of_versions_needs_no_token(client: Client) -> None:
    versions = client.get("/services/data/").json()

    assert versions[-1]["version"] == "68.0"
    assert client.get("/services/data").status_code == 200


def _error(client: Client, token: str, version: str = "67.0") -> tuple[int, str]:
    response = client.liveness(token, version)
    return response.status_code, response.json()[0]["errorCode"]


def test_no_token_and_a_foreign_one_are_invalid_sessions(client: Client) -> None:
    for token in ("", "00D000000000001!nothing"):
        assert _error(client, token) == (401, "INVALID_SESSION_ID")


def test_a_user_without_api_enabled_is_forbidden(client: Client) -> None:
    token = client.access_token()
    client.user.api_enabled = False

    assert _error(client, token) == (403, "INSUFFICIENT_ACCESS")


def test_a_token_without_the_api_scope_is_forbidden(client: Client) -> None:
    client.app.scopes = {"openid", "refresh_token"}

    assert _error(client, client.access_token()) == (403, "INSUFFICIENT_ACCESS")


@pytest.mark.parametrize("version", ["19.0", "69.0"])
def test_an_unknown_version_is_not_found(client: Client, version: str) -> None:
    assert _error(client, client.access_token(), version) == (404, "NOT_FOUND")


def _query(client: Client, soql: str, token: str | None = None) -> requests.Response:
    return client.get(f"/services/data/v67.0/query?{urlencode({'q': soql})}", token or client.access_token())


def test_a_query_answers_the_fields_of_the_organization(client: Client) -> None:
    body = _query(client, "SELECT Id, IsSandbox FROM Organization LIMIT 1").json()
    (record,) = body["records"]

    assert (body["totalSize"], body["done"]) == (1, True)
    assert record.pop("attributes")["type"] == "Organization"
    assert record == {"Id": client.org.org_id, "IsSandbox": True}


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM Account", "INVALID_TYPE"),
        ("SELECT Motto FROM Organization", "INVALID_FIELD"),
        ("DROP Organization", "MALFORMED_QUERY"),
    ],
)
def test_other_queries_are_refused(client: Client, soql: str, code: str) -> None:
    response = _query(client, soql)

    assert (response.status_code, response.json()[0]["errorCode"]) == (400, code)


def test_a_query_needs_a_token(client: Client) -> None:
    assert _query(client, "SELECT Id FROM Organization", "nothing").status_code == 401


def test_use_extends_an_opaque_session_until_it_idles_too_long(client: Client) -> None:
    token = client.access_token()
    for _ in range(3):
        client.org.clock.advance(600)
        assert client.liveness(token).status_code == 200
    client.org.clock.advance(901)

    assert _error(client, token) == (401, "INVALID_SESSION_ID")


def test_use_does_not_extend_a_jwt(client: Client) -> None:
    app = client.org.add_external_client_app("Modern", approved=[client.user], jwt_access_tokens=True)
    app.install(key_pair().pem)
    app.session_timeout = 900
    token = Client(client.org, app, client.user, client.http).access_token()
    client.org.clock.advance(600)
    assert client.liveness(token).status_code == 200
    client.org.clock.advance(301)

    assert _error(client, token) == (401, "INVALID_SESSION_ID")


def test_each_login_opens_a_session_unless_the_app_reuses_them(client: Client) -> None:
    assert client.access_token() != client.access_token()
    client.app.reuses_session = True
    first = client.access_token()
    assert client.access_token() == first
    client.org.clock.advance(901)
    assert client.access_token() != first


def test_sessions_can_be_killed_one_by_one_or_by_user(client: Client) -> None:
    first, second = client.access_token(), client.access_token()
    client.org.sessions.kill(first)
    assert client.liveness(first).status_code == 401
    assert client.liveness(second).status_code == 200

    client.org.sessions.kill_all("other@example.com")
    assert client.liveness(second).status_code == 200
    client.org.sessions.kill_all(client.user.username)
    assert client.liveness(second).status_code == 401
    assert client.org.sessions.live(client.org.clock.now()) == ()


def test_freezing_a_user_ends_its_sessions(client: Client) -> None:
    token = client.access_token()
    client.user.frozen = True

    assert client.liveness(token).status_code == 401


def test_revoking_ends_one_session(client: Client) -> None:
    token, other = client.access_token(), client.access_token()
    url = f"{client.org.url}/services/oauth2/revoke"

    done = client.http.post(url, data={"token": token}, timeout=10)
    again = client.http.post(url, data={"token": token}, timeout=10)
    client.org.revoke_errors_as_query = True
    encoded = client.http.post(url, data={"token": token}, timeout=10)

    assert (done.status_code, done.text) == (200, "")
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")
    assert (encoded.status_code, encoded.text[:20]) == (400, "error=invalid_token&")
    assert client.liveness(token).status_code == 401
    assert client.liveness(other).status_code == 200


def test_the_identity_url_can_name_the_orgs_own_host(client: Client) -> None:
    client.org.identity_at_login_host = False

    assert client.login().json()["id"].startswith(client.org.url + "/id/00D")
