"""More shards than before, in the built worker, on the same storage.

One becomes eight. Sessions go on where they were, whichever shard has the device now, and
what the old shard has spilled is delivered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from delivered import now_ms
from firehose_peer import Fail, FirehosePeer
from sharded import CHECKPOINT_SECONDS, SHARDED, VERDICTS, outcomes, wait_until_drained
from streams import kept
from worker import Answer, Worker

DEVICES = 24
SHARDS = 8
TAG = ("session_id", "session_index", "session_started_at", "session_opened_by")


@dataclass
class Growth:
    """What one shard was given, and what eight made of it."""

    peer: FirehosePeer
    worker: Worker
    before: list[dict[str, Any]]
    spilled: list[dict[str, Any]]
    after: list[dict[str, Any]]
    answer: Answer

    def record(self, beacon: dict[str, Any]) -> dict[str, Any]:
        """The one record of a beacon."""
        (record,) = [
            event
            for stream in ("all", "broken")
            for event in self.peer.events(stream)
            if event["event_id"] == beacon["id"]
        ]
        return record


@pytest.fixture(scope="module")
def growth(peer: FirehosePeer) -> Iterator[Growth]:
    devices = [str(uuid4()) for _ in range(DEVICES)]
    at = now_ms() - 3_600_000

    def beacons(name: str, after_ms: int) -> list[dict[str, Any]]:
        """One of each device."""
        return [
            {"id": str(uuid4()), "name": name, "device_id": each, "time": at + after_ms}
            for each in devices
        ]

    routes = [{"name": "broken", "to": "firehose:broken"}, {"to": "firehose:all"}]
    settings = {**SHARDED, "session": {"timeout_s": 60}, "routes": routes}
    with Worker(peer.environment(), settings) as worker:
        peer.always(Fail(400, "AccessDeniedException"), "broken")
        before, spilled = beacons("a", 0), beacons("broken", 10_000)
        assert worker.post([*before, *spilled]).status == 204
        time.sleep(CHECKPOINT_SECONDS)

        worker.kill()
        peer.behave()
        worker.settings = {**settings, "shards": SHARDS, "former_shards": 1}
        worker.restart()
        after = beacons("a", 20_000)
        bad = {"name": "a", "seq": "x"}
        answer = worker.post([bad, *after, after[0]], {}, VERDICTS)
        wait_until_drained(worker)
        yield Growth(peer, worker, before, spilled, after, answer)


def test_the_answer_is_the_union_of_the_shards(growth: Growth) -> None:
    expected = ["failed", *["accepted"] * DEVICES, "duplicate"]
    assert outcomes(growth.answer) == expected
    verdicts = growth.answer.verdicts
    assert [verdict["index"] for verdict in verdicts] == list(range(DEVICES + 2))
    told = [verdict["event_id"] for verdict in verdicts[1:]]
    assert told == [each["id"] for each in (*growth.after, growth.after[0])]
    assert verdicts[0]["event_id"] in kept(growth.peer)


def test_the_devices_are_spread_over_all_shards(growth: Growth) -> None:
    shards = growth.worker.get("/readyz").json()["shards"]
    assert [shard["shard"] for shard in shards] == list(range(SHARDS))
    busy = [shard for shard in shards if shard["devices"] > 0]
    assert len(busy) >= SHARDS / 2


def test_a_session_goes_on_in_the_new_shard(growth: Growth) -> None:
    for before, after in zip(growth.before, growth.after, strict=True):
        old, new = growth.record(before), growth.record(after)
        assert (old["session_index"], old["session_opened_by"]) == (1, "first")
        assert [new[column] for column in TAG] == [old[column] for column in TAG]


def test_what_the_old_shard_spilled_is_delivered(growth: Growth) -> None:
    for before, spilled in zip(growth.before, growth.spilled, strict=True):
        record = growth.record(spilled)
        assert record["session_id"] == growth.record(before)["session_id"]


def test_a_device_stays_in_its_new_shard(growth: Growth) -> None:
    """What its former one knows would be long over."""
    worker, beacons = growth.worker, growth.after
    for _ in range(2):
        beacons = [
            {**beacon, "id": str(uuid4()), "time": beacon["time"] + 50_000}
            for beacon in beacons
        ]
        assert worker.post(beacons).status == 204

    for beacon, before in zip(beacons, growth.before, strict=True):
        old, new = growth.record(before), growth.record(beacon)
        assert [new[column] for column in TAG] == [old[column] for column in TAG]
