"""Events that are routed to a Kinesis stream: delivered as those of Firehose are.

Each is a record of its own under a key of its device, so that a device's events are in one
shard, and only what was refused is sent again.
"""

from __future__ import annotations

from collections import Counter

import pytest

from support.fake_firehose import Behaviour, Cut, Effect, Fail, FakeFirehose, NotJson, Refuse
from support.put_records import KINESIS
from support.streams import Stream, ids, kept
from support.worker import Worker

THROTTLED = "ProvisionedThroughputExceededException"


def test_an_event_arrives_under_a_key_of_its_device(
    kinesis_stream: Stream, peer: FakeFirehose
) -> None:
    first, second, third = kinesis_stream.beacons(3)
    device = 'device "1" \\ ä'
    beacons = [{**first, "device_id": device}, second, {**third, "device_id": device}]

    assert kinesis_stream.post(beacons).status == 204

    assert kinesis_stream.packs() == [[[id] for id in ids(beacons)]]
    of_device, of_event, again = peer.keys(kinesis_stream.to)
    assert of_device == again != of_event
    assert {len(of_device), len(of_event)} == {32}, "a key shows no id"
    assert all(record.endswith(b"}\n") for record in peer.accepted(kinesis_stream.to))
    (call,) = kinesis_stream.calls
    assert call.header("x-amz-target") == KINESIS.target
    assert "/kinesis/aws4_request" in (call.header("authorization") or "")
    state = kinesis_stream.state()
    assert (state["state"], state["paused"]) == ("ok", False)
    assert "problem" not in state


def test_only_the_refused_records_are_sent_again(
    kinesis_stream: Stream, peer: FakeFirehose
) -> None:
    beacons = kinesis_stream.beacons(6)
    peer.script(
        Refuse({1, 3, 5}, THROTTLED, "Rate exceeded for shard shardId-000000000000"),
        Refuse({0}, "InternalFailure", "Internal Service Failure"),
    )

    answer = kinesis_stream.post(beacons)

    assert answer.status == 204
    b = ids(beacons)
    assert kinesis_stream.sent() == [b, [b[1], b[3], b[5]], [b[1]]]
    assert Counter(kinesis_stream.ids()) == Counter(b)


@pytest.mark.parametrize(
    "fault",
    [
        Fail(500, "InternalFailure"),
        Fail(400, THROTTLED),
        Fail(400, "KMSThrottlingException"),
        NotJson(),
        NotJson(body=b'{"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"}]}'),
        Cut(Effect.NONE),
    ],
    ids=str,
)
def test_a_call_that_failed_whole_is_sent_again_whole(
    kinesis_stream: Stream, peer: FakeFirehose, fault: Behaviour
) -> None:
    beacons = kinesis_stream.beacons(3)
    peer.script(fault)

    assert kinesis_stream.post(beacons).status == 204
    assert kinesis_stream.sent() == [ids(beacons)] * 2


@pytest.mark.parametrize("code", ["AccessDeniedException", "KMSDisabledException"])
def test_an_operators_mistake_is_not_retried(
    kinesis_stream: Stream, peer: FakeFirehose, code: str
) -> None:
    peer.script(Fail(400, code, "secret ARN"))

    answer = kinesis_stream.post(kinesis_stream.beacons(3))

    assert (answer.status, len(kinesis_stream.calls)) == (503, 1)
    assert answer.json()["message"] == (
        f"{kinesis_stream.to} did not take every record ({code}); send again"
    )
    assert kinesis_stream.worker.ready().status == 503
    assert kinesis_stream.post(kinesis_stream.beacons(1)).status == 204


def test_a_poison_record_is_isolated(
    kinesis_stream: Stream, peer: FakeFirehose
) -> None:
    assert kinesis_stream.post(kinesis_stream.beacons(1)).status == 204
    peer.poison = lambda event: event.get("title") == "poison"
    beacons = kinesis_stream.beacons(7)
    beacons[4]["title"] = "poison"

    answer = kinesis_stream.post(beacons)

    outcomes = [verdict["outcome"] for verdict in answer.verdicts]
    assert outcomes == ["accepted"] * 4 + ["failed"] + ["accepted"] * 2
    assert kept(peer)[beacons[4]["id"]]["code"] == "refused_by_stream"
    assert len(kinesis_stream.ids()) == 7


def test_500_events_are_one_call(kinesis_stream: Stream) -> None:
    beacons = kinesis_stream.beacons(500)

    assert kinesis_stream.post(beacons).status == 204

    assert kinesis_stream.packs() == [[[id] for id in ids(beacons)]]


def test_a_stream_that_is_not_there_is_503_and_named() -> None:
    routes = [{"name": "lost", "to": "kinesis:lost"}, {"to": "kinesis:orders"}]
    settings = {"routes": routes, "failed_stream": "kinesis:failed"}
    with FakeFirehose(streams={"kinesis:orders", "kinesis:failed", "lost"}) as peer:
        with Worker(peer.environment(), settings) as worker:
            answer = worker.post({"name": "lost"})
            assert answer.status == 503
            assert answer.retry_after >= 1
            assert answer.json()["message"] == (
                "kinesis:lost did not take every record (ResourceNotFoundException);"
                " send again"
            )
            assert worker.ready().status == 503
            assert worker.post([{"name": "found"}, {}]).status == 200
        assert len(peer.events("kinesis:orders")) == 1
        (failed,) = peer.events("kinesis:failed")
        (key,) = peer.keys("kinesis:failed")
        assert len(key) == 32 and key != failed["event_id"]
        assert peer.signature_errors == []


def test_each_service_has_an_address_of_its_own() -> None:
    routes = [{"name": "order", "to": "kinesis:orders"}, {"to": "firehose:events"}]
    with FakeFirehose() as firehose, FakeFirehose() as kinesis:
        environment = firehose.environment()
        environment["AWS_ENDPOINT_URL_KINESIS"] = kinesis.url
        with Worker(environment, {"routes": routes}) as worker:
            assert worker.post([{"name": "order"}, {"name": "view"}]).status == 204
        assert [event["name"] for event in kinesis.events("kinesis:orders")] == ["order"]
        assert [event["name"] for event in firehose.events("events")] == ["view"]
