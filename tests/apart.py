"""The environment of a make that isn't a part of the one that runs the tests."""

import os

# Its own, and what somebody may have given to it: make puts that into its children's environment.
_MAKES_OWN = frozenset({"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ALL", "ARCH", "ARGS", "EVENT", "MORE", "SECRET"})


def apart_from_make() -> dict[str, str]:
    """This process's variables without those by which one make hands its own on to another."""
    return {name: value for name, value in os.environ.items() if name not in _MAKES_OWN}
