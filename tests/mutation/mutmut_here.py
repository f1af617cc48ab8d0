"""mutmut with the operators that suit this code; run from a folder whose pyproject.toml holds its settings.

mutmut takes no operators from outside, so its list is changed before it starts; its version is fixed for that reason.
"""

from collections.abc import Iterator

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation.mutators import mutation_operators, operator_string


def change_a_name(node: cst.BaseString) -> Iterator[cst.BaseString]:
    """mutmut's changes of a string, but of names alone: a text with a space in it is words for people."""
    if not (isinstance(node, cst.SimpleString) and " " in node.value):
        yield from operator_string(node)


def leave_a_call_out(node: cst.Expr) -> Iterator[cst.Pass]:
    """mutmut removes arguments, never a call that is made for what it does: `secret.look_again()`."""
    if isinstance(node.value, cst.Call):
        yield cst.Pass()


def let_an_error_pass(node: cst.Raise) -> Iterator[cst.Pass]:
    """What is refused goes on."""
    yield cst.Pass()


def decide_beforehand(node: cst.If) -> Iterator[cst.If]:
    """mutmut does this to `a if b else c` alone."""
    for always in ("True", "False"):
        yield node.with_changes(test=cst.Name(always))


mutation_operators[:] = [
    *((kind, change_a_name if change is operator_string else change) for kind, change in mutation_operators),
    (cst.Expr, leave_a_call_out),
    (cst.Raise, let_an_error_pass),
    (cst.If, decide_beforehand),
]

if __name__ == "__main__":
    cli()
