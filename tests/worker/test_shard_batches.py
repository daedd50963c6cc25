"""Batches of many requests, in the built worker: few calls, and to each caller its own fate."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.fake_firehose import Cut, Effect, Fail, FakeFirehose, Hang, Hold, Refuse
from support.shards import SHARDED, VERDICTS, on_devices, outcomes, together
from support.streams import Stream, ids, kept, streams
from support.waiting import wait_until
from support.worker import HOST, PATIENT, Worker

# So long that what is sent together arrives together, also on a busy machine.
LINGER_S = 1.0
# After so long, requests of before count no more.
QUIET_S = 2.1
# The default of aggregate_bytes.
AGGREGATE_BYTES = 51_200


@pytest.fixture(scope="module")
def unused_lingering_streams(peer: FakeFirehose) -> Iterator[Iterator[Stream]]:
    """Streams that no test has used, behind a shard whose batches stay open for long."""
    settings = {**SHARDED, **PATIENT, "linger_ms": round(LINGER_S * 1_000)}
    with streams(peer, settings) as unused:
        yield unused


@pytest.fixture
def lingering_stream(unused_lingering_streams: Iterator[Stream]) -> Iterator[Stream]:
    """A stream of the test's own behind that shard."""
    stream = next(unused_lingering_streams)
    yield stream
    stream.peer.behave()


def test_many_callers_share_few_calls(lingering_stream: Stream) -> None:
    beacons = on_devices(lingering_stream, 200)
    started = time.monotonic()

    answers = together(lingering_stream, [[beacon] for beacon in beacons])

    lingers = (time.monotonic() - started) / LINGER_S
    assert [outcomes(each) for each in answers] == [["accepted"]] * 200
    assert Counter(lingering_stream.ids()) == Counter(ids(beacons))
    # Base64 adds a third.
    lines = sum(len(call.body) for call in lingering_stream.calls) * 3 / 4
    assert len(lingering_stream.calls) <= 1 + lingers + 1 + lines / AGGREGATE_BYTES
    assert len(lingering_stream.calls) <= 50, "4 beacons a call would be no batch"


def test_a_batch_lingers_for_more_on_a_busy_stream(lingering_stream: Stream) -> None:
    def lingers() -> bool:
        """Whether two posts shared a call, after another that made its stream busy."""
        busy, first, second = on_devices(lingering_stream, 3)
        with ThreadPoolExecutor() as pool:
            assert lingering_stream.worker.post(busy).status == 204
            calls = len(lingering_stream.calls)
            early = pool.submit(lingering_stream.worker.post, first)
            time.sleep(LINGER_S / 10)
            late = pool.submit(lingering_stream.worker.post, second)
        assert (early.result().status, late.result().status) == (204, 204)
        return (
            early.result().seconds >= 0.9 * LINGER_S
            and late.result().seconds < early.result().seconds
            and len(lingering_stream.calls) == calls + 1
        )

    # On a machine that stalls for a second the stream is not busy any more.
    wait_until(lingers, 120)


def test_a_record_on_a_quiet_stream_does_not_wait(lingering_stream: Stream) -> None:
    def is_answered_at_once() -> bool:
        time.sleep(QUIET_S)
        answer = lingering_stream.worker.post(on_devices(lingering_stream, 1))
        assert answer.status == 204
        return answer.seconds < 0.9 * LINGER_S

    wait_until(is_answered_at_once, 120)


def test_a_call_has_at_most_a_mebibyte(lingering_stream: Stream) -> None:
    beacons = on_devices(lingering_stream, 4)
    bodies = [[{**beacon, "props": {"x": "y" * 230_000}}] for beacon in beacons]

    answers = together(lingering_stream, bodies)

    assert [outcomes(each) for each in answers] == [["accepted"]] * 4
    assert sorted(lingering_stream.ids()) == sorted(ids(beacons))
    sizes = [len(call.body) for call in lingering_stream.calls]
    assert max(sizes) <= 1_048_576
    # Each fills a batch, and those that wait for a call share the next one.
    assert 2 <= len(sizes) <= 4


def test_streams_have_batches_of_their_own(
    sharded_stream: Stream, unused_sharded_streams: Any
) -> None:
    """One that fails holds nobody of the others."""
    other = next(unused_sharded_streams)
    sharded_stream.peer.always(Hang(3), sharded_stream.name)
    slow, quick = on_devices(sharded_stream, 1), on_devices(other, 1)

    with ThreadPoolExecutor() as pool:
        slow_post, quick_post = (
            pool.submit(other.worker.post, each, {}, VERDICTS) for each in (slow, quick)
        )
        quick_answer = quick_post.result()
        assert sharded_stream.ids() == [], "it waited for the other"
        slow_answer = slow_post.result()

    assert outcomes(slow_answer) == outcomes(quick_answer) == ["accepted"]
    assert (sharded_stream.ids(), other.ids()) == (ids(slow), ids(quick))


