"""Which cases of a test `make prove` tries, and which only `make prove MORE=yes`."""

from collections.abc import Iterable
from typing import Any

import pytest


def by_weight(cases: Iterable[tuple[Any, ...]], *, further: Iterable[tuple[Any, ...]]) -> list[Any]:
    """The cases for `parametrize`: some for everybody who proves, and further ones for who has more time."""
    return [
        *(pytest.param(*case, marks=pytest.mark.exhaustive) for case in cases),
        *(pytest.param(*case, marks=pytest.mark.further) for case in further),
    ]
