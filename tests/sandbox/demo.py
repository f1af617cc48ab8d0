"""The main job, played on the local world: `make demo`.

A first installation with no key anywhere before, a rotation while workloads call Salesforce all the time, and one
whose certificate Salesforce never honours. Ends with what everybody saw, and with an exit code that says whether all of
it went as promised.
"""

import sys
import time
import uuid
from random import Random

from rich.console import Console

from tests.sandbox.aws import Outcome
from tests.sandbox.org import Kind
from tests.sandbox.org.spreading import Honoured, Never, Spreading
from tests.sandbox.staging import (
    POLICY,
    TIMING,
    Stage,
    callers_figures,
    expect,
    expect_callers_served,
    fingerprint,
    labelled,
    perform,
    report,
    rotate,
    workload_of,
)
from tests.sandbox.world import APP_NAME, World

MEANING = {
    "createSecret": "a new key pair, stored as AWSPENDING",
    "setSecret": "its certificate into the app: read, rehearse, deploy, read back",
    "testSecret": "logins until the certificate is honoured everywhere",
    "finishSecret": "one more login, then AWSCURRENT moves",
}


class OldThenFlapping:
    """The old certificate alone for a while, then servers that disagree, then the new one alone. In seconds."""

    def __init__(self, *, old: float, flapping: float) -> None:
        self._old = old
        self._end = old + flapping

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        if elapsed < self._old:
            return old
        return new if elapsed >= self._end or rng.random() < 0.5 else old


def main() -> int:
    """Play it; returns the exit code."""
    return perform("make demo", __doc__, _play, lambda: World(timing=TIMING, rotation_policy=POLICY))


def _play(console: Console, world: World, callers: int) -> None:
    started = time.monotonic()
    workload = workload_of(world, callers)
    stage = Stage(console, workload, MEANING)

    stage.act(
        "1. First installation",
        f"The secret holds a consumer key, a username and the app's name, and no key. {APP_NAME} holds no certificate.",
    )
    world.turn_rotation_on()
    expect(stage.follow(rotate(world, str(uuid.uuid4()))) is Outcome.SUCCEEDED, "the first installation didn't succeed")
    first = labelled(world, "AWSCURRENT")

    with workload:
        stage.act(
            "2. A rotation under traffic",
            f"{callers} callers call the org all the time, with the client of the layer for callers. The org honours "
            "only the old certificate for 3 s, then its servers disagree for 3 s.",
        )
        _spread(world, OldThenFlapping(old=3, flapping=3))
        expect(
            stage.follow(rotate(world, str(uuid.uuid4()))) is Outcome.SUCCEEDED,
            "the rotation under traffic didn't succeed",
        )
        second = labelled(world, "AWSCURRENT")
        expect(second.version_id != first.version_id, "the rotation left the old version current")

        stage.act(
            "3. A rotation that Salesforce never honours",
            "The certificate is stored, but no server takes it. After the time that a change may take to spread, the "
            "old one is put back.",
        )
        _spread(world, Never())
        outcome = stage.follow(rotate(world, str(uuid.uuid4())))
        expect(outcome is Outcome.GAVE_UP, "the rotation that can't succeed did")
        time.sleep(1)

    rolled_back = labelled(world, "ROLLEDBACK")
    expect(labelled(world, "AWSCURRENT").version_id == second.version_id, "AWSCURRENT moved in a failed rotation")
    expect(fingerprint(second) == world.app.fingerprint, "the app doesn't hold the certificate of AWSCURRENT")
    expect(fingerprint(rolled_back) != world.app.fingerprint, "the app holds the certificate that was put back")
    admin_logins = sum(
        entry.outcome == "accepted" and entry.username != world.user.username
        for entry in world.org.log.entries(Kind.TOKEN)
    )
    figures = [
        *callers_figures(world, workload),
        ("logins of the admin", admin_logins),
        ("seconds", f"{time.monotonic() - started:.0f}"),
    ]
    report(console, world, figures)
    expect_callers_served(workload)


def _spread(world: World, spreading: Spreading) -> None:
    """How the next change of the app's certificate spreads; putting it back spreads at once."""
    world.app.next_spreadings.append(spreading)


if __name__ == "__main__":
    sys.exit(main())
