"""HTTP to Salesforce: nothing is followed, kept or looked up that wasn't asked for; answers and time have bounds."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from salesforce_keypair.errors import SalesforceUnavailable
from salesforce_keypair.salesforce.hosts import Origin
from salesforce_keypair.salesforce.transport import MAX_ANSWER_BYTES, Answer, Transport
from salesforce_keypair.timing import Deadline, SystemClock
from tests.sandbox.org.exchange import Reply
from tests.sandbox.org.faults import (
    Fault,
    delayed,
    html_page,
    hung_up,
    oversize,
    redirected,
    reset_after_acting,
    reset_before_acting,
    truncated,
)
from tests.unit.support import LOOPBACK, Billing, header_of

PATH = "/services/data/"


@pytest.fixture
def origin(billing: Billing) -> Origin:
    return LOOPBACK.origin(billing.org.url, what="url")


def get(billing: Billing, **options: object) -> Answer:
    origin = LOOPBACK.origin(billing.org.url, what="url")
    return billing.transport.send("GET", origin, PATH, deadline=billing.clock.deadline(), **options)  # type: ignore[arg-type]


def real_deadline(seconds: float) -> Deadline:
    return Deadline.after(SystemClock(), seconds)


@contextmanager
def server_that(*sends: bytes | float) -> Iterator[Origin]:
    """A server on loopback that sends to its one client: bytes at once, a number as a pause of so many seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()
        thread = threading.Thread(target=_serve, args=(listener, sends, stop), daemon=True)
        thread.start()
        yield Origin(f"http://127.0.0.1:{listener.getsockname()[1]}")
        stop.set()
        thread.join(5)


def _serve(listener: socket.socket, sends: Sequence[bytes | float], stop: threading.Event) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        for each in sends:
            if isinstance(each, bytes):
                try:
                    connection.sendall(each)
                except OSError:
                    return  # The client gave up, as it should.
            elif stop.wait(each):
                return


