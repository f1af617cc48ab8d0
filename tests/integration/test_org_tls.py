"""The emulated org over https: at its address, or at a My Domain for clients that go through it as their proxy."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.integration.org_client import Client, key_pair
from tests.sandbox.org import EmulatedOrg, Kind, Org, ThrowAwayAuthority
from tests.sandbox.org.faults import reset_after_acting, truncated

MY_DOMAIN = "acme.my.salesforce.com"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThrowAwayAuthority:
    return ThrowAwayAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=[None, MY_DOMAIN])
def client(request: pytest.FixtureRequest, authority: ThrowAwayAuthority) -> Iterator[Client]:
    with EmulatedOrg(tls=authority, my_domain=request.param) as org:
        user = org.add_user("robot@example.com")
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair().pem)
        with Client(org, app, user, _session(org, authority.ca_file)) as client:
            yield client


def _session(org: Org, trusted: Path | bool) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.verify = str(trusted) if isinstance(trusted, Path) else trusted
    if org.proxy_url:
        session.proxies = {"https": org.proxy_url}
    return session


def test_a_login_names_the_https_origin(client: Client) -> None:
    body = client.login().json()

    assert body["instance_url"] == client.org.url
    assert client.org.url.startswith("https://")
    assert client.liveness(body["access_token"]).status_code == 200


def test_requests_share_a_connection(client: Client) -> None:
    token = client.access_token()
    client.liveness(token)
    client.liveness(token)

    assert client.org.log.connections() == 1


def test_a_client_that_does_not_trust_the_authority_gets_nowhere(client: Client) -> None:
    with _session(client.org, True) as session, pytest.raises(requests.exceptions.SSLError):
        session.get(f"{client.org.url}/services/data/", timeout=10)

    assert client.org.log.entries() == ()
    assert client.logs_in()


def test_faults_reach_through_tls(client: Client) -> None:
    client.org.faults.add(reset_after_acting(), Kind.TOKEN)
    client.org.faults.add(truncated(10), Kind.TOKEN)
    for _ in range(2):
        with pytest.raises(requests.exceptions.RequestException):
            client.login()

    assert client.logs_in()


def test_the_proxy_leads_to_the_org_alone(authority: ThrowAwayAuthority) -> None:
    with EmulatedOrg(tls=authority, my_domain=MY_DOMAIN) as org, _session(org, authority.ca_file) as session:
        for elsewhere in ("https://login.salesforce.com/", f"https://{MY_DOMAIN}:8443/"):
            with pytest.raises(requests.exceptions.ProxyError):
                session.get(elsewhere, timeout=10)


def test_an_org_without_a_my_domain_is_nobodys_proxy() -> None:
    with EmulatedOrg() as org:
        port = int(org.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"CONNECT None:443 HTTP/1.1\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 502"


def test_a_my_domain_needs_an_authority() -> None:
    with pytest.raises(ValueError, match="give an authority"):
        EmulatedOrg(my_domain=MY_DOMAIN)
