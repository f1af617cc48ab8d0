"""Options that commands have in common, and asking before something is changed."""

from collections.abc import Sequence
from typing import Annotated

import typer

from operate.workplace import Workplace

Secret = Annotated[
    str, typer.Option("--secret", metavar="NAME_OR_ARN", envvar="SECRET", help="The secret that holds the key pair.")
]
Vendor = Annotated[
    str | None,
    typer.Option("--vendor", metavar="FUNCTION", envvar="TOKEN_VENDOR", help="The token vendor's function."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask before something is changed.")]

NOT_DONE = 1
USAGE = 2


def confirm(place: Workplace, plan: Sequence[str], *, yes: bool, question: str = "Do this?") -> None:
    """Name what will be done, unless that was told before, and ask. Raises Exit unless that is wanted."""
    for line in plan:
        place.console.print(f"- {line}", markup=False)
    if yes:
        return
    if not place.can_ask:
        typer.echo("Nothing was done: there is no terminal to ask at; give --yes to do this.", err=True)
        raise typer.Exit(USAGE)
    if not typer.confirm(question):
        typer.echo("Nothing was done.")
        raise typer.Exit(NOT_DONE)
