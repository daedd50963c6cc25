"""Processor time: bursts to all workers in turn, compared within a round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.bare_workerd import Running
from bench.cost.cases import Case
from bench.cost.workers import KINDS, Load, processor_seconds

Fleet = Mapping[tuple[str, str], Running]
"""The workers, by kind and delivery."""
Say = Callable[[str], None]

# A connection that has just been opened is accepted a little later.
ACCEPT_SECONDS = 0.05
# What a worker does after its last answer belongs to the requests too.
SETTLE_SECONDS = 0.2
# V8 compiles what is called often anew, which takes longer than a burst.
WARM_UP_BURSTS = 2


@dataclass(frozen=True)
class Burst:
    """What one burst cost."""

    requests: int
    events: int
    processor_seconds: float
    seconds: float

    @property
    def us_a_request(self) -> float:
        """Processor time."""
        return self.processor_seconds / self.requests * 1e6

    @property
    def us_an_event(self) -> float:
        """Processor time."""
        return self.processor_seconds / self.events * 1e6

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.requests / self.seconds


@dataclass
class Cost:
    """The bursts of one case by kind of worker, round by round."""

    case: Case
    bursts: dict[str, list[Burst]] = field(
        default_factory=lambda: {kind: [] for kind in KINDS}
    )

    def median(self, kind: str, value: Callable[[Burst], float]) -> float:
        """The median of the rounds."""
        return statistics.median(map(value, self.bursts[kind]))

    def ratios(self, kind: str, base: str) -> list[float]:
        """What a kind costs beside another, round by round."""
        pairs = zip(self.bursts[kind], self.bursts[base], strict=True)
        return [its.us_a_request / of.us_a_request for its, of in pairs]


def costs(
    cases: Sequence[Case],
    rounds: int,
    workers: Fleet,
    load: Load,
    say: Say,
) -> list[Cost]:
    """Sends each worker bursts in turn, the same requests to each in a round.

    The first round warms up and doesn't count. Every other round has the workers in the
    opposite order, so that a drift of the machine's speed favours none.
    """
    measured = [Cost(case) for case in cases]
    for number in range(rounds + 1):
        for cost in measured:
            case = cost.case
            say(
                f"{case.name}, {f'round {number} of {rounds}' if number else 'warm-up'}"
            )
            bursts = 1 if number else WARM_UP_BURSTS
            load.ask("make", **case.made(bursts))
            for kind in KINDS if number % 2 else KINDS[::-1]:
                one = _burst(kind, case, bursts, workers, load)
                if number:
                    cost.bursts[kind].append(one)
    return measured


def _burst(
    kind: str, case: Case, bursts: float, workers: Fleet, load: Load
) -> Burst:
    """Sends a burst. An error names the worker."""
    try:
        return burst(case, bursts, workers[kind, case.delivery], load)
    except RuntimeError as error:
        raise RuntimeError(f"{case.name}, {kind}: {error}") from None


def burst(case: Case, bursts: float, worker: Running, load: Load) -> Burst:
    """Sends what was made, for so many bursts, to a worker as fast as it answers."""
    load.ask("open", port=worker.port, connections=case.connections)
    time.sleep(ACCEPT_SECONDS)
    before = processor_seconds(worker.pid)
    seconds = load.ask("burst")["seconds"]
    time.sleep(SETTLE_SECONDS)
    used = processor_seconds(worker.pid) - before
    load.ask("close")
    requests = case.requests(bursts)
    return Burst(requests, requests * case.size, used, seconds)
