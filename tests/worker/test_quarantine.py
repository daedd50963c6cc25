"""The quarantine: failed events that their own stream rejects for good, once spilled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from firehose_peer import FirehosePeer
from rebound import Rebound
from sharded import BEARER, KEY, QUARANTINE, SHARDED, records, rows, quarantined, spills
from streams import FAILED, kept
from worker import Worker

SETTINGS = {**SHARDED, "linger_ms": 10, "delivery_timeout_ms": 300}
TO = f"firehose:{FAILED}"


@pytest.fixture
def peer() -> Iterator[FirehosePeer]:
    with FirehosePeer() as peer:
        yield peer


@pytest.fixture
def worker(peer: FirehosePeer) -> Iterator[Worker]:
    environment = {**peer.environment(), "HEADWATER_OPERATOR_KEY": KEY}
    with Worker(environment, SETTINGS) as worker:
        yield worker


def bad(*devices: str) -> list[dict[str, Any]]:
    """A beacon of each of these devices, which fails."""
    return [{"name": "page_view", "seq": "x", "device_id": each} for each in devices]


def test_what_is_set_aside_is_told_until_it_is_let_go_of(
    worker: Worker, peer: FirehosePeer
) -> None:
    ids = quarantined(worker, peer, bad("ada", "bob"))
    assert kept(peer).keys().isdisjoint(ids)
    assert "2 records quarantined" in worker.ready().json()["summary"]

    found = list(rows(worker))
    told = [record for answer in found for record in records(answer)]
    assert sorted(each["event_id"] for each in told) == sorted(ids)
    assert {each["code"] for each in told} == {"wrong_type"}
    for answer in found:
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-headwater-quarantine-bytes"] == str(len(answer.body))
        for line in map(json.loads, answer.body.splitlines()):
            reason = (line["errorCode"], line["errorMessage"])
            assert reason == ("quarantined", f"{TO} refuses it for good")
            assert abs(time.time() - line["arrivalTimestamp"] / 1_000) < 60

    # It outlasts the object; to be told of it changes nothing.
    worker.kill()
    worker.restart()
    assert worker.get(QUARANTINE, BEARER).body == found[0].body
    for answer in found:
        row = f"?row={quote(answer.headers['x-headwater-quarantine-id'])}"
        for _ in range(2):
            assert worker.request("DELETE", QUARANTINE + row, None, BEARER).status == 204
    assert worker.get(QUARANTINE, BEARER).status == 204
    assert TO not in spills(worker)


def test_only_what_is_set_aside_can_be_let_go_of(
    worker: Worker, peer: FirehosePeer
) -> None:
    quarantined(worker, peer, bad("ada"))
    row = worker.get(QUARANTINE, BEARER).headers["x-headwater-quarantine-id"]
    shard, key = row.split(".")
    for query, told in [
        ("", "row="),
        ("?row=", "row="),
        (f"?row={key}", f"row={key}"),
        (f"?row=1.{key}", f"row=1.{key}"),
        ("?row=0.*", "row=0.*"),
    ]:
        answer = worker.request("DELETE", QUARANTINE + query, None, BEARER)
        assert (answer.status, answer.json()["code"]) == (400, "bad_row")
        assert (
            answer.json()["message"]
            == f"{told} names no row; it takes what X-Headwater-Quarantine-Id told"
        )
    waiting = "01" + key[2:]
    for other in (waiting, key[:-4], ""):
        path = f"{QUARANTINE}?row=0.{other}"
        assert worker.request("DELETE", path, None, BEARER).status == 204
    assert worker.get(QUARANTINE, BEARER).headers["x-headwater-quarantine-id"] == row
    unknown = worker.get(f"{QUARANTINE}?after=x", BEARER)
    assert (unknown.status, unknown.json()["code"]) == (400, "bad_row")
    assert worker.get(f"{QUARANTINE}?after=7.00", BEARER).status == 204


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer x"}, {"authorization": KEY}], ids=str
)
def test_it_is_told_only_to_who_bears_the_key(
    worker: Worker, headers: dict[str, str]
) -> None:
    for method in ("GET", "DELETE", "POST"):
        answer = worker.request(method, f"{QUARANTINE}?row=0.00", None, headers)
        assert (answer.status, answer.json()["code"]) == (403, "replay_not_allowed")
    answer = worker.request("POST", QUARANTINE, None, BEARER)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, DELETE")


def test_without_the_secret_nothing_is_told(peer: FirehosePeer) -> None:
    unset = {**peer.environment(), "HEADWATER_OPERATOR_KEY": ""}
    with Worker(unset, SETTINGS) as worker:
        assert worker.get(QUARANTINE, BEARER).status == 403


def test_direct_delivery_tells_what_was_set_aside_before(
    worker: Worker, peer: FirehosePeer
) -> None:
    quarantined(worker, peer, bad("ada"))
    before = worker.get(QUARANTINE, BEARER)
    worker.kill()
    worker.settings = {"delivery": "direct", "shards": 1}
    worker.restart()
    told = worker.get(QUARANTINE, BEARER)
    assert (told.status, told.body) == (200, before.body)
    row = f"?row={quote(told.headers['x-headwater-quarantine-id'])}"
    assert worker.request("DELETE", QUARANTINE + row, None, BEARER).status == 204
    assert worker.get(QUARANTINE, BEARER).status == 204


class Shardless(Rebound):
    """A worker that nobody has given shards."""

    bindings = "SHARD: undefined"


def test_without_shards_nothing_is_set_aside(peer: FirehosePeer) -> None:
    environment = {**peer.environment(), "HEADWATER_OPERATOR_KEY": KEY}
    with Shardless(environment, {"delivery": "direct"}) as worker:
        assert worker.get(QUARANTINE, BEARER).status == 204
        answer = worker.request("DELETE", f"{QUARANTINE}?row=0.00", None, BEARER)
        assert (answer.status, answer.json()["code"]) == (400, "bad_row")
