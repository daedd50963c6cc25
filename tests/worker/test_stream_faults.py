"""What happens when a stream fails: no 2xx without the data, no record sent in vain.

Each test has a stream of its own, since the health of a stream outlives a request. The
peer is a stand-in for Firehose that fails as scripted and keeps what it accepted.
"""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_firehose import (
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
from support.streams import Stream, ids
from support.waiting import wait_until
from support.worker import HOST, Answer

DEADLINE_SECONDS = 2.0  # the default of HEADWATER.delivery_timeout_ms
SLACK_SECONDS = 1.5
SOON_SECONDS = 15  # before the deadline of those streams that are patient
PATIENCE_SECONDS = 120
REST_SECONDS = 10  # how long a stream that takes nothing is left alone, at most
THROTTLED = Fail(503, "ServiceUnavailableException", "Slow down.")


# Retries


def test_only_the_refused_records_are_sent_again(
    stream: Stream, peer: FakeFirehose
) -> None:
    beacons = stream.beacons(6)
    peer.script(Refuse({1, 3, 5}), Refuse({0}, "InternalFailure", ""))

    answer = stream.post(beacons)

    assert answer.status == 204
    b = ids(beacons)
    assert stream.sent() == [b, [b[1], b[3], b[5]], [b[1]]]
    assert Counter(stream.ids()) == Counter(b)


def test_the_answer_waits_for_the_last_record(
    stream: Stream, peer: FakeFirehose
) -> None:
    peer.script(Refuse({0}), Hang(0.5))

    answer = stream.post(stream.beacons(2))

    assert answer.status == 204
    assert answer.seconds >= 0.5


@pytest.mark.parametrize(
    "fault",
    [
        Fail(500, "InternalFailure"),
        THROTTLED,
        Fail(503, "ServiceUnavailable"),
        Fail(400, "ThrottlingException", "Rate exceeded"),
        Fail(400, "LimitExceededException"),
        Fail(429, ""),
        Fail(502, ""),
        NotJson(),
        NotJson(body=b""),
        NotJson(body=b'{"FailedPutCount":0}'),
        WrongLength(-1),
        WrongLength(1),
        Cut(Effect.NONE),
        Refuse({0, 1, 2}),
    ],
    ids=str,
)
def test_a_call_that_failed_whole_is_sent_again_whole(
    stream: Stream, peer: FakeFirehose, fault: Behaviour
) -> None:
    beacons = stream.beacons(3)
    peer.script(fault)

    answer = stream.post(beacons)

    assert answer.status == 204
    assert stream.sent() == [ids(beacons)] * 2
    assert Counter(stream.ids()) == Counter(ids(beacons))


@pytest.mark.parametrize(
    "fault",
    [Cut(Effect.DONE), NotJson(Effect.DONE), WrongLength(-1, Effect.DONE)],
    ids=str,
)
def test_a_call_of_unknown_effect_is_repeated_byte_for_byte(
    stream: Stream, peer: FakeFirehose, fault: Behaviour
) -> None:
    beacons = stream.beacons(3)
    peer.script(fault)

    answer = stream.post(beacons)

    assert answer.status == 204
    records = peer.accepted(stream.name)
    assert records[:3] == records[3:]
    assert stream.ids() == ids(beacons) * 2


def test_a_signature_that_expired_is_made_again_once(
    stream: Stream, peer: FakeFirehose
) -> None:
    expired = Fail(
        403,
        "InvalidSignatureException",
        "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z",
    )
    peer.script(expired)
    assert stream.post(stream.beacons(1)).status == 204
    assert len(stream.calls) == 2

    peer.script(expired, expired)
    assert stream.post(stream.beacons(1)).status == 503
    assert len(stream.calls) == 4


# Giving up


def given_up(
    streams: Iterator[Stream], count: int
) -> tuple[Stream, list[dict[str, Any]], Answer]:
    """A stream, what it does not take, and a 503 within the deadline.

    A busy machine makes an answer late, so streams are asked until one is answered for in time.
    """

    def in_time() -> tuple[Stream, list[dict[str, Any]], Answer] | None:
        stream = next(streams)
        beacons = stream.beacons(count)
        answer = stream.post(beacons)
        assert answer.status == 503
        is_late = answer.seconds > DEADLINE_SECONDS + SLACK_SECONDS
        return None if is_late else (stream, beacons, answer)

    found = wait_until(in_time, PATIENCE_SECONDS, lambda: "no answer was in time")
    assert found is not None
    return found


def test_a_hanging_stream_is_answered_503_within_the_deadline(
    hasty_streams: Iterator[Stream], peer: FakeFirehose
) -> None:
    peer.always(Hang(60))

    stream, beacons, answer = given_up(hasty_streams, 2)

    assert answer.seconds >= DEADLINE_SECONDS - 0.1
    reported = answer.json()["message"]
    assert reported == (
        f"firehose:{stream.name} did not take every record (timed_out); send again"
    )
    peer.behave()
    assert stream.post(beacons).status == 204


def test_endless_refusals_are_answered_503_within_the_deadline(
    hasty_streams: Iterator[Stream], peer: FakeFirehose
) -> None:
    peer.always(Refuse({0}))

    stream, beacons, _ = given_up(hasty_streams, 3)

    assert stream.sent()[0] == ids(beacons)
    # What was accepted is not sent again, whatever becomes of the rest.
    assert Counter(stream.ids()).most_common(1)[0][1] == 1


def test_a_wait_that_the_service_asks_for_is_handed_on(
    stream: Stream, peer: FakeFirehose
) -> None:
    peer.script(
        Fail(503, "ServiceUnavailableException", "", {"x-amz-retry-after": "30000"})
    )

    answer = stream.post(stream.beacons(1))

    assert (answer.status, len(stream.calls)) == (503, 1)
    assert answer.seconds < SOON_SECONDS
    assert answer.retry_after >= 30


@pytest.mark.parametrize(
    "code",
    [
        "AccessDeniedException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "InvalidKMSResourceException",
    ],
)
def test_an_operators_mistake_is_not_retried(
    stream: Stream, peer: FakeFirehose, code: str
) -> None:
    beacons = stream.beacons(3)
    peer.script(Fail(400, code, "secret ARN"))

    answer = stream.post(beacons)

    assert (answer.status, len(stream.calls)) == (503, 1)
    assert answer.seconds < SOON_SECONDS
    assert code in answer.json()["message"]
    assert b"secret ARN" not in answer.body
    ready = stream.worker.ready()
    assert (ready.status, ready.json()["ready"]) == (503, False)
    assert stream.state()["problem"] == code

    assert stream.post(beacons).status == 204
    assert "problem" not in stream.state()
    assert stream.worker.ready().status == 200


def test_a_failing_stream_is_paused_and_then_probed(
    hasty_stream: Stream, peer: FakeFirehose
) -> None:
    stream = hasty_stream
    peer.always(Fail(500, "InternalFailure"))
    deadline = time.monotonic() + 60
    while not stream.state()["paused"]:
        assert time.monotonic() < deadline, "its door is never closed"
        assert stream.post(stream.beacons(1)).status == 503

    began, calls = time.monotonic(), len(stream.calls)
    answers = [stream.post(stream.beacons(1)) for _ in range(10)]

    # A probe after each rest: six whose rests double up to the longest, and then one in each.
    probes = 6 + (time.monotonic() - began) / (REST_SECONDS / 2)
    assert len(stream.calls) - calls <= probes
    assert {answer.status for answer in answers} == {503}
    assert all(1 <= answer.retry_after <= REST_SECONDS for answer in answers)

    calls = len(stream.calls)
    peer.behave()
    while stream.post(stream.beacons(60)).status == 503:
        assert time.monotonic() < deadline + 60, "it is never probed"
        time.sleep(0.1)
    assert len(stream.sent()[calls]) <= 25
    wait_until(lambda: stream.state()["paused"] is False)


@pytest.mark.parametrize("fault", [Refuse({0}), THROTTLED], ids=str)
def test_a_stream_that_accepts_two_of_three_calls_is_not_paused(
    stream: Stream, peer: FakeFirehose, fault: Behaviour
) -> None:
    for _ in range(40):
        peer.script(fault)
        assert stream.post(stream.beacons(1)).status == 204
        assert stream.post(stream.beacons(1)).status == 204
    assert len(stream.calls) == 120
    assert stream.state()["paused"] is False


def test_a_disconnected_client_harms_no_other(
    stream: Stream, peer: FakeFirehose
) -> None:
    gone, stays = stream.beacons(1), stream.beacons(1)
    peer.script(Hang(0.5))
    connection = http.client.HTTPConnection(HOST, stream.worker.port)
    connection.request("POST", "/v1/events", json.dumps(gone))
    wait_until(lambda: stream.calls != [])
    connection.close()

    assert stream.post(stays).status == 204
