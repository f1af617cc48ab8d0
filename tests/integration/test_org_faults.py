"""What can go wrong on the way to the emulated org, and what its log keeps of it."""

import http.client
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest
import requests

from tests.integration.org_client import GRANT, Client, component_xml, fault_code, key_pair, package, settings_of
from tests.sandbox.org import DeployPace, EmulatedOrg, Kind, LoginCount, faults


@pytest.fixture
def client() -> Iterator[Client]:
    with EmulatedOrg() as org:
        user = org.add_user("admin@example.com", metadata_permission=True)
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair().pem)
        org.deployments.pace = DeployPace(0, 0)
        with Client(org, app, user) as client:
            yield client


def test_connections_are_kept_alive_and_counted(client: Client) -> None:
    for _ in range(5):
        client.login()
    assert client.org.log.connections() == 1
    client.http.close()
    client.login()

    assert client.org.log.connections("token") == 2
    assert len({entry.remote_port for entry in client.org.log.entries()}) == 2


def test_the_log_tells_who_asked_for_what_and_what_came_of_it(client: Client) -> None:
    token = client.access_token()
    client.login(key_pair("second"))
    client.liveness(token)
    accepted, refused, liveness = client.org.log.entries()

    assert (accepted.kind, accepted.method, accepted.path) == (Kind.TOKEN, "POST", "/services/oauth2/token")
    assert (accepted.username, accepted.consumer_key) == (client.user.username, client.app.consumer_key)
    assert (accepted.outcome, accepted.status) == ("accepted", 200)
    assert abs(accepted.time - time.time()) < 5
    assert b"assertion=" in accepted.body
    assert (refused.outcome, refused.status) == ("refused: invalid_grant/invalid assertion", 400)
    assert ("Authorization", f"Bearer {token}") in liveness.headers
    assert client.org.log.entries("liveness", "token") == (accepted, refused, liveness)
    client.org.log.clear()
    assert client.org.log.entries() == ()


def test_many_clients_at_once_are_served_and_counted(client: Client) -> None:
    def log_in() -> int:
        with Client(client.org, client.app, client.user, requests.Session()) as own:
            return sum(own.logs_in() for _ in range(5))

    with ThreadPoolExecutor(8) as pool:
        accepted = sum(future.result() for future in [pool.submit(log_in) for _ in range(8)])

    assert accepted == 40
    assert client.org.log.logins(client.user.username) == LoginCount(accepted=40, refused=0)
    assert client.org.log.connections() == 8


def test_chunked_bodies_are_read(client: Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"grant_type=client_"
        yield b"credentials&client_id=unknown"

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = client.http.post(f"{client.org.url}/services/oauth2/token", data=chunks(), headers=headers, timeout=10)

    assert response.json()["error"] == "invalid_client_id"
    assert client.org.log.entries()[0].body == b"grant_type=client_credentials&client_id=unknown"
    assert client.logs_in()
    assert client.org.log.connections() == 1


def test_a_request_that_was_not_sent_whole_is_not_acted_on(client: Client) -> None:
    connection = http.client.HTTPConnection(urlsplit(client.org.url).netloc, timeout=10)
    connection.putrequest("POST", "/services/oauth2/token")
    connection.putheader("Content-Length", "500")
    connection.endheaders(b"grant_type=")
    connection.close()
    client.login()

    assert [entry.outcome for entry in client.org.log.entries()] == ["accepted"]


def test_a_reset_before_acting_leaves_nothing_done(client: Client) -> None:
    client.org.faults.add(faults.reset_before_acting(), on="token")
    with pytest.raises(requests.ConnectionError, match="reset"):
        client.login(jti="one")

    assert client.org.log.logins(client.user.username).accepted == 0
    assert client.org.log.entries()[0].outcome == "not acted"
    assert client.login(jti="one").status_code == 200


def test_a_reset_after_acting_loses_the_answer_alone(client: Client) -> None:
    token = client.access_token()
    client.org.faults.add(faults.reset_after_acting(), on="deploy")
    content = component_xml(settings_of(client.app, certificate=key_pair("second").pem))
    with pytest.raises(requests.ConnectionError, match="reset"):
        client.deploy(token, package(client.app, content))
    entry = client.org.log.entries("deploy")[0]

    assert client.app.fingerprint == key_pair("second").fingerprint
    assert (entry.outcome, entry.status, entry.fault) == ("deploy taken", None, "reset after acting")


def test_a_truncated_body_is_shorter_than_it_promised(client: Client) -> None:
    client.org.faults.add(faults.truncated(10), on="token")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError), match="IncompleteRead"):
        client.login()

    assert client.logs_in()


