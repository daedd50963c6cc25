"""Latency at half load: requests by the clock, to ours and to the floor."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.cost.cases import Case
from bench.cost.processor import Cost, Fleet, Say
from bench.cost.workers import Load

KINDS = ("floor", "ours")
SECONDS = 5
ROUNDS = 3
MAX_CONNECTIONS = 512
# The answers of a shard take its linger; the rest is for what is late.
SECONDS_UNDER_WAY = 0.3
SPARE_CONNECTIONS = 32


@dataclass
class Latency:
    """How long answers took at one rate."""

    case: Case
    rate: int
    milliseconds: dict[str, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """By kind of worker, from when each request was due to its answer."""
    late: list[float] = field(default_factory=list)
    """How many milliseconds the load was late with each request."""


def percentile(values: Sequence[float], share: float) -> float:
    """The least of the values that this share of them doesn't exceed."""
    return sorted(values)[math.ceil(len(values) * share) - 1]


def latency(cost: Cost, workers: Fleet, load: Load, say: Say) -> Latency:
    """Sends half of the rate at which ours answered a case's bursts."""
    case = cost.case
    rate = max(1, round(cost.median("ours", lambda one: one.rate) / 2))
    connections = min(
        MAX_CONNECTIONS, math.ceil(rate * SECONDS_UNDER_WAY) + SPARE_CONNECTIONS
    )
    measured = Latency(case, rate)
    for number in range(1, ROUNDS + 1):
        say(f"{case.name} at {rate} requests/s, round {number} of {ROUNDS}")
        requests = math.ceil(rate * SECONDS)
        load.ask("make", **{**case.made(), "requests": requests})
        for kind in KINDS if number % 2 else KINDS[::-1]:
            port = workers[kind, case.delivery].port
            load.ask("open", port=port, connections=connections)
            answer = load.ask("clock", rate=rate)
            load.ask("close")
            measured.milliseconds[kind] += answer["latencies"]
            measured.late += answer["late"]
    return measured
