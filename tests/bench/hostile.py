"""What requests that are made to cost much take in the built worker: CPU time by their bytes, and memory.

First each request of tests/fixtures/hostile.json, one after the other, in a worker of its own that is warm. Then as many
requests as `--requests` says, of all kinds and sizes, several at once, to one worker: how they are answered, and its
memory before, at most and after. On loopback, with a Firehose of its own; it ends by itself. Names the requests that
cost more than ten milliseconds for each started 100 kB. Fails if the memory of the run passes its limit, or if the
worker answers something that it should not.
"""

from __future__ import annotations

import argparse
import http.client
import math
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from bench.bare_workerd import HOST, Running, running
from bench.cost.workers import Cores, firehose, processor_seconds, resident_bytes
from bench.wasm_memory import MODULES, files, memory
from support.hostile import HostileRequest, hostile_requests

MIB = 1024 * 1024
# What each started 100 kB of a request, inflated, may take.
STEP_BYTES = 100_000
STEP_MS = 10
# The memory of an isolate, of which Cloudflare gives 128 MB.
MEMORY_LIMIT = 64 * MIB
SECONDS = 60
# V8 compiles what is called often anew, on threads of its own.
WARM_UP, WARM_UP_SMALL, SETTLE_SECONDS = 32, 200, 1.0
AT_ONCE = 8
SAMPLE_SECONDS = 0.2
SMALL = b'{"name":"page_view"}'
PROTOCOLS = ["segment", "snowplow", "posthog", "cloudevents", "otlp", "plausible", "umami", "ga4", "amplitude"]
# A request is accepted, refused for what it is, or refused for what is under way.
EXPECTED = {200, 202, 204, 207, 400, 413, 429, 503}


@dataclass(frozen=True)
class Cost:
    """What one kind of request takes."""

    row: HostileRequest
    status: int
    inflated: int
    sent: int
    milliseconds: list[float]
    grown: int
    """Bytes of Wasm memory that the first such request added to a new worker."""

    @property
    def of_a_step(self) -> float:
        """Milliseconds for each started 100 kB, the median."""
        return statistics.median(self.milliseconds) / math.ceil(self.inflated / STEP_BYTES)


@contextmanager
def worker(config: Mapping[str, object], endpoint: str, cores: Cores) -> Iterator[Running]:
    """A worker in a workerd of its own, which reports its Wasm's memory."""
    settings = {"delivery": "direct", "protocols": PROTOCOLS, "protocol_paths": {"/amplitude": "amplitude"}, **config}
    with running(MODULES, settings, endpoint, files(), cores.workers) as bare:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                send(bare.port, "POST", "/v1/events", SMALL, {})
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        yield bare


