"""What was signed is what is sent, also while the worker's memory grows."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.fake_firehose import FakeFirehose
from support.worker import PATIENT, Worker

SETTINGS: dict[str, Any] = {
    **PATIENT,
    "delivery": "sharded",
    # Several objects of one isolate: while one sends, others take memory.
    "shards": 4,
    "routes": [{"to": "firehose:events"}],
    "limits": {
        "max_beacons": 10_000,
        "max_body_bytes": 8_388_608,
        "max_inflated_bytes": 8_388_608,
    },
}


def test_a_large_request_to_several_shards_has_no_empty_call(
    peer: FakeFirehose,
) -> None:
    posted: list[str] = []
    with Worker(peer.environment(), SETTINGS) as worker:
        for _ in range(3):
            beacons = [
                {
                    "name": "a",
                    "id": str(uuid4()),
                    "device_id": f"d{index % 100}",
                    "props": {"text": "x" * 500},
                }
                for index in range(10_000)
            ]
            assert worker.post(beacons).status == 204
            posted += [beacon["id"] for beacon in beacons]
        assert "did not take" not in worker.log
    assert [call for call in peer.calls if not call.body] == []
    assert {event["event_id"] for event in peer.events("events")} == set(posted)
