"""Many requests at once over streams that fail at random: what was promised is there.

The seed of each run is its name, so that a run that fails can be run again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.fake_firehose import (
    Accept,
    Behaviour,
    Cut,
    Effect,
    Fail,
    FakeFirehose,
    Hang,
    NotJson,
    Refuse,
    WrongLength,
)
from support.shards import KEY, SHARDED, VERDICTS, records, rows, wait_until_drained
from support.streams import FAILED, Stream, ids, kept, streams
from support.worker import Answer

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


Sent = list[tuple[Stream, list[dict[str, Any]]]]


def post_at_random(
    chance: random.Random, streams: list[Stream]
) -> tuple[Sent, list[Answer]]:
    """Many requests, several at once, some with an event that fails, and their answers."""
    streams[0].peer.script(*(behaviour(chance) for _ in range(3 * REQUESTS)))
    sent: Sent = []
    for _ in range(REQUESTS):
        stream = chance.choice(streams)
        beacons = stream.beacons(chance.randint(1, 10))
        if chance.random() < 0.2:
            beacons[0]["seq"] = "x"
        sent.append((stream, beacons))

    def post(request: tuple[Stream, list[dict[str, Any]]]) -> Answer:
        stream, beacons = request
        return stream.worker.post(beacons, query=VERDICTS)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(post, sent))
    streams[0].peer.behave()
    return sent, answers


def missing(sent: Sent, answers: list[Answer]) -> set[str]:
    """The ids of events that were answered 2xx and are neither in their stream nor failed."""
    failed, found = kept(sent[0][0].peer), set()
    for (stream, beacons), answer in zip(sent, answers, strict=True):
        if answer.status == 503:
            assert answer.retry_after >= 1
            continue
        assert [each["event_id"] for each in answer.verdicts] == ids(beacons)
        accepted = set(stream.ids())
        for verdict in answer.verdicts:
            event_id, outcome = verdict["event_id"], verdict["outcome"]
            if outcome == "accepted" and event_id in failed:
                # It was spilled, and its stream refused it when it was tried again.
                assert failed[event_id]["stage"] == "delivery"
            elif event_id not in (accepted if outcome == "accepted" else failed):
                found.add(event_id)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_event_answered_2xx_is_in_a_stream(
    unused: Iterator[Stream], seed: int
) -> None:
    chance = random.Random(seed)

    sent, answers = post_at_random(chance, [next(unused) for _ in range(12)])

    statuses = {answer.status for answer in answers}
    assert statuses == {
        200,
        503,
    }, "a run that never fails, or never works, proves nothing"
    assert missing(sent, answers) == set()


@pytest.fixture(scope="module")
def spilling() -> Iterator[Iterator[Stream]]:
    """Streams behind two shards that soon spill."""
    settings = {**SHARDED, "shards": 2, "linger_ms": 5, "delivery_timeout_ms": 300}
    with FakeFirehose() as peer:
        with streams(peer, settings, env={"HEADWATER_OPERATOR_KEY": KEY}) as unused:
            yield unused
        assert peer.signature_errors == []


def test_a_crash_loses_no_event_that_shards_answered_2xx(
    spilling: Iterator[Stream],
) -> None:
    """A crash, since after one also what the operator has to mend is tried at once."""
    runs, most_spilled = [], 0
    for seed in (1, 2, 3):
        chance = random.Random(seed)
        runs.append(post_at_random(chance, [next(spilling) for _ in range(12)]))
        worker = runs[0][0][0][0].worker
        spill = worker.ready().json()["spill"]
        most_spilled = max(most_spilled, spill["records"])
    worker.kill()
    worker.restart()
    wait_until_drained(worker)

    assert most_spilled > 0, "a run that spills nothing proves nothing"
    # What its stream and that of failed events refuse for good stays in the shard.
    quarantined = {each["event_id"] for row in rows(worker) for each in records(row)}
    for sent, answers in runs:
        assert missing(sent, answers) <= quarantined
    for _, answers in runs:
        for answer in answers:
            # What the stream of failed events refuses for itself is nobody's to keep, whether
            # the beacon or its stream made it a failed event.
            reported = "" if answer.status == 200 else answer.json()["message"]
            assert answer.status == 200 or (
                f"firehose:{FAILED}" in reported or "(failed_event_not_durable)" in reported
            )
