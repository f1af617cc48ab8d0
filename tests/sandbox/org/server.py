"""HTTP/1.1 on loopback with kept-alive connections, over the standard library; TLS where a client insists on it.

Werkzeug's own server closes every connection after one answer, so a client's connections couldn't be counted on it.
"""

import os
import socket
import ssl
import struct
import sys
import threading
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

from tests.sandbox.org.clock import OrgClock
from tests.sandbox.org.dispatch import Delivery, handle
from tests.sandbox.org.exchange import Reply, Request
from tests.sandbox.org.state import Org
from tests.sandbox.org.tls import ThrowAwayAuthority

if TYPE_CHECKING:
    from types import TracebackType

_JOIN_SECONDS = 5


class EmulatedOrg:
    """Runs an org for as long as the `with` block lasts; `as` gives the Org. Randomness is drawn from `seed`.

    With `tls` it speaks https. With `my_domain` as well, it is at `https://<my_domain>` for clients that use it as
    their proxy too (`Org.proxy_url`): so a client that accepts nothing but Salesforce's own names reaches it.
    `name` is the host of its URL where clients don't call it by the address that it listens on.

    An exception in the org itself, which a client sees as a lost connection, is raised when the block ends.
    """

    def __init__(
        self,
        *,
        clock: OrgClock | None = None,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str | None = None,
        tls: ThrowAwayAuthority | None = None,
        my_domain: str | None = None,
    ) -> None:
        if my_domain and tls is None:
            raise ValueError("a My Domain is spoken to over https alone: give an authority")
        self._clock = clock or OrgClock()
        self._seed = seed
        self._address = (host, port)
        self._name = name
        self._tls = tls.server_context(my_domain or name or host) if tls else None
        self._my_domain = my_domain

    def __enter__(self) -> Org:
        self._server = _Server(self._address, _Handler)
        self._server.tls = self._tls
        self._server.my_domain = self._my_domain
        host, port = self._server.server_address[:2]
        scheme = "https" if self._tls else "http"
        url = f"https://{self._my_domain}" if self._my_domain else f"{scheme}://{self._name or host!s}:{port}"
        self._server.org = Org(url, self._clock, self._seed)
        self._server.org.proxy_url = f"http://{host!s}:{port}" if self._my_domain else None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self._server.org

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        if error is None and self._server.crashes:
            raise RuntimeError("the emulated org failed") from self._server.crashes[0]


class _Server(ThreadingHTTPServer):
    org: Org
    tls: ssl.SSLContext | None = None
    my_domain: str | None = None
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.closing = threading.Event()
        self.crashes: list[BaseException] = []
        self._open: dict[socket.socket, threading.Thread] = {}
        self._open_lock = threading.Lock()
        self._accepted = 0

    def server_bind(self) -> None:
        # HTTPServer's own looks the host's name up, which can take seconds and leaves loopback.
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
            self._open[request] = thread
            thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def take_over(self, request: socket.socket, secured: socket.socket) -> None:
        """Know a connection by its TLS socket, which has taken the file descriptor of the plain one."""
        with self._open_lock:
            self._open[secured] = self._open.pop(request)

    def let_go(self, secured: socket.socket) -> None:
        with self._open_lock:
            self._open.pop(secured, None)

    def number_connection(self) -> int:
        with self._open_lock:
            self._accepted += 1
            return self._accepted

    def close_connections(self) -> None:
        self.closing.set()
        with self._open_lock:
            still_open = dict(self._open)
        for connection in still_open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # The client was faster.
        for thread in still_open.values():
            thread.join(_JOIN_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        # A client that distrusts the certificate, or goes away without a farewell, is no failure of the org.
        if error is not None and not isinstance(error, ConnectionError | ssl.SSLError):
            self.crashes.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Without it the second of two small packets waits for the client's acknowledgement.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self._connection_number = self.server.number_connection()
        self._secured: ssl.SSLSocket | None = None
        if self.server.tls and not self.server.my_domain:
            self._secure(self.server.tls)
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self._let_go()

    def do_CONNECT(self) -> None:
        # A proxy to anywhere else would let a test leave loopback.
        if self.server.tls is None or self._secured or self.path != f"{self.server.my_domain}:443":
            self.send_error(HTTPStatus.BAD_GATEWAY)
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.rfile.close()
        self._secure(self.server.tls)
        super().setup()
        self.close_connection = False

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """The request log is enough."""

    def _secure(self, context: ssl.SSLContext) -> None:
        secured = context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        self.server.take_over(self.request, secured)
        self.request = self._secured = secured
        try:
            secured.do_handshake()
        except OSError:
            self._let_go()
            raise

    def _let_go(self) -> None:
        if self._secured is not None:
            self.server.let_go(self._secured)
            self._secured.close()

    def _serve(self) -> None:
        request = Request(
            self.command,
            self.path,
            dict(self.headers.items()),
            self._read_body(),
            self.client_address[1],
            self._connection_number,
        )
        delivery = handle(self.server.org, request, self.server.closing)
        if delivery.reply is None:
            self._reset()
        else:
            self._send(delivery, delivery.reply)

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self._read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self._read_line().partition(b";")[0], 16):
            chunks.append(self._read(size))
            self._read_line()
        while self._read_line().strip():
            pass  # Trailers.
        return b"".join(chunks)

    def _read(self, size: int) -> bytes:
        data = self.rfile.read(size)
        # A client that died while sending must not have half of what it said done.
        if len(data) < size:
            raise ConnectionAbortedError
        return data

    def _read_line(self) -> bytes:
        line = self.rfile.readline(65537)
        if not line.endswith(b"\n"):
            raise ConnectionAbortedError
        return line

    def _send(self, delivery: Delivery, reply: Reply) -> None:
        cut = delivery.keep is not None or delivery.hangs_up
        headers = [
            ("Date", formatdate(delivery.date, usegmt=True)),
            ("Content-Type", reply.content_type),
            ("Content-Length", str(len(reply.body))),
            *reply.headers,
        ]
        head = f"HTTP/1.1 {reply.status} {_reason(reply.status)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.wfile.write(head.encode("latin-1") + b"\r\n" + reply.body[: delivery.keep])
        self.close_connection = self.close_connection or cut

    def _reset(self) -> None:
        self.close_connection = True
        # Lingering for no time makes the close a reset; the base class's own shutdown would send a polite end first.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        os.close(self.connection.detach())


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unassigned"
