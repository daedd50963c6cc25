"""What stands between an SDK and the worker: it passes each request on, and notes how it was answered.

    with Front(worker) as front:
        front.detour = lambda captured: Detour(other_worker) if ... else None
        run(["node", "tests/sdks/node/segment.mjs", front.url, "key", "run-1"])
        front.passed

A request that takes a detour is answered by another worker, or is made larger on its way; so an SDK gets
an answer of the worker itself, whenever a test wants it to.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sdks.capture_server import Captured, CaptureServer, Response
from support.waiting import wait_until
from support.worker import ANSWER_SECONDS, HOST, Worker

# Of one connection, and those that the front writes itself.
OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Detour:
    """Where a request goes instead, and what it gets on its way."""

    worker: Worker
    headers: Mapping[str, str] = field(default_factory=dict)
    bytes: int = 0
    """The least length of its body."""


@dataclass(frozen=True)
class Passed:
    """A request, and its answer."""

    captured: Captured
    detour: Detour | None
    response: Response

    @property
    def is_taken(self) -> bool:
        """Whether the worker that delivers has taken its events."""
        return not self.detour and 200 <= self.response.status < 300

    @property
    def retry_after(self) -> str | None:
        """The header of the answer."""
        found = [value for name, value in self.response.headers if name.lower() == "retry-after"]
        return found[0] if found else None


class Front(CaptureServer):
    """The front of a worker; a context manager that serves while it is open."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.detour: Callable[[Captured], Detour | None] = lambda captured: None
        self.passed: list[Passed] = []
        self._worker = worker
        self._lock = threading.Lock()
        self._under_way = 0

    def respond(self, captured: Captured) -> Response:
        """The worker's answer."""
        with self._lock:
            self._under_way += 1
            detour = self.detour(captured)
        try:
            response = _forwarded(captured, detour or Detour(self._worker))
            self.passed.append(Passed(captured, detour, response))
        finally:
            with self._lock:
                self._under_way -= 1
        return response

    def wait_until_idle(self) -> None:
        """Waits for the answers that an SDK did not wait for."""
        wait_until(lambda: not self._under_way, ANSWER_SECONDS)


def _forwarded(captured: Captured, detour: Detour) -> Response:
    kept = {name: value for name, value in captured.headers.items() if name not in OF_A_CONNECTION}
    body = captured.raw.ljust(detour.bytes)
    length = {"content-length": str(len(body))} if captured.method == "POST" else {}
    connection = http.client.HTTPConnection(HOST, detour.worker.port, timeout=ANSWER_SECONDS)
    try:
        # One that is refused before its end may have an answer all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(captured.method, captured.target, body or None, {**kept, **length, **detour.headers})
        answer = connection.getresponse()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in OF_A_CONNECTION]
        return Response(answer.status, headers, answer.read())
    finally:
        connection.close()
