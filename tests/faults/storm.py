"""Shows how a stream in trouble is served: what is acknowledged, refused, spilled and lost.

    storm.py [--only NAME]... [--share SHARE] [--slow TIMES] [--seed N]

Requests come by the clock, whether or not those before them are answered, and none is sent
again: so what is refused is seen. They go to the built worker, and from there to a stand-in for
Firehose that keeps what it takes. When the load is over and the spill is empty, each event that
a 2xx acknowledged has to be there. Prints a table; ends with 1 when an event was lost, or less
was acknowledged, or more spilled, than a scenario allows.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

from faults.soak import spill
from support.fake_firehose import FakeFirehose
from support.faults import Accept, Behaviour, Cut, Effect, Fail, Hang, Refuse
from support.worker import ANSWER_SECONDS, HOST, Worker

STREAM = "events"
EVENT_ID = re.compile(rb'"event_id":"([0-9a-f-]{36})"')
DEVICES = 500
SAMPLE_SECONDS = 0.5
DRAIN_SECONDS = 300
MOST_AT_ONCE = 256

# How one call goes, by its number of records.
BehaviourAt = Callable[[random.Random, int], Behaviour]


def fair(chance: random.Random, records: int) -> Behaviour:
    """Takes all."""
    return Accept()


def refusing(chance: random.Random, records: int) -> Behaviour:
    """Refuses three records of ten, at random."""
    return Refuse({index for index in range(records) if chance.random() < 0.3})


def mixed(chance: random.Random, records: int) -> Behaviour:
    """Fails one call of ten, throttles one, and cuts the connection of one."""
    faults = (
        Fail(500, "InternalFailure"),
        Fail(400, "ThrottlingException", "Rate exceeded"),
        Cut(Effect.NONE),
    )
    number = int(chance.random() * 10)
    return faults[number] if number < len(faults) else Accept()


def failing(chance: random.Random, records: int) -> Behaviour:
    """Takes nothing."""
    return Fail(500, "InternalFailure")


@dataclass(frozen=True)
class Storm:
    """A scenario: how much comes, and what goes wrong with it."""

    name: str
    delivery: str = "sharded"
    behaviour: BehaviourAt = fair
    requests_s: float = 70
    events: int = 1
    """Of a request."""
    seconds: float = 22
    answer_seconds: float = 0.03
    trouble: Callable[[Scene], None] = lambda scene: None
    least_acknowledged: float = 0.0
    """The least share of the requests that is acknowledged."""
    most_spilled: float = 1.0
    """The largest share of the events that is spilled."""
    most_seconds: float = DRAIN_SECONDS
    """The longest time until the spill is empty after the trouble, or the load, is over."""


@dataclass
class Scene:
    """What a trouble is made with."""

    peer: FakeFirehose
    worker: Worker
    set_behaviour: Callable[[BehaviourAt], None]
    seconds: float
    """That the load takes."""
    over_at: float | None = None

    def is_over(self) -> None:
        """Notes that nothing goes wrong any more."""
        self.over_at = time.monotonic()


def errors(scene: Scene) -> None:
    """It takes nothing for five seconds."""
    time.sleep(0.2 * scene.seconds)
    scene.set_behaviour(failing)
    time.sleep(5)
    scene.set_behaviour(fair)
    scene.is_over()


def outage(scene: Scene) -> None:
    """Its port is closed for three quarters of the load, which are a minute."""
    time.sleep(scene.seconds / 8)
    scene.peer.stop()
    time.sleep(scene.seconds * 3 / 4)
    scene.peer.start()
    scene.is_over()


def kill(scene: Scene) -> None:
    """The worker is killed, once when all is well, and once with records in its spill."""
    for behaviour in (fair, failing):
        time.sleep(scene.seconds / 4)
        scene.set_behaviour(behaviour)
        time.sleep(3 if behaviour is failing else 0)
        scene.worker.kill()
        scene.set_behaviour(fair)
        scene.worker.restart()
    scene.is_over()


STORMS = (
    Storm("refused", "direct", refusing, least_acknowledged=0.95),
    Storm("refused", "sharded", refusing, least_acknowledged=0.95, most_spilled=0.1),
    Storm("mixed", "direct", mixed, least_acknowledged=0.9),
    Storm("mixed", "sharded", mixed, least_acknowledged=0.95, most_spilled=0.1),
    Storm(
        "recovery",
        requests_s=14,
        events=100,
        seconds=60,
        answer_seconds=0.5,
        trouble=errors,
        most_seconds=60,
    ),
    Storm("killed", seconds=40, events=5, trouble=kill),
    Storm("outage", seconds=80, events=5, trouble=outage, most_seconds=60),
)


@dataclass
class Outcome:
    """What came of a storm."""

    storm: Storm
    requests: int = 0
    acknowledged: int = 0
    refused: int = 0
    unanswered: int = 0
    acked: set[str] = field(default_factory=set)
    """The events that were acknowledged."""
    copies: int = 0
    """Of these, those that are there more than once."""
    lost: int = 0
    spilled: int = 0
    """Events, counted each time."""
    most_spilled: int = 0
    """That were in the spill at once."""
    empty_seconds: float | None = None
    """From the end of the trouble, or of the load, until the spill was empty."""
    wrong: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """The events that were sent."""
        return self.requests * self.storm.events

    def complaints(self) -> list[str]:
        """Which promises were broken, in sentences."""
        storm, wrong = self.storm, list(dict.fromkeys(self.wrong))[:5]
        if self.lost:
            wrong.append(f"{self.lost} acknowledged events are lost")
        if self.acknowledged < storm.least_acknowledged * self.requests:
            wrong.append(f"less than {storm.least_acknowledged:.0%} was acknowledged")
        if self.spilled > storm.most_spilled * self.sent:
            wrong.append(f"more than {storm.most_spilled:.0%} was spilled")
        if self.empty_seconds is None or self.empty_seconds > storm.most_seconds:
            wrong.append(f"the spill was not empty within {storm.most_seconds:.0f} s")
        return wrong


def play(
    storm: Storm, seed: int, share: float = 1.0, delivery_timeout_ms: int = 2_000
) -> Outcome:
    """Runs a storm, with this share of its time."""
    chance, lock = random.Random(f"{seed} {storm.name}"), threading.Lock()
    outcome, behaviour = Outcome(storm), [storm.behaviour]

    def plan(records: int) -> Behaviour:
        # Called under the stand-in's lock.
        return Hang(storm.answer_seconds, behaviour[0](chance, records))

    def set_behaviour(other: BehaviourAt) -> None:
        behaviour[0] = other

    settings = {
        "delivery": storm.delivery,
        "shards": 1,
        "routes": [{"to": f"firehose:{STREAM}"}],
        "delivery_timeout_ms": delivery_timeout_ms,
    }
    with FakeFirehose() as peer:
        peer.plan = plan
        with Worker(peer.environment(), settings) as worker:
            seconds = storm.seconds * share
            scene = Scene(peer, worker, set_behaviour, seconds)
            trouble = threading.Thread(target=storm.trouble, args=(scene,))
            with _Watch(worker, storm.delivery, outcome) as watch:
                trouble.start()
                _load(storm, seconds, worker, chance, outcome, lock)
                trouble.join()
                over_at = scene.over_at or time.monotonic()
                empty_at = watch.wait_until_empty(over_at)
            outcome.empty_seconds = empty_at and max(0.0, empty_at - over_at)
            lines = worker.log_lines
        outcome.spilled = sum(line.get("spilled", 0) for line in lines)
        there: dict[str, int] = {}
        for record in peer.accepted(STREAM):
            for found in EVENT_ID.findall(record):
                there[found.decode()] = there.get(found.decode(), 0) + 1
        outcome.lost = sum(id not in there for id in outcome.acked)
        outcome.copies = sum(there.get(id, 0) > 1 for id in outcome.acked)
        outcome.wrong += [f"a signature: {each}" for each in peer.signature_errors]
    return outcome


class _Watch:
    """Looks at the spill all the time; a context manager."""

    def __init__(self, worker: Worker, delivery: str, outcome: Outcome) -> None:
        self._worker = worker
        self._delivery = delivery
        self._outcome = outcome
        self._is_over = threading.Event()
        self._empty_at: list[float] = []
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            # A worker that was killed says nothing.
            with suppress(OSError, http.client.HTTPException, AssertionError):
                began = time.monotonic()
                reported = spill(self._worker, self._delivery)
                self._outcome.most_spilled = max(
                    self._outcome.most_spilled, reported["records"]
                )
                if not any(reported.values()):
                    self._empty_at.append(began)

    def wait_until_empty(self, since: float) -> float | None:
        """When the spill was first seen to be empty after `since`; none if it never was."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline:
            found = [at for at in self._empty_at if at >= since]
            # Once more when the load is over, since what is under way may be spilled.
            if found and self._empty_at[-1] >= since + SAMPLE_SECONDS:
                return found[0]
            time.sleep(SAMPLE_SECONDS)
        return None


