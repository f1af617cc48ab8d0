"""What a token costs, beside what it would cost otherwise: `make bench`.

The vendor without and with a table, an empty handler, a function that only makes a boto3 client, and one that reads the
secret and logs in with simple-salesforce at every call, all in AWS's runtime client, taking turns in one run. Times are
this machine's, with nothing far away: the org and AWS are on loopback and answer at once.
"""

import argparse
import sys
import time
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text
from samtranslator.yaml_helper import yaml_parse

from tests.sandbox import prices
from tests.sandbox.bench_peers import Figures, Peer, Plan, measure
from tests.sandbox.built import NotUsable, check_runs_here, local_build
from tests.sandbox.world import ROOT, Code

_WIDTH = 130
_MEBIBYTE = 1024 * 1024


def main() -> int:
    """Measure and show; returns the exit code."""
    options = _options()
    # A table that is cut to 80 columns because nobody watches would be of no use in a file.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    plan = Plan(options.environments, options.calls, options.slow_calls)
    memory_mb = _memory_mb()
    code, what = (Code(), "the sources, as asked for") if options.sources else _code()
    console.print(f"Code: {what}. Each function starts {plan.environments} times, calls by turns.", soft_wrap=True)
    started = time.monotonic()
    try:
        with console.status("") as status:
            figures = measure(plan, code, memory_mb=memory_mb, tell=status.update)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    except RuntimeError as error:
        console.print(Text(str(error), style="bold red"), soft_wrap=True)
        return 1
    console.print()
    console.print(table(figures, memory_mb=memory_mb))
    for line in explained(figures, plan, memory_mb=memory_mb):
        console.print(line, soft_wrap=True)
    console.print(f"{time.monotonic() - started:.0f} seconds")
    return 0


def table(figures: Mapping[Peer, Figures], *, memory_mb: int) -> Table:
    """A line for each function."""
    title = "times in milliseconds; logins and calls for 1,000 vends, dollars for a million"
    shown = Table(title=title, title_justify="left")
    shown.add_column("function", no_wrap=True)
    for heading in (
        "init",
        "token\nby login",
        "token\nfrom table",
        "warm\np50",
        "warm\np99",
        "p50 to\nempty",
        "peak\nMiB",
        "logins",
        "Secrets\nManager",
        "Dynamo-\nDB",
        "dollars",
    ):
        shown.add_column(heading, justify="right")
    empty = figures[Peer.EMPTY].warm_quantile(0.5)
    for peer, of_peer in figures.items():
        use = of_peer.use
        shown.add_row(
            peer,
            _milliseconds(of_peer.init, 0),
            _milliseconds(of_peer.first_by_login, 0),
            _milliseconds(of_peer.first_from_table, 0),
            _milliseconds(of_peer.warm_quantile(0.5), 2),
            _milliseconds(of_peer.warm_quantile(0.99), 2),
            f"{of_peer.warm_quantile(0.5) / empty:.2f}",
            "-" if of_peer.peak_memory is None else f"{of_peer.peak_memory / _MEBIBYTE:.0f}",
            f"{of_peer.per_thousand(of_peer.logins):.1f}",
            f"{of_peer.per_thousand(use.secret_calls):.1f}",
            f"{of_peer.per_thousand(use.table_reads + use.table_writes):.1f}",
            f"{prices.dollars(use, memory_mb=memory_mb) * 1_000_000 / use.invocations:.2f}",
        )
    return shown


def explained(figures: Mapping[Peer, Figures], plan: Plan, *, memory_mb: int) -> list[str]:
    """What the table leaves open."""
    vends = figures[Peer.VENDOR].use
    times = (
        f"'{Peer.EACH_TIME}' reads the secret and logs in with simple-salesforce. Init runs from the start of the "
        "process to its first request for work; the first token comes after it, and its time is the handler's own. "
        "These are medians of all starts. Warm times are the caller's."
    )
    calls = (
        f"Logins, calls and dollars are of all calls, cold starts included: {plan.environments} environments of "
        f"{plan.calls:,} calls each ({plan.slow_calls:,} where every call logs in), within one life of a token."
    )
    money = (
        f"Dollars: public prices of {prices.REGION}, looked up in {prices.LOOKED_UP}, for Lambda on arm64 with the "
        f"template's {memory_mb} MB (init and handler as measured here, each call rounded up to a millisecond), "
        f"Secrets Manager, DynamoDB on demand, and the logs that a function writes itself (a vend "
        f"{vends.log_bytes / vends.invocations:.0f} bytes). Lambda gives {memory_mb} MB {memory_mb / 1769:.0%} of a "
        "processor, so computing takes longer there, and so does a login at a real org."
    )
    return [times, calls, money]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--environments", type=int, default=15, metavar="N", help="cold starts of each function (15)")
    parser.add_argument("--calls", type=int, default=200, metavar="N", help="calls of each environment (200)")
    parser.add_argument("--slow-calls", type=int, default=20, metavar="N", help="the same where each logs in (20)")
    parser.add_argument("--sources", action="store_true", help="run the sources, not what `make local-build` made")
    options = parser.parse_args()
    if options.environments < 1 or options.calls < 2 or options.slow_calls < 2:
        parser.error("at least one environment and two calls are needed")
    return options


def _code() -> tuple[Code, str]:
    """What `sam build` made, with its bytecode as Lambda gets it; else the sources."""
    try:
        check_runs_here()
        return local_build().code, "what sam build made, with the layer's own packages and bytecode"
    except NotUsable as reason:
        return Code(), f"the sources with bytecode from their first start, because {reason}"


def _memory_mb() -> int:
    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    return int(template["Globals"]["Function"]["MemorySize"])


def _milliseconds(seconds: float | None, digits: int) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
