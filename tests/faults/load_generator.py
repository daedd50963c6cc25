"""Clients that send beacons as real ones do, and remember what they were promised.

Each keeps its connection, sends batches, and sends the same bytes again after a 503 or a
lost answer. What a 2xx has acknowledged is written down; nothing else is.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from support.worker import ANSWER_SECONDS, HOST

EVENTS_OF_A_BATCH = (20, 50)
DEVICES = 2_000
# The catalogue asks nothing more of these.
NAMES = ("page_view", "search", "video_play", "level_up", "wish", "sign_up")
LEVELS = ("low", "mid", "high")
INVALID_SHARE = 0.03
# Batches that are sent again although they were acknowledged, as by a client whose
# storage forgot it.
REPEATED_SHARE = 0.1
ASKING = "?verdicts=1"
ASKING_SHARE = 0.3
MAX_WAIT_SECONDS = 2.0
GIVE_UP_SECONDS = 240


@dataclass
class Ledger:
    """What the clients sent, and the answers that they got; `lock` is held for each change."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    promised: dict[str, str] = field(default_factory=dict)
    """The outcome of each acknowledged event, by its id."""
    sent_again: set[str] = field(default_factory=set)
    """The events that were sent more than once."""
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    """Answers that no client should ever get."""

    def count(self, what: str, number: int = 1) -> None:
        """Counts something."""
        with self.lock:
            self.counts[what] += number

    def acknowledge(self, ids: list[str], outcomes: list[str]) -> None:
        """Notes a 2xx; a duplicate is promised whatever its first sending was."""
        with self.lock:
            for id, outcome in zip(ids, outcomes, strict=True):
                self.counts[outcome] += 1
                if self.promised.get(id) == outcome == "accepted":
                    self.counts["taken twice"] += 1
                if outcome == "duplicate":
                    self.promised.setdefault(id, "accepted")
                else:
                    self.promised[id] = outcome

    def complain(self, complaint: str) -> None:
        """Notes an answer that is wrong."""
        with self.lock:
            self.complaints.append(complaint)


@dataclass(frozen=True)
class Batch:
    """One request, and the ids of its events in their order."""

    ids: list[str]
    body: bytes
    query: str


