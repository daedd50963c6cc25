"""Shares of tenants, in the built worker: one that floods a stream that is down leaves room to others.

A body of 67 bytes becomes 2 MB of records: 31 of them once filled the spill of all tenants.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import Fail, FakeFirehose
from support.shards import DRAIN_SECONDS, SHARDED, on_devices, spills, wait_until_drained
from support.streams import Stream, ids
from support.waiting import wait_until
from support.worker import Answer, Worker

SPILL_BYTES = 2_000_000
KEYS = {"pk_flood": {"tenant": "flood"}, "pk_shop": {"tenant": "shop"}}


@pytest.fixture
def stream() -> Iterator[Stream]:
    settings: dict[str, Any] = {
        **SHARDED,
        "keys": KEYS,
        "routes": [{"to": "firehose:all"}],
        "spill": {"max_bytes": SPILL_BYTES},
        "delivery_timeout_ms": 500,
    }
    with FakeFirehose() as peer, Worker(peer.environment(), settings) as worker:
        yield Stream("all", worker, peer)


def post(stream: Stream, key: str, beacons: list[dict[str, Any]]) -> Answer:
    return stream.worker.post(beacons, {"x-write-key": key})


def test_a_tenant_that_floods_a_stream_that_is_down_leaves_room_to_others(
    stream: Stream,
) -> None:
    stream.peer.always(Fail(500, "InternalFailure"), stream.name)
    flood = [{"name": "a", "props": {"text": "x" * 1_500}} for _ in range(50)]
    kept: list[str] = []

    def refused() -> Answer | None:
        beacons = [{**beacon, "id": str(uuid4())} for beacon in flood]
        answer = post(stream, "pk_flood", beacons)
        kept.extend(ids(beacons) if answer.status == 204 else [])
        return answer if answer.status == 503 else None

    answer = wait_until(refused)
    assert answer.json()["code"] == "not_durable" and answer.retry_after >= 1
    beacons = on_devices(stream, 40)
    answers = [post(stream, "pk_shop", [beacon]).status for beacon in beacons]
    spilled = spills(stream.worker)[stream.to]["bytes"]
    ready = stream.worker.ready().json()
    again = post(stream, "pk_flood", [{**beacon, "id": str(uuid4())} for beacon in flood])
    stream.peer.behave()
    wait_until_drained(stream.worker, stream)

    assert answers == [204] * len(beacons)
    assert 0.4 * SPILL_BYTES < spilled < 0.6 * SPILL_BYTES, "half of it, and the events of the other"
    (full,) = ready["shards"][0]["full_tenants"]
    assert full["tenant"] == "flood"
    assert any("the tenant flood has its whole share" in action for action in ready["actions"])
    assert again.status == 503
    wait_until(lambda: set(stream.ids()) >= {*kept, *ids(beacons)}, DRAIN_SECONDS)
