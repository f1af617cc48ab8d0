"""The main job, played on the local world: `make demo`.

A first installation with no key anywhere before, a rotation while workloads call Salesforce all the time, and one
whose certificate Salesforce never honours. Ends with what everybody saw, and with an exit code that says whether all of
it went as promised.
"""

import argparse
import sys
import time
import uuid
from random import Random

from rich.console import Console
from rich.table import Table
from rich.text import Text

from salesforce_token import SalesforceToken
from tests.sandbox.aws import Outcome, Rotation, RotationPolicy
from tests.sandbox.callers import TokenKeeper
from tests.sandbox.org import Certificate, Kind
from tests.sandbox.org.spreading import Honoured, Never, Spreading
from tests.sandbox.workload import Workload
from tests.sandbox.world import APP_NAME, Timing, Version, World

MEANING = {
    "createSecret": "a new key pair, stored as AWSPENDING",
    "setSecret": "its certificate into the app: read, rehearse, deploy, read back",
    "testSecret": "logins until the certificate is honoured everywhere",
    "finishSecret": "one more login, then AWSCURRENT moves",
}
WAIT_SECONDS = 90


class Broken(Exception):
    """Something didn't go as promised."""


class OldThenFlapping:
    """The old certificate alone for a while, then servers that disagree, then the new one alone. In seconds."""

    def __init__(self, *, old: float, flapping: float) -> None:
        self._old = old
        self._end = old + flapping

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        if elapsed < self._old:
            return old
        return new if elapsed >= self._end or rng.random() < 0.5 else old


class Stage:
    """Tells the audience what happens: lines anywhere, a moving line below them on a terminal only."""

    def __init__(self, console: Console, world: World, workload: Workload) -> None:
        self._console = console
        self._world = world
        self._workload = workload

    def act(self, title: str, explanation: str) -> None:
        """Announce what comes next."""
        self._console.print()
        self._console.print(Text(title, style="bold"))
        self._console.print(Text(explanation, style="dim"), soft_wrap=True)

    def follow(self, rotation: Rotation) -> Outcome:
        """Show a rotation's steps as they end; returns how it ended. Raises Broken if it doesn't."""
        shown = 0
        give_up = time.monotonic() + WAIT_SECONDS
        with self._console.status("") as status:
            while True:
                running = rotation.outcome is Outcome.RUNNING
                for delivery in rotation.deliveries[shown:]:
                    self._show(delivery.step, delivery.seconds, delivery.error_type, delivery.error_message)
                    shown += 1
                if not running:
                    return rotation.outcome
                if time.monotonic() > give_up:
                    raise Broken(f"the rotation was still running after {WAIT_SECONDS} seconds")
                tally = self._workload.tally
                status.update(f"callers made {tally.tokens} calls, {len(tally.failures)} failed")
                time.sleep(0.1)

    def _show(self, step: str, seconds: float, error: str | None, message: str | None) -> None:
        line = Text("  ")
        line.append("refused " if error else "ok      ", style="yellow" if error else "green")
        line.append(f"{step:<13}{seconds:5.1f} s  ")
        line.append(MEANING[step] if error is None else f"{error}: {message}", style="dim" if error is None else "")
        self._console.print(line, soft_wrap=True)


