"""Fixtures of the scenarios."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.world import World
from tests.scenarios.auditing import LOUD, ROOT_AT_DEBUG, Audit
from tests.scenarios.hearing import listening
from tests.scenarios.promises import Promises
from tests.scenarios.support import Stage


@pytest.fixture(scope="session")
def loud(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which a function's process says as much as it can."""
    folder = tmp_path_factory.mktemp("loud")
    (folder / "sitecustomize.py").write_text(ROOT_AT_DEBUG)
    # Powertools warns of its own loudness, which in this process would be a failure.
    return LOUD | {"POWERTOOLS_DEBUG": "true", "PYTHONPATH": str(folder)}


@pytest.fixture(autouse=True)
def nothing_leaks(monkeypatch: pytest.MonkeyPatch, loud: dict[str, str]) -> Iterator[None]:
    """Every scenario runs at DEBUG, and all that comes out of its worlds is searched for secrets when they end."""
    leave, variables = World.__exit__, World.common_variables
    with listening() as heard:
        audit = Audit(heard)

        def look_and_leave(world: World, *exception: Any) -> None:
            try:
                if exception[0] is None:
                    audit.look(world)
            finally:
                leave(world, *exception)

        monkeypatch.setattr(World, "__exit__", look_and_leave)
        monkeypatch.setattr(World, "common_variables", lambda world: variables(world) | loud)
        yield


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
