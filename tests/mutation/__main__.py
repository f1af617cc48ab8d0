"""Change the code in small ways, one at a time, and see whether the tests notice. `make mutate` runs this."""

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.mutation.ground import ROOT, lay_out
from tests.mutation.modules import MODULES, Module
from tests.mutation.survivors import Survivor, known

_MUTMUT = Path(__file__).with_name("mutmut_here.py")
_GROUND = ROOT / ".mutation"
_AIM = 90.0
# A mutant that hangs or crashes was noticed too.
_NOTICED = frozenset({"killed", "timeout", "segfault"})


def main() -> int:
    """Run the modules named, or all; 0 where every survivor is a known one."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="module", help=", ".join(each.name for each in MODULES))
    parser.add_argument("--workers", type=int, default=2, help="processes at once (default: 2)")
    arguments = parser.parse_args()
    named = set(arguments.modules)
    if unknown := named - {each.name for each in MODULES}:
        parser.error(f"no such module: {', '.join(sorted(unknown))}")

    is_as_known = True
    print(f"{'module':14} {'mutants':>8} {'killed':>8} {'survived':>8} {'known':>8} {'score':>8}", flush=True)
    for module in MODULES:
        if not named or module.name in named:
            is_as_known &= _report(module, _outcomes(module, arguments.workers))
    return 0 if is_as_known else 1


def _outcomes(module: Module, workers: int) -> dict[str, str]:
    """What became of each mutant, by its name."""
    place = _GROUND / module.name
    lay_out(module, place)
    log = place / "mutmut.log"
    with log.open("wb") as file:
        ended = subprocess.run(
            [sys.executable, _MUTMUT, "run", "--max-children", str(workers)],
            cwd=place,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    outcomes = dict(line.strip().split(": ") for line in _mutmut(place, "results", "--all", "true").splitlines())
    if ended.returncode or not outcomes or not set(outcomes.values()) <= _NOTICED | {"survived", "no tests"}:
        sys.exit(f"mutmut didn't come to its end; see {log.relative_to(ROOT)}")
    return outcomes


def _report(module: Module, outcomes: dict[str, str]) -> bool:
    counted = Counter("killed" if outcome in _NOTICED else "survived" for outcome in outcomes.values())
    place = _GROUND / module.name
    survivors = [
        Survivor.of_diff(module.name, mutant, _mutmut(place, "show", mutant).splitlines())
        for mutant, outcome in outcomes.items()
        if outcome not in _NOTICED
    ]
    listed = known(module.name)
    score = 100 * counted["killed"] / counted.total()
    print(
        f"{module.name:14} {counted.total():8} {counted['killed']:8} {counted['survived']:8} "
        f"{sum(each in listed for each in survivors):8} {score:6.1f} %",
        flush=True,
    )
    new, gone = [each for each in survivors if each not in listed], listed - set(survivors)
    for heading, found in (("not known", new), ("known, but noticed now, or not made any more", sorted(gone, key=str))):
        for each in found:
            print(f"  {heading}: {each}")
    if score < _AIM:
        print(f"  less than {_AIM:.0f} %")
    return not new and not gone and score >= _AIM


def _mutmut(place: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, _MUTMUT, *arguments], cwd=place, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
