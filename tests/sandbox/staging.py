"""What the demos share: a stage that tells its audience what happens, questions to the world, tables at the end."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from salesforce_token import SalesforceToken
from tests.sandbox.aws import Outcome, Rotation, RotationPolicy
from tests.sandbox.callers import TokenKeeper
from tests.sandbox.org import Certificate
from tests.sandbox.workload import Workload
from tests.sandbox.world import Timing, Version, World

WAIT_SECONDS = 90
# Tokens are fresh for 3 seconds only (a vendor renews them 225 s early), so that vends make logins all along.
TIMING = Timing(settling=9, settled_interval=1, token_lifetime=228)
POLICY = RotationPolicy(repeats=1, pause_seconds=0.2)


class Broken(Exception):
    """Something didn't go as promised."""


class Stage:
    """Tells the audience what happens: lines anywhere, a moving line below them on a terminal only."""

    def __init__(self, console: Console, workload: Workload, meaning: Mapping[str, str]) -> None:
        self._console = console
        self._workload = workload
        self._meaning = meaning

    def act(self, title: str, explanation: str) -> None:
        """Announce what comes next."""
        self._console.print()
        self._console.print(Text(title, style="bold"))
        self._console.print(Text(explanation, style="dim"), soft_wrap=True)

    def say(self, text: str) -> None:
        """Tell what somebody does or sees."""
        self._console.print(Text(f"  {text}"), soft_wrap=True)

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
        line.append(
            self._meaning[step] if error is None else f"{error}: {message}", style="dim" if error is None else ""
        )
        self._console.print(line, soft_wrap=True)


def perform(
    name: str, description: str | None, play: Callable[[Console, World, int], None], world_of: Callable[[], World]
) -> int:
    """Read a demo's options and play it in a world of its own; returns the exit code."""
    parser = argparse.ArgumentParser(prog=name, description=description, add_help=True)
    parser.add_argument("--callers", type=int, default=2, metavar="N", help="workloads that call all the time (2)")
    parser.add_argument("--logs", action="store_true", help="print the functions' logs at the end")
    options = parser.parse_args()
    if not 1 <= options.callers <= 8:
        parser.error("--callers takes a number from 1 to 8")
    console = Console(highlight=False)
    try:
        with world_of() as world:
            try:
                console.print(
                    f"An emulated Salesforce org at {world.org.url}, a local AWS at {world.aws.url}, and the two "
                    "functions in AWS's own runtime client. Minutes are scaled down to seconds.",
                    soft_wrap=True,
                )
                play(console, world, options.callers)
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


def workload_of(world: World, callers: int) -> Workload:
    """Callers with the client of the layer for callers."""
    return Workload(world.vendor, callers=callers, caller=lambda: TokenKeeper(_client(world)))


def _client(world: World) -> SalesforceToken:
    # Its clock runs as fast as all else here: what it keeps for minutes is due after seconds.
    return SalesforceToken(world.vendor.name, client=world.aws.client("lambda"), now=lambda: 60 * time.time())


def rotate(world: World, version_id: str) -> Rotation:
    """Start a rotation to that version, or take it up again where it waits."""
    world.secrets.rotate_secret(SecretId=world.secret_arn, ClientRequestToken=version_id)
    return world.aws.secrets_manager.rotations(world.secret_arn)[-1]


def labelled(world: World, label: str) -> Version:
    """The version that carries a label. Raises Broken if there is none."""
    version = world.version_with(label)
    if version is None:
        raise Broken(f"no version is labelled {label}")
    return version


def fingerprint(version: Version) -> str | None:
    """Of the certificate that a version holds, if it does."""
    document = version.document or {}
    return Certificate.parse(document["certificate"]).fingerprint if "certificate" in document else None


def expect(holds: bool, otherwise: str) -> None:
    """Raise Broken, with what is the case, unless something holds."""
    if not holds:
        raise Broken(otherwise)


def report(console: Console, world: World, figures: Iterable[tuple[str, object]]) -> None:
    """The secret's versions, and what everybody saw."""
    versions = Table(title="The secret's versions", title_justify="left")
    for heading in ("version", "labels", "certificate (SHA-256)", "in the app"):
        versions.add_column(heading)
    for version in world.versions():
        held = fingerprint(version)
        versions.add_row(
            version.version_id[:8],
            ", ".join(sorted(version.labels)),
            held[:16] if held else "no key",
            "yes" if held is not None and held == world.app.fingerprint else "",
        )
    seen = Table(title="What everybody saw", title_justify="left", show_header=False)
    seen.add_column()
    seen.add_column(justify="right")
    for name, value in figures:
        seen.add_row(name, str(value))
    console.print()
    console.print(versions)
    console.print(seen)


def callers_figures(world: World, workload: Workload) -> list[tuple[str, object]]:
    """What callers saw, and what that cost in logins."""
    logins = world.org.log.logins(world.user.username)
    return [
        ("calls that callers made with their tokens", workload.tally.tokens),
        ("tokens vended to callers", sum(not result.failed for result in world.vendor.results)),
        ("failures seen by callers", len(workload.tally.failures)),
        ("logins with the key pair, accepted", logins.accepted),
        ("logins with the key pair, refused while certificates spread", logins.refused),
    ]


def expect_callers_served(workload: Workload) -> None:
    """Raise Broken unless callers were served throughout."""
    expect(workload.tally.tokens > 0, "no caller reached the org")
    expect(not workload.tally.failures, f"callers saw failures: {workload.tally.failures[:3]}")
