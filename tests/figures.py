"""Figures that tests hand in, put together for the terminal's summary."""

from collections.abc import Callable, Iterable, Mapping

_WAYS: Mapping[str, Callable[[Iterable[float]], float]] = {"sum": sum, "max": max}


def combined(properties: Iterable[tuple[str, object]]) -> list[str]:
    """A line for each figure, `name: number`; properties that are none are passed over."""
    found: dict[tuple[str, str], list[float]] = {}
    for name, value in properties:
        way, _, what = name.partition(": ")
        if way in _WAYS and isinstance(value, int | float):
            found.setdefault((what, way), []).append(value)
    return [f"{what}: {_WAYS[way](numbers):,.10g}" for (what, way), numbers in sorted(found.items())]
