"""Fixtures of the scenarios."""

from collections.abc import Iterator

import pytest
from botocore.config import Config

from salesforce_keypair.wiring import aws
from tests.scenarios.promises import Promises
from tests.scenarios.support import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """The world before the first rotation; there is no key anywhere."""
    with Stage() as made:
        yield made


@pytest.fixture
def running(stage: Stage) -> Iterator[Stage]:
    """The world as an earlier rotation left it: a current key that logs in. All promises hold at the end."""
    stage.install_key()
    promises = Promises(stage)
    yield stage
    promises.hold()


@pytest.fixture
def patient_with_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine's answers come late, and that is no failure of DynamoDB."""
    patient = Config(connect_timeout=20, read_timeout=20)
    monkeypatch.setattr(aws, "_TABLE_CONFIG", aws._TABLE_CONFIG.merge(patient))
