"""Fixtures of the commands that have to do with rotations."""

from collections.abc import Iterator

import pytest

from tests.operate.rotations.support import Deliveries, Engineer
from tests.scenarios.promises import Promises
from tests.scenarios.support import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """The world after its first rotations: AWSPREVIOUS holds a key, too. The promises hold at the end."""
    with Stage() as stage:
        stage.install_key()
        stage.rotate()
        promises = Promises(stage)
        yield stage
        promises.hold()


@pytest.fixture
def engineer(stage: Stage) -> Engineer:
    """Somebody who runs commands."""
    return Engineer(stage)


@pytest.fixture
def deliveries(stage: Stage) -> Iterator[Deliveries]:
    """Secrets Manager delivers what is started."""
    with Deliveries.going_on(stage) as deliveries:
        yield deliveries
