"""`make sandbox`: the local world stays up until Ctrl-C, for the AWS CLI, for SDKs and for `sam local`."""

import argparse
import ipaddress
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.sandbox import derived_template, running
from tests.sandbox.aws import RotationPolicy
from tests.sandbox.built import MONITOR, ROTATION, VENDOR, NotUsable, local_build
from tests.sandbox.container_engine import CONTAINERS_NAME, Engine, NoEngine, find_engine, is_of_this_machine
from tests.sandbox.org.spreading import (
    AtOnce,
    BackOnce,
    BothUntil,
    FlappingUntil,
    NeitherUntil,
    Never,
    OldUntil,
    Spreading,
)
from tests.sandbox.running import RunningSandbox, SandboxError
from tests.sandbox.watching import Watch
from tests.sandbox.welcome import welcome
from tests.sandbox.world import Place, Timing, World

LOOPBACK = "127.0.0.1"
SPREADINGS: dict[str, Callable[..., Spreading]] = {
    "at-once": AtOnce,
    "old": OldUntil,
    "both": BothUntil,
    "neither": NeitherUntil,
    "flapping": FlappingUntil,
    "back": BackOnce,
    "never": Never,
}
_SECONDS_OF = {"at-once": 0, "never": 0, "back": 2}
_LOOK_EVERY_SECONDS = 0.2


class CannotStart(Exception):
    """The sandbox can't be started so; the text says what to do."""


def spreading(text: str) -> Spreading:
    """A model by its name and seconds, as in `flapping:6`. Raises ArgumentTypeError."""
    name, *words = text.split(":")
    try:
        seconds = [float(word) for word in words]
    except ValueError:
        seconds = []
    if name not in SPREADINGS or len(seconds) != _SECONDS_OF.get(name, 1) or any(s < 0 for s in seconds):
        raise argparse.ArgumentTypeError("use at-once, old:6, both:6, neither:6, flapping:6, back:2:4 or never")
    return SPREADINGS[name](*seconds)


