"""Which shards a request asks, in the built worker: one for all events without a device, and not
the own one of a device that sends too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.shards import SHARDED, VERDICTS, outcomes
from support.streams import data, ids
from support.waiting import wait_until
from support.worker import Worker

SHARDS = 8
LIMIT = 60
SESSION = {"session_id", "session_index", "session_started_at", "session_trigger"}


@pytest.fixture(scope="module")
def worker(peer: FakeFirehose) -> Iterator[Worker]:
    settings = {**SHARDED, "shards": SHARDS, "device_events_per_minute": LIMIT}
    with Worker(peer.environment(), settings) as worker:
        yield worker


def beacons(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"name": "page_view", "id": str(uuid4()), **fields} for _ in range(count)]


def seen(worker: Worker) -> list[int]:
    """How many ids each shard knows."""
    return [shard["seen"] for shard in worker.ready().json()["shards"]]


def test_events_without_a_device_ask_one_shard(worker: Worker) -> None:
    before = seen(worker)
    request = beacons(20)

    assert outcomes(worker.post(request, {}, VERDICTS)) == ["accepted"] * 20

    more = [now - then for now, then in zip(seen(worker), before, strict=True)]
    assert sorted(more) == [0] * (SHARDS - 1) + [20]
    repeated = worker.post(list(reversed(request)), {}, VERDICTS)
    assert outcomes(repeated) == ["duplicate"] * 20


def test_a_device_that_sends_too_much_leaves_its_shard(
    worker: Worker, peer: FakeFirehose
) -> None:
    device, other = str(uuid4()), str(uuid4())
    # So many that a new minute in between changes nothing.
    flood = beacons(6 * LIMIT, device_id=device, level="high")
    before = seen(worker)

    for first in range(0, len(flood), 10):
        answer = worker.post(flood[first : first + 10], {}, VERDICTS)
        assert outcomes(answer) == ["accepted"] * 10
    neighbour = beacons(1, device_id=other, level="high")
    assert worker.post(neighbour).status == 204

    events = data(peer)
    ways = [events[id].get("delivered_via") for id in ids(flood)]
    assert ways[0] is None and ways[-1] == "overflow"
    assert ways.count(None) <= 3 * LIMIT
    for id in ids(flood):
        event = events[id]
        assert bool(SESSION & set(event)) == (event.get("delivered_via") is None)
        assert event["level"] == "high"
    low = {event["event_id"] for event in peer.events("events-low")}
    assert {id for id in ids(flood) if events[id].get("delivered_via")} <= low
    assert sum(seen(worker)) - sum(before) == len(flood) + 1
    (id,) = ids(neighbour)
    assert "delivered_via" not in events[id]
    assert set(events[id]) >= SESSION

    def has_spread() -> bool:
        """Whether each shard has got a part. The one of a request is chosen at random."""
        if all(now > then for now, then in zip(seen(worker), before, strict=True)):
            return True
        assert worker.post(beacons(10, device_id=device, level="high")).status == 204
        return False

    wait_until(has_spread, 120)
