"""Requests that come together share a call, in the built worker.

Whether two of them come together is up to the machine, so bursts are sent until it was
seen. What each is answered must hold in every burst.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from support.fake_firehose import FakeFirehose
from support.shards import SHARDED
from support.streams import Stream, data, ids
from support.waiting import wait_until
from support.worker import Answer
from support.worker_with_bindings import WorkerWithBindings

AT_ONCE = 24
TOTAL = re.compile(r"(\d+) calls so far")
SECONDS = 120


def post_together(worker: Any, posts: list[list[dict[str, Any]]]) -> list[Answer]:
    with ThreadPoolExecutor(len(posts)) as pool:
        return list(pool.map(lambda post: worker.post(post, query="?verdicts=1"), posts))


def outcomes(answer: Answer) -> list[str]:
    assert answer.status == 200
    return [verdict["outcome"] for verdict in answer.verdicts]


def test_requests_share_a_call_and_each_has_the_answer_of_its_records(
    stream: Stream, peer: FakeFirehose
) -> None:
    assert stream.post(stream.beacons(1)).status == 204
    peer.poison = lambda record: record.get("title") == "poison"

    def is_shared() -> bool:
        posts = [stream.beacons(2) for _ in range(AT_ONCE)]
        for post in posts[::3]:
            post[1]["title"] = "poison"
        answers = post_together(stream.worker, posts)
        for number, answer in enumerate(answers):
            second = "failed" if number % 3 == 0 else "accepted"
            assert outcomes(answer) == ["accepted", second], number
        own = [set(ids(post)) for post in posts]
        return any(sum(not of.isdisjoint(call) for of in own) > 1 for call in stream.sent())

    wait_until(is_shared, SECONDS, lambda: "each request made a call of its own")


class Counted(WorkerWithBindings):
    """Counts the calls of its shard, and logs how many there were before one with the event `total`."""

    bindings = """SHARD: {
      idFromName: (name) => env.SHARD.idFromName(name),
      get: (id) => ({
        call: (method, body) => {
          if (new TextDecoder().decode(body).includes('"total"')) {
            console.log(`${globalThis.calls ?? 0} calls so far`);
          } else if (method === "batch") {
            globalThis.calls = (globalThis.calls ?? 0) + 1;
          }
          return env.SHARD.get(id).call(method, body);
        },
      }),
    }"""

    def calls(self) -> int:
        """How many there were so far."""
        known = len(TOTAL.findall(self.log))
        assert self.post({"name": "total"}).status == 204
        wait_until(lambda: len(TOTAL.findall(self.log)) > known)
        return int(TOTAL.findall(self.log)[-1])


def test_requests_share_a_hop_and_each_has_the_answer_of_its_events(
    peer: FakeFirehose,
) -> None:
    with Counted(peer.environment(), SHARDED) as worker:
        known = {"name": "seen", "id": str(uuid4()), "device_id": str(uuid4())}
        assert worker.post([known]).status == 204

        def is_shared() -> bool:
            before = worker.calls()
            posts = []
            for number in range(AT_ONCE):
                own = {"name": "seen", "id": str(uuid4()), "device_id": str(uuid4())}
                posts.append([own, known] if number % 3 == 0 else [own])
            answers = post_together(worker, posts)
            for number, answer in enumerate(answers):
                last = ["duplicate"] if number % 3 == 0 else []
                assert outcomes(answer) == ["accepted", *last], number
                assert posts[number][0]["id"] in data(peer)
            return worker.calls() - before < AT_ONCE

        wait_until(is_shared, SECONDS, lambda: "each request made a hop of its own")
