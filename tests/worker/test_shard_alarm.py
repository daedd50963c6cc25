"""What is spilled goes out at last, also when its alarm once found nothing to work with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from firehose_peer import Fail, FirehosePeer
from worker import Worker

SETTINGS: dict[str, Any] = {
    "delivery": "sharded",
    "shards": 1,
    "routes": [{"to": "firehose:events"}],
}


def deploy(worker: Worker, settings: Mapping[str, Any]) -> None:
    """Starts another version of the worker on the same storage."""
    worker.kill()
    worker.settings = {**SETTINGS, **settings}
    worker.restart()


def test_a_spill_outlives_a_configuration_that_can_not_be_read(
    peer: FirehosePeer,
) -> None:
    event_id = str(uuid4())
    with Worker(peer.environment(), SETTINGS) as worker:
        peer.always(Fail(500, "InternalFailure"))
        assert worker.post({"name": "a", "id": event_id}).status == 204

        deploy(worker, {"linger_ms": 0})
        worker.wait_for_log("the spill was not drained")
        deploy(worker, {"linger_ms": 100})
        peer.behave()

        # Nothing wakes the object but its own alarm.
        deadline = time.monotonic() + 30
        while not peer.events("events"):
            assert time.monotonic() < deadline, "it is never tried again"
            time.sleep(0.1)
    assert [event["event_id"] for event in peer.events("events")] == [event_id]