def test_a_connection_can_be_hung_up_without_a_word(client: Client) -> None:
    client.org.faults.add(faults.hung_up(), on="token")
    netloc = urlsplit(client.org.url).netloc
    connection = http.client.HTTPConnection(netloc, timeout=10)
    connection.request("POST", "/services/oauth2/token", "grant_type=x")
    answer = connection.getresponse()

    assert (answer.read()[:8], answer.getheader("Connection")) == (b'{"error"', None)
    assert isinstance(connection.sock, socket.socket)
    assert connection.sock.recv(1) == b""
    connection.close()


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (faults.html_page(), 503, "<!DOCTYPE html>"),
        (faults.answering(420, "calm down"), 420, "calm down"),
        (faults.rest_error(500, "INVALID_CROSS_REFERENCE_KEY"), 500, "INVALID_CROSS_REFERENCE_KEY"),
        (faults.oversize(1_000_000), 200, "[   "),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_any_answer_can_take_the_place_of_the_orgs_own(
    client: Client, fault: faults.Fault, status: int, text: str
) -> None:
    client.org.faults.add(fault, on=["token", "poll"])
    response = client.login()

    assert response.status_code == status
    assert text in response.text
    assert client.org.log.logins() == LoginCount(accepted=0, refused=0)
    assert client.logs_in()


def test_an_oversize_answer_has_its_size(client: Client) -> None:
    client.org.faults.add(faults.oversize(1_000_000))

    assert len(client.login().content) == 1_000_000


def test_only_the_answer_may_be_wrong(client: Client) -> None:
    client.org.faults.add(faults.html_page(502, acts=True), on="token")

    assert client.login().status_code == 502
    assert client.org.log.logins(client.user.username).accepted == 1


def test_a_redirect_points_elsewhere(client: Client) -> None:
    client.org.faults.add(faults.redirected("https://evil.example/services/oauth2/token"), on="token")
    response = client.login()

    assert (response.status_code, response.headers["Location"]) == (307, "https://evil.example/services/oauth2/token")


def test_a_soap_fault_can_be_injected(client: Client) -> None:
    client.org.faults.add(faults.soap_fault("sf:SERVER_UNAVAILABLE"), on="soap")

    assert fault_code(client.list_metadata("any")) == "sf:SERVER_UNAVAILABLE"


def test_the_date_can_be_wrong_for_one_answer(client: Client) -> None:
    client.org.faults.add(faults.wrong_date(-3600), on="token")
    dates = [parsedate_to_datetime(client.login().headers["Date"]).timestamp() for _ in range(2)]

    assert 3595 < dates[1] - dates[0] < 3605


def test_an_answer_can_be_late(client: Client) -> None:
    client.org.faults.add(faults.delayed(0.3), on="token")
    begun = time.monotonic()
    client.login()

    assert time.monotonic() - begun >= 0.3


def test_a_delay_does_not_keep_others_waiting_nor_the_org_from_closing() -> None:
    begun = time.monotonic()
    with EmulatedOrg() as org:
        org.faults.add(faults.delayed(60), on="token")
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.post(f"{org.url}/services/oauth2/token", data={"grant_type": GRANT}, timeout=0.1)
        assert requests.get(f"{org.url}/services/data/", timeout=10).status_code == 200

    assert time.monotonic() - begun < 4


def test_a_fault_befalls_chosen_requests_a_number_of_times(client: Client) -> None:
    rule = client.org.faults.add(faults.html_page(), on="token", times=2, skip=1)
    statuses = [client.login().status_code for _ in range(4)]

    assert statuses == [200, 503, 503, 200]
    assert rule.hits == 2
    assert client.get("/services/data/").status_code == 200


def test_a_fault_can_be_for_ever_until_cancelled(client: Client) -> None:
    rule = client.org.faults.add(faults.html_page(), on=Kind.TOKEN, times=None)
    assert {client.login().status_code for _ in range(4)} == {503}
    rule.cancel()
    assert client.logs_in()


def test_a_fault_can_come_by_chance(client: Client) -> None:
    client.org.faults.add(faults.html_page(), on="token", times=None, probability=0.5)
    statuses = {client.login().status_code for _ in range(20)}
    client.org.faults.clear()

    assert statuses == {200, 503}
    assert {client.login().status_code for _ in range(5)} == {200}


def test_a_fault_can_look_at_the_request(client: Client) -> None:
    client.org.faults.add(faults.html_page(), times=None, where=lambda request: b"client_credentials" in request.body)

    assert client.token({"grant_type": "client_credentials"}).status_code == 503
    assert client.logs_in()


def test_a_client_can_be_stopped_before_and_after_the_act(client: Client) -> None:
    seen: list[int] = []

    def note() -> None:
        seen.append(client.org.log.logins().accepted)

    client.org.faults.add(faults.Fault("hooks", before=note, after=note), on="token")
    client.login()

    assert seen == [0, 1]


def test_a_mistake_in_a_hook_is_not_swallowed() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    def run_into_it() -> None:
        with EmulatedOrg() as org:
            org.faults.add(faults.Fault("broken", before=fail))
            with pytest.raises(requests.ConnectionError):
                requests.get(f"{org.url}/services/data/", timeout=10)

    with pytest.raises(RuntimeError, match="emulated org failed") as caught:
        run_into_it()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_is_not_served_is_not_found(client: Client) -> None:
    response = client.get("/services/apexrest/anything")

    assert response.status_code == 404
    assert client.org.log.entries()[0].kind is Kind.OTHER
