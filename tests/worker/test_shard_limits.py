"""What a shard may hold, in memory and in its spill, in the built worker.

Past the one the edge delivers by itself, and says so in the record; past the other the
answer is 503. What was acknowledged is there either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from support.fake_firehose import Cut, Effect, Fail, FakeFirehose, Hang
from support.shards import SHARDED, on_devices, outcomes, spills, together, wait_until_drained
from support.streams import Stream, ids, streams
from support.waiting import wait_until

HELD_BYTES = 65_536
SPILLED_BYTES = 20_000
SESSION = {"session_id", "session_index", "session_started_at", "session_trigger"}


@pytest.fixture(scope="module")
def unused() -> Iterator[Iterator[Stream]]:
    """Streams that no test has used, behind one small shard."""
    settings = {
        **SHARDED,
        "linger_ms": 20,
        "buffer_bytes": HELD_BYTES,
        "spill": {"max_bytes": SPILLED_BYTES},
        "delivery_timeout_ms": 2_000,
    }
    with FakeFirehose() as peer:
        with streams(peer, settings) as unused:
            yield unused
        assert peer.signature_errors == []


@pytest.fixture
def tight(unused: Iterator[Stream]) -> Iterator[Stream]:
    """A stream of the test's own; nothing is left of it in the shard."""
    stream = next(unused)
    yield stream
    stream.peer.behave()
    wait_until_drained(stream.worker)


def large(stream: Stream, size: int) -> dict[str, Any]:
    """A beacon of so many bytes, which nothing makes smaller."""
    chance = Random(size)
    (beacon,) = on_devices(stream, 1, props={"x": chance.randbytes(size // 2).hex()})
    return beacon


def test_events_that_a_full_shard_refuses_are_delivered_directly(tight: Stream) -> None:
    """Its session is the client's to tell."""
    held, refused = large(tight, 50_000), large(tight, 40_000)
    refused["session_id"] = "the client's"
    tight.peer.script(Hang(1))

    with ThreadPoolExecutor() as pool:
        first = pool.submit(tight.worker.post, held)
        wait_until(lambda: tight.calls != [])
        second = tight.worker.post(refused)

    assert (first.result().status, second.status) == (204, 204)
    records = {event["event_id"]: event for event in tight.peer.events(tight.at_peer)}
    by_shard, by_edge = records[held["id"]], records[refused["id"]]
    assert by_edge["delivered_via"] == "direct"
    assert by_edge["client_session_id"] == "the client's"
    assert not SESSION & set(by_edge)
    assert "delivered_via" not in by_shard
    assert set(by_shard) >= SESSION
    assert f"limit {HELD_BYTES}" in tight.worker.log


def test_many_large_beacons_at_once_are_each_sent_once(tight: Stream) -> None:
    tight.peer.always(Hang(0.5))
    posts = [[large(tight, 30_000)] for _ in range(12)]

    answers = together(tight, posts)

    assert [outcomes(answer) for answer in answers] == [["accepted"]] * 12
    assert sorted(tight.ids()) == sorted(beacon["id"] for (beacon,) in posts)
    ways = [event.get("delivered_via") for event in tight.peer.events(tight.at_peer)]
    assert {None, "direct"} == set(ways), "all one way proves nothing"


def test_an_event_that_is_stored_nowhere_is_503(tight: Stream, unused: Iterator[Stream]) -> None:
    """The shard is full, and the stream takes nothing from the edge either."""
    other = next(unused)
    tight.peer.script(Hang(1))
    tight.peer.always(Fail(400, "AccessDeniedException"), other.name)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(tight.worker.post, large(tight, 50_000))
        wait_until(lambda: tight.calls != [])
        second = other.worker.post(large(other, 40_000))

    assert first.result().status == 204
    assert (second.status, second.json()["code"]) == (503, "not_durable")
    assert second.retry_after >= 1
    assert other.ids() == []


def test_a_full_spill_answers_503_and_loses_nothing_acknowledged(
    tight: Stream,
) -> None:
    tight.peer.always(Hang(3, Cut(Effect.NONE)), tight.name)
    beacons = [large(tight, 5_000) for _ in range(6)]

    answers = [tight.worker.post(beacon) for beacon in beacons]

    statuses = [answer.status for answer in answers]
    assert statuses == [204] * 3 + [503] * 3
    for answer in answers[3:]:
        assert answer.json()["code"] == "not_durable"
        assert answer.retry_after >= 1
    reported = spills(tight.worker)[tight.to]
    assert reported["records"] == 3
    assert 15_000 < reported["bytes"] <= SPILLED_BYTES
    # What did not fit is no duplicate: it is to come again.
    tight.peer.behave()
    wait_until_drained(tight.worker)
    again = [outcomes(together(tight, [[beacon]])[0]) for beacon in beacons]
    assert again == [["duplicate"]] * 3 + [["accepted"]] * 3
    assert tight.ids() == ids(beacons)


def test_a_beacon_over_the_shards_buffer_is_delivered_by_it(
    tight: Stream,
) -> None:
    beacon = large(tight, 2 * HELD_BYTES)

    assert tight.worker.post(beacon).status == 204

    (record,) = tight.peer.events(tight.at_peer)
    assert "delivered_via" not in record
