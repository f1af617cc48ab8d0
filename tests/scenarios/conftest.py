"""Fixtures of the scenarios."""

from collections.abc import Iterator

import pytest

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
