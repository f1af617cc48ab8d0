"""How a change of certificate reaches the servers of an org: not documented, so every plausible way is a model."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.sandbox.org.certificates import Certificate

Honoured = frozenset[Certificate]


class Spreading(Protocol):
    """Which certificates the answering server honours, that many seconds after a change from `old` to `new`."""

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured: ...


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Every server knows the new certificate as soon as the change is written."""

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        return new


@dataclass(frozen=True, slots=True)
class OldUntil:
    """Every server honours the old certificate alone, then the new one alone."""

    seconds: float

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        return old if elapsed < self.seconds else new


@dataclass(frozen=True, slots=True)
class BothUntil:
    """Every server honours both certificates for a while, then the new one alone."""

    seconds: float

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        return old | new if elapsed < self.seconds else new


@dataclass(frozen=True, slots=True)
class NeitherUntil:
    """No server honours any certificate for a while: the app is down until the change has arrived."""

    seconds: float

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        return frozenset() if elapsed < self.seconds else new


@dataclass(frozen=True, slots=True)
class FlappingUntil:
    """Some servers know the old certificate and some the new one, and chance says which of them answers."""

    seconds: float
    share_of_new: float = 0.5

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        if elapsed >= self.seconds:
            return new
        return new if rng.random() < self.share_of_new else old


@dataclass(frozen=True, slots=True)
class BackOnce:
    """The new certificate works, then for a while only the old one again, then the new one for good."""

    seconds_of_new: float
    seconds_of_old: float

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        relapsed = self.seconds_of_new <= elapsed < self.seconds_of_new + self.seconds_of_old
        return old if relapsed else new


@dataclass(frozen=True, slots=True)
class Never:
    """The new certificate is stored and never honoured; the old one goes on working, or stops as well."""

    old_goes_on: bool = True

    def __call__(self, old: Honoured, new: Honoured, elapsed: float, rng: Random, /) -> Honoured:
        return old if self.old_goes_on else frozenset()


@dataclass(frozen=True, slots=True)
class _Change:
    certificate: Certificate | None
    at: float
    spreading: Spreading


class CertificateHistory:
    """The certificates one app has held, and which of them its servers honour now."""

    def __init__(self) -> None:
        self._changes: list[_Change] = []

    @property
    def installed(self) -> Certificate | None:
        """The certificate as written, whatever the servers honour."""
        return self._changes[-1].certificate if self._changes else None

    def install(self, certificate: Certificate | None, at: float, spreading: Callable[[], Spreading]) -> None:
        """Write a certificate, or None to clear it. Writing the one that is there is no change."""
        if certificate != self.installed:
            self._changes.append(_Change(certificate, at, spreading()))

    def honoured(self, now: float, rng: Random) -> Honoured:
        """The certificates of the server that answers now. A change made while another spreads starts from there."""
        known: Honoured = frozenset()
        for change in self._changes:
            new: Honoured = frozenset() if change.certificate is None else frozenset({change.certificate})
            known = change.spreading(known, new, now - change.at, rng)
        return known
