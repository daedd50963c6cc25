"""Memory under mixed load, which must not grow."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.cost.cases import Case
from bench.cost.processor import Burst, Say, burst
from bench.cost.workers import Cores, Load, Script, resident_bytes, started

MiB = 1024 * 1024
# Memory is judged by windows, each of as many requests or events as come first. A leak of 1 kB a
# request adds 39 MiB from the first of three windows to the last. One of 100 bytes an event adds
# as much or more, if a request has ten events or more.
WINDOW_REQUESTS = 20_000
WINDOW_EVENTS = 1_000_000
WINDOWS = 3
# In a run of 260,000 requests to each worker, three windows of a warm heap rose by 8 MiB at most
# in the first 20 minutes.
RISE_BYTES = 16 * MiB
# V8's heap has its size after half as many.
MOST_WINDOWS = 12
# Later in that run a shard went to 1.14 of its low after the warm-up, and stayed there: the heap
# that workerd keeps for buffers has its size later than V8's.
GROWTH = 1.2
GROWTH_BYTES = 8 * MiB


@dataclass
class Memory:
    """The resident memory of a worker, in bytes: the least in each window of its load.

    The least, since V8 collects its garbage when it likes.
    """

    delivery: str
    start: int
    """Before its first request."""
    warm_up: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    """After the warm-up; none if that of a worker did not end."""

    @property
    def is_flat(self) -> bool:
        """Whether the last windows of the warm-up rise no more than what varies."""
        last = self.warm_up[-WINDOWS:]
        return len(last) == WINDOWS and last[-1] - last[0] <= RISE_BYTES

    @property
    def is_over(self) -> bool:
        """Whether the warm-up has been long enough to be flat, and isn't."""
        return len(self.warm_up) >= MOST_WINDOWS and not self.is_flat

    @property
    def failure(self) -> str | None:
        """What is wrong, if anything."""
        if not self.is_flat:
            return f"still grew after {len(self.warm_up)} windows of the warm-up"
        # A single window may have had a busier time.
        last = self.after[-WINDOWS:]
        if last and min(last) > self.warm_up[-1] * GROWTH + GROWTH_BYTES:
            return "grew after the warm-up"
        return None


@dataclass
class Window:
    """What a worker got since its window began."""

    requests: int = 0
    events: int = 0
    low: int | None = None

    def add(self, one: Burst, resident: int) -> bool:
        """Adds a burst, after which so much was resident. Returns whether the window ends."""
        self.requests += one.requests
        self.events += one.events
        self.low = resident if self.low is None else min(self.low, resident)
        return self.requests >= WINDOW_REQUESTS or self.events >= WINDOW_EVENTS


def memory(
    cases: Sequence[Case],
    minutes: int,
    script: Script,
    endpoint: str,
    cores: Cores,
    load: Load,
    say: Say,
) -> list[Memory]:
    """Sends bursts of all cases in turn to fresh workers, one for each delivery."""
    with ExitStack() as stack:
        workers = {}
        for delivery in dict.fromkeys(case.delivery for case in cases):
            worker = stack.enter_context(started(script, delivery, endpoint, cores))
            workers[delivery] = worker
        measured = {
            delivery: Memory(delivery, resident_bytes(worker.pid))
            for delivery, worker in workers.items()
        }

        def send(lows: Mapping[str, list[int]], windows: dict[str, Window]) -> None:
            """Sends a burst of each case. Adds to `lows` if a window ends."""
            for case in cases:
                worker = workers[case.delivery]
                load.ask("make", **case.made())
                one = burst(case, 1, worker, load)
                window = windows.setdefault(case.delivery, Window())
                if window.add(one, resident_bytes(worker.pid)):
                    lows[case.delivery].append(window.low or 0)
                    del windows[case.delivery]

        each = list(measured.values())
        lows = {one.delivery: one.warm_up for one in each}
        windows: dict[str, Window] = {}
        while not all(one.is_flat for one in each):
            if any(one.is_over for one in each):
                return each
            so_far = {name: [low // MiB for low in some] for name, some in lows.items()}
            say(f"memory, warm-up: {so_far} MiB")
            send(lows, windows)
        lows, windows = {one.delivery: one.after for one in each}, {}
        end = time.monotonic() + minutes * 60
        # The last minute may end within a window.
        while time.monotonic() < end or not all(one.after for one in each):
            left = max(0, end - time.monotonic())
            say(f"memory, {left:.0f} of {minutes * 60} s left")
            send(lows, windows)
    return each
