"""Fixtures of the unit tests."""

import time
from collections.abc import Iterator

import botocore.endpoint
import pytest

from tests.integration.org_client import key_pair
from tests.sandbox.aws import LocalAws
from tests.sandbox.in_process import answered_here
from tests.sandbox.org import DeployPace, EmulatedOrg, OrgClock
from tests.unit.sharing import Office, Table
from tests.unit.support import Billing, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def billing(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Billing]:
    """An org on the fake clock whose app holds the certificate of the pair `first`."""
    # A company's proxy must not come between.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with EmulatedOrg(clock=OrgClock(source=clock.time)) as org:
        org.deployments.pace = DeployPace(0, 0)
        user = org.add_user("robot@example.com")
        admin = org.add_user("admin@example.com", metadata_permission=True)
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(key_pair("first").pem)
        admin_app = org.add_external_client_app("CertificateAdmin", client_credentials_user=admin)
        yield Billing(org, clock, app, user, admin, admin_app)


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The computer's own time is ten hours ahead of UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ-10")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[LocalAws]:
    """A local AWS whose tables many tests share, for loading DynamoDB's emulation takes its time."""
    with LocalAws(served=False) as aws:
        yield aws


@pytest.fixture
def table(dynamodb: LocalAws, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """An empty table of this test alone."""
    # The SDK's pauses between two tries.
    monkeypatch.setattr(botocore.endpoint, "time", FakeClock())
    with answered_here(dynamodb):
        yield Table(dynamodb, clock).create()
    dynamodb.faults.clear()


@pytest.fixture
def office(table: Table) -> Office:
    return Office(table)
