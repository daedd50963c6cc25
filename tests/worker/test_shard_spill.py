"""The spill, in the built worker: what a stream does not take is kept, and delivered later.

Each answer comes when the records are stored. What the operator has to mend is tried again
only every half minute; the outage below ends with a crash, after which all is tried at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from support.fake_firehose import (
    Behaviour,
    Cut,
    Effect,
    Fail,
    FakeFirehose,
    Hang,
    Refuse,
    WrongLength,
)
from support.shards import (
    DRAIN_SECONDS,
    SHARDED,
    on_devices,
    outcomes,
    spills,
    together,
    wait_until_drained,
)
from support.streams import Stream, ids, kept, streams
from support.waiting import wait_until
from support.worker import Answer

DEADLINE_S = 1.0
SILENCE = Hang(4, Cut(Effect.NONE))
# No busy machine takes as long for an answer that waits for nothing else than a deadline.
BUSY_S = 15.0

# How a stream may take nothing, and what the operator is reported for it.
WAYS: dict[str, tuple[Behaviour, str]] = {
    "errors": (Fail(500, "InternalFailure"), "InternalFailure"),
    "throttles": (Fail(400, "ThrottlingException"), "ThrottlingException"),
    "is silent": (Hang(4 * BUSY_S, Cut(Effect.NONE)), "timed_out"),
    "cuts": (Cut(Effect.NONE), "unreachable"),
    "is not there": (Cut(Effect.NONE), "unreachable"),
    "answers nonsense": (WrongLength(), "unknown_answer"),
    "refuses each record": (Refuse(lambda event: True), "ServiceUnavailableException"),
    "denies": (Fail(400, "AccessDeniedException"), "AccessDeniedException"),
    "is missing": (Fail(400, "ResourceNotFoundException"), "ResourceNotFoundException"),
}
OPERATORS = ("denies", "is missing")


@pytest.fixture(scope="module")
def unused() -> Iterator[Iterator[Stream]]:
    """Streams that no test has used, behind one shard."""
    settings = {**SHARDED, "linger_ms": 20, "delivery_timeout_ms": round(DEADLINE_S * 1_000)}
    with FakeFirehose() as peer:
        with streams(peer, settings) as unused:
            yield unused
        assert peer.signature_errors == []


@pytest.fixture
def spilled(unused: Iterator[Stream]) -> Iterator[Stream]:
    """A stream that has taken a record, and is silent now."""
    stream = next(unused)
    assert stream.worker.post(stream.beacons(1)).status == 204
    stream.peer.always(SILENCE, stream.name)
    yield stream
    stream.peer.behave()
    wait_until_drained(stream.worker, stream)


def test_spilled_records_are_delivered_when_the_stream_is_back(spilled: Stream) -> None:
    """In its order, and before what is new."""
    before = on_devices(spilled, 30)
    assert spilled.worker.post(before).status == 204
    assert len(spilled.ids()) == 1
    reported = spills(spilled.worker)[spilled.to]
    assert (reported["records"], reported["quarantined"]) == (30, 0)

    spilled.peer.behave()
    after = on_devices(spilled, 1)
    assert spilled.worker.post(after).status == 204
    wait_until_drained(spilled.worker, spilled)
    last = on_devices(spilled, 1)
    assert spilled.worker.post(last).status == 204

    assert spilled.ids()[1:] == ids([*before, *after, *last])


def test_spilled_events_count_as_seen(spilled: Stream) -> None:
    beacons = on_devices(spilled, 2)

    first, second = (together(spilled, [beacons])[0] for _ in range(2))

    assert outcomes(first) == ["accepted"] * 2
    assert outcomes(second) == ["duplicate"] * 2
    assert spills(spilled.worker)[spilled.to]["records"] == 2


def test_a_poisonous_record_does_not_hold_up_the_spill(spilled: Stream) -> None:
    beacons = on_devices(spilled, 5)
    beacons[2]["title"] = "poison"
    assert spilled.worker.post(beacons).status == 204

    spilled.peer.behave()
    spilled.peer.poison = lambda event: event.get("title") == "poison"
    wait_until_drained(spilled.worker)

    good = ids(beacons[:2] + beacons[3:])
    assert sorted(spilled.ids()[1:]) == sorted(good)
    failed = kept(spilled.peer)[beacons[2]["id"]]
    assert (failed["stage"], failed["code"]) == ("delivery", "refused_by_stream")


def test_failed_events_are_spilled_too(unused: Iterator[Stream]) -> None:
    stream = next(unused)
    stream.peer.always(SILENCE, "events-failed")
    (bad,) = on_devices(stream, 1, seq="x")

    answer = stream.worker.post([bad])

    assert (answer.status, outcomes(answer)) == (200, ["failed"])
    assert bad["id"] not in kept(stream.peer)
    stream.peer.behave()
    wait_until_drained(stream.worker)
    assert kept(stream.peer)[bad["id"]]["code"] == "wrong_type"


@dataclass
class Outage:
    """What was seen of streams that took nothing, each in a way of its own."""

    streams: dict[str, Stream]
    first: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    second: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    new: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    ready: Answer | None = None
    ready_again: Answer | None = None
    log: str = ""


@pytest.fixture(scope="module")
def outage(unused: Iterator[Stream]) -> Outage:
    """All ways at once, then a crash, and then streams that work."""
    outage = Outage({way: next(unused) for way in WAYS})
    peer, worker = next(iter((it.peer, it.worker) for it in outage.streams.values()))
    for way, stream in outage.streams.items():
        peer.always(WAYS[way][0], stream.name)
        outage.first[way] = on_devices(stream, 3)
        outage.second[way] = on_devices(stream, 2)
        outage.new[way] = on_devices(stream, 1)

    def post(way: str) -> list[Answer]:
        return [worker.post(each[way]) for each in (outage.first, outage.second)]

    peer.stop()
    outage.answers = {"is not there": post("is not there")}
    peer.start()
    others = WAYS.keys() - outage.answers.keys()
    with ThreadPoolExecutor(len(WAYS)) as pool:
        outage.answers |= zip(others, pool.map(post, others), strict=True)
    # Each was tried once more by the alarm, and knows why that did not work.
    tried = [outage.streams[way].to for way in OPERATORS]
    wait_until(lambda: all(spills(worker)[stream].get("problem") for stream in tried))
    outage.ready, outage.log = worker.ready(), worker.log

    worker.kill()
    peer.wait_for_killed()
    peer.behave()
    worker.restart()
    # Nobody asks the shard anything until its alarm has.
    started = time.monotonic()
    while any(stream.ids() == [] for stream in outage.streams.values()):
        assert time.monotonic() - started < DRAIN_SECONDS, "no alarm woke it"
        time.sleep(0.05)
    for way, stream in outage.streams.items():
        assert worker.post(outage.new[way]).status == 204
    wait_until_drained(worker)
    outage.ready_again = worker.ready()
    return outage


@pytest.mark.parametrize("way", WAYS)
def test_a_spilled_event_is_acknowledged_once_it_is_stored(
    outage: Outage, way: str
) -> None:
    first, second = outage.answers[way]
    assert (first.status, second.status) == (204, 204)
    assert max(first.seconds, second.seconds) < BUSY_S, "it waited for the stream"


@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_it_is_lost_in_a_crash(outage: Outage, way: str) -> None:
    """Its alarm is stored too. Spilled records go first, in their order."""
    expected = ids([*outage.first[way], *outage.second[way], *outage.new[way]])
    assert outage.streams[way].ids() == expected


def test_readyz_shows_the_size_and_age_of_the_backlog(outage: Outage) -> None:
    assert outage.ready
    reported = outage.ready.json()
    (shard,) = reported["shards"]
    found = {each["stream"]: each for each in shard["spill"]}
    assert set(found) == {stream.to for stream in outage.streams.values()}
    for each in found.values():
        assert (each["records"], each["quarantined"]) == (5, 0)
        assert 100 < each["bytes"] < 10_000
        assert 1 <= each["oldest_age_s"] < 60
    assert reported["spill"] == {
        "records": 5 * len(WAYS),
        "bytes": sum(each["bytes"] for each in found.values()),
        "oldest_age_s": max(each["oldest_age_s"] for each in found.values()),
    }


@pytest.mark.parametrize("way", OPERATORS)
def test_an_operators_mistake_is_logged_as_an_error(outage: Outage, way: str) -> None:
    problem, stream = WAYS[way][1], outage.streams[way].to
    assert outage.ready
    assert (outage.ready.status, outage.ready.json()["ready"]) == (503, False)
    (shard,) = outage.ready.json()["shards"]
    (state,) = [each for each in shard["streams"] if each["stream"] == stream]
    assert (state["problem"], state["operator"]) == (problem, True)
    assert f"{stream} did not take every record: {problem}" in outage.log
    assert f'{{"stream":"{stream}","spilled":3}}' in outage.log


def test_readyz_is_ready_again_when_all_is_delivered(outage: Outage) -> None:
    assert outage.ready_again
    assert outage.ready_again.status == 200
    reported = outage.ready_again.json()
    assert reported["spill"] == {"records": 0, "bytes": 0, "oldest_age_s": 0}
