"""Records that a stream refuses for themselves, and failed events that nobody keeps.

A poisonous record goes to the failed stream, alone: its neighbours are accepted. A
failed event is data too, so one that can't be kept is never answered 2xx.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from support.fake_firehose import Fail, FakeFirehose, Refuse
from support.streams import FAILED, Stream, ids, kept


def poisonous(event: Any) -> bool:
    return event.get("title") == "poison"


def is_failed_event(event: Any) -> bool:
    return "stage" in event


def assert_kept(stream: Stream, beacon: dict[str, Any]) -> None:
    """The record lies in the failed stream, as it would have lain in its own."""
    record = kept(stream.peer)[beacon["id"]]
    assert (record["stage"], record["code"]) == ("delivery", "refused_by_stream")
    assert record["original_format"] == "record"
    original = json.loads(record["original"])
    assert original["event_id"] == record["event_id"]
    assert original["title"] == "poison"


@pytest.mark.parametrize(
    ("count", "bad"),
    [(1, {0}), (7, {3}), (8, {0, 7}), (100, {41}), (3, {0, 1, 2})],
    ids=str,
)
def test_a_poison_record_is_found_and_isolated(
    stream: Stream, peer: FakeFirehose, count: int, bad: set[int]
) -> None:
    works = stream.beacons(1)
    assert stream.post(works).status == 204
    peer.poison = poisonous
    beacons = stream.beacons(count)
    for index in bad:
        beacons[index]["title"] = "poison"

    answer = stream.post(beacons)

    assert answer.status == 200
    for index, verdict in enumerate(answer.verdicts):
        assert (verdict["index"], verdict["event_id"]) == (index, beacons[index]["id"])
        assert verdict["outcome"] == ("failed" if index in bad else "accepted")
    reported = answer.verdicts[min(bad)]
    assert (reported["code"], reported["pointer"]) == ("refused_by_stream", "")
    assert reported["message"] == (
        f"firehose:{stream.name} refuses the record: InvalidArgumentException"
    )
    good = [id for index, id in enumerate(ids(beacons)) if index not in bad]
    good += ids(works)
    assert Counter(stream.ids()) == Counter(good)
    for index in bad:
        assert_kept(stream, beacons[index])
    # Halving finds one among n in two calls for each halving.
    assert len(stream.calls) <= 2 + 2 * len(bad) * count.bit_length()


def test_a_stream_that_rejects_everything_is_at_fault(
    stream: Stream, peer: FakeFirehose
) -> None:
    """As one that takes no direct puts: kept as failed events, all of it would be."""
    peer.poison = lambda record: record.get("name") == stream.name

    for count in (1, 100):
        answer = stream.post(stream.beacons(count))
        assert (answer.status, answer.json()["code"]) == (503, "not_durable")

    assert stream.ids() == []
    assert len(stream.calls) < 25
    ready = stream.worker.ready()
    assert (ready.status, ready.json()["ready"]) == (503, False)

    peer.poison = lambda record: False
    assert stream.post(stream.beacons(1)).status == 204
    assert stream.worker.ready().status == 200


def test_a_record_rejected_in_its_entry_becomes_a_failed_event(
    stream: Stream, peer: FakeFirehose
) -> None:
    beacons = stream.beacons(3)
    beacons[1]["title"] = "poison"
    peer.script(Refuse({1}, "InvalidArgumentException", "Not acceptable."))

    answer = stream.post(beacons)

    assert answer.status == 200
    outcomes = [verdict["outcome"] for verdict in answer.verdicts]
    assert outcomes == ["accepted", "failed", "accepted"]
    assert len(stream.calls) == 1
    assert_kept(stream, beacons[1])


def test_a_stream_that_refused_a_record_is_as_healthy_as_before(
    stream: Stream, peer: FakeFirehose
) -> None:
    assert stream.post(stream.beacons(1)).status == 204
    peer.poison = poisonous
    for _ in range(12):
        (beacon,) = stream.beacons(1)
        assert stream.post([{**beacon, "title": "poison"}]).status == 200

    assert stream.state()["paused"] is False
    assert stream.worker.ready().status == 200
    assert stream.post(stream.beacons(3)).status == 204


@pytest.mark.parametrize(
    "code", ["ServiceUnavailableException", "AccessDeniedException"]
)
def test_a_failed_event_that_is_not_stored_is_not_answered_2xx(
    hasty_stream: Stream, peer: FakeFirehose, code: str
) -> None:
    # Many records taken before and after, so that the refused retries, whose number chance
    # decides, never are half of those that the shared failed stream's breaker looks at.
    many = [{"name": "a", "seq": "x"}] * 100
    assert hasty_stream.worker.post(many).status == 200
    peer.always(Refuse(is_failed_event, code))
    good, bad = hasty_stream.beacons(2)

    answer = hasty_stream.post([good, {**bad, "seq": "x"}])

    assert answer.status == 503
    assert f"firehose:{FAILED} did not take every record" in answer.json()["message"]
    assert bad["id"] not in kept(peer)

    peer.behave()
    assert hasty_stream.worker.post(many).status == 200
    again = hasty_stream.post([good, {**bad, "seq": "x"}])
    assert again.status == 200
    assert kept(peer)[bad["id"]]["code"] == "wrong_type"


def test_a_body_that_is_not_stored_is_not_answered_400(
    stream: Stream, peer: FakeFirehose
) -> None:
    """The client would throw it away, and nobody would have it."""
    peer.script(Fail(400, "AccessDeniedException"))

    answer = stream.worker.post("{")

    assert (answer.status, answer.json()["code"]) == (503, "not_durable")
    assert answer.retry_after >= 1
    assert stream.worker.post("{").status == 400


def test_a_poison_record_that_is_not_stored_is_not_answered_2xx(
    stream: Stream, peer: FakeFirehose
) -> None:
    assert stream.post(stream.beacons(1)).status == 204
    peer.poison = poisonous
    (beacon,) = stream.beacons(1)
    peer.script(Refuse(is_failed_event, "AccessDeniedException"))

    assert stream.post([{**beacon, "title": "poison"}]).status == 503
    assert stream.post([{**beacon, "title": "poison"}]).status == 200


def test_a_failed_stream_that_refuses_for_good_is_503(
    stream: Stream, peer: FakeFirehose
) -> None:
    """It has no failed stream of its own."""
    peer.script(Refuse(is_failed_event, "InvalidArgumentException"))

    assert stream.worker.post("{").status == 503


def test_a_pixel_is_a_gif_also_when_its_event_is_lost(
    stream: Stream, peer: FakeFirehose
) -> None:
    peer.script(Fail(400, "AccessDeniedException"))

    answer = stream.worker.get(f"/v1/pixel.gif?name={stream.name}")

    assert (answer.status, len(answer.body)) == (503, 43)
    assert answer.headers["content-type"] == "image/gif"
    assert answer.retry_after >= 1
    assert stream.worker.get(f"/v1/pixel.gif?name={stream.name}").status == 200