def test_each_caller_receives_its_own_outcomes(sharded_stream: Stream) -> None:
    """With packs, so that the service refuses a pack and not an event."""
    good, bad, both = (on_devices(sharded_stream, 2) for _ in range(3))
    for beacon in (*bad, both[1]):
        beacon["title"] = "poison"
    assert sharded_stream.worker.post(on_devices(sharded_stream, 1)).status == 204
    poison = Refuse(
        lambda event: event.get("title") == "poison", "InvalidArgumentException"
    )
    sharded_stream.peer.always(poison, sharded_stream.name)

    answers = together(sharded_stream, [good, bad, both])

    assert [outcomes(each) for each in answers] == [
        ["accepted", "accepted"],
        ["failed", "failed"],
        ["accepted", "failed"],
    ]
    reported = answers[2].verdicts[1]
    assert (reported["code"], reported["pointer"]) == ("refused_by_stream", "")
    assert sorted(sharded_stream.ids()[1:]) == sorted(ids([*good, both[0]]))
    for beacon in (*bad, both[1]):
        failed = kept(sharded_stream.peer)[beacon["id"]]
        assert (failed["stage"], failed["code"]) == ("delivery", "refused_by_stream")
        original = json.loads(failed["original"])
        assert (original["title"], original["session_index"]) == ("poison", 1)


def test_a_poisoned_call_is_accepted_for_the_other_records(
    sharded_stream: Stream,
) -> None:
    """The service refuses the whole call for it, and names no record."""
    assert sharded_stream.worker.post(on_devices(sharded_stream, 1)).status == 204
    sharded_stream.peer.poison = lambda event: event.get("title") == "poison"
    beacons = on_devices(sharded_stream, 9)
    beacons[4]["title"] = "poison"

    answers = together(sharded_stream, [[beacon] for beacon in beacons])

    expected = [["failed" if index == 4 else "accepted"] for index in range(9)]
    assert [outcomes(each) for each in answers] == expected
    assert kept(sharded_stream.peer)[beacons[4]["id"]]["code"] == "refused_by_stream"


@pytest.mark.parametrize(
    "fault", [Fail(503, "ServiceUnavailableException"), Cut(Effect.NONE)], ids=str
)
def test_a_call_that_fails_is_sent_again_for_all(
    sharded_stream: Stream, fault: Any
) -> None:
    sharded_stream.peer.script(fault)
    beacons = on_devices(sharded_stream, 5)

    answers = together(sharded_stream, [[beacon] for beacon in beacons])

    assert [outcomes(each) for each in answers] == [["accepted"]] * 5
    assert sorted(sharded_stream.ids()) == sorted(ids(beacons))


def test_only_rejected_records_are_sent_again(sharded_stream: Stream) -> None:
    beacons = on_devices(sharded_stream, 6)
    again = set(ids(beacons[:2]))
    sharded_stream.peer.script(Refuse(lambda event: event["event_id"] in again))

    (answer,) = together(sharded_stream, [beacons])

    assert outcomes(answer) == ["accepted"] * 6
    assert Counter(sharded_stream.ids()) == Counter(ids(beacons))


def buffer_bytes(worker: Worker) -> int:
    """How much its only shard holds in batches that are under way."""
    (shard,) = worker.ready().json()["shards"]
    return shard["buffer_bytes"]


@contextlib.contextmanager
def release_at_the_end(released: threading.Event) -> Iterator[None]:
    """Lets a stream go on also if a test fails before."""
    try:
        yield
    finally:
        released.set()


def call_and_stay(stream: Stream, beacon: dict[str, Any]) -> socket.socket:
    """Posts a beacon and reads nothing; whoever closes the socket goes away. The stream must be held, so that
    the beacon is seen to wait.
    """
    before = buffer_bytes(stream.worker)
    body = json.dumps(beacon).encode()
    head = f"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    caller = socket.create_connection((HOST, stream.worker.port))
    caller.sendall(head.encode() + body)
    wait_until(lambda: buffer_bytes(stream.worker) > before)
    return caller


def test_a_disconnected_caller_loses_no_event(lingering_stream: Stream) -> None:
    """Neither his own records nor those of the others in his batch."""
    busy, gone, *stay = on_devices(lingering_stream, 5)
    released = threading.Event()
    lingering_stream.peer.always(Hold(released), lingering_stream.name)
    with ThreadPoolExecutor() as pool, release_at_the_end(released):
        posts = [pool.submit(lingering_stream.worker.post, busy)]
        wait_until(lambda: buffer_bytes(lingering_stream.worker) > 0)
        caller = call_and_stay(lingering_stream, gone)
        before = buffer_bytes(lingering_stream.worker)
        posts += [pool.submit(lingering_stream.worker.post, each) for each in stay]
        wait_until(lambda: buffer_bytes(lingering_stream.worker) > before)
        caller.close()
        released.set()
        assert [post.result().status for post in posts] == [204] * 4

    wait_until(lambda: len(lingering_stream.ids()) == 5)
    assert sorted(lingering_stream.ids()) == sorted(ids([busy, gone, *stay]))
    # It is durable, so that he may come back with it.
    assert outcomes(together(lingering_stream, [[gone]])[0]) == ["duplicate"]


def test_a_call_continues_if_its_caller_disconnects(
    lingering_stream: Stream,
) -> None:
    """Nor when it was he who opened the batch."""
    gone, stays = on_devices(lingering_stream, 2)
    released = threading.Event()
    lingering_stream.peer.always(Hold(released), lingering_stream.name)
    with ThreadPoolExecutor() as pool, release_at_the_end(released):
        caller = call_and_stay(lingering_stream, gone)
        post = pool.submit(lingering_stream.worker.post, stays)
        caller.close()
        released.set()
        assert post.result().status == 204

    assert sorted(lingering_stream.ids()) == sorted(ids([gone, stays]))
    assert len(lingering_stream.calls) <= 2