def main() -> int:
    """Play it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__, add_help=True)
    parser.add_argument("--callers", type=int, default=2, metavar="N", help="workloads that call all the time (2)")
    parser.add_argument("--logs", action="store_true", help="print the functions' logs at the end")
    options = parser.parse_args()
    if not 1 <= options.callers <= 8:
        parser.error("--callers takes a number from 1 to 8")
    console = Console(highlight=False)
    # Tokens are fresh for 3 seconds only (a vendor renews them 225 s early), so that vends make logins all along.
    timing = Timing(settling=9, settled_interval=1, token_lifetime=228)
    try:
        with World(timing=timing, rotation_policy=RotationPolicy(repeats=1, pause_seconds=0.2)) as world:
            try:
                _play(console, world, options.callers)
            finally:
                if options.logs:
                    sys.stdout.write(world.rotation.output() + world.vendor.output())
    except Broken as reason:
        console.print(Text(f"\nThe demo failed: {reason}", style="bold red"), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    return 0


def _play(console: Console, world: World, callers: int) -> None:
    started = time.monotonic()
    console.print(
        f"An emulated Salesforce org at {world.org.url}, a local AWS at {world.aws.url}, and the two functions in "
        "AWS's own runtime client. Minutes are scaled down to seconds.",
        soft_wrap=True,
    )
    workload = Workload(world.vendor, callers=callers, caller=lambda: TokenKeeper(_client(world)))
    stage = Stage(console, world, workload)

    stage.act(
        "1. First installation",
        f"The secret holds a consumer key, a username and the app's name, and no key. {APP_NAME} holds no certificate.",
    )
    world.turn_rotation_on()
    _expect(stage.follow(_rotate(world)) is Outcome.SUCCEEDED, "the first installation didn't succeed")
    first = _labelled(world, "AWSCURRENT")

    with workload:
        stage.act(
            "2. A rotation under traffic",
            f"{callers} callers call the org all the time, with the client of the layer for callers. The org honours "
            "only the old certificate for 3 s, then its servers disagree for 3 s.",
        )
        _spread(world, OldThenFlapping(old=3, flapping=3))
        _expect(stage.follow(_rotate(world)) is Outcome.SUCCEEDED, "the rotation under traffic didn't succeed")
        second = _labelled(world, "AWSCURRENT")
        _expect(second.version_id != first.version_id, "the rotation left the old version current")

        stage.act(
            "3. A rotation that Salesforce never honours",
            "The certificate is stored, but no server takes it. After the time that a change may take to spread, the "
            "old one is put back.",
        )
        _spread(world, Never())
        outcome = stage.follow(_rotate(world))
        _expect(outcome is Outcome.GAVE_UP, "the rotation that can't succeed did")
        time.sleep(1)

    rolled_back = _labelled(world, "ROLLEDBACK")
    _expect(_labelled(world, "AWSCURRENT").version_id == second.version_id, "AWSCURRENT moved in a failed rotation")
    _expect(_fingerprint(second) == world.app.fingerprint, "the app doesn't hold the certificate of AWSCURRENT")
    _expect(_fingerprint(rolled_back) != world.app.fingerprint, "the app holds the certificate that was put back")
    _report(console, world, workload, time.monotonic() - started)
    _expect(workload.tally.tokens > 0, "no caller reached the org")
    _expect(not workload.tally.failures, f"callers saw failures: {workload.tally.failures[:3]}")


def _client(world: World) -> SalesforceToken:
    # Its clock runs as fast as all else here: what it keeps for minutes is due after seconds.
    return SalesforceToken(world.vendor.name, client=world.aws.client("lambda"), now=lambda: 60 * time.time())


def _rotate(world: World) -> Rotation:
    world.secrets.rotate_secret(SecretId=world.secret_arn, ClientRequestToken=str(uuid.uuid4()))
    return world.aws.secrets_manager.rotations(world.secret_arn)[-1]


def _spread(world: World, spreading: Spreading) -> None:
    """How the next change of the app's certificate spreads; putting it back spreads at once."""
    world.app.next_spreadings.append(spreading)


def _labelled(world: World, label: str) -> Version:
    version = world.version_with(label)
    if version is None:
        raise Broken(f"no version is labelled {label}")
    return version


def _fingerprint(version: Version) -> str | None:
    document = version.document or {}
    return Certificate.parse(document["certificate"]).fingerprint if "certificate" in document else None


def _report(console: Console, world: World, workload: Workload, seconds: float) -> None:
    versions = Table(title="The secret's versions", title_justify="left")
    for heading in ("version", "labels", "certificate (SHA-256)", "in the app"):
        versions.add_column(heading)
    for version in world.versions():
        fingerprint = _fingerprint(version)
        versions.add_row(
            version.version_id[:8],
            ", ".join(sorted(version.labels)),
            fingerprint[:16] if fingerprint else "no key",
            "yes" if fingerprint is not None and fingerprint == world.app.fingerprint else "",
        )
    logins = world.org.log.logins(world.user.username)
    admin_logins = sum(
        entry.outcome == "accepted" and entry.username != world.user.username
        for entry in world.org.log.entries(Kind.TOKEN)
    )
    figures = Table(title="What everybody saw", title_justify="left", show_header=False)
    figures.add_column()
    figures.add_column(justify="right")
    for name, value in (
        ("calls that callers made with their tokens", workload.tally.tokens),
        ("tokens vended to callers", sum(not result.failed for result in world.vendor.results)),
        ("failures seen by callers", len(workload.tally.failures)),
        ("logins with the key pair, accepted", logins.accepted),
        ("logins with the key pair, refused while certificates spread", logins.refused),
        ("logins of the admin", admin_logins),
        ("seconds", f"{seconds:.0f}"),
    ):
        figures.add_row(name, str(value))
    console.print()
    console.print(versions)
    console.print(figures)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)


if __name__ == "__main__":
    sys.exit(main())
