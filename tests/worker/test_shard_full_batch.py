"""A record that fills a batch alone goes out like any other, and so does what follows it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.fake_firehose import FakeFirehose
from support.worker import PATIENT, Worker

SETTINGS: dict[str, Any] = {
    **PATIENT,
    "delivery": "sharded",
    "shards": 1,
    "routes": [{"to": "firehose:events"}],
    # A repair that reports what was there doubles the text in the record.
    "repairs_include_original": True,
    "limits": {
        "max_body_bytes": 1_048_576,
        "max_inflated_bytes": 1_048_576,
        "max_beacon_bytes": 524_288,
    },
}


def test_a_record_that_fills_its_batch_is_delivered_first(
    peer: FakeFirehose,
) -> None:
    beacons = [
        {"name": "a", "id": str(uuid4()), "props": {"text": text}}
        for text in (" " + "x" * 500_000, "short")
    ]
    with Worker(peer.environment(), SETTINGS) as worker:
        for index, beacon in enumerate(beacons):
            assert worker.post(beacon).status == 204
            delivered = [event["event_id"] for event in peer.events("events")]
            assert delivered == [beacon["id"] for beacon in beacons[: index + 1]]
    assert max(map(len, peer.accepted("events"))) > 786_432
