"""How a change of certificate spreads over the emulated org's servers, seen from outside by logins."""

from collections.abc import Iterator

import pytest
import requests

from tests.integration.org_client import Client, key_pair
from tests.sandbox.org import EmulatedOrg, OrgClock
from tests.sandbox.org.spreading import (
    AtOnce,
    BackOnce,
    BothUntil,
    FlappingUntil,
    NeitherUntil,
    Never,
    OldUntil,
    Spreading,
)

OLD, NEW = "first", "second"


@pytest.fixture
def client() -> Iterator[Client]:
    # A clock that stands still, so that only the tests decide how much of a change has spread.
    with EmulatedOrg(clock=OrgClock(source=lambda: 1_800_000_000.0)) as org:
        user = org.add_user("robot@example.com")
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair(OLD).pem)
        with Client(org, app, user) as client:
            yield client


def _working(client: Client) -> str:
    return " ".join(name for name in (OLD, NEW) if client.logs_in(key_pair(name)))


@pytest.mark.parametrize(
    ("model", "seen"),
    [
        (AtOnce(), {0: NEW}),
        (OldUntil(120), {0: OLD, 119: OLD, 120: NEW}),
        (BothUntil(120), {0: f"{OLD} {NEW}", 119: f"{OLD} {NEW}", 120: NEW}),
        (NeitherUntil(120), {0: "", 119: "", 120: NEW}),
        (FlappingUntil(120), {120: NEW}),
        (BackOnce(60, 30), {0: NEW, 59: NEW, 60: OLD, 89: OLD, 90: NEW}),
        (Never(), {0: OLD, 100_000: OLD}),
        (Never(old_goes_on=False), {0: "", 100_000: ""}),
    ],
    ids=str,
)
def test_a_model_says_which_key_logs_in_when(client: Client, model: Spreading, seen: dict[int, str]) -> None:
    client.app.install(key_pair(NEW).pem, model)
    passed = 0
    for seconds, expected in seen.items():
        client.org.clock.advance(seconds - passed)
        passed = seconds
        assert _working(client) == expected, seconds
        assert client.app.fingerprint == key_pair(NEW).fingerprint


def _flapping(client: Client, attempts: int) -> list[bool]:
    return [client.logs_in(key_pair(NEW)) for _ in range(attempts)]


def test_flapping_meets_another_server_with_each_request(client: Client) -> None:
    client.app.install(key_pair(NEW).pem, FlappingUntil(120))

    assert set(_flapping(client, 20)) == {True, False}


def test_flapping_can_stick_to_a_connection(client: Client) -> None:
    client.app.sticky_servers = True
    client.app.install(key_pair(NEW).pem, FlappingUntil(120))

    assert len(set(_flapping(client, 10))) == 1
    over_many = set()
    for _ in range(20):
        with Client(client.org, client.app, client.user, requests.Session()) as fresh:
            over_many.add(fresh.logs_in(key_pair(NEW)))
    assert over_many == {True, False}


def test_the_seed_decides_how_a_change_flaps() -> None:
    def play(seed: int) -> list[bool]:
        with EmulatedOrg(seed=seed) as org:
            user = org.add_user("robot@example.com")
            app = org.add_external_client_app("Billing", approved=[user])
            app.install(key_pair(OLD).pem)
            app.install(key_pair(NEW).pem, FlappingUntil(120, share_of_new=0.3))
            with Client(org, app, user) as client:
                return _flapping(client, 16)

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_putting_back_starts_from_what_has_spread(client: Client) -> None:
    client.app.install(key_pair(NEW).pem, OldUntil(100))
    client.org.clock.advance(10)
    client.app.install(key_pair(OLD).pem, OldUntil(100))
    assert _working(client) == OLD

    # The first change arrives although it was taken back, then the second one does.
    client.org.clock.advance(90)
    assert _working(client) == NEW
    client.org.clock.advance(10)
    assert _working(client) == OLD


def test_putting_back_what_was_never_honoured_works(client: Client) -> None:
    client.app.install(key_pair(NEW).pem, Never())
    client.app.install(key_pair(OLD).pem, Never())

    assert _working(client) == OLD
    assert client.app.fingerprint == key_pair(OLD).fingerprint


def test_installing_the_same_certificate_again_changes_nothing(client: Client) -> None:
    client.app.install(key_pair(OLD).pem, NeitherUntil(100))

    assert _working(client) == OLD


def test_clearing_the_certificate_spreads_too(client: Client) -> None:
    client.app.install(None, OldUntil(100))

    assert client.app.fingerprint is None
    assert _working(client) == OLD
    client.org.clock.advance(100)
    assert _working(client) == ""


def test_a_session_outlives_a_change_of_certificate(client: Client) -> None:
    token = client.access_token()
    client.app.install(key_pair(NEW).pem)

    assert client.liveness(token).status_code == 200


def test_what_is_honoured_can_be_looked_at_without_a_login(client: Client) -> None:
    client.app.install(key_pair(NEW).pem, BothUntil(120))

    honoured = {certificate.fingerprint for certificate in client.org.honoured(client.app)}

    assert honoured == {key_pair(OLD).fingerprint, key_pair(NEW).fingerprint}
