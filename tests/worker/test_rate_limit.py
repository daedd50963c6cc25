"""Requests of one client past the platform's rate limit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import data
from support.worker import Worker
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


def send(worker: Worker, address: str, key: str = "pk_a", **more: Any) -> Any:
    beacon = {"name": "a", "id": str(uuid4()), **more}
    headers = {"cf-connecting-ip": address, "origin": "https://shop.example"}
    return worker.post(beacon, headers, f"?key={key}")


def test_a_client_that_sends_too_much_is_asked_to_wait(worker: Worker, peer: FakeFirehose) -> None:
    late = str(uuid4())
    assert [send(worker, "203.0.113.1").status for _ in range(LIMIT)] == [204] * LIMIT
    answer = send(worker, "203.0.113.1", id=late)

    assert answer.status == 429
    assert answer.json()["code"] == "rate_limited"
    assert answer.headers["retry-after"] == "60"
    assert "access-control-allow-origin" in answer.headers
    assert late not in data(peer)
    # Of another address, and for another tenant.
    assert send(worker, "203.0.113.2").status == 204
    assert send(worker, "203.0.113.1", "pk_b").status == 204


def test_an_ipv6_network_is_one_client(worker: Worker) -> None:
    answers = [send(worker, f"2001:db8:1:1::{host}").status for host in range(LIMIT + 1)]

    assert answers == [204] * LIMIT + [429]
    assert send(worker, "2001:db8:1:2::1").status == 204


def test_images_count_as_requests(worker: Worker) -> None:
    path = "/v1/pixel.gif?key=pk_a&name=a"
    answers = [worker.get(path, {"cf-connecting-ip": "203.0.113.3"}) for _ in range(LIMIT + 1)]

    assert [answer.status for answer in answers] == [200] * LIMIT + [429]
    assert answers[-1].headers["content-type"] == "image/gif"


def test_this_machine_is_not_limited(worker: Worker) -> None:
    assert {send(worker, "127.0.0.1").status for _ in range(LIMIT + 2)} == {204}


def test_a_request_is_counted_before_its_body_is_read(worker: Worker) -> None:
    for _ in range(LIMIT):
        send(worker, "203.0.113.4")

    # Its body would be answered with 413.
    assert send(worker, "203.0.113.4", title="x" * 300_000).status == 429


def test_a_limiter_that_fails_stops_nothing(peer: FakeFirehose) -> None:
    with BrokenLimiter(peer.environment()) as worker:
        assert worker.post({"name": "a"}, {"cf-connecting-ip": "203.0.113.5"}).status == 204
