"""Deduplication, in the built worker: what came before is answered as accepted and not sent.

An id counts as seen once its record is durable, and a repeat of what is under way shares
its fate.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import Fail, FakeFirehose, Hang
from support.shards import SHARDED, VERDICTS, outcomes, together
from support.streams import FAILED, Stream, ids
from support.waiting import wait_until
from support.worker import HOST, Answer, Worker


def on_device(stream: Stream, count: int = 1) -> list[dict[str, Any]]:
    """Beacons of a device that no other test has."""
    device = str(uuid4())
    return [{**beacon, "device_id": device} for beacon in stream.beacons(count)]


def repeats(worker: Worker) -> list[dict[str, Any]]:
    """The lines of the log that tell of requests with one repeat."""
    return [line for line in worker.log_lines if line.get("duplicate") == 1]


@pytest.mark.parametrize(
    "beacons", [Stream.beacons, on_device], ids=["no device", "device"]
)
def test_a_repeat_is_a_duplicate_and_is_not_sent(
    sharded_stream: Stream, beacons: Any
) -> None:
    worker = sharded_stream.worker
    first, second = beacons(sharded_stream, 2)
    assert worker.post([first]).status == 204
    reported = len(repeats(worker))

    answer = worker.post([first, second], {}, VERDICTS)
    silent = worker.post([first])

    assert (answer.status, outcomes(answer)) == (200, ["duplicate", "accepted"])
    assert [verdict["event_id"] for verdict in answer.verdicts] == ids([first, second])
    assert set(answer.verdicts[0]) == {"index", "event_id", "outcome"}
    assert (silent.status, silent.body) == (204, b"")
    assert sharded_stream.ids() == ids([first, second])
    wait_until(lambda: len(repeats(worker)) == reported + 2)


def test_an_id_twice_in_one_request_is_sent_once(sharded_stream: Stream) -> None:
    first, second = on_device(sharded_stream, 2)

    answer = sharded_stream.worker.post([first, first, second], {}, VERDICTS)

    assert outcomes(answer) == ["accepted", "duplicate", "accepted"]
    assert sharded_stream.ids() == ids([first, second])


def test_an_id_of_two_devices_is_two_events(sharded_stream: Stream) -> None:
    (first,) = on_device(sharded_stream)
    second = {**first, "device_id": str(uuid4())}

    for beacon in (first, second):
        answer = sharded_stream.worker.post([beacon], {}, VERDICTS)
        assert outcomes(answer) == ["accepted"]

    assert sharded_stream.ids() == ids([first, second])


def test_a_repeat_waits_for_the_event_in_flight(
    sharded_stream: Stream,
) -> None:
    """Also with other neighbours, and in a batch that is closed already."""
    (first,) = on_device(sharded_stream)
    (other,) = on_device(sharded_stream)
    sharded_stream.peer.script(Hang(1))
    there: list[list[str]] = []

    def post(beacons: list[dict[str, Any]]) -> Answer:
        answer = sharded_stream.worker.post(beacons, {}, VERDICTS)
        there.append(sharded_stream.ids())
        return answer

    with ThreadPoolExecutor(2) as pool:
        posts = [pool.submit(post, [first])]
        wait_until(lambda: sharded_stream.calls != [])
        posts.append(pool.submit(post, [other, first]))
        answers = [each.result() for each in posts]

    assert [outcomes(answer) for answer in answers] == [
        ["accepted"],
        ["accepted", "duplicate"],
    ]
    assert all(first["id"] in each for each in there), "it was acknowledged too soon"
    assert sorted(sharded_stream.ids()) == sorted(ids([first, other]))


def test_ids_on_disk_are_found_after_a_restart(peer: FakeFirehose) -> None:
    # A run then has 31 ids, and ids without a time need not wait before they become one.
    settings = {**SHARDED, "shards": 1, "dedupe": {"max_ids": 1000}}
    settings["routes"] = [{"to": "firehose:disk"}]
    with Worker(peer.environment(), settings) as worker:
        stream = Stream("disk", worker, peer)
        beacons = stream.beacons(200)
        for start in range(0, len(beacons), 50):
            assert worker.post(beacons[start : start + 50]).status == 204
        worker.kill()
        (database,) = worker.databases()
        with closing(sqlite3.connect(database)) as opened:
            runs = opened.execute("SELECT count(*) FROM seen_runs").fetchone()
            rows = opened.execute("SELECT count(*) FROM seen_rows").fetchone()
        worker.restart()
        answer = worker.post(beacons + stream.beacons(3), {}, VERDICTS)
    assert runs[0] >= 3 and rows == runs
    assert outcomes(answer) == ["duplicate"] * 200 + ["accepted"] * 3
    assert len(stream.ids()) == 203


@pytest.fixture(scope="module")
def unspilled() -> Iterator[Stream]:
    """A stream behind a shard that may spill nothing."""
    settings = {
        **SHARDED,
        "spill": {"max_bytes": 0},
        "delivery_timeout_ms": 500,
        "routes": [{"to": "firehose:all"}],
    }
    with FakeFirehose() as peer, Worker(peer.environment(), settings) as worker:
        yield Stream("all", worker, peer)


def test_a_repeat_of_a_lost_event_is_not_acknowledged(unspilled: Stream) -> None:
    first, second = on_device(unspilled, 2)
    unspilled.peer.always(Hang(0.3, Fail(400, "AccessDeniedException")))

    answers = together(unspilled, [[first], [second, first]])

    assert [answer.status for answer in answers] == [503, 503]
    assert {answer.json()["code"] for answer in answers} == {"not_durable"}
    assert min(answer.retry_after for answer in answers) >= 1

    # It does not count as seen, since it was not durable.
    unspilled.peer.behave()
    again = unspilled.worker.post([first, second], {}, VERDICTS)
    assert outcomes(again) == ["accepted", "accepted"]
    assert unspilled.ids() == ids([first, second])


def test_a_batch_retried_after_a_lost_answer_is_not_doubled(
    sharded_stream: Stream,
) -> None:
    beacons = on_device(sharded_stream, 20)
    sharded_stream.peer.script(Hang(0.3))
    connection = http.client.HTTPConnection(HOST, sharded_stream.worker.port)
    connection.request("POST", "/v1/events", json.dumps(beacons).encode())
    wait_until(lambda: sharded_stream.calls != [])
    connection.close()

    answer = sharded_stream.worker.post(beacons, {}, VERDICTS)

    assert outcomes(answer) == ["duplicate"] * 20
    assert sharded_stream.ids() == ids(beacons)


def test_failed_events_are_not_deduplicated(sharded_stream: Stream) -> None:
    """They have no device, and a client that mends one sends it with the same id."""
    (beacon,) = on_device(sharded_stream)
    bad = {**beacon, "seq": "x"}

    for _ in range(2):
        assert outcomes(sharded_stream.worker.post([bad])) == ["failed"]
    assert sharded_stream.worker.post([beacon]).status == 204

    failed = [event["event_id"] for event in sharded_stream.peer.events(FAILED)]
    assert failed.count(bad["id"]) == 2
    assert sharded_stream.ids() == ids([beacon])
