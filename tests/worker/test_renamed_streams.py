"""Records that wait for a stream that no route names any more, in the built worker.

A route's name is misspelt, events are acknowledged and spilled, the name is corrected, or the tenant,
the route or the prefix goes: what was acknowledged is seen, and comes to a stream that is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.fake_firehose import Fail, FakeFirehose
from support.shards import BEARER, KEY, QUARANTINE, SHARDED, rows, spills, wait_until_drained
from support.streams import FAILED, kept
from support.waiting import wait_until
from support.worker import Answer, Worker

OLD = "firehose:events-mdi"
NAME = OLD.partition(":")[2]
SETTINGS: dict[str, Any] = {
    **SHARDED,
    "linger_ms": 10,
    "delivery_timeout_ms": 300,
    "failed_stream": f"firehose:{FAILED}",
}
MISSPELT = {**SETTINGS, "routes": [{"to": OLD}]}
TODAY = {
    **SETTINGS,
    "routes": [
        {"level": "low", "to": "firehose:events-low"},
        {"metadata": {"tag": "vip"}, "to": "firehose:events-vip"},
        {"name": "order_*", "to": "firehose:events-orders"},
        {"to": "firehose:events-mid"},
    ],
}
BEACONS: list[dict[str, Any]] = [
    {"name": "a", "level": "low"},
    {"name": "b", "metadata": {"tag": "vip"}},
    {"name": "order_c", "level": "high"},
    {"name": "d"},
]
BAD = [{"name": "a", "seq": "x"}, {"name": "order_c", "level": 7}]
# A stream that an operator has to see to is tried again after a minute at most.
DRAIN_SECONDS = 120

HOMES = ["events-low", "events-vip", "events-orders", "events-mid"]


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer


@pytest.fixture
def start(peer: FakeFirehose) -> Iterator[Callable[..., Worker]]:
    """Starts a worker with these settings, which is ended with the test."""
    workers: list[Worker] = []

    def start(settings: dict[str, Any]) -> Worker:
        environment = {**peer.environment(), "HEADWATER_OPERATOR_KEY": KEY}
        workers.append(Worker(environment, settings).__enter__())
        return workers[-1]

    yield start
    for worker in workers:
        worker.__exit__(None, None, None)


def send(worker: Worker, beacons: list[dict[str, Any]], query: str = "") -> list[str]:
    """The ids of beacons that are acknowledged, each sent alone."""
    ids = []
    for beacon in beacons:
        answer = worker.post([{**beacon, "device_id": "d"}], query=f"?verdicts=1{query}")
        assert answer.status == 200, answer
        (verdict,) = answer.verdicts
        assert verdict["outcome"] == ("failed" if beacon in BAD else "accepted"), verdict
        ids.append(verdict["event_id"])
    return ids


def again(worker: Worker, settings: dict[str, Any]) -> None:
    """Starts the worker again with other settings, after a crash."""
    worker.kill()
    worker.settings = settings
    worker.restart()


def homes(peer: FakeFirehose, ids: list[str]) -> list[list[str]]:
    """The streams that have each of these events, one entry a delivery."""
    found: dict[str, list[str]] = {each: [] for each in ids}
    for stream in (*HOMES, FAILED, NAME):
        for event in peer.events(stream):
            if event["event_id"] in found:
                found[event["event_id"]].append(stream)
    return [found[each] for each in ids]


def arrive(peer: FakeFirehose, ids: list[str], expected: list[str]) -> None:
    """Waits until each of these events is in its expected stream, once and nowhere else."""
    wait_until(lambda: all(homes(peer, ids)), DRAIN_SECONDS)
    assert homes(peer, ids) == [[stream] for stream in expected]


def deny(peer: FakeFirehose, stream: str = NAME) -> None:
    """The answer of AWS to a worker that may write to other names only."""
    peer.always(Fail(400, "AccessDeniedException"), stream)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_a_corrected_name_delivers_the_records_of_the_wrong_one(
    start: Callable[..., Worker], peer: FakeFirehose, code: str
) -> None:
    peer.always(Fail(400, code), NAME)
    worker = start(MISSPELT)
    ids = send(worker, BEACONS)
    reported = worker.ready()
    assert (reported.status, reported.json()["owner"]) == (503, "operator")

    again(worker, TODAY)
    arrive(peer, ids, HOMES)
    wait_until_drained(worker)
    reported = worker.ready().json()
    assert (reported["ready"], reported["actions"]) == (True, [])
    worker.wait_for_line(stream=OLD, quarantined=0)


def test_failed_events_of_a_misspelt_stream_move_to_todays(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    deny(peer)
    worker = start({**TODAY, "failed_stream": OLD})
    ids = send(worker, BAD)

    again(worker, TODAY)
    arrive(peer, ids, [FAILED, FAILED])
    assert all(kept(peer)[each]["stage"] == "validate" for each in ids)


def test_records_for_an_unnamed_stream_are_not_ready(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    # For this it is tried again there, for as long as it takes.
    peer.always(Fail(500, "InternalFailure"), NAME)
    worker = start(MISSPELT)
    ids = send(worker, BEACONS)
    assert worker.ready().status == 200

    again(worker, TODAY)
    answer = worker.ready()
    reported = answer.json()
    assert (answer.status, reported["owner"]) == (503, "operator")
    assert f"4 records wait for {OLD}, which no route names" in reported["summary"]
    (advice,) = [each for each in reported["actions"] if each.startswith(OLD)]
    assert f"renamed_streams = {{ \"{OLD}\" = " in advice
    assert f"--stream {OLD}" in advice
    assert spills(worker)[OLD]["records"] == 4

    deny(peer)
    arrive(peer, ids, HOMES)
    wait_until_drained(worker)
    assert worker.ready().status == 200


def test_a_renamed_stream_receives_its_backlog_at_once(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    peer.always(Fail(500, "InternalFailure"), NAME)
    worker = start({**MISSPELT, "failed_stream": "firehose:faild"})
    peer.always(Fail(500, "InternalFailure"), "faild")
    ids = send(worker, [*BEACONS, BAD[0]])

    renamed = {OLD: "firehose:events-vip", "firehose:faild": f"firehose:{FAILED}"}
    again(worker, {**TODAY, "renamed_streams": renamed})
    arrive(peer, ids, ["events-vip"] * 4 + [FAILED])


def test_events_of_a_removed_tenant_use_the_top_level_routes(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    deny(peer)
    keys = {
        "pk_gone": {"tenant": "gone", "routes": [{"to": OLD}]},
        "pk_stays": {"tenant": "stays", "routes": [{"to": "firehose:events-vip"}]},
    }
    worker = start({**TODAY, "keys": keys})
    ids = send(worker, BEACONS, "&key=pk_gone")

    del keys["pk_gone"]
    again(worker, {**TODAY, "keys": keys})
    arrive(peer, ids, HOMES)


def test_only_records_of_unnamed_streams_can_be_withdrawn(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    peer.always(Fail(500, "InternalFailure"), NAME)
    worker = start(MISSPELT)
    send(worker, BEACONS)

    def withdraw(stream: str, headers: dict[str, str] = BEARER) -> Answer:
        path = f"{QUARANTINE}?stream={stream}"
        return worker.request("POST", path, None, headers)

    assert (withdraw(OLD).status, withdraw(OLD).json()["code"]) == (400, "bad_stream")
    assert OLD in withdraw(OLD).json()["message"]
    again(worker, TODAY)
    assert withdraw("x").json()["message"].startswith("stream=x must be firehose:NAME")
    assert withdraw(OLD, {}).status == 403
    assert withdraw("firehose:another").status == 204
    assert spills(worker)[OLD]["records"] == 4
    # It is refused while a try is under way.
    wait_until(lambda: withdraw(OLD).status == 204)
    assert (spills(worker)[OLD]["records"], spills(worker)[OLD]["quarantined"]) == (0, 4)
    other = worker.get(f"{QUARANTINE}?stream=firehose:another", BEARER)
    assert other.status == 204
    found = list(rows(worker))
    assert sum(answer.body.count(b"\n") for answer in found) == 4
    (reason,) = {json.loads(line)["errorMessage"] for line in found[0].body.splitlines()}
    assert reason == f"{OLD} is named by no route any more"
