"""How many examples a property is tried on: a sample in `make test`, the whole number in `make prove`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

WHOLE = "prove"
# One of so many in `make test`.
SAMPLE = 100
_MARKS = (
    pytest.mark.sampled,
    pytest.mark.timeout(900),
    # Measuring coverage takes longer than all that is measured, and other tests cover the same.
    pytest.mark.no_cover,
    # Of a failure with a large input: the failure itself is what is worth reading.
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
)


class Tried:
    """How many examples a property was tried on, of those that count: what a generator threw away does not."""

    def __init__(self) -> None:
        self.number = 0
        self.figure = "sum: examples of bad input"


def examples(whole: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Below `given`: try the property on so many examples, the same ones in each run."""

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        tried = Tried()

        @wraps(check)
        def counted(*args: Any, **given: Any) -> None:
            check(*args, **given)
            tried.number += 1

        counted.tried = tried  # type: ignore[attr-defined]
        for mark in _MARKS:
            mark(counted)
        marked: Callable[..., None] = _settings(whole)(counted)
        return marked

    return decorate


def _settings(whole: int) -> settings:
    is_whole = settings.get_current_profile_name() == WHOLE
    return settings(
        max_examples=whole if is_whole else max(whole // SAMPLE, 10),
        # Two cores that others use too: an example may take as long as it takes.
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
