"""Any bytes in place of an HTTP answer: an answer or SalesforceUnavailable, and nobody else is asked."""

import gzip
import tracemalloc
import zlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.errors import SalesforceUnavailable
from salesforce_keypair.salesforce.hosts import Origin
from salesforce_keypair.salesforce.transport import MAX_ANSWER_BYTES, Answer, Transport
from tests.borders.counting import examples
from tests.borders.judge import value_or_error
from tests.borders.wire import SALESFORCE, SALESFORCE_PORT, http, wired
from tests.scenarios.leaks import Searcher
from tests.unit.support import FakeClock

_TOKEN = "00D000000000001!AQcAQH0dMHZfz972Szmpkb58urFRkgeBGsxL"
_ASSERTION = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIzTVZHOWNvbnN1bWVyIn0.c2lnbmF0dXJlLW9mLXRoZS1hc3NlcnRpb24"

_odd_text = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30)
_locations = _odd_text | st.sampled_from(
    (
        "https://evil.example/",
        "//evil.example",
        "http://[",
        "https://[::1",
        "http://[foo]/",
        "\\\\evil.example",
        "/%",
        "é",
        "http://evil.example:99999/",
        "http://a:b@evil.example",
        "javascript:alert(1)",
        "https://" + "a" * 300,
        "?#",
        "http://\xff/",
    )
)
_sizes = st.sampled_from(
    ("0", "-1", "1", "99999999999999999999", "abc", "1, 2", "1, 1", "1_0", " 5", "+5", "0x10", "", "٣")
)
_codings = st.lists(
    st.sampled_from(("gzip", "deflate", "br", "zstd", "x-gzip", "identity", "compress", "nonsense", "")), max_size=8
).map(", ".join)
_HEADERS = {
    "Location": _locations,
    "Content-Length": _sizes,
    "Content-Encoding": _codings,
    "Transfer-Encoding": st.sampled_from(("chunked", "gzip, chunked", "identity", "chunked, chunked", "x")),
    "Content-Type": st.sampled_from(("text/html; charset=utf-7", "application/json; charset=nonsense")) | _odd_text,
    "Set-Cookie": _odd_text,
    "Connection": st.sampled_from(("keep-alive", "upgrade", "close")),
    "Date": _odd_text,
    "Refresh": _locations,
    "Alt-Svc": st.just('h3="evil.example:443"; ma=86400'),
    "WWW-Authenticate": st.sampled_from(("Basic realm=x", "Negotiate", "Digest nonce=x")),
}
_headers = st.dictionaries(st.sampled_from(sorted(_HEADERS)), st.none(), max_size=4).flatmap(
    lambda names: st.fixed_dictionaries({name: _HEADERS[name] for name in names})
)
_bodies = st.one_of(
    st.binary(max_size=80),
    st.binary(max_size=80).map(gzip.compress),
    st.binary(max_size=80).map(zlib.compress),
    st.sampled_from(
        (b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffff\r\nx", b"-1\r\n\r\n", b"5;x=y\r\nhel", b"0\r\n" + b"a: b\r\n" * 200)
    ),
)
_statuses = st.sampled_from(
    (100, 101, 103, 200, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 407, 417, 500, 999)
)
_lengths = st.none() | st.integers(0, 200)
_whole = st.builds(
    lambda body, status, headers, length: http(body, status=status, headers=headers, length=length),
    _bodies,
    _statuses,
    _headers,
    _lengths,
)
_LINES = (
    b"",
    b"\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/9.9 200 OK\r\n",
    b"HTTP/1.1 -1 OK\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 200\r\n\r\n",
    b"HTTP/0.9\r\n\r\n",
    b"A: b\r\n" * 101 + b"\r\n",
    b"A" * 70_000,
    b"A: " + b"b" * 70_000,
    b"HTTP/1.1 100 C\r\n\r\n" * 40,
    b" folded\r\n",
    b": none\r\n",
    b"\0\0\0",
    b"Content-Length: 5\r\n",
    b"\x16\x03\x01\x02\x00",
)
_raw = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(_LINES) | st.binary(max_size=20), max_size=5).map(b"".join),
    st.builds(lambda answer, keep: answer[:keep], _whole, st.integers(0, 200)),
)


def _asked(answer: bytes) -> Answer | None:
    """What comes of one request that is answered so; seen to by all that must hold."""
    clock = FakeClock()
    secrets = Searcher()
    secrets.know("access token", _TOKEN)
    secrets.know("assertion", _ASSERTION)
    with wired(clock) as wire:
        wire.answers[SALESFORCE_PORT] = lambda request: answer
        got = value_or_error(
            lambda: Transport().send(
                "POST",
                Origin(SALESFORCE),
                "/services/oauth2/token",
                bearer=_TOKEN,
                data={"assertion": _ASSERTION},
                deadline=clock.deadline(),
            ),
            secrets=secrets,
            errors=(SalesforceUnavailable,),
        )
        assert len(wire.called) <= 1
        assert not wire.strangers()
    return got


@given(answer=_whole | _raw)
@examples(1_500)
def test_any_http_answer_is_an_answer_or_none(answer: bytes) -> None:
    got = _asked(answer)

    assert got is None or len(got.body) <= MAX_ANSWER_BYTES


@cache
def _packed() -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()


@pytest.mark.parametrize("status", [200, 302])
@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
def test_an_answer_that_unpacks_to_many_times_the_limit_takes_no_such_room(status: int, coding: str) -> None:
    body = gzip.compress(_packed()) if "," in coding else _packed()
    answer = http(body, status=status, headers={"Content-Encoding": coding, "Location": "/elsewhere"})
    tracemalloc.start()
    try:
        got = _asked(answer)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert got is None
    assert most < 6 * MAX_ANSWER_BYTES
