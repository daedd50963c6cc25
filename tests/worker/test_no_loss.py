"""Many requests at once over streams that fail at random: what was promised is there.

The seed of each run is its name, so that a run that fails can be run again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from firehose_peer import (
    Accept,
    Behaviour,
    Cut,
    Effect,
    Fail,
    FirehosePeer,
    Hang,
    NotJson,
    Refuse,
    WrongLength,
)
from streams import Stream, ids, kept
from worker import Answer

REQUESTS = 60
AT_ONCE = 8


def behaviour(chance: random.Random) -> Behaviour:
    """Half of the time it accepts all; else it fails in some way."""
    if chance.random() < 0.5:
        return Accept()
    effect = chance.choice(list(Effect))
    faults: list[Behaviour] = [
        Refuse(set(chance.sample(range(10), 5))),
        Refuse({chance.randrange(10)}, "InternalFailure"),
        Refuse({chance.randrange(3)}, "InvalidArgumentException"),
        Fail(500, "InternalFailure"),
        Fail(503, "ServiceUnavailableException"),
        Fail(400, "AccessDeniedException"),
        Hang(0.3),
        Hang(0.1, Cut(effect)),
        Cut(effect),
        NotJson(effect),
        WrongLength(chance.choice([-1, 1]), effect),
    ]
    return chance.choice(faults)


@pytest.fixture(params=["one_event_a_record", "packed", "kinesis"])
def unused(request: pytest.FixtureRequest) -> Iterator[Stream]:
    """Streams that no test has used, of each kind."""
    fixtures = {
        "one_event_a_record": "unused_streams",
        "packed": "unused_packed_streams",
        "kinesis": "unused_kinesis_streams",
    }
    return request.getfixturevalue(fixtures[request.param])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_was_answered_2xx_is_in_a_stream(
    unused: Iterator[Stream], peer: FirehosePeer, seed: int
) -> None:
    chance = random.Random(seed)
    streams = [next(unused) for _ in range(12)]
    peer.script(*(behaviour(chance) for _ in range(3 * REQUESTS)))
    sent: list[tuple[Stream, list[dict[str, Any]]]] = []
    for _ in range(REQUESTS):
        stream = chance.choice(streams)
        beacons = stream.beacons(chance.randint(1, 10))
        if chance.random() < 0.2:
            beacons[0]["seq"] = "x"
        sent.append((stream, beacons))

    def post(request: tuple[Stream, list[dict[str, Any]]]) -> Answer:
        stream, beacons = request
        return stream.worker.post(beacons, query="?verdicts=1")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(post, sent))
    peer.behave()

    failed = kept(peer)
    statuses = {answer.status for answer in answers}
    assert statuses == {
        200,
        503,
    }, "a run that never fails, or never works, proves nothing"
    for (stream, beacons), answer in zip(sent, answers, strict=True):
        if answer.status == 503:
            assert answer.retry_after >= 1
            continue
        assert [each["event_id"] for each in answer.verdicts] == ids(beacons)
        accepted = set(stream.ids())
        for verdict in answer.verdicts:
            there = accepted if verdict["outcome"] == "accepted" else failed.keys()
            assert verdict["event_id"] in there
