"""`status`, `rotate`, `resume`, `rollback`, `revoke`: options in, a call, and what is printed of it."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from operate.asking import NOT_DONE, Secret, Vendor, Yes, confirm
from operate.rotating import revoking, starting
from operate.rotating.following import Tell
from operate.rotating.revoking import Leak
from operate.rotating.rolling_back import Target, next_rotation
from operate.rotating.rotations import Rotations
from operate.rotating.status import certificate_to_upload, lines_of
from operate.workplace import Workplace

Wait = Annotated[float, typer.Option("--wait", metavar="MINUTES", min=0, help="How long to follow a rotation at most.")]

_WAIT_MINUTES = 30.0


def status(
    secret: Secret,
    no_app: Annotated[bool, typer.Option("--no-app", help="Don't ask Salesforce what the apps hold.")] = False,
    certificate: Annotated[bool, typer.Option("--certificate", help="Print a certificate as PEM and no more.")] = False,
    label: Annotated[str, typer.Option(help="With --certificate: of the version with this label.")] = "AWSPENDING",
    as_json: Annotated[bool, typer.Option("--json", help="Print data.")] = False,
) -> None:
    """Show versions, labels, fingerprints, ages, what the apps hold, the schedule, and what a rotation waits for."""
    place = Workplace.of()
    rotations = _rotations(place, secret)
    if certificate:
        place.console.out(certificate_to_upload(rotations.look(), label), end="", highlight=False)
        return
    with place.console.status("Looking"):
        found = rotations.status(with_apps=not no_app)
    if as_json:
        place.console.out(json.dumps(asdict(found), indent=2), highlight=False)
        return
    for line in lines_of(found):
        place.console.print(line, markup=False)


def rotate(
    secret: Secret,
    yes: Yes = False,
    wait: Wait = _WAIT_MINUTES,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start it and don't follow it.")] = False,
) -> None:
    """Replace the key pair now, and follow the rotation until the new key is current."""
    place = Workplace.of()
    rotations = _rotations(place, secret, wait=wait)
    looked = rotations.look()
    starting.refuse_vain(looked)
    turned_on = [] if looked.schedule.enabled else ["Turn rotation on again, which is off."]
    plan = [*turned_on, f"Start a rotation of {looked.name} by {looked.schedule.function_name}: a new key pair."]
    confirm(place, plan, yes=yes)
    with place.console.status("Rotating"):
        rotations.rotate(looked, follow=not no_wait)


def resume(
    secret: Secret,
    yes: Yes = False,
    wait: Wait = _WAIT_MINUTES,
    deliver: Annotated[
        bool, typer.Option("--deliver", help="Have the function do the steps now, and show why one fails.")
    ] = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="End the rotation instead, so that another can start.")] = (
        False
    ),
) -> None:
    """Take up a rotation that waits, with the key pair that it has."""
    place = Workplace.of()
    rotations = _rotations(place, secret, wait=wait)
    looked = rotations.look()
    version = starting.waiting(looked)
    if give_up:
        plan = [
            f"Label {version.name} ROLLEDBACK, if it holds a key, and take AWSPENDING off it.",
            "The app isn't touched; AWSCURRENT stays where it is.",
        ]
        confirm(place, plan, yes=yes)
        rotations.give_up(looked)
        return
    how = "by asking its function for each step" if deliver else "by Secrets Manager, or else its function"
    confirm(place, [f"Go on with the rotation of {looked.name} to {version.name}, {how}."], yes=yes)
    with place.console.status("Rotating"):
        rotations.resume(looked, deliver=deliver)


def rollback(secret: Secret, vendor: Vendor = None, yes: Yes = False) -> None:
    """Make the previous version current again, its certificate back in the app."""
    place = Workplace.of()
    rotations = _rotations(place, secret, vendor=vendor)
    looked = rotations.look()
    target = Target.of(looked)
    confirm(place, [*target.plan(), *_without_bridge(target, rotations.table)], yes=yes)
    with place.console.status("Rolling back"):
        rotations.rolling_back().roll_back(target, place.within(rotations.rollback_seconds))
    place.console.print(next_rotation(looked), markup=False)


def revoke(
    secret: Secret,
    vendor: Vendor = None,
    leaked_until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z"],
            help="Keys made until then may have leaked. Default: all that there are now.",
        ),
    ] = None,
    yes: Yes = False,
    wait: Wait = _WAIT_MINUTES,
) -> None:
    """After a leak of the key or a token: new keys, old certificates gone, known sessions and environments ended."""
    place = Workplace.of()
    rotations = _rotations(place, secret, vendor=vendor, wait=wait)
    looked = rotations.look()
    leak = Leak(leaked_until) if leaked_until is not None else Leak.of_all(looked)
    confirm(place, revoking.plan(looked, leak, table=rotations.table, vendor=vendor), yes=yes)
    until = leak.until.astimezone(UTC).isoformat(timespec="microseconds")
    place.console.print(f"If this ends early, run it again with --leaked-until {until}", markup=False)
    with place.console.status("Revoking"):
        failures = rotations.revoking().revoke(leak)
    place.console.print("\nLeft for you to do:")
    for line in [*failures, *revoking.left_to_do(looked, vendor=vendor)]:
        place.console.print(f"- {line}", markup=False)
    if failures:
        raise typer.Exit(NOT_DONE)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands: tuple[Callable[..., None], ...] = (status, rotate, resume, rollback, revoke)
    for command in commands:
        app.command()(command)


def _rotations(place: Workplace, secret: str, *, vendor: str | None = None, wait: float = _WAIT_MINUTES) -> Rotations:
    return Rotations(place, secret, _tell(place.console), vendor, wait_seconds=wait * 60)


def _without_bridge(target: Target, table: str | None) -> list[str]:
    """What the change of an app in use does to callers, where no shared token can help them over it."""
    if table is not None or not target.same_app:
        return []
    told = "No table of shared tokens is known (--vendor or TOKEN_TABLE): while the certificate spreads, callers whose"
    return [f"{told} tokens end depend on logins."]


def _tell(console: Console) -> Tell:
    return lambda line: console.print(line, markup=False)
