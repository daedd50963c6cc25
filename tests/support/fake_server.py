"""The port of the stand-in: plain HTTP on loopback, a thread a connection."""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.aws_call import Call
from support.put_records import CONTENT_TYPE

# Bounds of the stand-in itself.
MAX_BODY_BYTES = 16 * 1024 * 1024
IDLE_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """What a call is answered with."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    """The port and its connections, which end with it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, handle: Callable[[Call], Answer | None]) -> None:
        """Hands each call to `handle`, which may answer it or have it cut."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.handle = handle
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Closes the port and every connection."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client has gone already

    def open_connections(self) -> int:
        """How many connections are open, those included that are not accepted yet, which count as one."""
        with self._lock:
            waiting, _, _ = select.select([self.socket], [], [], 0)
            return len(self._connections) + len(waiting)

    def get_request(self) -> tuple[Any, Any]:
        with self._lock:
            request, client_address = super().get_request()
            self._connections.add(request)
        return request, client_address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Shows what is wrong with the stand-in, but not that a client gave up."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = -1  # an answer leaves in one piece
    server: Server

    def do_POST(self) -> None:
        arrived = datetime.now(timezone.utc)
        length = int(self.headers.get("content-length", "0"))
        if length > MAX_BODY_BYTES or "transfer-encoding" in self.headers:
            self.close_connection = True
            self._send(Answer(413 if length else 411, b""))
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        call = Call(
            arrived=arrived,
            method=self.command,
            path=self.path,
            headers=[(name.lower(), value) for name, value in self.headers.items()],
            body=body,
        )
        answer = self.server.handle(call)
        if answer is None or self.server.stopping.is_set():
            self.close_connection = True
        else:
            self._send(answer)

    do_GET = do_PUT = do_DELETE = do_POST

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        headers = {"content-type": CONTENT_TYPE, **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing; the calls are kept."""
