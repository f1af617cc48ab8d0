"""The demo's callers keep their token as the layer's users do, and don't notice when it is taken from them."""

import time
from collections.abc import Iterator

import pytest

from salesforce_token import SalesforceToken
from tests.integration.org_client import key_pair
from tests.sandbox.callers import TokenKeeper
from tests.sandbox.workload import Workload
from tests.sandbox.world import World


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        pair = key_pair()
        world.app.install(pair.pem)
        world.put_document(world.document(privateKey=pair.private_pem, certificate=pair.pem))
        yield world


def keeper(world: World) -> TokenKeeper:
    return TokenKeeper(SalesforceToken(world.vendor.name, client=world.aws.client("lambda")))


def wait_for_calls(workload: Workload, calls: int) -> None:
    give_up = time.monotonic() + 60
    enough = workload.tally.tokens + calls
    while workload.tally.tokens < enough and not workload.tally.failures:
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)


def test_many_calls_are_one_vend_and_a_killed_session_one_more(world: World) -> None:
    with Workload(world.vendor, callers=1, caller=lambda: keeper(world)) as workload:
        wait_for_calls(workload, 5)
        assert len(world.vendor.results) == 1
        world.org.sessions.kill_all()
        wait_for_calls(workload, 5)

    assert workload.tally.failures == []
    assert len(world.vendor.results) == 2


@pytest.mark.slow
def test_a_vendor_that_fails_is_a_failure_of_the_caller(world: World) -> None:
    world.user.frozen = True

    with Workload(world.vendor, callers=1, caller=lambda: keeper(world)) as workload:
        wait_for_calls(workload, 1)

    assert workload.tally.failures[0].text.startswith("LoginRefused: ")
    assert workload.tally.tokens == 0


@pytest.mark.slow
def test_an_org_that_refuses_what_was_vended_is_one_too(world: World) -> None:
    world.user.api_enabled = False

    with Workload(world.vendor, callers=1, caller=lambda: keeper(world)) as workload:
        wait_for_calls(workload, 1)

    assert "HTTP 403" in workload.tally.failures[0].text
