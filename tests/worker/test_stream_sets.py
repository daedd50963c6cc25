"""Stream sets, in the built worker: each shard has a member, and another one while that is sick.

A member that has not answered for a second counts as sick too, which is up to the machine. So where
each shard has to be at its own member, rounds are sent until it was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import Fail, FakeFirehose
from support.put_records import put_of
from support.shards import DRAIN_SECONDS, OPERATORS_SECONDS, SHARDED, wait_until_drained
from support.waiting import wait_until
from support.worker import KEY, Worker

SETTINGS: dict[str, Any] = {
    **SHARDED,
    "shards": 16,
    "linger_ms": 200,
    "delivery_timeout_ms": 3_000,
    "failed_stream": "firehose:f-{08..09}",
}
SICK = Fail(500, "InternalFailure")
# Always the same ones, so that each shard always has some of them.
DEVICES = [f"device-{number}" for number in range(160)]


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer
        assert peer.signature_errors == []


@pytest.fixture
def start(peer: FakeFirehose) -> Iterator[Callable[..., Worker]]:
    """Starts a worker whose events go to this set, which is ended with the test."""
    workers: list[Worker] = []

    def start(to: str, **settings: Any) -> Worker:
        environment = {**peer.environment(), "HEADWATER_OPERATOR_KEY": KEY}
        routes = {"routes": [{"to": to}]}
        workers.append(Worker(environment, {**SETTINGS, **routes, **settings}).__enter__())
        return workers[-1]

    yield start
    for worker in workers:
        worker.__exit__(None, None, None)


def beacons(devices: list[str]) -> list[dict[str, Any]]:
    return [{"name": "a", "id": str(uuid4()), "device_id": device} for device in devices]


def send(worker: Worker, devices: list[str]) -> list[str]:
    """The ids of an event of each device, which one request has."""
    sent = beacons(devices)
    assert worker.post(sent).status == 204
    return [beacon["id"] for beacon in sent]


def members(peer: FakeFirehose, count: int) -> dict[str, str]:
    """The member that has each event, by its id."""
    names = [f"e-{number}" for number in range(count)]
    return {event["event_id"]: name for name in names for event in peer.events(name)}


def called(peer: FakeFirehose) -> list[str]:
    """The stream of each call so far."""
    return [put_of(call).stream for call in peer.calls]


def spilled(worker: Worker) -> dict[str, int]:
    """How many records wait for each stream, in all shards."""
    waiting: dict[str, int] = {}
    for shard in worker.ready().json()["shards"]:
        for spill in shard["spill"]:
            if spill["records"]:
                waiting[spill["stream"]] = waiting.get(spill["stream"], 0) + spill["records"]
    return waiting


def whole_round(
    worker: Worker, peer: FakeFirehose, count: int, shards: int
) -> list[str]:
    """The member of each device, once each member gets one call of each of its shards."""
    found: list[str] = []

    def is_whole() -> bool:
        before = len(peer.calls)
        ids = send(worker, DEVICES)
        by_id = members(peer, count)
        found[:] = [by_id.get(id, "spilled") for id in ids]
        calls = [f"e-{number}" for number in range(count) for _ in range(shards)]
        return sorted(called(peer)[before:]) == sorted(calls)

    wait_until(is_whole, DRAIN_SECONDS + OPERATORS_SECONDS, lambda: called(peer)[-40:])
    return found


def test_each_shard_sends_whole_batches_to_a_member_of_its_own(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start("firehose:e-{0..15}")
    # As many calls as shards: no batch is split.
    first, again = (whole_round(worker, peer, 16, 1) for _ in range(2))
    assert first == again
    states = worker.ready().json()["streams"]
    assert {state["stream"] for state in states} == {
        *(f"firehose:e-{number}" for number in range(16)),
        "firehose:f-08",
        "firehose:f-09",
    }


def test_fewer_members_than_shards_get_as_many_shards_each(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    whole_round(start("firehose:e-{0..3}"), peer, 4, 4)


def test_a_sick_members_load_moves_to_the_others_and_comes_back(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start("firehose:e-{0..3}")
    before = whole_round(worker, peer, 4, 4)
    moved = [device for device, was in zip(DEVICES, before) if was == "e-2"]

    peer.always(SICK, "e-2")
    lost = send(worker, moved)
    waiting = spilled(worker)
    assert set(waiting) == {"firehose:e-2"}
    sent = [send(worker, DEVICES) for _ in range(5)]
    found = members(peer, 4)
    assert all(id in found for ids in sent for id in ids), "each 2xx is in a stream"
    assert spilled(worker) == waiting, "nothing but the first batches"
    hosts = {found[id] for ids in sent for id, was in zip(ids, before) if was == "e-2"}
    assert "e-2" not in hosts and len(hosts) > 1, "not all to one"

    peer.behave()
    wait_until_drained(worker)
    assert members(peer, 4).keys() >= set(lost)
    assert whole_round(worker, peer, 4, 4) == before, "its shards came back"


def test_if_every_member_is_sick_each_shard_spills_for_few_of_them(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start("firehose:e-{0..15}", shards=1)
    assert send(worker, DEVICES[:1])
    for number in range(16):
        peer.always(SICK, f"e-{number}")
    sent = [id for _ in range(8) for id in send(worker, DEVICES[:3])]
    waiting = spilled(worker)
    assert sum(waiting.values()) == len(sent)
    assert len(waiting) <= 4 and waiting["firehose:e-0"] >= len(sent) // 2, waiting

    peer.behave()
    wait_until_drained(worker)
    assert members(peer, 16).keys() >= set(sent)


def test_a_failed_event_goes_to_a_member_of_its_set(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start("firehose:e-{0..3}", shards=1)
    peer.always(SICK, "f-08")
    ids = [str(uuid4()) for _ in range(3)]
    for id in ids:
        assert worker.post({"id": id, "name": "a", "seq": "x"}).status == 200
    assert {event["event_id"] for event in peer.events("f-09")} >= set(ids[1:])
    peer.behave()
    wait_until_drained(worker)
    kept = [event["event_id"] for name in ("f-08", "f-09") for event in peer.events(name)]
    assert sorted(kept) == sorted(ids)


def test_the_records_of_a_removed_member_go_to_those_that_stay(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start("firehose:e-{0..15}")
    for number in range(4, 16):
        peer.always(Fail(400, "ResourceNotFoundException"), f"e-{number}")
    sent = send(worker, DEVICES)
    waiting = spilled(worker)
    assert len(members(peer, 4)) + sum(waiting.values()) == len(sent)
    assert "firehose:e-15" in waiting

    worker.kill()
    worker.settings = {**SETTINGS, "routes": [{"to": "firehose:e-{0..3}"}]}
    worker.restart()
    patience = DRAIN_SECONDS + OPERATORS_SECONDS
    wait_until(lambda: members(peer, 4).keys() >= set(sent), patience, lambda: spilled(worker))
    # Those of each shard are at its member.
    assert {members(peer, 4)[id] for id in sent} == {"e-0", "e-1", "e-2", "e-3"}
    wait_until_drained(worker)
    assert worker.ready().status == 200


def test_direct_delivery_chooses_a_well_member_for_each_request(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start("firehose:e-{0..3}", delivery="direct")
    sent: list[list[str]] = []

    def all_are_called() -> bool:
        sent.append(send(worker, DEVICES[:5]))
        return set(called(peer)) == {f"e-{number}" for number in range(4)}

    wait_until(all_are_called, DRAIN_SECONDS)
    found = members(peer, 4)
    assert all(len({found[id] for id in ids}) == 1 for ids in sent), "a request shares a call"

    peer.always(SICK, "e-1")
    failed = beacons(DEVICES[:5])
    wait_until(lambda: worker.post(failed).status == 503, DRAIN_SECONDS)
    calls = len(peer.calls)
    later = [id for _ in range(20) for id in send(worker, DEVICES[:5])]
    assert members(peer, 4).keys() >= set(later)
    assert "e-1" not in called(peer)[calls:]


def test_a_set_of_kinesis_streams_works_the_same(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start("kinesis:k-{0..1}", shards=2)
    sent = send(worker, DEVICES)
    streams = [f"kinesis:k-{number}" for number in range(2)]
    events = {name: {event["event_id"] for event in peer.events(name)} for name in streams}
    assert all(events.values()) and set().union(*events.values()) == set(sent)
