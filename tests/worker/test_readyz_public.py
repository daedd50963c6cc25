"""What /readyz answers to anyone: one sentence that names nothing, and that costs no question to a
shard, however many there are and however often it is asked.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import Fail, FakeFirehose, Hang
from support.shards import KEY, SHARDED
from support.waiting import wait_until
from support.worker import Answer, Worker

OTHER = {"authorization": "Bearer another-key-of-nobody-1234567890123"}
KEYS = {
    "pk_acme": {"tenant": "acme", "routes": [{"to": "firehose:acme"}]},
    "pk_shop": {"tenant": "shop"},
}
# A report comes with the alarm that follows a spill by a second, and an answer holds for five.
SECONDS = 120


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer


def anyone(worker: Worker) -> dict[str, Any]:
    """What anyone is answered, which names nothing."""
    answer = worker.get("/readyz")
    for word in (b"firehose:", b"acme", b"events-", b"shard 0", b"devices", KEY.encode()):
        assert word not in answer.body, answer
    reported = answer.json()
    assert set(reported) <= {"summary", "ready", "owner", "details"}
    assert answer.status == (200 if reported["ready"] else 503)
    return reported


def becomes(worker: Worker, *words: str) -> dict[str, Any]:
    """Waits until the sentence for anyone has all these words."""
    wait_until(lambda: all(word in anyone(worker)["summary"] for word in words), SECONDS)
    return anyone(worker)


def beacons(count: int) -> list[dict[str, Any]]:
    """Beacons of as many devices."""
    return [{"name": "a", "device_id": str(uuid4())} for _ in range(count)]


def spill(worker: Worker, count: int, query: str = "") -> None:
    """Sends events that are acknowledged, and that no stream takes."""
    answer: Answer = worker.post(beacons(count), query=query)
    assert answer.status == 204, answer


def test_anyone_wakes_no_shard_however_often_they_ask(peer: FakeFirehose) -> None:
    with Worker(peer.environment(), {**SHARDED, "shards": 6}) as worker:
        for headers in ({}, OTHER) * 20:
            answer = worker.get("/readyz", headers)
            assert (answer.status, answer.json()["ready"]) == (200, True)
        assert anyone(worker)["summary"] == "ready: 4 streams, none tried yet, nothing waits"
        assert "HEADWATER_OPERATOR_KEY" in anyone(worker)["details"]
        assert worker.databases() == []
        assert len(worker.ready().json()["shards"]) == 6
        assert len(worker.databases()) == 6


def test_trouble_is_reported_and_its_end_too(peer: FakeFirehose) -> None:
    with Worker(peer.environment(), {**SHARDED, "shards": 2, "delivery_timeout_ms": 300}) as worker:
        assert anyone(worker)["ready"]
        peer.always(Fail(400, "AccessDeniedException"))
        spill(worker, 20)
        reported = becomes(worker, "not ready: a stream denies the worker's user access since ")
        assert (reported["ready"], reported["owner"]) == (False, "operator")
        wait_until(lambda: "20 records wait" in anyone(worker)["summary"], SECONDS)

        # It is stored: whoever comes anew knows it, before any shard has said it again.
        worker.kill()
        peer.wait_for_killed()
        peer.behave()
        peer.always(Fail(500, "InternalFailure"))
        worker.restart()
        assert "20 records wait" in anyone(worker)["summary"]

        peer.behave()
        reported = becomes(worker, "ready: 4 streams", "nothing waits")
        assert reported["ready"] and "owner" not in reported


def stored_reports(worker: Worker) -> list[dict[str, Any]]:
    """Returns the stored reports of the shards."""
    found = []
    for database in set(worker.all_databases()) - set(worker.databases()):
        # Another object has no such table.
        with closing(sqlite3.connect(database)) as opened, suppress(sqlite3.OperationalError):
            found += [json.loads(value) for (value,) in opened.execute("SELECT value FROM reports")]
    return found


def test_a_shard_reports_its_spill_before_any_drain(peer: FakeFirehose) -> None:
    settings = {**SHARDED, "shards": 1, "delivery_timeout_ms": 300}
    with Worker(peer.environment(), settings) as worker:
        # A drain begins a second after the spill, waits 10 s for this stream, and reports then.
        peer.always(Hang(600))
        spill(worker, 3)
        answered_ms = time.time() * 1_000
        wait_until(lambda: stored_reports(worker) != [], SECONDS)
        (report,) = stored_reports(worker)
        assert report["shard"] == 0 and report["at"] <= answered_ms
        (waiting,) = report["how"]["troubled"]["spill"]
        assert (waiting["stream"], waiting["records"]) == ("firehose:events-mid", 3)
        becomes(worker, "3 records wait")


def test_a_shard_that_does_not_answer_is_seen_by_anyone(peer: FakeFirehose) -> None:
    with Worker(peer.environment(), {**SHARDED, "shards": 1}) as worker:
        spill(worker, 1)
        worker.kill()
        (database,) = worker.databases()
        with closing(sqlite3.connect(database)) as opened, opened:
            opened.execute("ALTER TABLE seen_rows RENAME COLUMN key TO lost")
        worker.restart()
        spill(worker, 1)
        reported = becomes(worker, "not ready: a shard does not answer")
        assert not reported["ready"]


def test_a_tenants_stream_leaves_the_others_ready(peer: FakeFirehose) -> None:
    settings = {**SHARDED, "delivery_timeout_ms": 300, "keys": KEYS}
    with Worker(peer.environment(), settings) as worker:
        peer.always(Fail(400, "AccessDeniedException"), "acme")
        spill(worker, 2, "?key=pk_acme")
        spill(worker, 2, "?key=pk_shop")
        reported = becomes(worker, "ready, but a tenant's stream denies the worker's user access")
        assert (reported["ready"], reported["owner"]) == (True, "operator")

        details = worker.ready()
        assert details.status == 200
        assert "firehose:acme of the tenant acme denies" in details.json()["summary"]
        (stream,) = [it for it in details.json()["streams"] if it["stream"] == "firehose:acme"]
        assert stream["tenants"] == ["acme"]
        assert worker.ready("?tenant=acme").status == 503
        assert worker.ready("?tenant=shop").status == 200
        unknown = worker.ready("?tenant=nobody")
        assert (unknown.status, unknown.json()["code"]) == (404, "unknown_tenant")


def test_records_in_shards_are_seen_in_direct_delivery(peer: FakeFirehose) -> None:
    settings = {**SHARDED, "delivery_timeout_ms": 300}
    with Worker(peer.environment(), settings) as worker:
        peer.always(Fail(400, "AccessDeniedException"), "events-mid")
        spill(worker, 3)
        becomes(worker, "3 records wait")
        worker.kill()
        worker.settings = {"delivery": "direct"}
        worker.restart()
        assert "3 records wait" in anyone(worker)["summary"]
        reported = worker.ready().json()
        assert (reported["delivery"], reported["spill"]["records"]) == ("direct", 3)
