"""Searches what was printed for anything that is secret, whole or in pieces, in the forms that it travels in."""

import base64
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import parse_qs, unquote_plus

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.sandbox.org import Kind
from tests.sandbox.world import World
from tests.scenarios.support import pair_in

# Shorter than a line of PEM, longer than what two texts have in common by chance.
PIECE = 24
_HALF = PIECE // 2
# What keys, tokens and assertions are written with, in base64, hex or digits: only a run of it can hold a piece of one.
_RUN = re.compile(rf"[A-Za-z0-9+/=_.!~-]{{{PIECE},}}")


class Searcher:
    """Knows secrets by kind and finds any piece of them."""

    def __init__(self) -> None:
        self._short: dict[str, str] = {}
        self._long: dict[str, str] = {}
        # Every other half of a piece: whatever is as long as a piece holds one of them whole.
        self._halves: set[str] = set()

    def know(self, kind: str, *forms: str) -> None:
        """Search for these texts from now on, and report them as that kind."""
        for form in forms:
            text = "".join(form.split())
            if len(text) < PIECE:
                self._short[text] = kind
            elif text not in self._long:
                self._long[text] = kind
                self._halves |= _halves_of(text)

    def know_key(self, key: rsa.RSAPrivateKey) -> None:
        """A private key, in every form; its public half isn't secret."""
        self.know("private key", *_forms_of(key.private_numbers()))

    @property
    def kinds(self) -> set[str]:
        """What it searches for."""
        return {*self._long.values(), *self._short.values()}

    def find(self, text: str) -> set[str]:
        """The kinds of secrets that a text holds a piece of."""
        readings = [text, unquote_plus(text)] if "%" in text else [text]
        return {kind for reading in readings for kind in self._found_in(reading)}

    def _found_in(self, text: str) -> Iterator[str]:
        yield from (kind for short, kind in self._short.items() if short in text)
        halves = self._halves
        # Bytes of UTF-16 read one by one, and the slash as some write it in JSON.
        for run in _RUN.findall(text.replace("\0", "").replace("\\/", "/")):
            for place in range(len(run) - _HALF + 1):
                if run[place : place + _HALF] in halves:
                    starts = range(max(0, place - _HALF), min(place, len(run) - PIECE) + 1)
                    pieces = [run[start : start + PIECE] for start in starts]
                    yield from (kind for form, kind in self._long.items() if any(piece in form for piece in pieces))


def know_the_world(world: World) -> Searcher:
    """A searcher for everything secret that the world has seen so far."""
    searcher = Searcher()
    for text in world.aws.secrets_manager.values():
        _know_document(searcher, text)
    searcher.know("consumer secret", *(app.consumer_secret for app in world.org.apps))
    for entry in world.org.log.entries(Kind.TOKEN):
        for assertion in parse_qs(entry.body.decode()).get("assertion", []):
            know_assertion(searcher, assertion)
    for token in world.org.sessions.given_out:
        know_token(searcher, token)
    searcher.know("rotation token", *world.aws.secrets_manager.rotation_tokens())
    return searcher


def know_token(searcher: Searcher, token: str) -> None:
    """An access token, also as a table or a request might hold it."""
    content = token.encode()
    encoded = list(_base64_after(content, 0))
    urlsafe = [text.replace("+", "-").replace("/", "_") for text in encoded]
    utf_16 = token.encode("utf-16-le").decode("latin-1")
    searcher.know("access token", token, content.hex(), utf_16, *encoded, *urlsafe)


def readings(held: object) -> str:
    """All that a row, a request or whatever else holds, as one text: a line for each way in which it may be read.

    A stack instead of a function that calls itself, and a text instead of many: it is done for each of many thousand
    worlds.
    """
    read: list[str] = []
    left = [held]
    while left:
        match left.pop():
            case str() as text:
                read.append(text)
                if len(text) >= PIECE and (content := _decoded(text)):
                    left.append(content)
            case bytes() as content:
                read += [content.decode("latin-1"), content.hex(), base64.b64encode(content).decode()]
            case list() | tuple() | set() | frozenset() as several:
                left += several
            case dict() as members:
                left += members.keys()
                left += members.values()
            case other:
                read.append(repr(other))
    return "\n".join(read)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def found_in(searcher: Searcher, *held: object) -> set[str]:
    """The kinds of secrets of which rows or requests hold a piece, however it is written down."""
    return searcher.find(readings(held))


def know_assertion(searcher: Searcher, assertion: str) -> None:
    """An assertion without its header, which is the same for all the world."""
    searcher.know("assertion", assertion.partition(".")[2])


def _know_document(searcher: Searcher, text: str) -> None:
    try:
        pair = pair_in(json.loads(text))
    except ValueError:
        return  # Broken on purpose: what is left of a key in it is known from the version that it came from.
    if pair is not None:
        searcher.know_key(pair.key)


# The keys of a run are few, and known to one searcher after another.
@lru_cache(maxsize=2048)
def _halves_of(text: str) -> frozenset[str]:
    return frozenset(text[start : start + _HALF] for start in range(0, len(text) - _HALF + 1, _HALF))


@lru_cache(maxsize=64)
def _forms_of(numbers: rsa.RSAPrivateNumbers) -> tuple[str, ...]:
    return tuple("".join(form.split()) for form in _written(numbers))


def _written(numbers: rsa.RSAPrivateNumbers) -> Iterator[str]:
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    for number in (numbers.d, numbers.p, numbers.q):
        yield str(number)
        yield f"{number:x}"
    modulus = numbers.public_numbers.n.to_bytes(key.key_size // 8)
    for layout in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        der = key.private_bytes(Encoding.DER, layout, NoEncryption())
        public = der.index(modulus) + len(modulus)
        yield der[public:].hex()
        yield from _base64_after(der, public)
        pem = key.private_bytes(Encoding.PEM, layout, NoEncryption())
        # Of the lines of the private half only, for the certificate has the others in common with it.
        yield from _base64_after(pem, pem.index(b"\n") + public * 4 // 3 + public // 48 + 68)


def _base64_after(content: bytes, start: int) -> Iterator[str]:
    """Base64 of what follows `start`, at each of the three ways in which it can begin within a longer text."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + content).decode().rstrip("=")
        yield encoded[(start + shift) * 4 // 3 + 4 : -4]
