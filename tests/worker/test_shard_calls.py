"""How many calls one shard has under way at once, in the built worker.

The runtime lets six wait for an answer and queues the next, whose clock would run meanwhile.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from support.fake_firehose import FakeFirehose, Hang
from support.shards import SHARDED
from support.streams import ids, streams

MOST_CALLS = 6
STREAMS = 8
# Long beside the time in which the calls begin, and short beside any deadline.
CALL_SECONDS = 3.0
SETTINGS: dict[str, Any] = {**SHARDED, "linger_ms": 20, "delivery_timeout_ms": 8_000}


def test_a_shard_calls_six_times_at_once_and_times_out_none() -> None:
    with FakeFirehose() as peer, streams(peer, SETTINGS) as unused:
        asked = [next(unused) for _ in range(STREAMS)]
        peer.always(Hang(CALL_SECONDS))
        beacons = {stream.name: stream.beacons(1) for stream in asked}

        def post(number: int) -> int:
            stream = asked[number]
            return stream.worker.post(beacons[stream.name]).status

        with ThreadPoolExecutor(STREAMS) as pool:
            statuses = list(pool.map(post, range(STREAMS)))

        assert statuses == [204] * STREAMS
        # Each went once: none was given up while it waited for its turn.
        for stream in asked:
            assert stream.sent() == [ids(beacons[stream.name])]
        began = sorted(
            call.arrived.timestamp() for stream in asked for call in stream.calls
        )
        at_once = [
            sum(start <= at < start + CALL_SECONDS - 0.5 for start in began)
            for at in began
        ]
        assert max(at_once) <= MOST_CALLS
        assert '"spilled"' not in asked[0].worker.log
