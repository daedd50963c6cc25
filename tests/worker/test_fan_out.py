"""A route to several streams, in the built worker: the lake and a stream for consumers.

Each gets every event of the route. While one fails, the other has its events at once, and no event twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local_aws import LocalAws
from support.fake_firehose import Fail, FakeFirehose, Refuse
from support.shards import DRAIN_SECONDS, OPERATORS_SECONDS, SHARDED, VERDICTS, outcomes, spills
from support.streams import kept
from support.waiting import wait_until
from support.worker import KEY, Worker

LAKE, ORDERS = "events-high", "kinesis:orders"
ROUTES = [
    {"name": "order_*", "to": [f"firehose:{LAKE}", ORDERS]},
    {"to": "firehose:events-mid"},
]
TIMEOUT_S = 1.0
DOWN = Fail(500, "InternalFailure")


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer
        assert peer.signature_errors == []


@pytest.fixture
def start(peer: FakeFirehose) -> Iterator[Callable[..., Worker]]:
    """Starts a worker with these routes and settings, which is ended with the test."""
    workers: list[Worker] = []

    def start(**settings: Any) -> Worker:
        environment = {**peer.environment(), "HEADWATER_OPERATOR_KEY": KEY}
        usual = {"delivery_timeout_ms": round(TIMEOUT_S * 1_000), "routes": ROUTES}
        workers.append(Worker(environment, {**usual, **settings}).__enter__())
        return workers[-1]

    yield start
    for worker in workers:
        worker.__exit__(None, None, None)


def orders(count: int) -> list[dict[str, Any]]:
    return [{"name": "order_sent", "id": str(uuid4()), "device_id": "d"} for _ in range(count)]


def copies(peer: FakeFirehose, stream: str) -> Counter[str]:
    """How often a stream has each event, by id."""
    return Counter(event["event_id"] for event in peer.events(stream))


def once(beacons: list[dict[str, Any]]) -> Counter[str]:
    return Counter(beacon["id"] for beacon in beacons)


@pytest.mark.parametrize("settings", [SHARDED, {"delivery": "direct"}], ids=["sharded", "direct"])
def test_each_stream_gets_every_event_of_the_route(
    start: Callable[..., Worker], peer: FakeFirehose, settings: dict[str, Any]
) -> None:
    worker = start(**settings)
    sent, other = orders(5), {"name": "other", "id": str(uuid4())}

    assert worker.post([*sent, other]).status == 204

    assert copies(peer, LAKE) == copies(peer, ORDERS) == once(sent)
    assert copies(peer, "events-mid") == once([other])
    # Of one line, Firehose gets five in a record, and Kinesis each under the key of its device.
    assert len(peer.accepted(LAKE)) == 1
    assert sorted(peer.accepted(LAKE)[0].splitlines(keepends=True)) == sorted(peer.accepted(ORDERS))
    assert len(set(peer.keys(ORDERS))) == 1
    assert {state["stream"] for state in worker.ready().json()["streams"]} >= {f"firehose:{LAKE}", ORDERS}


def test_a_stream_for_consumers_that_fails_takes_nothing_from_the_lake(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start(**SHARDED)
    peer.always(DOWN, ORDERS)
    sent: list[dict[str, Any]] = []

    def takes() -> float:
        """The seconds after which three events are accepted."""
        beacons = orders(3)
        answer = worker.post(beacons, query=VERDICTS)
        assert outcomes(answer) == ["accepted"] * 3
        sent.extend(beacons)
        assert copies(peer, LAKE) == once(sent), "the answer came after the lake had them"
        return answer.seconds

    for _ in range(3):
        takes()
    # A stream that is known to fail is not waited for; a busy machine may be late for all that.
    wait_until(lambda: takes() < TIMEOUT_S, 60)
    assert spills(worker)[ORDERS]["records"] == len(sent)
    assert f"firehose:{LAKE}" not in spills(worker)
    assert outcomes(worker.post(sent[:3], query=VERDICTS)) == ["duplicate"] * 3
    failing = {state["stream"] for state in worker.ready().json()["streams"] if state.get("problem")}
    assert failing == {ORDERS}

    peer.behave()

    wait_until(lambda: copies(peer, ORDERS) == once(sent), DRAIN_SECONDS, lambda: spills(worker))
    assert copies(peer, LAKE) == once(sent), "and nothing twice"


def test_an_event_that_one_stream_lacks_is_sent_again_only_to_that_one(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start(**SHARDED, spill={"max_bytes": 0})
    peer.always(DOWN, ORDERS)
    sent = orders(3)
    for _ in range(3):
        answer = worker.post(sent)
        assert (answer.status, answer.retry_after >= 1) == (503, True)
        assert answer.json()["message"] == (
            f"one of firehose:{LAKE}, {ORDERS} did not take every record (spill_full); send again"
        )
    assert (copies(peer, LAKE), copies(peer, ORDERS)) == (once(sent), Counter())

    # The copies that the lake has are remembered across a crash.
    worker.wait_for_checkpoint()
    worker.kill()
    peer.wait_for_killed()
    peer.behave()
    worker.restart()

    def is_accepted() -> bool:
        return worker.post(sent).status == 204

    wait_until(is_accepted, DRAIN_SECONDS)
    assert copies(peer, LAKE) == copies(peer, ORDERS) == once(sent)
    assert outcomes(worker.post(sent, query=VERDICTS)) == ["duplicate"] * 3


def test_an_event_that_one_stream_rejects_fails_once_and_the_other_has_it(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start(**SHARDED)
    assert worker.post(orders(1)).status == 204
    sent = orders(2)
    poison = sent[1]["id"]
    peer.always(
        Refuse(lambda event: event["event_id"] == poison, "InvalidArgumentException"), ORDERS
    )

    answer = worker.post(sent, query=VERDICTS)

    assert outcomes(answer) == ["accepted", "failed"]
    failed = kept(peer)[poison]
    assert (failed["code"], failed["stage"]) == ("refused_by_stream", "delivery")
    assert failed["message"].startswith(f"{ORDERS} refuses the record"), "it names the one"
    assert copies(peer, LAKE)[poison] == 1
    assert copies(peer, ORDERS)[poison] == 0


def test_in_direct_delivery_a_stream_that_has_an_event_may_get_it_again(
    start: Callable[..., Worker], peer: FakeFirehose
) -> None:
    worker = start()
    peer.always(DOWN, ORDERS)
    sent = orders(2)
    answer = worker.post(sent)
    assert answer.status == 503
    assert answer.json()["message"].startswith(f"{ORDERS} did not take every record")
    assert copies(peer, LAKE) == once(sent)
    peer.behave()
    wait_until(lambda: worker.post(sent).status == 204, DRAIN_SECONDS)
    assert copies(peer, ORDERS) == once(sent)
    assert copies(peer, LAKE).keys() == once(sent).keys()
    assert min(copies(peer, LAKE).values()) > 1


def read(aws: LocalAws, stream: str) -> Counter[str]:
    """How often a Kinesis stream of the local AWS has each event, by id."""
    kinesis = aws.client("kinesis")
    found: Counter[str] = Counter()
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        start = {"StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**start)["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator)["Records"]
        found.update(json.loads(each["Data"])["event_id"] for each in records)
    return found


def test_events_are_in_s3_while_a_stream_of_the_operators_own_is_missing(tmp_path: Path) -> None:
    routes = [{"name": "order_*", "to": ["firehose:shop", "kinesis:returns"]}, {"to": "firehose:events-mid"}]
    with LocalAws(tmp_path) as aws:
        aws.add_own({"firehose:shop"})
        environment = {**aws.environment(), "HEADWATER_OPERATOR_KEY": KEY}

        def in_s3() -> Counter[str]:
            of_stream = (each for each in aws.records() if each.key.startswith("stream=shop/day="))
            return Counter(each.record["event_id"] for each in of_stream)

        with Worker(environment, {**SHARDED, "routes": routes}) as worker:
            sent = orders(3)
            assert outcomes(worker.post(sent, query=VERDICTS)) == ["accepted"] * 3
            wait_until(lambda: in_s3() == once(sent), DRAIN_SECONDS, in_s3)
            failing = {state["stream"] for state in worker.ready().json()["streams"] if state.get("problem")}
            assert failing == {"kinesis:returns"}
            aws.add_own({"kinesis:returns"})
            # What an operator has to correct is tried again after a minute; and at once by an object that has
            # crashed, when something wakes it.
            worker.kill()
            worker.restart()
            assert outcomes(worker.post(sent, query=VERDICTS)) == ["duplicate"] * 3
            patience = DRAIN_SECONDS + OPERATORS_SECONDS
            wait_until(lambda: read(aws, "returns") == once(sent), patience, lambda: spills(worker))
            assert in_s3() == once(sent)
