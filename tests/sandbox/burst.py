"""How many logins a burst of cold environments costs: `make burst`.

So many environments of the token vendor, each a process without a token, are asked at the same moment, while a login
takes its time: with a table between them, with the one that logs in killed meanwhile, and without a table. Ends with a
table, and with an exit code that says whether it went as promised: one login, two where one was killed, no failure.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.sandbox.burst_rounds import MEANINGS, Round, Seen, play

_MOST_ENVIRONMENTS = 400


def main() -> int:
    """Play the rounds; returns the exit code."""
    options = _options()
    console = Console(highlight=False)
    rounds: list[Round] = options.round or list(Round)
    seen = []
    try:
        for played in rounds:
            console.print(Text(f"{played}: {MEANINGS[played]}", style="bold"), soft_wrap=True)
            seen.append(
                play(
                    played,
                    environments=options.environments,
                    login_seconds=options.login_seconds,
                    tell=lambda text: console.print(Text(f"  {text}", style="dim"), soft_wrap=True),
                )
            )
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    console.print()
    console.print(_table(seen, options))
    console.print(
        "Waits begin when all environments have initialised, and are those of the callers that weren't killed. On real "
        "Lambda each environment has a processor of its own; here all share this machine's.",
        soft_wrap=True,
    )
    broken = [f"{each.round}: {problem}" for each in seen for problem in each.broken()]
    for line in broken:
        console.print(Text(line, style="bold red"), soft_wrap=True)
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make burst", description=__doc__)
    parser.add_argument("--environments", type=int, default=100, metavar="N", help="asked at once (100)")
    parser.add_argument("--login-seconds", type=float, default=2.0, metavar="S", help="how long a login takes (2)")
    parser.add_argument("--round", type=Round, choices=list(Round), action="append", help="these alone (all)")
    options = parser.parse_args()
    if not 2 <= options.environments <= _MOST_ENVIRONMENTS:
        parser.error(f"--environments takes a number from 2 to {_MOST_ENVIRONMENTS}")
    if not 0 <= options.login_seconds <= 5:
        parser.error("--login-seconds takes a number from 0 to 5")
    return options


def _table(seen: Sequence[Seen], options: argparse.Namespace) -> Table:
    title = f"{options.environments} environments at once, a login takes {options.login_seconds:g} s"
    table = Table(title=title, title_justify="left")
    table.add_column()
    for each in seen:
        table.add_column(each.round, justify="right")
    for name, *figures in zip(_NAMES, *map(_figures, seen), strict=True):
        table.add_row(name, *figures)
    operations = dict.fromkeys(operation for each in seen for operation in sorted(each.calls))
    for operation in operations:
        table.add_row(operation, *(str(each.calls.get(operation, 0)) for each in seen))
    return table


_NAMES = ("logins", "  promised at most", "different tokens", "failures", "wait, p50", "wait, p95", "longest wait")


def _figures(seen: Seen) -> Iterator[str]:
    yield str(seen.logins)
    yield str(seen.promised)
    yield str(seen.tokens)
    yield str(len(seen.failures))
    for share in (0.5, 0.95, 1.0):
        yield f"{seen.waited(share):.1f} s"


if __name__ == "__main__":
    sys.exit(main())
