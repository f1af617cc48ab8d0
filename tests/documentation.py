"""`make error-docs`: docs/errors.md, written from the code, so that it says what the code does.

Not part of the package, which is deployed and explains itself in its errors' texts.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from salesforce_keypair import errors
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.salesforce.refusals import ANY, REFUSALS, Grant, Kind, Refusal

ERROR_DOCS = Path(__file__).parents[1] / "docs" / "errors.md"

_OPENING = """\
# Errors, and what Salesforce's refusals mean

Written by `make error-docs` from the code; a change of this file by hand is lost, and `make test` notices it.

An error's type is its name, and its text says `what happened: what to do`. Step Functions and callers of Lambda find
the name in `errorType`; a log line has it as `error`, with `retryable` and `remedy`. The names are a contract.
[The runbook](runbook.md#by-the-errors-name) says what to do for each.

## The tree

`retryable` is *yes* where time alone may help; each error can say otherwise of itself.

| error | what it means | retryable |
|---|---|---|
"""

_REFUSALS = """
## What Salesforce's token endpoint says

The first row that fits counts: the OAuth error, and one of the words in its description, in lower case. What no row
knows is `LoginRefused`, not retryable, and says to look the words up in Salesforce's help and in Setup's Login History.

| error | words | class | cause | remedy |
|---|---|---|---|---|
"""

_CLASSES = """
## The classes

| class | what waiting does | raised as |
|---|---|---|
"""

_MEANINGS = {
    Kind.SETTLING: ("may help while an app's change spreads; else the set-up is wrong", "`LoginRefused`, retryable"),
    Kind.CONFIG: ("never helps", "`LoginRefused`"),
    Kind.TRANSIENT: ("helps soon", "`SalesforceUnavailable`, retryable"),
    Kind.THROTTLED: ("helps late, and later the more is asked", "`LoginThrottled`, retryable"),
}
_GRANTS = {Grant.JWT_BEARER: "key pair", Grant.CLIENT_CREDENTIALS: "admin's client credentials"}


def error_docs() -> str:
    """The whole page."""
    tree = "".join(_row(*_error(kind, depth)) for kind, depth in _tree(KeyPairError))
    refusals = "".join(_row(*_refusal(refusal)) for refusal in REFUSALS)
    classes = "".join(_row(f"*{kind.value}*", *_MEANINGS[kind]) for kind in Kind)
    return _OPENING + tree + _REFUSALS + refusals + _CLASSES + classes


def _tree(kind: type[KeyPairError], depth: int = 0) -> Iterator[tuple[type[KeyPairError], int]]:
    """An error and those below it, in the order in which the module has them."""
    yield kind, depth
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, kind) and each.__base__ is kind:
            yield from _tree(each, depth + 1)


def _error(kind: type[KeyPairError], depth: int) -> tuple[str, str, str]:
    meaning = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    return "&emsp;" * depth + f"`{kind.__name__}`", meaning, "yes" if kind.retryable else ""


def _refusal(refusal: Refusal) -> tuple[str, str, str, str, str]:
    error = "any" if refusal.error == ANY else f"`{refusal.error}`"
    words = " or ".join(f"*{phrase}*" for phrase in refusal.phrases)
    if refusal.grant is not None:
        words += f", for the {_GRANTS[refusal.grant]}"
    return error, words, refusal.kind.value, refusal.cause, refusal.remedy


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    ERROR_DOCS.write_text(error_docs(), encoding="utf-8")
    sys.stdout.write("docs/errors.md is written.\n")