def send(port: int, method: str, path: str, body: bytes | None, headers: Mapping[str, str | bytes]) -> int:
    """Sends a request on a connection of its own, and returns the status of its answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def costs(rows: Sequence[HostileRequest], rounds: int, endpoint: str, cores: Cores) -> list[Cost]:
    """What each request takes, in a new worker for each."""
    measured = []
    for row in rows:
        with worker(row.config, endpoint, cores) as bare:
            call, before = row.call, memory(bare.port)
            status = send(bare.port, *call)
            grown = memory(bare.port) - before
            for _ in range(WARM_UP_SMALL):
                send(bare.port, "POST", "/v1/events", SMALL, {})
            for _ in range(WARM_UP):
                send(bare.port, *call)
            time.sleep(SETTLE_SECONDS)
            milliseconds = []
            for _ in range(rounds):
                start = processor_seconds(bare.pid)
                send(bare.port, *call)
                milliseconds.append((processor_seconds(bare.pid) - start) * 1e3)
        one = Cost(row, status, len(row.body), len(call[2] or call[1]), milliseconds, grown)
        print(f"hostile: {row.name}: {one.of_a_step:.1f} ms", file=sys.stderr)
        measured.append(one)
    return measured


def costs_table(measured: Sequence[Cost]) -> str:
    """The requests, those that cost most by their bytes first."""
    lines = [
        "| request | events | sent | inflated | status | CPU | for each started 100 kB | more Wasm memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in sorted(measured, key=lambda one: -one.of_a_step):
        lines.append(
            f"| {one.row.name} | {one.row.beacons:,} | {one.sent:,} B | {one.inflated / 1000:,.0f} kB | {one.status} |"
            f" {statistics.median(one.milliseconds):.1f} ms | {one.of_a_step:.1f} ms | {one.grown / MIB:.1f} MiB |"
        )
    return "\n".join(lines)


@dataclass
class Run:
    """Many requests to one worker."""

    statuses: Counter[int]
    inflated: int
    seconds: float
    processor_seconds: float
    wasm: list[int]
    """Bytes before, and then in its course."""
    resident: list[int]


def run(rows: Sequence[HostileRequest], requests: int, endpoint: str, cores: Cores) -> Run:
    """Sends requests of all kinds and sizes, several at once. The same ones in each run."""
    choose = random.Random(17)
    # Those that need a configuration of their own run with the strictest.
    config = {"scrub": ["emails", "cards"]}
    made = []
    for row in rows:
        for share in (0, 0.1, 0.3):
            smaller = row.of_beacons(max(1, round(row.beacons * share)))
            made.append((smaller.call, len(smaller.body)))
    chosen = choose.choices(made, k=requests)
    with worker(config, endpoint, cores) as bare:
        wasm, resident, ended = [memory(bare.port)], [resident_bytes(bare.pid)], threading.Event()

        def watch() -> None:
            while not ended.wait(SAMPLE_SECONDS):
                resident.append(resident_bytes(bare.pid))

        watching = threading.Thread(target=watch)
        watching.start()
        before, start = processor_seconds(bare.pid), time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            statuses = Counter(pool.map(lambda one: send(bare.port, *one[0]), chosen))
        seconds, used = time.monotonic() - start, processor_seconds(bare.pid) - before
        ended.set()
        watching.join()
        # It never shrinks, so what it is now is the most.
        wasm.append(memory(bare.port))
        time.sleep(2)
        resident.append(resident_bytes(bare.pid))
        send(bare.port, "POST", "/v1/events", SMALL, {})
    return Run(statuses, sum(inflated for _, inflated in chosen), seconds, used, wasm, resident)


def run_table(made: Run) -> str:
    """What came of it."""
    requests = sum(made.statuses.values())
    classes = Counter[str]()
    for status, count in made.statuses.items():
        classes[f"{status // 100}xx"] += count
    of_class = ", ".join(f"{count:,} {name}" for name, count in sorted(classes.items()))
    of_status = ", ".join(f"{count:,} × {status}" for status, count in sorted(made.statuses.items()))
    step = made.processor_seconds * 1e3 / (made.inflated / STEP_BYTES)
    before, *_, after = made.resident
    lines = [
        "| | |",
        "|---|---|",
        f"| requests | {requests:,} in {made.seconds:.0f} s, {made.inflated / 1e6:,.0f} MB inflated |",
        f"| answers | {of_class} ({of_status}) |",
        f"| CPU | {made.processor_seconds:.1f} s; {made.processor_seconds / requests * 1e3:.1f} ms a request, {step:.1f} ms for 100 kB |",
        f"| Wasm memory | {made.wasm[0] / MIB:.1f} MiB before, {made.wasm[-1] / MIB:.1f} MiB at most |",
        f"| resident memory of workerd | {before / MIB:.0f} MiB before, {max(made.resident) / MIB:.0f} MiB at most, {after / MIB:.0f} MiB after |",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measures, prints, and fails if something costs too much."""
    parser = argparse.ArgumentParser(prog="scripts/bench hostile")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    rows = [row for row in hostile_requests().values() if given.only in row.name]
    if not rows:
        sys.exit(f"scripts/bench hostile: no request's name has {given.only!r}")
    cores, problems = Cores.choose(), list[str]()
    with firehose(cores) as endpoint:
        if given.rounds:
            measured = costs(rows, given.rounds, endpoint, cores)
            print(f"CPU of each, medians of {given.rounds}:\n\n{costs_table(measured)}\n", flush=True)
            over = [one.row.name for one in measured if one.of_a_step > STEP_MS]
            print(f"Over {STEP_MS} ms: {', '.join(over) or 'none'}\n", flush=True)
        if given.requests:
            made = run(rows, given.requests, endpoint, cores)
            print(f"A run of {given.requests:,}, {AT_ONCE} at once:\n\n{run_table(made)}")
            if made.wasm[-1] > MEMORY_LIMIT:
                problems.append(f"Wasm memory: {made.wasm[-1] / MIB:.1f} MiB")
            problems += [f"status {status}" for status in made.statuses.keys() - EXPECTED]
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
