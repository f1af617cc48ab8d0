"""What the tests of the bridge look at."""

from typing import Any

from tests.sandbox.org import Kind, faults
from tests.scenarios.support import Stage

TEN_MINUTES = 600.0
BRIDGED = "a token of the current key bridges the change of the certificate"
NO_BRIDGE = "no bridge over the change of the certificate"


def rows_at_deploys(stage: Stage) -> list[list[dict[str, Any]]]:
    """What the table holds at each deploy that arrives, to be looked at later."""
    seen: list[list[dict[str, Any]]] = []
    look = faults.Fault("look", before=lambda: seen.append(stage.world.table_rows()))
    stage.world.org.faults.add(look, Kind.DEPLOY, times=None)
    return seen