def _load(
    storm: Storm,
    seconds: float,
    worker: Worker,
    chance: random.Random,
    outcome: Outcome,
    lock: threading.Lock,
) -> None:
    """Sends requests by the clock, and waits for their answers."""
    connections = threading.local()
    bodies = [_body(storm.events, chance) for _ in range(int(storm.requests_s * seconds))]
    outcome.requests = len(bodies)

    def send(ids: list[str], body: bytes) -> None:
        status, answer = _post(connections, worker.port, body)
        with lock:
            if status in (200, 204):
                outcome.acknowledged += 1
                outcome.acked.update(ids)
            elif status == 503:
                outcome.refused += 1
            elif status is None:
                outcome.unanswered += 1
            else:
                outcome.wrong.append(f"{status} {answer[:200]!r}")

    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        began = time.monotonic()
        for number, (ids, body) in enumerate(bodies):
            time.sleep(max(0.0, began + number / storm.requests_s - time.monotonic()))
            pool.submit(send, ids, body)


def _post(
    connections: threading.local, port: int, body: bytes
) -> tuple[int | None, bytes]:
    """Posts on the thread's own connection; no status where no answer came."""
    connection = getattr(connections, "kept", None)
    try:
        if connection is None or connection.port != port:
            connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
            connections.kept = connection
        connection.request("POST", "/v1/events", body)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        connections.kept = None
        return None, b""


