"""The short form of scripts/storm: what a stream in trouble is served, and when all is well again.

Its deadlines are long, so that a busy machine refuses nothing: a breaker that closes the door
does, whatever the deadline.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from faults.storm import STORMS, Storm, play

DEADLINE_MS = 8_000
# For the spill to be empty. It takes some 6 s, and 10 s on a busy machine.
EMPTY_SECONDS = 60


def short(name: str, delivery: str, seconds: float) -> Storm:
    """A scenario, with less load."""
    (storm,) = [it for it in STORMS if (it.name, it.delivery) == (name, delivery)]
    return replace(storm, seconds=seconds, most_seconds=EMPTY_SECONDS)


@pytest.mark.parametrize("delivery", ["direct", "sharded"])
@pytest.mark.parametrize("name", ["refused", "mixed"])
def test_a_stream_that_accepts_most_calls_stays_in_use(
    name: str, delivery: str, seed: int
) -> None:
    storm = replace(short(name, delivery, 15), requests_s=20)

    outcome = play(storm, seed, delivery_timeout_ms=DEADLINE_MS)

    assert outcome.complaints() == [], f"HEADWATER_SEED={seed}"
    assert len(outcome.acked) >= storm.least_acknowledged * outcome.sent


def test_a_shard_comes_back_while_events_keep_coming(seed: int) -> None:
    """At 1,400 events a second, from a Firehose that answers after half a second."""
    outcome = play(short("recovery", "sharded", 40), seed)

    assert outcome.complaints() == [], f"HEADWATER_SEED={seed}"
    assert outcome.most_spilled, "a run in which nothing is spilled proves nothing"
