"""More shards than before, in the built worker, on the same storage; and shards that break.

One becomes eight. Sessions go on where they were, whichever shard has the device now, and
what the old shard has spilled is delivered. Then some of the eight can't read what they
have stored: the edge delivers the events of theirs by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.delivered_records import now_ms
from support.fake_firehose import Fail, FakeFirehose
from support.shards import SHARDED, VERDICTS, outcomes, wait_until_drained
from support.streams import kept
from support.worker import PATIENT, Answer, Worker

DEVICES = 24
SHARDS = 8
BROKEN = 3
TAG = ("session_id", "session_index", "session_started_at", "session_trigger")

Beacons = list[dict[str, Any]]


@dataclass
class Growth:
    """Events of each device in the order of the time that they tell, and what was answered."""

    peer: FakeFirehose
    before: Beacons
    spilled: Beacons
    after: Beacons
    later: Beacons
    last: Beacons
    broken: Beacons
    union: Answer
    ready: Answer
    ready_when_broken: Answer

    def record(self, beacon: dict[str, Any]) -> dict[str, Any]:
        """The one record of a beacon."""
        (record,) = [
            event
            for stream in ("all", "denied")
            for event in self.peer.events(stream)
            if event["event_id"] == beacon["id"]
        ]
        return record

    def tags(self, beacons: Beacons) -> list[list[Any]]:
        """The sessions of beacons, in their order."""
        records = (self.record(beacon) for beacon in beacons)
        return [[record[column] for column in TAG] for record in records]


def break_storage(database: Path) -> None:
    """Makes what a shard has stored unreadable for it."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("ALTER TABLE seen_rows RENAME COLUMN key TO lost")


@pytest.fixture(scope="module")
def growth(peer: FakeFirehose) -> Iterator[Growth]:
    devices = [str(uuid4()) for _ in range(DEVICES)]
    at = now_ms() - 3_600_000

    def beacons(after_s: int, name: str = "a") -> Beacons:
        """One of each device."""
        reported = {"name": name, "time": at + 1_000 * after_s}
        return [{"id": str(uuid4()), "device_id": each, **reported} for each in devices]

    routes = [{"name": "denied", "to": "firehose:denied"}, {"to": "firehose:all"}]
    settings = {**SHARDED, **PATIENT, "routes": routes}
    settings["session"] = {"timeout_s": 60}
    with Worker(peer.environment(), settings) as worker:
        peer.always(Fail(400, "AccessDeniedException"), "denied")
        before, spilled = beacons(0), beacons(10, "denied")
        assert worker.post([*before, *spilled]).status == 204

        worker.kill()
        peer.wait_for_killed()
        peer.behave()
        worker.settings = {**settings, "shards": SHARDS, "previous_shards": 1}
        worker.restart()
        after, later, last = beacons(20), beacons(70), beacons(120)
        bad = {"name": "a", "seq": "x"}
        union = worker.post([bad, *after, after[0]], {}, VERDICTS)
        for each in (later, last):
            assert worker.post(each).status == 204
        wait_until_drained(worker)
        ready = worker.ready()

        worker.kill()
        for database in worker.databases()[:BROKEN]:
            break_storage(database)
        worker.restart()
        broken = beacons(130)
        assert worker.post(broken).status == 204
        yield Growth(
            peer,
            *(before, spilled, after, later, last, broken),
            *(union, ready, worker.ready()),
        )


def test_the_answer_is_the_union_of_the_shards(growth: Growth) -> None:
    verdicts = growth.union.verdicts
    assert outcomes(growth.union) == ["failed", *["accepted"] * DEVICES, "duplicate"]
    assert [verdict["index"] for verdict in verdicts] == list(range(DEVICES + 2))
    reported = [verdict["event_id"] for verdict in verdicts[1:]]
    assert reported == [each["id"] for each in (*growth.after, growth.after[0])]
    assert verdicts[0]["event_id"] in kept(growth.peer)


def test_the_devices_are_spread_over_the_shards(growth: Growth) -> None:
    assert growth.ready.status == 200
    shards = growth.ready.json()["shards"]
    assert [shard["shard"] for shard in shards] == list(range(SHARDS))
    busy = [shard for shard in shards if shard["devices"] > 0]
    assert len(busy) > SHARDS / 2


def test_a_session_continues_in_the_new_shard(growth: Growth) -> None:
    before = growth.tags(growth.before)
    assert {(tag[1], tag[3]) for tag in before} == {(1, "first")}
    assert len({tag[0] for tag in before}) == DEVICES
    assert growth.tags(growth.after) == before


def test_a_session_stays_in_the_new_shard(growth: Growth) -> None:
    """By what the former one knows, it would be long over."""
    before = growth.tags(growth.before)
    assert growth.tags(growth.later) == before
    assert growth.tags(growth.last) == before


def test_the_spill_of_the_old_shard_is_delivered(growth: Growth) -> None:
    assert growth.tags(growth.spilled) == growth.tags(growth.before)


def test_a_shard_that_breaks_is_passed_by(growth: Growth) -> None:
    """The others go on, and nobody's events are lost."""
    records = [growth.record(beacon) for beacon in growth.broken]
    direct = [record for record in records if record.get("delivered_via") == "direct"]
    assert 0 < len(direct) < DEVICES
    for record, tag in zip(records, growth.tags(growth.before), strict=True):
        if record in direct:
            assert not set(TAG) & set(record)
        else:
            assert [record[column] for column in TAG] == tag


def test_readyz_names_the_shards_that_broke(growth: Growth) -> None:
    ready = growth.ready_when_broken
    assert (ready.status, ready.json()["ready"]) == (503, False)
    problems = [shard.get("problem", "") for shard in ready.json()["shards"]]
    assert sum("SQLITE_ERROR" in problem for problem in problems) == BROKEN
    assert problems.count("") == SHARDS - BROKEN
