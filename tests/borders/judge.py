"""What must hold of whatever the product makes of bad input: a value or one of its own errors, and no secret in it."""

import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

from salesforce_keypair.errors import KeyPairError
from tests.scenarios.leaks import Searcher

T = TypeVar("T")


def value_or_error(
    call: Callable[[], T], *, secrets: Searcher | None = None, errors: tuple[type[Exception], ...] = (KeyPairError,)
) -> T | None:
    """What `call` returns, or None where it raises one of `errors`; anything else that is raised passes on.

    The error says what to do and, like all that it carries along, holds none of the secrets.
    """
    try:
        return call()
    except errors as error:
        raised = error
    if isinstance(raised, KeyPairError):
        assert raised.remedy
        assert str(raised) == f"{raised.what}: {raised.remedy}"
    assert len(str(raised)) < LONGEST_TEXT, "an error's text must fit a log line"
    found = set() if secrets is None else secrets.find("\n".join(shown_of(raised)))
    assert not found, f"an error gives away: {found}"
    return None


LONGEST_TEXT = 4_000


def shown_of(error: BaseException) -> Iterator[str]:
    """All that an error could show of itself: text, repr and attributes, and those of what it was raised from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield from traceback.format_exception_only(each)
        yield repr(each)
        yield str(vars(each))
        # `doc` of a JSONDecodeError, `object` of a UnicodeDecodeError: what it failed at, whole.
        yield from (str(getattr(each, name)) for name in ("doc", "object") if hasattr(each, name))
        waiting += [each.__cause__, each.__context__]
