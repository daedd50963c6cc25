"""What a shard knows survives it, in the built worker: its eviction, and a crash.

Locally an object is evicted once nothing has happened in it for 10 s. When a spill is to be
tried is only in memory. So a shard that its alarm wakes tries at once also what it had put
off for half a minute, and that shows that it had been gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from support.delivered_records import now_ms
from support.fake_firehose import Fail, FakeFirehose
from support.shards import (
    SHARDED,
    VERDICTS,
    outcomes,
    spills,
    wait_until_drained,
)
from support.waiting import wait_until
from support.worker import Answer, Worker

# The stream says itself when it wants to be asked again.
LATER_MS = 12_500
# The least that passes before what an operator has to mend is tried again.
OPERATORS_SECONDS = 30
TAG = ("session_id", "session_index", "session_started_at", "session_trigger")

DENIES = Fail(400, "AccessDeniedException")
PUTS_OFF = Fail(
    503, "ServiceUnavailableException", headers={"x-amz-retry-after": str(LATER_MS)}
)


@dataclass
class Life:
    """What a shard was given before it was evicted, after that, and after a crash."""

    peer: FakeFirehose
    beacons: list[dict[str, Any]]
    denied: dict[str, Any]
    later: dict[str, Any]
    delivered_after_s: float
    evicted_repeat: Answer
    crashed_repeat: Answer

    def tags(self, stream: str = "all") -> list[list[Any]]:
        """The sessions of a stream's records, in the order of delivery."""
        events = self.peer.events(stream)
        return [[event[column] for column in TAG] for event in events]


@pytest.fixture(scope="module")
def life(peer: FakeFirehose) -> Iterator[Life]:
    device, at = str(uuid4()), now_ms() - 3_600_000

    def beacon(name: str, after_ms: int) -> dict[str, Any]:
        reported = {"name": name, "device_id": device, "time": at + after_ms}
        return {"id": str(uuid4()), **reported}

    first, second, third = (beacon("a", after_ms) for after_ms in (0, 1_500, 3_000))
    denied, later = beacon("denied", 500), beacon("later", 500)
    routes = [
        {"name": "denied", "to": "firehose:denied"},
        {"name": "later", "to": "firehose:later"},
        {"to": "firehose:all"},
    ]
    with Worker(peer.environment(), {**SHARDED, "routes": routes}) as worker:
        peer.always(DENIES, "denied")
        peer.always(PUTS_OFF, "later")
        assert worker.post([first, denied, later]).status == 204
        wait_until(lambda: all(spill.get("problem") for spill in spills(worker).values()))
        assert len(spills(worker)) == 2
        peer.behave()
        # From here nobody asks it anything.
        quiet = time.monotonic()
        while not peer.events("denied") or not peer.events("later"):
            passed = time.monotonic() - quiet
            assert passed < 2 * OPERATORS_SECONDS + 5, "no alarm woke it"
            time.sleep(0.1)
        delivered_after_s = time.monotonic() - quiet
        evicted_repeat = worker.post([first, denied, second], {}, VERDICTS)

        # What was answered is written.
        worker.kill()
        worker.restart()
        crashed_repeat = worker.post([first, denied, second, third], {}, VERDICTS)
        wait_until_drained(worker)
        beacons = [first, second, third]
        yield Life(
            peer,
            beacons,
            denied,
            later,
            delivered_after_s,
            evicted_repeat,
            crashed_repeat,
        )


def test_its_alarm_wakes_an_evicted_shard_for_its_spill(life: Life) -> None:
    passed = life.delivered_after_s
    assert passed < OPERATORS_SECONDS, "it was not evicted"
    for stream, beacon in (("denied", life.denied), ("later", life.later)):
        delivered = [event["event_id"] for event in life.peer.events(stream)]
        assert delivered == [beacon["id"]]


def test_an_evicted_shard_remembers_its_seen_ids(life: Life) -> None:
    assert outcomes(life.evicted_repeat) == ["duplicate", "duplicate", "accepted"]


def test_a_crashed_shard_remembers_its_seen_ids(life: Life) -> None:
    assert outcomes(life.crashed_repeat) == ["duplicate"] * 3 + ["accepted"]


def test_a_session_survives_eviction_and_crash(life: Life) -> None:
    delivered = [event["event_id"] for event in life.peer.events("all")]
    assert delivered == [beacon["id"] for beacon in life.beacons]
    before, evicted, crashed = life.tags()
    assert (before[1], before[3]) == (1, "first")
    assert before == evicted == crashed
    assert life.tags("denied") == life.tags("later") == [before]
