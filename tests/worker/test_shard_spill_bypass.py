"""After an outage a shard stops spilling, however steadily events come."""

from __future__ import annotations

import threading
import time
from uuid import uuid4

from support.fake_firehose import Fail, FakeFirehose, Hang
from support.worker import Worker

# Longer than a batch lingers, so that there is always one more before a call has ended.
CALL_SECONDS = 0.15


def test_a_shard_stops_spilling_while_events_keep_coming(peer: FakeFirehose) -> None:
    settings = {
        "delivery": "sharded",
        "shards": 1,
        "routes": [{"to": "firehose:events"}],
    }
    acknowledged: list[str] = []
    is_over = threading.Event()

    def keep_posting() -> None:
        while not is_over.wait(0.01):
            event_id = str(uuid4())
            assert worker.post({"name": "a", "id": event_id}).status == 204
            acknowledged.append(event_id)

    with Worker(peer.environment(), settings) as worker:
        peer.always(Fail(500, "InternalFailure"))
        threads = [threading.Thread(target=keep_posting) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            worker.wait_for_log('"spilled"')
            peer.always(Hang(CALL_SECONDS))
            deadline = time.monotonic() + 30
            spilled, quiet_since = 0, time.monotonic()
            while time.monotonic() < quiet_since + 2:
                assert time.monotonic() < deadline, "it spills for ever"
                if (now := worker.log.count('"spilled"')) != spilled:
                    spilled, quiet_since = now, time.monotonic()
                time.sleep(0.05)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        (shard,) = worker.ready().json()["shards"]
        assert shard["spill"] == []
    delivered = [event["event_id"] for event in peer.events("events")]
    assert set(delivered) >= set(acknowledged)
