"""Hosts that try to look like Salesforce's: whatever is let through leads to an org, by everybody's reading of it."""

import re
from urllib.parse import urlsplit

import urllib3
from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.errors import HostNotAllowed
from salesforce_keypair.salesforce.hosts import SALESFORCE_SUFFIXES, Hosts, Origin
from salesforce_keypair.salesforce.transport import Transport
from tests.borders.counting import examples
from tests.borders.judge import value_or_error
from tests.borders.wire import wired
from tests.unit.support import FakeClock

_ENDINGS = (*SALESFORCE_SUFFIXES, "salesforce.com", ".salesforce.com", "my.salesforce.com")
_LABELS = (
    "acme",
    "acme--sbx.sandbox",
    "ACME",
    "evil.example",
    "xn--cme-8cd",
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "a_b",
    "",
)
_HOMOGLYPHS = str.maketrans(
    {
        "a": "\u0430",
        "o": "\u043e",
        "e": "\u0435",
        "s": "\u0455",
        "c": "\u0441",
        ".": "\u3002",
        "m": "\uff4d",
        "-": "\u2010",
    }
)
_MARKS = (
    *tuple("@\\/?#:;&=%._-~,|^`'\"<>[]{}()!$*+ \t\r\n\x00\x0b\x85\xa0\xad"),
    "\u2024",
    "\u3002",
    "\uff0e",
    "\uff61",
    "\u200b",
    "\u202e",
    "\u2028",
    "\ufeff",
    "\udc80",
    "\u00df",
    "\u0130",
    "\u017f",
    "K",
    "%2e",
    "%2E",
    "%40",
    "%00",
    "%5c",
    "%2f",
    "%09",
    "%E3%80%82",
    "..",
    "://",
    "//",
    "\\\\",
    "443",
    ":443",
    ":0443",
    ":80",
    ":65536",
    ":-1",
    ":",
    "@evil.example",
    ".evil.example",
    "-evil.example",
    "evil.example/",
    "\\@evil.example",
    "#@evil.example",
    "?.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[fe80::1%25eth0]",
    "user:pw@",
)
_SCHEMES = (
    "https://",
    "HTTPS://",
    "hTTps://",
    "http://",
    "https:/",
    "https:\\\\",
    "//",
    "",
    " https://",
    "\thttps://",
    "ftp://",
    "file://",
)

_labels = st.sampled_from(_LABELS)
_endings = st.sampled_from(_ENDINGS) | st.sampled_from(_ENDINGS).map(lambda ending: ending.translate(_HOMOGLYPHS))
_marks = st.sampled_from(_MARKS) | st.characters()
_pieces = st.one_of(_labels, _endings, _marks)
_origins = st.builds("https://{}{}".format, st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True), _endings)


@st.composite
def _urls(draw: st.DrawFn) -> str:
    """An org's origin with something put into it, or pieces in any order."""
    if draw(st.booleans()):
        return draw(st.sampled_from(_SCHEMES)) + "".join(draw(st.lists(_pieces, max_size=7)))
    url = draw(_origins) + draw(st.just("") | _marks)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(url)))
        url = url[:place] + draw(_marks) + url[place + draw(st.integers(0, 2)) :]
    return url


def _is_an_orgs(host: str | None) -> bool:
    """Told without the product: plain labels before one of Salesforce's own endings."""
    endings = r"(my\.salesforce\.com|my\.salesforce\.mil|my\.sfcrmproducts\.cn|my-salesforce\.com)"
    return (
        host is not None and re.fullmatch(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+" + endings, host, re.ASCII) is not None
    )


@given(url=_urls())
@examples(8_000)
def test_what_is_let_through_is_an_orgs_host_by_every_parser(url: str) -> None:
    origin = value_or_error(lambda: Hosts().origin(url, what="baseUri"), errors=(HostNotAllowed,))

    if origin is not None:
        for text in (url, origin.url):
            assert _is_an_orgs((urlsplit(text).hostname or "").lower())
            assert urllib3.util.parse_url(text).host == urlsplit(origin.url).hostname
        assert urlsplit(origin.url).scheme == "https"
        assert urlsplit(origin.url).port is None


@given(urls=st.lists(_urls(), min_size=4, max_size=4))
@examples(2_000)
def test_no_connection_goes_elsewhere(urls: list[str]) -> None:
    clock = FakeClock()
    with wired(clock) as wire:
        for url in urls:
            origin = value_or_error(lambda url=url: Hosts().origin(url, what="baseUri"))  # type: ignore[misc]
            if origin is not None:
                value_or_error(lambda origin=origin: _ask(origin, clock))  # type: ignore[misc]

        for host, port in wire.called:
            assert _is_an_orgs(host)
            assert port == 443


def _ask(origin: Origin, clock: FakeClock) -> object:
    return Transport().send("GET", origin, "/services/data/", bearer="secret", deadline=clock.deadline())
