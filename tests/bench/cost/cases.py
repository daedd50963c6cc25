"""The loads: how many beacons a request has, and how it is delivered."""

from __future__ import annotations

from dataclasses import dataclass

from bench.cost.workers import DELIVERIES

# So that each burst takes a second at most: the shorter, the less the machine's speed
# drifts within a round.
REQUESTS = {1: 1_500, 10: 800, 50: 300, 500: 40}
# Enough to keep a core busy, where the shard's wait allows it; the records of all that
# wait fit in the memory that a shard has for them.
CONNECTIONS = {
    "direct": {1: 64, 10: 32, 50: 16, 500: 4},
    "sharded": {1: 256, 10: 128, 50: 32, 500: 4},
}
BAD_SHARE = 0.1


@dataclass(frozen=True)
class Case:
    """One load."""

    size: int
    """Beacons a request."""
    delivery: str
    variant: str = ""
    """`gzip`: the bodies are; `bad`: a tenth of the beacons break a rule."""

    @property
    def name(self) -> str:
        """What `--only` and the tables call it."""
        return "-".join(filter(None, (str(self.size), self.delivery, self.variant)))

    @property
    def connections(self) -> int:
        """How many requests are under way at once."""
        return CONNECTIONS[self.delivery][self.size]

    def requests(self, bursts: float = 1) -> int:
        """How many requests so many bursts have."""
        return max(1, round(REQUESTS[self.size] * bursts))

    def made(self, bursts: float = 1) -> dict[str, object]:
        """The arguments of the load's `make`."""
        return {
            "requests": self.requests(bursts),
            "size": self.size,
            "gzip": self.variant == "gzip",
            "bad": BAD_SHARE if self.variant == "bad" else 0,
        }


CASES = [
    Case(size, delivery, variant)
    for size, variants in (
        (1, [""]),
        (10, [""]),
        (50, ["", "gzip", "bad"]),
        (500, [""]),
    )
    for variant in variants
    for delivery in DELIVERIES
]