def main(arguments: list[str] | None = None) -> int:
    """Serve; returns the exit code."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    # Set before anything is started: a signal that comes while the world is being set up ends it as cleanly.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        _refuse_a_second_one(options.folder)
        engine = find_engine() if options.containers else None
        _serve(options, _place(options, engine), stop)
    except (CannotStart, NoEngine) as reason:
        print(reason, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"The sandbox can't listen there: {error}. Other ports: --aws-port, --org-port; 0 is any free one.",
            file=sys.stderr,
        )
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make sandbox ARGS=...", description=__doc__)
    parser.add_argument("--aws-port", type=int, default=4580, metavar="PORT", help="of the local AWS (4580; 0: any)")
    parser.add_argument("--org-port", type=int, default=4581, metavar="PORT", help="of the emulated org (4581; 0: any)")
    parser.add_argument(
        "--spreading",
        type=spreading,
        default=AtOnce(),
        metavar="MODEL",
        help="how the org's servers get to know a new certificate: at-once, old:6, both:6, neither:6, flapping:6, "
        "back:2:4 or never; seconds (at-once)",
    )
    parser.add_argument(
        "--settling", type=_seconds, default=30, metavar="S", help="seconds that a change may take to spread (30)"
    )
    parser.add_argument(
        "--shared-tokens", action="store_true", help="let the vendor's environments share tokens in a DynamoDB table"
    )
    parser.add_argument(
        "--new", action="store_true", help="leave the secret without a value, as a stack does, for `make onboard`"
    )
    reach = parser.add_mutually_exclusive_group()
    reach.add_argument(
        "--containers", action="store_true", help="listen where containers reach it, for `sam local`; else on loopback"
    )
    reach.add_argument("--host", default=LOOPBACK, metavar="ADDRESS", help="listen on this address of the machine")
    parser.add_argument("--folder", type=Path, default=running.FOLDER, help=argparse.SUPPRESS)
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 840:
        raise argparse.ArgumentTypeError("from 0 to 840")
    return seconds


def _place(options: argparse.Namespace, engine: Engine | None) -> Place:
    if engine is None:
        host = str(options.host)
        # Nobody's signature is verified here: who reaches the port reads the keys and runs the functions.
        if not _is_private(host):
            raise CannotStart(
                f"--host {host} isn't loopback or a private IPv4 address: the sandbox isn't for a network."
            )
        if not is_of_this_machine(host):
            raise CannotStart(f"--host {host} isn't an address of this machine.")
        return Place(host, options.org_port, options.aws_port)
    if engine.bridge:
        return Place(engine.bridge, options.org_port, options.aws_port)
    return Place(LOOPBACK, options.org_port, options.aws_port, name=CONTAINERS_NAME)


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified


def _refuse_a_second_one(folder: Path) -> None:
    try:
        other = running.find(folder)
    except SandboxError:
        return
    raise CannotStart(f"A sandbox runs already, at {other.aws_url}: end it with Ctrl-C in its terminal.")


def _serve(options: argparse.Namespace, place: Place, stop: threading.Event) -> None:
    # Off loopback, and under a name, plain http is allowed to our functions only as `sam local` runs them.
    only_here = place.host == LOOPBACK and place.name is None
    extra = {} if only_here else {"AWS_SAM_LOCAL": "true", "NO_PROXY": f"{LOOPBACK},{place.name or place.host}"}
    timing = Timing(settling=options.settling, settled_interval=0.5, rotation_timeout=options.settling + 60)
    policy = RotationPolicy(repeats=2, pause_seconds=2)
    with World(
        timing=timing,
        rotation_policy=policy,
        extra_environment=extra,
        place=place,
        shared_tokens=options.shared_tokens,
        new_secret=options.new,
        notices=True,
    ) as world:
        world.app.spreading = options.spreading
        world.turn_rotation_on()
        control = running.Control(world)
        try:
            sandbox = _describe(world, place, control.url, reachable=not only_here)
            sandbox.write(options.folder)
            _derive_template(sandbox, options.folder)
            _say(welcome(sandbox, world, options.folder, new=options.new))
            watch = Watch(world, _say)
            while not stop.wait(_LOOK_EVERY_SECONDS):
                watch.look()
            watch.look()
            _say("\nThe sandbox ends: everything in it is gone.")
        finally:
            control.close()
            running.remove(options.folder)


def _describe(world: World, place: Place, control_url: str, *, reachable: bool) -> RunningSandbox:
    container_host = place.name or place.host
    in_container = {"AWS_ENDPOINT_URL": f"http://{container_host}:{urlsplit(world.aws.url).port}"}
    # The built template may name a table, which is here only if the world was asked for it.
    no_table = {"TOKEN_TABLE": ""}
    return RunningSandbox(
        control_url=control_url,
        aws_url=world.aws.url,
        secret_arn=world.secret_arn,
        reachable=reachable,
        container_host=container_host,
        # So that the commands of `operate` find the org from this shell, too, and the vendor, for no stack names it.
        shell=world.aws.environment("shell")
        | {"EXTRA_SALESFORCE_HOSTS": world.org.url.removeprefix("http://"), "TOKEN_VENDOR": world.vendor.name},
        variables={
            ROTATION: world.aws.environment("sam-rotation") | no_table | world.rotation_variables | in_container,
            VENDOR: world.aws.environment("sam-token-vendor") | no_table | world.vendor_variables | in_container,
            MONITOR: world.aws.environment("sam-key-monitor") | no_table | world.monitor_variables | in_container,
        },
    )


def _derive_template(sandbox: RunningSandbox, folder: Path) -> None:
    try:
        build = local_build()
    except NotUsable:
        # The targets that need it build first, and derive it themselves.
        return
    derived_template.write(build, sandbox.variables, folder)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
