"""Events that share a record: whole, in order, and none hurt by a neighbour's poison."""

from __future__ import annotations

from collections import Counter

import pytest

from support.fake_firehose import FakeFirehose, Refuse
from support.streams import FAILED, Stream, ids, kept

BILLED_UNIT = 5_120
AGGREGATE_BYTES = 51_200  # the default of HEADWATER.aggregate_bytes


def lengths(stream: Stream) -> list[int]:
    """The bytes of each record that the stream took."""
    return [len(record) for record in stream.peer.accepted(stream.name)]


def billed(lengths: list[int]) -> int:
    """What Firehose bills for records of these lengths, in bytes."""
    return sum(-(-length // BILLED_UNIT) * BILLED_UNIT for length in lengths)


def test_20_events_are_one_record_of_20_lines(
    packed_stream: Stream, peer: FakeFirehose
) -> None:
    beacons = packed_stream.beacons(20)

    assert packed_stream.post(beacons).status == 204

    assert packed_stream.packs() == [[ids(beacons)]]
    (record,) = peer.accepted(packed_stream.name)
    assert record.count(b"\n") == 20
    assert record.endswith(b"}\n")


def test_aggregates_stay_in_their_size_and_cost_little_overhead(
    packed_stream: Stream,
) -> None:
    beacons = [
        {**each, "title": "t" * (number * 37 % 900)}
        for number, each in enumerate(packed_stream.beacons(300))
    ]

    assert packed_stream.post(beacons).status == 204

    assert packed_stream.ids() == ids(beacons)
    sent = lengths(packed_stream)
    assert len(sent) > 3
    assert max(sent) <= AGGREGATE_BYTES
    assert billed(sent) <= 1.05 * sum(sent)


def test_an_event_longer_than_a_pack_goes_alone(packed_stream: Stream) -> None:
    beacons = packed_stream.beacons(5)
    beacons[2]["props"] = {"long": "x" * AGGREGATE_BYTES}
    b = ids(beacons)

    assert packed_stream.post(beacons).status == 204

    assert packed_stream.packs() == [[b[:2], [b[2]], b[3:]]]


def test_only_the_refused_pack_is_sent_again(
    packed_stream: Stream, peer: FakeFirehose
) -> None:
    beacons = packed_stream.beacons(5)
    beacons[2]["props"] = {"long": "x" * AGGREGATE_BYTES}
    b = ids(beacons)
    peer.script(Refuse({2}))

    assert packed_stream.post(beacons).status == 204

    assert packed_stream.packs() == [[b[:2], [b[2]], b[3:]], [b[3:]]]
    assert packed_stream.ids() == b


@pytest.mark.parametrize(
    ("count", "bad"), [(2, {0}), (20, {13}), (100, {0, 99}), (3, {0, 1, 2})], ids=str
)
@pytest.mark.parametrize("refuses", ["the call", "the record"])
def test_one_poisonous_event_in_a_pack_fails_alone(
    packed_stream: Stream,
    peer: FakeFirehose,
    count: int,
    bad: set[int],
    refuses: str,
) -> None:
    works = packed_stream.beacons(1)
    assert packed_stream.post(works).status == 204
    beacons = packed_stream.beacons(count)
    for index in bad:
        beacons[index]["title"] = "poison"
    if refuses == "the call":
        peer.poison = lambda event: event.get("title") == "poison"
    else:
        peer.always(
            Refuse(
                lambda event: event.get("title") == "poison", "InvalidArgumentException"
            )
        )

    answer = packed_stream.post(beacons)

    assert answer.status == 200
    for index, verdict in enumerate(answer.verdicts):
        assert (verdict["index"], verdict["event_id"]) == (index, beacons[index]["id"])
        assert verdict["outcome"] == ("failed" if index in bad else "accepted")
    good = [id for index, id in enumerate(ids(beacons)) if index not in bad]
    assert Counter(packed_stream.ids()) == Counter(ids(works) + good)
    for index in bad:
        failed = kept(peer)[beacons[index]["id"]]
        assert failed["code"] == "refused_by_stream"
        assert failed["original"].count("\n") == 1
        assert beacons[index]["id"] in failed["original"]
    assert packed_stream.state()["paused"] is False


def test_failed_events_share_records_too(
    packed_stream: Stream, peer: FakeFirehose
) -> None:
    before = len(peer.accepted(FAILED))

    assert packed_stream.worker.post([{"seq": n} for n in range(50)]).status == 200

    records = peer.accepted(FAILED)[before:]
    assert sum(record.count(b"\n") for record in records) == 50
    assert len(records) == 1
