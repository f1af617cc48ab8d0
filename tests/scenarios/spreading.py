"""Ways of spreading that only tests of the worst have a use for."""

from dataclasses import dataclass
from random import Random

from tests.sandbox.org.spreading import Honoured


@dataclass(frozen=True)
class HonoursOnly:
    """A way of spreading: nothing is honoured while the app holds any other certificate than this one."""

    fingerprint: str

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        return frozenset(certificate for certificate in new if certificate.fingerprint == self.fingerprint)


@dataclass(frozen=True)
class NobodyAfter:
    """A way of spreading: the new certificate is honoured for some seconds, then none is."""

    seconds: float

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        return new if elapsed < self.seconds else frozenset()
