"""What became of the mutants, and which survivors are known."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_KNOWN = Path(__file__).with_name("known_survivors.toml")


@dataclass(frozen=True, slots=True)
class Survivor:
    """A change that no test notices: what was there, and what stood there instead."""

    module: str
    function: str
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.module}: {self.function}\n    - {self.was}\n    + {self.becomes}"

    @classmethod
    def of_diff(cls, module: str, mutant: str, diff: Iterable[str]) -> "Survivor":
        """From the name that mutmut gave it and the lines of its diff, whose numbers change with every edit."""
        lines = [line for line in diff if not line.startswith(("---", "+++"))]
        function = mutant.rpartition(".")[2].partition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ")
        return cls(
            module=module,
            function=function.replace("ǁ", "."),
            was=" ".join(line[1:].strip() for line in lines if line.startswith("-")),
            becomes=" ".join(line[1:].strip() for line in lines if line.startswith("+")),
        )


def known(module: str) -> set[Survivor]:
    """Those of a module that were looked at and let live; the file says why, for each."""
    listed = tomllib.loads(_KNOWN.read_text())
    return {
        Survivor(module=module, function=each["function"], was=each["was"], becomes=each["becomes"])
        for each in listed.get(module, [])
    }
