"""The points add up: their counts match the streams and the answers to clients."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import Fail, FakeFirehose
from support.metered_worker import Metered
from support.shards import SHARDED, VERDICTS, wait_until_drained
from support.streams import DATA, FAILED
from support.worker import PATIENT, Answer

KINDS = ("accepted", "failed", "duplicate", "dropped")
LIMITS = {"max_body_bytes": 4_000_000, "max_inflated_bytes": 4_000_000}
SETTINGS: dict[str, Any] = {
    **SHARDED,
    "shards": 3,
    "linger_ms": 20,
    "gpc": "drop",
    "limits": LIMITS,
}


def event(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "id": str(uuid4()), "device_id": str(uuid4()), **fields}


def mixed(chance: random.Random) -> list[dict[str, Any]]:
    """Beacons of every fate, some of them twice."""
    beacons: list[dict[str, Any]] = []
    for _ in range(chance.randrange(1, 12)):
        wrong = {"seq": "x"} if chance.random() < 0.2 else {}
        poison = {"title": "poison"} if chance.random() < 0.1 else {}
        beacons.append(event(**wrong, **poison))
        if not wrong and not poison and chance.random() < 0.2:
            beacons.append(beacons[-1])
    return beacons


@pytest.mark.parametrize("delivery", ["sharded", "direct"])
def test_points_match_the_streams_and_the_answers(
    delivery: str,
) -> None:
    chance = random.Random(6)
    reported: Counter[str] = Counter()
    # Poison that is too late for its deadline would be spilled as accepted, and then fail.
    settings = {**SETTINGS, **PATIENT, "delivery": delivery}
    with FakeFirehose() as peer, Metered(peer.environment(), settings) as worker:

        def post(beacons: list[dict[str, Any]]) -> Answer:
            headers = {"sec-gpc": "1"} if len(beacons) % 5 == 0 else {}
            return worker.post(beacons, headers, VERDICTS)

        # A stream that has taken nothing yet is itself to blame for what it refuses.
        assert worker.post(event()).status == 204
        reported["accepted"] += 1
        peer.poison = lambda line: line.get("title") == "poison"
        requests = [mixed(chance) for _ in range(40)]
        requests += requests[:5]
        with ThreadPoolExecutor(8) as pool:
            for answer in pool.map(post, requests):
                reported.update(verdict["outcome"] for verdict in answer.verdicts)
        assert worker.get("/v1/pixel.gif?name=a").status == 200
        reported["accepted"] += 1
        for body in (b'{"name"', random.Random(7).randbytes(1_500_000)):
            assert worker.post(body).status == 400
            reported["failed"] += 1
        broken = gzip.compress(b"{}")[:-4]
        assert worker.post(broken, {"content-encoding": "gzip"}).status == 400
        reported["failed"] += 1
        peer.behave()
        peer.always(Fail(500, "InternalFailure"))
        lost = worker.post([event(), event(seq="x"), event()], {}, VERDICTS)
        peer.behave()
        if delivery == "sharded":
            reported.update(verdict["outcome"] for verdict in lost.verdicts)
            wait_until_drained(worker)
        else:
            assert lost.status == 503
            reported["refused"] += 3

        worker.point(len(requests) + 6)
        counted: Counter[str] = Counter()
        for point in worker.points():
            kinds = {kind: int(point[kind]) for kind in (*KINDS, "refused")}
            assert point["beacons"] == sum(kinds.values())
            counted.update(kinds)
        assert +counted == reported
        met = KINDS if delivery == "sharded" else ("accepted", "failed", "dropped")
        assert all(reported[kind] for kind in met)
        events = [line["event_id"] for name in DATA for line in peer.events(name)]
        # Of what comes in parts the first stands for all.
        failed = [line for line in peer.events(FAILED) if line.get("part", 1) == 1]
        assert len(events) == reported["accepted"]
        assert delivery == "direct" or len(set(events)) == len(events)
        assert len(failed) == reported["failed"]
