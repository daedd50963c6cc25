"""Memory under mixed load, which must not grow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.cost.cases import Case
from bench.cost.processor import Say, burst
from bench.cost.workers import Cores, Load, Script, resident_bytes, started

MiB = 1024 * 1024
# A shard has then written runs of ids to its disk; its memory has the ids of the last minutes.
WARM_UP_EVENTS = 400_000
# What V8's heap was seen to vary by is less.
GROWTH = 1.1
GROWTH_BYTES = 8 * MiB


@dataclass
class Memory:
    """The resident bytes of a worker."""

    delivery: str
    start: int
    """Before its first request."""
    warm: int = 0
    """After the warm-up."""
    minutes: list[int] = field(default_factory=list)
    """After each minute."""

    @property
    def grew(self) -> bool:
        """Whether there is more at the end than after the warm-up, beyond what varies."""
        return self.minutes[-1] > self.warm * GROWTH + GROWTH_BYTES


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

        def send() -> int:
            """Sends a burst of each case; returns the fewest events that a worker got."""
            events = dict.fromkeys(workers, 0)
            for case in cases:
                load.ask("make", **case.made())
                one = burst(case, 1, workers[case.delivery], load)
                events[case.delivery] += one.events
            return min(events.values())

        events = 0
        while events < WARM_UP_EVENTS:
            say(f"memory, warm-up: {events:,} of {WARM_UP_EVENTS:,} events")
            events += send()
        for delivery, worker in workers.items():
            measured[delivery].warm = resident_bytes(worker.pid)
        for minute in range(1, minutes + 1):
            say(f"memory, minute {minute} of {minutes}")
            end = time.monotonic() + 60
            while time.monotonic() < end:
                send()
            for delivery, worker in workers.items():
                measured[delivery].minutes.append(resident_bytes(worker.pid))
    return list(measured.values())
