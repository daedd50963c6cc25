"""Requests of one client past the platform's rate limit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import data
from support.worker import Answer, Worker
from support.worker_with_bindings import WorkerWithBindings

LIMIT = 3
KEYS = {"pk_a": {"tenant": "a"}, "pk_b": {"tenant": "b"}}


class LimitedWorker(Worker):
    """A worker whose clients may send three requests a minute."""

    def _write_files(self) -> None:
        super()._write_files()
        configuration = json.loads((self._directory / "wrangler.json").read_text())
        (limiter,) = configuration["ratelimits"]
        assert limiter["name"] == "RATE_LIMIT"
        limiter["simple"] = {"limit": LIMIT, "period": 60}
        self._write("wrangler.json", json.dumps(configuration))


class BrokenLimiter(WorkerWithBindings):
    bindings = "RATE_LIMIT: { limit: async () => { throw new Error('no count') } }"


@pytest.fixture(scope="module")
def worker(peer: FakeFirehose) -> Iterator[Worker]:
    with LimitedWorker(peer.environment(), {"keys": KEYS}) as worker:
        yield worker


def send(worker: Worker, address: str, key: str = "pk_a", **more: Any) -> Answer:
    beacon = {"name": "a", "id": str(uuid4()), **more}
    headers = {"cf-connecting-ip": address, "origin": "https://shop.example"}
    return worker.post(beacon, headers, f"?key={key}")


def until_refused(ask: Callable[[int], Answer], passes: int) -> Answer:
    """Asks until a request is refused, which must not be one of the first.

    The limiter counts by the minute. If a new one begins in between, twice as many pass.
    """
    answers = []
    while not answers or answers[-1].status != 429:
        assert len(answers) <= 2 * LIMIT
        answers.append(ask(len(answers)))
    assert [answer.status for answer in answers[:-1]] == [passes] * (len(answers) - 1)
    assert len(answers) > LIMIT
    return answers[-1]


def test_a_client_that_sends_too_much_is_asked_to_wait(worker: Worker, peer: FakeFirehose) -> None:
    ids = [str(uuid4()) for _ in range(2 * LIMIT + 1)]
    answer = until_refused(lambda count: send(worker, "203.0.113.1", id=ids[count]), 204)

    taken = [event_id in data(peer) for event_id in ids]
    assert taken == sorted(taken, reverse=True) and sum(taken) in range(LIMIT, 2 * LIMIT + 1)
    assert answer.json()["code"] == "rate_limited"
    assert answer.headers["retry-after"] == "60"
    assert "access-control-allow-origin" in answer.headers
    # Of another address, and for another tenant.
    assert send(worker, "203.0.113.2").status == 204
    assert send(worker, "203.0.113.1", "pk_b").status == 204


def test_an_ipv6_network_is_one_client(worker: Worker) -> None:
    until_refused(lambda host: send(worker, f"2001:db8:1:1::{host}"), 204)

    assert send(worker, "2001:db8:1:2::1").status == 204


def test_images_count_as_requests(worker: Worker) -> None:
    path = "/v1/pixel.gif?key=pk_a&name=a"
    answer = until_refused(lambda _: worker.get(path, {"cf-connecting-ip": "203.0.113.3"}), 200)

    assert answer.headers["content-type"] == "image/gif"


def test_this_machine_is_not_limited(worker: Worker) -> None:
    assert {send(worker, "127.0.0.1").status for _ in range(LIMIT + 2)} == {204}


def test_a_request_is_counted_before_its_body_is_read(worker: Worker) -> None:
    until_refused(lambda _: send(worker, "203.0.113.4", title="x" * 300_000), 413)


def test_a_limiter_that_fails_stops_nothing(peer: FakeFirehose) -> None:
    with BrokenLimiter(peer.environment()) as worker:
        assert worker.post({"name": "a"}, {"cf-connecting-ip": "203.0.113.5"}).status == 204
