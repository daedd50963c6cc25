"""The stand-in keeps Firehose's limits, and fails in every way that a test scripts."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator

import pytest
from botocore.exceptions import BotoCoreError

from support.fake_firehose import (
    Accept,
    Behaviour,
    Cut,
    Effect,
    Fail,
    FakeFirehose,
    Hang,
    NotJson,
    Refuse,
    WrongLength,
)
from support.fake_firehose_client import client, code, put, refusal, signed
from support.put_records import FIREHOSE
from support.waiting import wait_until


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer


# The limits


def test_accepts_500_records_and_no_more(peer: FakeFirehose) -> None:
    assert len(put(peer, *[b"{}\n"] * 500)["RequestResponses"]) == 500
    assert code(refusal(peer, *[b"{}\n"] * 501)) == "ValidationException"
    assert code(refusal(peer)) == "ValidationException"
    assert len(peer.accepted("events")) == 500


def test_accepts_a_record_of_1_024_000_bytes_and_no_larger(peer: FakeFirehose) -> None:
    put(peer, b"x" * FIREHOSE.max_record_bytes)

    assert code(refusal(peer, b"x" * (FIREHOSE.max_record_bytes + 1))) == "ValidationException"
    assert [len(record) for record in peer.accepted("events")] == [FIREHOSE.max_record_bytes]


def test_accepts_a_call_of_4_mib_and_no_larger(peer: FakeFirehose) -> None:
    assert signed(peer, padded_to=FIREHOSE.max_call_bytes).send(peer)[0] == 200

    status, body = signed(peer, padded_to=FIREHOSE.max_call_bytes + 1).send(peer)

    assert (status, body["__type"]) == (400, "InvalidArgumentException")
    assert peer.accepted("events") == [b'{"v":1}\n']


@pytest.mark.parametrize("stream", ["a" * 65, "events/low", "events low", "événements"])
def test_refuses_a_stream_name_that_can_not_be(peer: FakeFirehose, stream: str) -> None:
    assert code(refusal(peer, b"{}\n", stream=stream)) == "ValidationException"


def test_has_only_the_streams_of_its_configuration() -> None:
    with FakeFirehose(streams={"events", "events-failed"}) as peer:
        put(peer, b"1\n", stream="events-failed")

        error = refusal(peer, b"2\n", stream="event")

        assert code(error) == "ResourceNotFoundException"
        assert peer.accepted("events-failed") == [b"1\n"]
        assert peer.accepted("event") == []


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x-amz-target": "Firehose_20150804.Nothing"}, "UnknownOperationException"),
        ({"content-type": "application/json"}, "UnknownOperationException"),
    ],
)
def test_speaks_put_record_batch_alone(
    peer: FakeFirehose, headers: dict[str, str], error: str
) -> None:
    assert signed(peer, headers=headers).send(peer)[1]["__type"] == error
    assert peer.signature_errors == []


# The behaviours


def test_refuses_records_by_index(peer: FakeFirehose) -> None:
    peer.script(Refuse({0, 2}))

    answer = put(peer, b"0\n", b"1\n", b"2\n")

    refused = {
        "ErrorCode": "ServiceUnavailableException",
        "ErrorMessage": "Slow down.",
    }
    assert answer["FailedPutCount"] == 2
    assert [result == refused for result in answer["RequestResponses"]] == [
        True,
        False,
        True,
    ]
    assert peer.accepted("events") == [b"1\n"]


def test_refuses_records_by_event(peer: FakeFirehose) -> None:
    peer.script(Refuse(lambda event: event["v"] == 2, code="InternalFailure"))

    answer = put(peer, b'{"v":1}\n', b'{"v":1}\n{"v":2}\n', b"not JSON")

    codes = [result.get("ErrorCode") for result in answer["RequestResponses"]]
    assert codes == [None, "InternalFailure", None]
    assert peer.accepted("events") == [b'{"v":1}\n', b"not JSON"]


def test_fails_the_whole_call(peer: FakeFirehose) -> None:
    peer.script(Fail(503, "ServiceUnavailable", "Later.", {"x-amz-retry-after": "7"}))

    response = refusal(peer, b"{}\n").response

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amz-retry-after"] == "7"
    assert response["Error"] == {"Code": "ServiceUnavailable", "Message": "Later."}
    assert peer.accepted("events") == []
    assert (peer.calls[0].status, peer.calls[0].error) == (503, "ServiceUnavailable")


@pytest.mark.parametrize(
    ("effect", "stored"), [(Effect.NONE, []), (Effect.DONE, [b'{"v":1}\n'])]
)
def test_answers_200_with_no_json(
    peer: FakeFirehose, effect: Effect, stored: list[bytes]
) -> None:
    peer.script(NotJson(effect))

    with pytest.raises(json.JSONDecodeError):
        signed(peer).send(peer)
    assert peer.calls[0].status == 200
    assert peer.accepted("events") == stored


@pytest.mark.parametrize(
    ("effect", "stored"), [(Effect.NONE, []), (Effect.DONE, [b"1\n", b"2\n"])]
)
@pytest.mark.parametrize(("by", "length"), [(-1, 1), (1, 3), (-9, 0)])
def test_answers_with_the_wrong_number_of_responses(
    peer: FakeFirehose, by: int, length: int, effect: Effect, stored: list[bytes]
) -> None:
    peer.script(WrongLength(by, effect))

    answer = put(peer, b"1\n", b"2\n")

    assert len(answer["RequestResponses"]) == length
    assert peer.accepted("events") == stored


@pytest.mark.parametrize(
    ("effect", "stored"), [(Effect.NONE, []), (Effect.DONE, [b"1\n"])]
)
def test_cuts_the_connection(
    peer: FakeFirehose, effect: Effect, stored: list[bytes]
) -> None:
    peer.script(Cut(effect))

    with pytest.raises(BotoCoreError):
        put(peer, b"1\n")
    assert peer.accepted("events") == stored
    assert [call.status for call in peer.calls] == [None]


@pytest.mark.parametrize("then", [Accept(), Cut(Effect.DONE)])
def test_hangs_and_then_behaves(peer: FakeFirehose, then: Behaviour) -> None:
    peer.script(Hang(1, then))
    sent = time.monotonic()

    with pytest.raises(BotoCoreError):
        client(peer, read_timeout=0.1).put_record_batch(
            DeliveryStreamName="events", Records=[{"Data": b"1\n"}]
        )

    wait_until(lambda: peer.accepted("events") == [b"1\n"])
    assert time.monotonic() - sent >= 1


def test_a_hanging_call_blocks_no_other(peer: FakeFirehose) -> None:
    peer.script(Hang(30))
    first = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=30)
    request = signed(peer)
    first.request("POST", "/", request.body, request.headers)
    wait_until(lambda: len(peer.calls) == 1)

    put(peer, b"2\n")
    peer.stop()

    with pytest.raises((http.client.HTTPException, OSError)):
        first.getresponse()
    assert peer.accepted("events") == [b"2\n"]


def test_follows_its_script_and_then_accepts_all(peer: FakeFirehose) -> None:
    peer.script(Refuse({0}), Accept(), Fail(500, "InternalFailure"))

    assert put(peer, b"1\n")["FailedPutCount"] == 1
    assert put(peer, b"2\n")["FailedPutCount"] == 0
    assert code(refusal(peer, b"3\n")) == "InternalFailure"
    assert put(peer, b"4\n")["FailedPutCount"] == 0
    assert peer.accepted("events") == [b"2\n", b"4\n"]


def test_refuses_until_configured_otherwise(peer: FakeFirehose) -> None:
    peer.always(Fail(503, "ServiceUnavailableException", "Slow down."))
    peer.script(Accept())

    put(peer, b"1\n")
    for _ in range(3):
        assert code(refusal(peer, b"2\n")) == "ServiceUnavailableException"
    peer.always(Accept())
    put(peer, b"3\n")

    assert peer.accepted("events") == [b"1\n", b"3\n"]


def test_one_stream_may_fail_alone(peer: FakeFirehose) -> None:
    peer.always(Fail(503, "ServiceUnavailableException"), "events-failed")
    peer.always(Refuse({1}))

    error = refusal(peer, b"1\n", stream="events-failed")
    put(peer, b"1\n", b"2\n")
    peer.behave()
    put(peer, b"2\n", stream="events-failed")

    assert code(error) == "ServiceUnavailableException"
    assert peer.accepted("events") == [b"1\n"]
    assert peer.accepted("events-failed") == [b"2\n"]


def test_one_poisonous_event_spoils_its_whole_call(peer: FakeFirehose) -> None:
    peer.poison = lambda event: event.get("name") == "bad"
    peer.script(Refuse({0}))

    error = refusal(peer, b'{"name":"good"}\n', b'{"name":"good"}\n{"name":"bad"}\n')

    assert code(error) == "InvalidArgumentException"
    assert peer.accepted("events") == []
    assert put(peer, b'{"name":"good"}\n')["FailedPutCount"] == 1


def test_stops_and_starts_again_on_its_port(peer: FakeFirehose) -> None:
    kept = client(peer)
    batch = {"DeliveryStreamName": "events", "Records": [{"Data": b"1\n"}]}
    kept.put_record_batch(**batch)
    url = peer.url

    peer.stop()
    with pytest.raises(BotoCoreError):
        kept.put_record_batch(**batch)
    peer.start()
    kept.put_record_batch(**batch)

    assert peer.url == url
    assert peer.accepted("events") == [b"1\n", b"1\n"]
    assert len(peer.calls) == 2


def test_what_a_killed_client_sent_is_behaved_to_as_before(peer: FakeFirehose) -> None:
    peer.script(Hang(60))
    peer.always(Fail(500, "InternalFailure"))
    request = signed(peer)
    for number in range(1, 31):
        killed = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=30)
        killed.request("POST", "/", request.body, request.headers)
        if number == 1:
            wait_until(lambda: len(peer.calls) == 1)
        killed.close()

    peer.wait_for_killed()
    peer.behave()

    assert [call.status for call in peer.calls] == [None] + [500] * 29
    put(peer, b"2\n")
    assert peer.accepted("events") == [b"2\n"]


def test_keeps_streams_apart_and_in_order(peer: FakeFirehose) -> None:
    for number in range(3):
        put(peer, b"%d\n" % number, stream="one")
        put(peer, b"%d\n" % -number, stream="two")

    assert peer.accepted("one") == [b"0\n", b"1\n", b"2\n"]
    assert peer.accepted("two") == [b"0\n", b"-1\n", b"-2\n"]
    assert peer.accepted("three") == []
