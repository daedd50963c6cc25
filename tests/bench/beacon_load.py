"""Beacons that come by the clock, whether or not those before them were answered.

Each has its time in a schedule, and its answer is timed from there: what waits, here for
a connection or there for the worker, counts as waiting, so that a worker that stalls
can't hide it by being asked less often.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import time
from collections import deque
from dataclasses import dataclass, field

HOST = "127.0.0.1"
DEVICES = 5_000
MAX_CONNECTIONS = 512


@dataclass(frozen=True)
class Load:
    """So many beacons a second, of one event each."""

    rate: int
    warm_up_seconds: int
    """At the same rate, before what counts."""
    seconds: int
    grace_seconds: float = 20.0
    """How long answers are waited for when all is sent."""


@dataclass
class Beacon:
    """One beacon and what became of it; times are `time.monotonic`'s."""

    event_id: str
    due: float
    turned_to: float = math.inf
    """When the load was at it: late only where this machine had no time for it."""
    answered: float = math.inf
    status: int = 0
    """0 where there is no answer."""

    @property
    def seconds(self) -> float:
        """From when it was due to its answer."""
        return self.answered - self.due

    @property
    def acknowledged(self) -> bool:
        """Whether the worker promised that it is durable."""
        return 200 <= self.status < 300


@dataclass
class Result:
    """What became of a load."""

    since: float
    until: float
    """The time that counts, without the warm-up."""
    beacons: list[Beacon] = field(default_factory=list)

    @property
    def counted(self) -> list[Beacon]:
        """Those that were due in the time that counts."""
        return [
            beacon for beacon in self.beacons if self.since <= beacon.due < self.until
        ]

    @property
    def acknowledged_in_time(self) -> int:
        """How many acknowledgements came in the time that counts, whenever they were due."""
        return sum(
            beacon.acknowledged and self.since <= beacon.answered < self.until
            for beacon in self.beacons
        )


def send(port: int, load: Load) -> Result:
    """Sends a load to a worker; comes back when all is answered, or nothing more comes."""
    # It would stop the sending for longer than an answer takes.
    gc.disable()
    try:
        return asyncio.run(_Sender(port, load).send())
    finally:
        gc.enable()


class _Sender:
    """The beacons that wait for a connection, and the connections that wait for one."""

    def __init__(self, port: int, load: Load) -> None:
        self.port = port
        self.load = load
        self.waiting: deque[Beacon] = deque()
        self.idle: deque[_Connection] = deque()
        self.connections = 0
        self.pending = 0

    async def send(self) -> Result:
        """Sends everything at its time."""
        load, start = self.load, time.monotonic() + 0.1
        since = start + load.warm_up_seconds
        result = Result(since, since + load.seconds)
        opening: set[asyncio.Task[None]] = set()
        for number in range(load.rate * (load.warm_up_seconds + load.seconds)):
            event_id = f"01939b70-6d2a-7c3e-8f00-{number:012x}"
            beacon = Beacon(event_id, start + number / load.rate)
            result.beacons.append(beacon)
            await asyncio.sleep(max(0.0, beacon.due - time.monotonic()))
            beacon.turned_to = time.monotonic()
            self.waiting.append(beacon)
            self.pending += 1
            # The one that rested longest: none rests so long that the worker closes it.
            if self.idle:
                self.idle.popleft().send_next()
            elif self.connections < MAX_CONNECTIONS:
                self.connections += 1
                opening.add(asyncio.create_task(self._open()))
        await asyncio.gather(*opening)
        deadline = time.monotonic() + load.grace_seconds
        while self.pending and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        return result

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: _Connection(self), HOST, self.port)


class _Connection(asyncio.Protocol):
    """A connection that is kept, with one request at a time."""

    def __init__(self, sender: _Sender) -> None:
        self._sender = sender
        self._beacon: Beacon | None = None
        self._bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._sender.connections -= 1
        if self._beacon:
            self._sender.pending -= 1
        if self in self._sender.idle:
            self._sender.idle.remove(self)

    def send_next(self) -> None:
        """Sends the beacon that has waited longest, or rests."""
        if not self._sender.waiting:
            self._sender.idle.append(self)
            return
        self._beacon = self._sender.waiting.popleft()
        self._bytes = b""
        self._transport.write(_request(self._beacon))

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        status = _status(self._bytes)
        if status and self._beacon:
            self._beacon.answered = time.monotonic()
            self._beacon.status = status
            self._beacon = None
            self._sender.pending -= 1
            self.send_next()


def _request(beacon: Beacon) -> bytes:
    body = json.dumps(
        {
            "name": "page_view",
            "id": beacon.event_id,
            "device_id": f"5f0c2a3e-1111-4222-8333-{int(beacon.event_id[-12:], 16) % DEVICES:012x}",
            "time": int(time.time() * 1000),
            "url": "https://shop.example/p/1",
            "title": "A product",
            "props": {"a": 1, "b": "two", "c": True},
        }
    )
    head = (
        f"POST /v1/events HTTP/1.1\r\nhost: {HOST}\r\n"
        f"content-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def _status(answer: bytes) -> int:
    """The status of an answer that has come as a whole; 0 before that."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return 0
    status_line, *fields = head.decode("latin-1").lower().split("\r\n")
    headers = {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in fields)
    }
    if headers.get("transfer-encoding") == "chunked":
        whole = body.endswith(b"0\r\n\r\n")
    else:
        whole = len(body) >= int(headers.get("content-length", "0"))
    return int(status_line.split(" ")[1]) if whole else 0