def _body(events: int, chance: random.Random) -> tuple[list[str], bytes]:
    """A request, and the ids of its events, which are of one device."""
    ids = [str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(events)]
    device = f"device-{chance.randrange(DEVICES)}"
    beacons = [
        {
            "name": "search",
            "id": id,
            "device_id": device,
            "url": f"https://shop.example/p/{chance.randrange(1_000)}?utm_source=news",
            "title": "A product",
            "props": {"note": "x" * chance.randrange(400)},
        }
        for id in ids
    ]
    return ids, json.dumps(beacons).encode()


COLUMNS = (
    ("scenario", 10),
    ("delivery", 9),
    ("requests", 9),
    ("2xx", 7),
    ("503", 6),
    ("none", 5),
    ("events acked", 13),
    ("lost", 5),
    ("twice", 6),
    ("spilled", 8),
    ("at once", 8),
    ("empty s", 8),
    ("load", 6),
)


def row(outcome: Outcome) -> str:
    """A storm's line of the table; `load` is the machine's, of the last minute."""
    empty = outcome.empty_seconds
    cells = (
        outcome.storm.name,
        outcome.storm.delivery,
        outcome.requests,
        outcome.acknowledged,
        outcome.refused,
        outcome.unanswered,
        len(outcome.acked),
        outcome.lost,
        outcome.copies,
        outcome.spilled,
        outcome.most_spilled,
        "never" if empty is None else f"{empty:.1f}",
        f"{os.getloadavg()[0]:.1f}",
    )
    return "".join(
        f"{cell:>{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True)
    )


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """The command; 1 where a promise was broken."""
    names = sorted({storm.name for storm in STORMS})
    parser = argparse.ArgumentParser(
        description="Shows how a stream in trouble is served."
    )
    parser.add_argument("--only", action="append", choices=names)
    parser.add_argument("--share", type=float, default=1.0, help="of each one's time")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument(
        "--slow", type=float, default=1.0, help="as many times fewer requests a second"
    )
    reported = parser.parse_args()
    # What was started is ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    print(f"seed {reported.seed}", flush=True)
    print("".join(f"{name:>{width}}" for name, width in COLUMNS), flush=True)
    is_broken = False
    for storm in STORMS:
        if reported.only and storm.name not in reported.only:
            continue
        storm = replace(storm, requests_s=storm.requests_s / reported.slow)
        outcome = play(storm, reported.seed, reported.share)
        print(row(outcome), flush=True)
        for complaint in outcome.complaints():
            is_broken = True
            print(f"  {complaint}", flush=True)
    return is_broken


if __name__ == "__main__":
    sys.exit(main())
