"""An isolate's memory, while many of the dearest requests are under way and the stream does not answer."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from bench.bare_workerd import HOST, Running, running
from bench.wasm_memory import MODULES, files, memory
from support.aws_call import Call
from support.fake_firehose import FakeFirehose
from support.fake_server import Answer
from support.hostile import HostileRequest, hostile_requests
from support.waiting import wait_until

MIB = 1024 * 1024
REQUESTS = 40
# Cloudflare ends an isolate at 128 MB, of which JavaScript needs a part.
LIMIT = 64 * MIB
SECONDS = 90

ROWS = hostile_requests()
DEAREST = [
    "minimal, an agent of emoji",
    "order_placed, a tag each",
    "failed, deep, half a surrogate, zeros",
    "failed, objects with an empty key",
    "addresses of token",
    "page views",
]

class HeldFirehose(FakeFirehose):
    """Answers nothing until it is released."""

    def __init__(self) -> None:
        super().__init__(access_key_id="AKIDBENCH", secret_access_key="bench")
        self.released = threading.Event()

    def _answer(self, call: Call) -> Answer | None:
        self.released.wait(SECONDS)
        return super()._answer(call)


@contextmanager
def worker(peer: HeldFirehose, delivery: str) -> Iterator[Running]:
    """A worker in a workerd of its own, with its shards in the same isolate."""
    settings = {"delivery": delivery, "delivery_timeout_ms": 30_000}
    with running(MODULES, settings, peer.url, files()) as bare:
        wait_until(lambda: _is_up(bare.port), SECONDS)
        yield bare


def _is_up(port: int) -> bool:
    try:
        return _request(port, "GET", "/healthz").status == 200
    except OSError:
        return False


def _request(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str | bytes] | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        return answer
    finally:
        connection.close()


def post(port: int, row: HostileRequest) -> http.client.HTTPResponse:
    """Sends a request."""
    return _request(port, "POST", "/v1/events", row.compressed, row.headers)


@pytest.mark.parametrize("delivery", ["direct", "sharded"])
@pytest.mark.parametrize("name", DEAREST)
def test_forty_of_the_dearest_at_once_keep_the_isolate_small(name: str, delivery: str) -> None:
    row = ROWS[name]
    with HeldFirehose() as peer, worker(peer, delivery) as bare, ThreadPoolExecutor(REQUESTS) as pool:
        sent = [pool.submit(post, bare.port, row) for _ in range(REQUESTS)]
        # Those that are refused are answered at once; the others wait for the stream, or for the shards' storage.
        refused = lambda: sum(1 for each in sent if each.done() and each.result().status == 503)  # noqa: E731
        wait_until(lambda: refused() > 0 or all(each.done() for each in sent), SECONDS)
        peer.released.set()
        answers = [each.result(SECONDS) for each in sent]
        held = memory(bare.port)
    statuses = {answer.status for answer in answers}
    print(f"{name}, {delivery}: {held / MIB:.1f} MiB, {[answer.status for answer in answers].count(503)} refused")
    assert statuses <= {200, 204, 503}, statuses
    assert held < LIMIT, f"{held / MIB:.1f} MiB"
    for answer in answers:
        if answer.status == 503:
            # The calls of the others may take longer than their time, on a machine that is busy.
            assert json.loads(answer.text)["code"] in ("overloaded", "not_durable")  # type: ignore[attr-defined]
            assert int(answer.headers["retry-after"]) > 0