def head(length: int, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode()


# What is sent and what comes back


def test_an_answer_is_whole_whatever_its_status(billing: Billing) -> None:
    assert get(billing).status == 200
    assert b"API 67" in get(billing).body
    billing.org.faults.add(html_page(503))
    answer = get(billing)

    assert (answer.status, answer.is_redirect) == (503, False)
    assert b"maintenance" in answer.body
    assert answer.headers["date"]


def test_an_answer_does_not_print_what_may_be_a_token() -> None:
    shown = repr(Answer(status=200, headers={"X": "hunter2"}, body=b"hunter2"))
    assert shown == "Answer(status=200)"


def test_a_bearer_token_goes_to_its_request_alone(billing: Billing) -> None:
    get(billing, bearer="token-1")
    get(billing)
    first, second = billing.org.log.entries()

    assert header_of(first.headers, "Authorization") == "Bearer token-1"
    assert header_of(second.headers, "Authorization") is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(billing: Billing, status: int) -> None:
    billing.org.faults.add(redirected(f"{billing.org.url}/elsewhere", status))
    answer = get(billing, bearer="token-1")

    assert (answer.status, answer.is_redirect) == (status, True)
    assert [entry.path for entry in billing.org.log.entries()] == [PATH]


@pytest.mark.parametrize("location", ["http://[", "https://[foo]/", "http://\xff/"])
def test_where_a_redirect_leads_is_not_even_read(billing: Billing, location: str) -> None:
    billing.org.faults.add(redirected(location))

    answer = get(billing)

    assert answer.is_redirect
    assert answer.headers["Location"] == location


def test_no_cookie_is_kept(billing: Billing) -> None:
    cookies = (("Set-Cookie", "sid=abc; Path=/"), ("Set-Cookie", "BrowserId=xyz"))
    billing.org.faults.add(Fault("cookies", acts=False, answer=Reply(200, headers=cookies)))
    get(billing)
    get(billing)

    assert [header_of(entry.headers, "Cookie") for entry in billing.org.log.entries()] == [None, None]


def test_no_netrc_is_consulted(billing: Billing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login robot password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    get(billing)
    get(billing, bearer="token-1")
    get(billing, new_connection=True)

    sent = [header_of(entry.headers, "Authorization") for entry in billing.org.log.entries()]
    assert sent == [None, "Bearer token-1", None]


# Connections


def test_connections_are_kept_alive(billing: Billing) -> None:
    for _ in range(5):
        get(billing)
    assert billing.org.log.connections() == 1


def test_a_new_connection_is_really_new_and_leaves_the_kept_one_alone(billing: Billing) -> None:
    get(billing)
    for _ in range(3):
        get(billing, new_connection=True)
    get(billing)
    used = [entry.connection for entry in billing.org.log.entries()]

    assert len(set(used)) == 4
    assert used[0] == used[-1]


def test_a_kept_connection_that_the_other_side_closed_is_replaced_unnoticed(billing: Billing) -> None:
    billing.org.faults.add(hung_up())
    get(billing)
    time.sleep(0.02)

    assert get(billing).status == 200


# No answer


@pytest.mark.parametrize(
    "fault", [reset_before_acting(), reset_after_acting(), truncated(5)], ids=lambda fault: fault.name
)
def test_a_lost_answer_is_salesforce_unavailable(billing: Billing, fault: Fault) -> None:
    billing.org.faults.add(fault)
    with pytest.raises(
        SalesforceUnavailable, match=r"no answer from http://127.0.0.1:\d+ to GET /services/data/"
    ) as caught:
        get(billing, bearer="token-1")

    assert caught.value.retryable
    assert caught.value.__cause__ is not None
    assert "token-1" not in str(caught.value) + repr(caught.value.__cause__)


def test_a_closed_port_is_salesforce_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = Origin(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(SalesforceUnavailable, match="ConnectionError"):
        Transport().send("GET", closed, PATH, deadline=real_deadline(2))


def test_what_is_no_http_is_salesforce_unavailable() -> None:
    with server_that(b"220 smtp.example ESMTP\r\n\r\n") as origin, pytest.raises(SalesforceUnavailable):
        Transport().send("GET", origin, PATH, deadline=real_deadline(2))


def test_a_body_that_does_not_decompress_is_salesforce_unavailable() -> None:
    sends = head(7, "Content-Encoding: gzip") + b"no gzip"
    with server_that(sends) as origin, pytest.raises(SalesforceUnavailable):
        Transport().send("GET", origin, PATH, deadline=real_deadline(2))


# Bounds


def test_an_answer_of_the_greatest_size_is_read(billing: Billing) -> None:
    billing.org.faults.add(oversize(MAX_ANSWER_BYTES))
    assert len(get(billing).body) == MAX_ANSWER_BYTES


def test_an_answer_that_is_longer_is_given_up(billing: Billing) -> None:
    billing.org.faults.add(oversize(MAX_ANSWER_BYTES + 1))
    with pytest.raises(SalesforceUnavailable, match=f"exceeds {MAX_ANSWER_BYTES} bytes"):
        get(billing)
    assert get(billing).status == 200


def test_an_answer_is_measured_unpacked() -> None:
    bomb = gzip.compress(b"0" * (MAX_ANSWER_BYTES + 1))
    with (
        server_that(head(len(bomb), "Content-Encoding: gzip") + bomb) as origin,
        pytest.raises(SalesforceUnavailable, match="exceeds"),
    ):
        Transport().send("GET", origin, PATH, deadline=real_deadline(5))


def test_the_answer_of_a_redirect_has_the_same_bound(billing: Billing) -> None:
    body = gzip.compress(bytes(MAX_ANSWER_BYTES + 1))
    headers = (("Location", "/elsewhere"), ("Content-Encoding", "gzip"))
    billing.org.faults.add(Fault("large redirect", answer=Reply(302, body, headers=headers)))

    with pytest.raises(SalesforceUnavailable, match="exceeds"):
        get(billing)


def test_nothing_is_sent_when_no_time_is_left(billing: Billing, origin: Origin) -> None:
    for seconds in (-1.0, 0.0, 0.05):
        with pytest.raises(SalesforceUnavailable, match="no time is left"):
            billing.transport.send("GET", origin, PATH, deadline=billing.clock.deadline(seconds))
    assert billing.org.log.entries() == ()


DRIP = tuple(each for _ in range(40) for each in (b"x", 0.02))
LINES = tuple(each for _ in range(40) for each in (b"X: y\r\n", 0.02))


@pytest.mark.parametrize(
    "sends",
    [
        (5.0,),
        (head(100), *DRIP),
        (head(100), 0.15, b"x" * 50, 5.0),
        (0.15, head(100) + b"x", 5.0),
        (0.15, head(100, "Connection: close") + b"x", 5.0),
        (b"HTTP/1.1 200 ", *DRIP),
        (b"HTTP/1.1 200 OK\r\n", *LINES),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", 0.15, b"X: ", 5.0),
        tuple(each for _ in range(40) for each in (b"HTTP/1.1 100 Continue\r\n\r\n", 0.02)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;", *DRIP),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n", *LINES),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", *DRIP),
    ],
    ids=[
        "silence",
        "drip",
        "stall in the body",
        "stall after a late beginning",
        "stall on a connection that is closed afterwards",
        "drip in the first line",
        "drip of headers",
        "stall in the headers",
        "drip of interim answers",
        "drip in a chunk's head",
        "drip of trailers",
        "drip without a length",
    ],
)
def test_a_slow_answer_ends_at_the_deadline(sends: tuple[bytes | float, ...]) -> None:
    with server_that(*sends) as origin:
        start = time.monotonic()
        with pytest.raises(SalesforceUnavailable):
            Transport().send("GET", origin, PATH, deadline=real_deadline(0.19))
        took = time.monotonic() - start
    # Some time for a busy machine, and less than a second wait of 0.19 s would take.
    assert took < 0.32


def test_so_does_a_slow_answer_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with server_that(b"HTTP/1.1 200 OK\r\n", *LINES) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        start = time.monotonic()
        with pytest.raises(SalesforceUnavailable):
            Transport().send("GET", Origin("https://acme.my.salesforce.com"), PATH, deadline=real_deadline(0.19))
        took = time.monotonic() - start
    assert took < 0.32


def test_a_late_answer_is_waited_for_while_there_is_time(billing: Billing, origin: Origin) -> None:
    billing.org.faults.add(delayed(0.1))
    assert billing.transport.send("GET", origin, PATH, deadline=real_deadline(5)).status == 200


def test_a_form_is_sent_as_a_form(billing: Billing, origin: Origin) -> None:
    billing.transport.send("POST", origin, PATH, data={"a": "b c"}, deadline=real_deadline(5))
    (entry,) = billing.org.log.entries()

    assert header_of(entry.headers, "Content-Type") == "application/x-www-form-urlencoded"
    assert entry.body == b"a=b+c"
