"""Keys of servers: how one is named, and what it lets a request state."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import data, kept
from support.worker import Headers, Worker

OLD, NEW, OTHER = (name + "0123456789abcdef" * 2 for name in ("sk_old_", "sk_new_", "sk_blog_"))
KEYS = {"pk_shop": {"tenant": "shop"}, "pk_blog": {"tenant": "blog"}}
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


@pytest.fixture(scope="module")
def worker(peer: FakeFirehose) -> Iterator[Worker]:
    secrets = {"HEADWATER_SERVER_KEYS": json.dumps({"shop": [OLD, NEW], "blog": OTHER})}
    with Worker({**peer.environment(), **secrets}, {"keys": KEYS}) as worker:
        yield worker


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def sent(worker: Worker, peer: FakeFirehose, headers: Headers, query: str = "") -> dict[str, Any]:
    """The record of an event that states its visitor."""
    event_id = str(uuid4())
    beacon = {"name": "a", "id": event_id, "ip": "203.0.113.7", "user_agent": AGENT}
    answer = worker.post(beacon, {"user-agent": "shop-backend/1.0", **headers}, query)
    assert answer.status in (200, 204), answer.body
    return data(peer).get(event_id) or kept(peer)[event_id]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-write-key": OLD},
        {"x-write-key": NEW},
        {"authorization": f"Bearer {OLD}"},
        {"authorization": basic(NEW)},
        {"authorization": f"Bearer {OLD}", "x-write-key": "pk_shop"},
    ],
    ids=["header", "second", "bearer", "basic", "beside"],
)
def test_a_server_states_its_visitor(
    worker: Worker, peer: FakeFirehose, headers: Headers
) -> None:
    record = sent(worker, peer, headers)

    assert (record["tenant"], record["verified"]) == ("shop", True)
    assert (record["ip"], record["browser"]) == ("203.0.113.0", "Firefox")
    assert "bot" not in record
    assert "country" not in record


def test_a_page_does_not(worker: Worker, peer: FakeFirehose) -> None:
    record = sent(worker, peer, {"x-write-key": "pk_shop"})

    assert record["message"] == "ip needs a server key"
    assert "verified" not in record


def signature(key: str, body: bytes, at: int) -> str:
    signed = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def test_a_signature_stands_for_the_key(worker: Worker, peer: FakeFirehose) -> None:
    event_id, now = str(uuid4()), int(time.time())
    body = json.dumps({"name": "a", "id": event_id, "ip": "203.0.113.7"}).encode()

    def answer(header: str, text: bytes = body) -> Any:
        return worker.post(text, {"x-headwater-signature": header}, "?key=pk_shop")

    assert answer(signature(NEW, body, now)).status == 204
    assert data(peer)[event_id]["verified"] is True
    for refused in (
        answer(signature(OTHER, body, now)),
        answer(signature(NEW, body, now - 4_000)),
        answer(signature(NEW, body, now), body + b" "),
        answer("v1=00"),
    ):
        assert (refused.status, refused.json()["code"]) == (401, "bad_signature")


def test_a_key_of_a_server_is_in_no_answer(worker: Worker) -> None:
    wrong = OLD[:-1] + "x"
    answer = worker.post({"name": "a"}, {"authorization": f"Bearer {wrong}"})

    assert (answer.status, answer.json()["code"]) == (401, "unknown_key")
    assert wrong not in answer.body.decode()
    assert answer.json()["message"].startswith(f'write key "{OLD[:8]}…" is not one')


def test_a_server_may_send_a_larger_body(worker: Worker) -> None:
    body = b" " * 300_000 + b'{"name":"larger"}'
    assert worker.post(body, {"x-write-key": "pk_shop"}).status == 413
    assert worker.post(body, {"x-write-key": NEW}).status == 204
