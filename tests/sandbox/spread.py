"""What callers see while a certificate spreads: `make spread`.

A rotation under traffic for every way of spreading, with one app, with two, and with one and a table of shared tokens,
for a vendor that holds fresh tokens, stale ones, some that end meanwhile, none, or is forced to fetch new ones. Ends
with a table, and with an exit code that says whether it went as promised: no failure where a labelled key is honoured
or a cached token lives, nor, with shared tokens, elsewhere; where there may be one, an error that says until when to
wait.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.sandbox.spreading_cells import COURSES, SPREADS_SECONDS, Cell, Model, Seen, SetUp, Vendor, play


def main() -> int:
    """Play the cells; returns the exit code."""
    options = _options()
    console = Console(highlight=False)
    models: list[Model] = options.model or list(Model)
    set_ups = _set_ups(options)
    console.print(
        f"{len(models) * len(set_ups)} rotations under traffic, minutes scaled down to seconds, T = "
        f"{SPREADS_SECONDS:g} s. How the change of the certificate spreads:",
        soft_wrap=True,
    )
    for model in models:
        console.print(Text(f"  {model:<10}{COURSES[model].meaning}", style="dim"), soft_wrap=True)
    console.print()
    started = time.monotonic()
    try:
        seen = _play_all(console, set_ups, models, options)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    console.print("\nfailures/vends, logins")
    for kind in dict.fromkeys(set_up.kind for set_up in set_ups):
        console.print(_table(seen, [set_up for set_up in set_ups if set_up.kind == kind], models))
    console.print(
        "Logins are all with the key pair, the rotation's own and refused ones among them. An asterisk: nobody could "
        "get a token for a while, and each failure said until when to wait.",
        soft_wrap=True,
    )
    console.print(f"{time.monotonic() - started:.0f} seconds")
    broken = [f"{each.cell}: {problem}" for each in seen for problem in each.broken()]
    for line in broken:
        console.print(Text(line, style="bold red"), soft_wrap=True)
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make spread", description=__doc__)
    parser.add_argument("--model", type=Model, choices=list(Model), action="append", help="these alone (all)")
    parser.add_argument("--apps", type=int, choices=(1, 2), action="append", help="set-ups with so many apps alone")
    parser.add_argument("--table", action="store_true", help="set-ups with shared tokens alone, which have one app")
    parser.add_argument(
        "--without-bridge",
        action="store_true",
        help="set-ups with shared tokens alone, and the rotation leaves none: see what breaks",
    )
    parser.add_argument("--vendor", type=Vendor, choices=list(Vendor), action="append", help="these alone (all)")
    parser.add_argument("--callers", type=int, default=2, metavar="N", help="workloads that ask all the time (2)")
    parser.add_argument("--seed", type=int, default=0, help="of the chance by which servers answer (0)")
    options = parser.parse_args()
    if not 1 <= options.callers <= 8:
        parser.error("--callers takes a number from 1 to 8")
    if options.apps == [2] and (options.table or options.without_bridge):
        parser.error("shared tokens are played with one app")
    return options


def _set_ups(options: argparse.Namespace) -> list[SetUp]:
    with_table = options.table or options.without_bridge
    kinds = [(1, True)] if with_table else [(1, False), (2, False), (1, True)]
    return [
        SetUp(apps, vendor, table)
        for apps, table in kinds
        if apps in (options.apps or (1, 2))
        for vendor in options.vendor or Vendor
    ]


def _play_all(
    console: Console, set_ups: Sequence[SetUp], models: Sequence[Model], options: argparse.Namespace
) -> list[Seen]:
    """Play all set-ups at once, each its models one after the other, and tell of each cell as it ends."""
    playing = partial(
        play,
        models=models,
        callers=options.callers,
        seed=options.seed,
        bridge=not options.without_bridge,
        tell=lambda seen: console.print(_line(seen), soft_wrap=True),
    )
    with ThreadPoolExecutor(len(set_ups)) as pool:
        return [seen for played in pool.map(playing, set_ups) for seen in played]


def _line(seen: Seen) -> Text:
    broken = bool(seen.broken())
    line = Text()
    line.append("BROKEN  " if broken else "ok      ", style="bold red" if broken else "green")
    line.append(
        f"{seen.cell!s:<35}{len(seen.failures):3} of {seen.vends:3} vends failed; logins {seen.logins.accepted:3} "
        f"accepted, {seen.logins.refused:3} refused; slowest vend {seen.slowest:4.1f} s"
    )
    return line


def _table(seen: Iterable[Seen], set_ups: Sequence[SetUp], models: Sequence[Model]) -> Table:
    """One kind of set-ups: models downwards, vendors across."""
    by_cell = {each.cell: each for each in seen}
    # Narrow enough for a log of 80 columns.
    table = Table(title=set_ups[0].kind, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("spreads")
    for set_up in set_ups:
        table.add_column(set_up.vendor, justify="right")
    for model in models:
        table.add_row(model, *_figures(by_cell[Cell(model, set_up)] for set_up in set_ups))
    return table


def _figures(row: Iterable[Seen]) -> Iterator[str]:
    for seen in row:
        mark = "*" if seen.failures and not seen.broken() else ""
        yield f"{len(seen.failures)}{mark}/{seen.vends}, {seen.logins.accepted + seen.logins.refused}"


if __name__ == "__main__":
    sys.exit(main())
