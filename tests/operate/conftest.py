"""Fixtures of the tests of what people run."""

from collections.abc import Iterator

import pytest

from tests.operate.desk import Desk
from tests.scenarios.support import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """The world before the first rotation."""
    with Stage() as made:
        yield made


@pytest.fixture
def desk(stage: Stage) -> Iterator[Desk]:
    """A stage with a secret that is to be onboarded. Nothing secret was printed at the end."""
    made = Desk(stage)
    yield made
    assert made.secrets_printed() == set()
