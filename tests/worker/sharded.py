"""What the tests of the shard share: its settings, posts that come at once, the spill."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from streams import Stream
from worker import Answer, Worker

# One shard, with what the tests of it know by heart.
SHARDED: dict[str, Any] = {
    "delivery": "sharded",
    "shards": 1,
    "linger_ms": 100,
    "session": {"timeout_s": 2, "opening_events": ["visit"]},
}
LINGER_S = SHARDED["linger_ms"] / 1_000

# A checkpoint is written a second after what it writes, and there may be one under way.
CHECKPOINT_SECONDS = 2.2

VERDICTS = "?verdicts=1"
# A breaker that is open may stay so for 10 s.
DRAIN_SECONDS = 30


def on_devices(stream: Stream, count: int, **fields: Any) -> list[dict[str, Any]]:
    """Beacons of as many devices, which no other test has."""
    return [
        {**beacon, "device_id": str(uuid4()), **fields}
        for beacon in stream.beacons(count)
    ]


def together(stream: Stream, posts: list[list[dict[str, Any]]]) -> list[Answer]:
    """The answers to posts that are all sent at once, with verdicts."""

    def post(beacons: list[dict[str, Any]]) -> Answer:
        return stream.worker.post(beacons, {}, VERDICTS)

    with ThreadPoolExecutor(len(posts)) as pool:
        return list(pool.map(post, posts))


def outcomes(answer: Answer) -> list[str]:
    """The outcome of each beacon, in their order."""
    return [verdict["outcome"] for verdict in answer.verdicts]


def spills(worker: Worker) -> dict[str, dict[str, Any]]:
    """What /readyz tells of the spill of each stream, of one shard."""
    (shard,) = worker.get("/readyz").json()["shards"]
    return {each["stream"]: each for each in shard["spill"]}


def wait_until_drained(worker: Worker, stream: Stream | None = None) -> None:
    """Waits until nothing is in the spill, of one stream or of all."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while waiting := _waiting(worker, stream):
        assert time.monotonic() < deadline, f"it never drained: {waiting}"
        time.sleep(0.1)


def _waiting(worker: Worker, stream: Stream | None) -> list[Any]:
    """What /readyz tells of the spills, and the shards that have nothing to tell."""
    shards = worker.get("/readyz").json()["shards"]
    waiting = [shard for shard in shards if "problem" in shard]
    for shard in shards:
        spill = shard.get("spill", [])
        waiting += [
            each for each in spill if stream is None or each["stream"] == stream.to
        ]
    return [each for each in waiting if each.get("records") != 0]
