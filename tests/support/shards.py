"""What the tests of the shard share: its settings, posts that come at once, the spill."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from support.fake_firehose import Accept, Fail, FakeFirehose
from support.streams import FAILED, Stream
from support.waiting import wait_until
from support.worker import KEY, Answer, Worker

# One shard, with what the tests of it know by heart.
SHARDED: dict[str, Any] = {
    "delivery": "sharded",
    "shards": 1,
    "linger_ms": 100,
    "session": {"timeout_s": 2, "session_start_events": ["visit"]},
}

VERDICTS = "?verdicts=1"

QUARANTINE = "/_/quarantine"
BEARER = {"authorization": f"Bearer {KEY}"}

# A breaker that is open may stay so for 10 s, and so may a backlog.
DRAIN_SECONDS = 30
# What the operator has to correct, and was tried once more before he did, is left alone for that long.
OPERATORS_SECONDS = 60


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
    """What /readyz reports of the spill of each stream, of one shard."""
    (shard,) = worker.ready().json()["shards"]
    return {each["stream"]: each for each in shard["spill"]}


def quarantined(
    worker: Worker, peer: FakeFirehose, bad: list[dict[str, Any]]
) -> list[str]:
    """The ids of the failed events of these beacons, which its only shard sets aside: they are
    spilled, and then refused for themselves."""
    to = f"firehose:{FAILED}"
    # What a stream that takes nothing refuses is the stream's fault.
    assert worker.post(bad[:1]).status == 200
    peer.always(Fail(500, "InternalFailure"), FAILED)
    answer = worker.post(bad, query=VERDICTS)
    assert outcomes(answer) == ["failed"] * len(bad)
    ids = [verdict["event_id"] for verdict in answer.verdicts]
    # In this order, since an alarm may try them at any time.
    peer.poison = lambda event: event.get("event_id") in ids
    peer.always(Accept(), FAILED)
    wait_until(
        lambda: spills(worker)[to]["quarantined"] >= len(ids),
        DRAIN_SECONDS,
        lambda: spills(worker),
    )
    return ids


def rows(worker: Worker) -> Iterator[Answer]:
    """Each row that the shards have set aside, as who bears the operator's KEY is reported for it."""
    answer = worker.get(QUARANTINE, BEARER)
    while answer.status != 204:
        assert answer.status == 200, answer
        yield answer
        after = quote(answer.headers["x-headwater-quarantine-id"])
        answer = worker.get(f"{QUARANTINE}?after={after}", BEARER)


def records(row: Answer) -> list[dict[str, Any]]:
    """The failed events of a row."""
    lines = map(json.loads, row.body.splitlines())
    return [json.loads(base64.b64decode(line["rawData"])) for line in lines]


def wait_until_drained(worker: Worker, stream: Stream | None = None) -> None:
    """Waits until nothing is in the spill, of one stream or of all."""
    wait_until(
        lambda: not _waiting(worker, stream),
        DRAIN_SECONDS + OPERATORS_SECONDS,
        lambda: f"it never drained: {_waiting(worker, stream)}",
    )


def _waiting(worker: Worker, stream: Stream | None) -> list[Any]:
    """What /readyz reports of the spills, and the shards that have nothing to tell."""
    shards = worker.ready().json()["shards"]
    waiting = [shard for shard in shards if "problem" in shard]
    for shard in shards:
        spill = shard.get("spill", [])
        waiting += [
            each for each in spill if stream is None or each["stream"] == stream.to
        ]
    return [each for each in waiting if each.get("records") != 0]