class Load:
    """Clients that send `events` events over about `seconds`; a context manager.

    `port` returns the worker's current port; `ledger` records everything.
    """

    def __init__(
        self,
        port: Callable[[], int],
        seed: str,
        events: int,
        seconds: float,
        ledger: Ledger,
        clients: int = 16,
    ) -> None:
        self.ledger = ledger
        self.seconds = seconds
        self._port = port
        self._events = -(-events // clients)
        self._stop = threading.Event()
        self._may_send = threading.Event()
        self._may_send.set()
        self._under_way = 0
        self._clients = [
            threading.Thread(
                target=self._run, args=(random.Random(f"{seed}-{n}"),), daemon=True
            )
            for n in range(clients)
        ]

    def __enter__(self) -> Load:
        self.started = time.monotonic()
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._may_send.set()
        self.wait()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is under way: who waits for an answer gets it, and sends nothing new."""
        self._may_send.clear()
        try:
            while self._under_way:
                time.sleep(0.05)
            yield
        finally:
            self._may_send.set()

    def wait_until(self, share: float) -> None:
        """Waits until this share of its time is over."""
        until = self.started + share * self.seconds
        time.sleep(max(0.0, until - time.monotonic()))

    def wait(self) -> None:
        """Waits until every client has sent all of its events, or given up."""
        for client in self._clients:
            client.join()

    def _run(self, chance: random.Random) -> None:
        try:
            self._send_all(chance)
        except Exception as error:
            self.ledger.complain(f"a client ended: {error!r}")
            raise

    def _send_all(self, chance: random.Random) -> None:
        connection = _Connection(self._port)
        sent = 0
        while sent < self._events and not self._stop.is_set():
            due = self.started + self.seconds * sent / self._events
            if self._stop.wait(max(0.0, due - time.monotonic())):
                break
            batch = _batch(
                chance, min(self._events - sent, chance.randint(*EVENTS_OF_A_BATCH))
            )
            self._deliver(connection, batch, chance)
            if chance.random() < REPEATED_SHARE:
                self.ledger.count("repeated", len(batch.ids))
                self._sent_again(batch)
                again = replace(batch, query=ASKING)
                self._deliver(connection, again, chance)
            sent += len(batch.ids)
        connection.close()

    def _deliver(
        self, connection: _Connection, batch: Batch, chance: random.Random
    ) -> None:
        """Sends a batch until it is acknowledged."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            self._may_send.wait()
            with self.ledger.lock:
                self._under_way += 1
            answer = connection.post(batch)
            with self.ledger.lock:
                self._under_way -= 1
            if answer is None:
                self.ledger.count("answers lost")
                wait = 0.2
            elif answer.status in (200, 204):
                self._acknowledged(batch, answer)
                return
            elif answer.status == 503:
                self.ledger.count("503")
                wait = min(float(answer.retry_after or 1), MAX_WAIT_SECONDS)
            else:
                self.ledger.complain(f"{answer.status} {answer.body[:300]!r}")
                return
            if time.monotonic() > deadline or self._stop.is_set():
                self.ledger.count("given up", len(batch.ids))
                return
            self._stop.wait(wait * (0.5 + chance.random() / 2))
            self._sent_again(batch)

    def _sent_again(self, batch: Batch) -> None:
        with self.ledger.lock:
            self.ledger.sent_again.update(batch.ids)

    def _acknowledged(self, batch: Batch, answer: _Answer) -> None:
        if answer.status == 204:
            if batch.query:
                self.ledger.complain("no verdicts, though they were asked for")
            self.ledger.acknowledge(batch.ids, ["accepted"] * len(batch.ids))
            return
        verdicts = json.loads(answer.body)["verdicts"]
        if [verdict["event_id"] for verdict in verdicts] != batch.ids:
            self.ledger.complain(f"verdicts of other events: {answer.body[:300]!r}")
            return
        self.ledger.acknowledge(batch.ids, [verdict["outcome"] for verdict in verdicts])


@dataclass(frozen=True)
class _Answer:
    status: int
    retry_after: str | None
    body: bytes


class _Connection:
    """A connection that is kept, and made anew when it was lost."""

    def __init__(self, port: Callable[[], int]) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def post(self, batch: Batch) -> _Answer | None:
        """Sends a batch; None when it is not known what became of it."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    HOST, self._port(), timeout=ANSWER_SECONDS
                )
            self._connection.request("POST", "/v1/events" + batch.query, batch.body)
            response = self._connection.getresponse()
            return _Answer(
                response.status, response.getheader("retry-after"), response.read()
            )
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def close(self) -> None:
        """Closes it, if it is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _batch(chance: random.Random, events: int) -> Batch:
    beacons = [_beacon(chance) for _ in range(events)]
    return Batch(
        [beacon["id"] for beacon in beacons],
        json.dumps(beacons).encode(),
        ASKING if chance.random() < ASKING_SHARE else "",
    )


def _beacon(chance: random.Random) -> dict[str, Any]:
    beacon: dict[str, Any] = {
        "name": chance.choice(NAMES),
        "id": str(UUID(int=chance.getrandbits(128), version=4)),
        "time": time.time_ns() // 1_000_000,
        "level": chance.choice(LEVELS),
        "url": f"https://shop.example/p/{chance.randrange(1_000)}?utm_source=news",
        "title": "A product",
        "props": {
            "position": chance.randrange(100),
            "note": "x" * chance.randrange(80),
        },
    }
    if chance.random() < 0.95:
        beacon["device_id"] = f"device-{chance.randrange(DEVICES)}"
    if chance.random() < INVALID_SHARE:
        beacon["seq"] = "not a number"
    return beacon
