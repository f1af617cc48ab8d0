"""The command that walks the chain from the secret to the token, and says where it breaks and what to do."""

import json
from contextlib import nullcontext
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from operate.checks.chain import Request, examine
from operate.checks.finding import Check, Report, Status
from operate.workplace import Workplace

_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}
_STATUS_WIDTH = 9
_NAME_WIDTH = 21
_NOT_WELL = 1


def doctor(
    secret: Annotated[str, typer.Option(envvar="SECRET", help="Name or ARN of the secret.", metavar="NAME_OR_ARN")],
    vendor: Annotated[
        str | None, typer.Option(envvar="TOKEN_VENDOR", help="The token vendor, by name or ARN.", metavar="FUNCTION")
    ] = None,
    stack: Annotated[
        str | None, typer.Option(help="The stack whose vendor is asked (the one that owns the secret).", metavar="NAME")
    ] = None,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse",
            help="Also let Salesforce check a deploy of the unchanged app, which writes nothing, but stands in the "
            "org's Deployment Status and waits for others' deploys.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is wrong with a key pair, from the secret to the token, and what to do. Changes nothing.

    Logs in once for each labelled version's key and once as the admin. Exit code 0 when nothing failed, else 1.
    """
    place = Workplace.of()
    report = run(place, Request(secret, vendor, stack, rehearse), as_json=as_json)
    if not report.well:
        raise typer.Exit(_NOT_WELL)


def run(place: Workplace, request: Request, *, as_json: bool) -> Report:
    """Examine and print: each check as it is made, and the verdict, or one JSON object."""
    console = place.console
    if as_json:
        report = examine(place, request, _say_nothing)
        console.out(json.dumps(report.as_json(), indent=2), highlight=False)
        return report
    with console.status("Looking…") if console.is_terminal else nullcontext():
        report = examine(place, request, lambda check: _print_check(console, check))
    _print_verdict(console, report)
    return report


def _say_nothing(check: Check) -> None:
    """All is said at the end."""


def _print_check(console: Console, check: Check) -> None:
    finding = check.finding
    word = finding.status.upper() if finding.status is Status.FAILED else finding.status.value
    line = Text(f"{word:<{_STATUS_WIDTH}}", style=_STYLES[finding.status])
    line.append(f"{check.id:<{_NAME_WIDTH}} ", style="bold" if finding.status is Status.FAILED else "default")
    line.append(finding.what, style="default")
    console.print(line)
    indent = " " * _STATUS_WIDTH
    for name, text in (("cause", finding.cause), ("remedy", finding.remedy)):
        if text is not None:
            console.print(Text(f"{indent}{name:<{_NAME_WIDTH}} {text}", style="dim" if name == "cause" else "default"))


def _print_verdict(console: Console, report: Report) -> None:
    console.print()
    console.print(Text(report.verdict, style="bold"))
    console.print(Text(f"Logins made for this: {report.logins}. Nothing was changed.", style="dim"))
    if report.next_command is not None:
        console.print(Text(f"Next: {report.next_command}", style="bold"))
