"""The quarantine: failed events that their own stream rejects for good, once spilled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from support.fake_firehose import FakeFirehose
from support.shards import BEARER, KEY, QUARANTINE, SHARDED, records, rows, quarantined, spills
from support.streams import FAILED, kept
from support.worker import Worker
from support.worker_with_bindings import WorkerWithBindings

SETTINGS = {**SHARDED, "linger_ms": 10, "delivery_timeout_ms": 300}
TO = f"firehose:{FAILED}"


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer


@pytest.fixture
def worker(peer: FakeFirehose) -> Iterator[Worker]:
    environment = {**peer.environment(), "HEADWATER_OPERATOR_KEY": KEY}
    with Worker(environment, SETTINGS) as worker:
        yield worker


def bad(*devices: str) -> list[dict[str, Any]]:
    """A beacon of each of these devices, which fails."""
    return [{"name": "page_view", "seq": "x", "device_id": each} for each in devices]


def test_a_quarantined_record_is_listed_until_it_is_deleted(
    worker: Worker, peer: FakeFirehose
) -> None:
    ids = quarantined(worker, peer, bad("ada", "bob"))
    assert kept(peer).keys().isdisjoint(ids)
    assert "2 records quarantined" in worker.ready().json()["summary"]

    found = list(rows(worker))
    reported = [record for answer in found for record in records(answer)]
    assert sorted(each["event_id"] for each in reported) == sorted(ids)
    assert {each["code"] for each in reported} == {"wrong_type"}
    for answer in found:
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-headwater-quarantine-bytes"] == str(len(answer.body))
        for line in map(json.loads, answer.body.splitlines()):
            reason = (line["errorCode"], line["errorMessage"])
            assert reason == ("quarantined", f"{TO} refuses it for good")
            assert abs(time.time() - line["arrivalTimestamp"] / 1_000) < 60

    # It outlasts the object; to be reported for it changes nothing.
    worker.kill()
    worker.restart()
    assert worker.get(QUARANTINE, BEARER).body == found[0].body
    for answer in found:
        row = f"?row={quote(answer.headers['x-headwater-quarantine-id'])}"
        for _ in range(2):
            assert worker.request("DELETE", QUARANTINE + row, None, BEARER).status == 204
    assert worker.get(QUARANTINE, BEARER).status == 204
    assert TO not in spills(worker)


def test_only_a_quarantined_record_can_be_deleted(
    worker: Worker, peer: FakeFirehose
) -> None:
    quarantined(worker, peer, bad("ada"))
    row = worker.get(QUARANTINE, BEARER).headers["x-headwater-quarantine-id"]
    shard, key = row.split(".")
    for query, reported in [
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
            == f"{reported} names no row; send a value of X-Headwater-Quarantine-Id"
        )
    waiting = "01" + key[2:]
    for other in (waiting, key[:-4], ""):
        path = f"{QUARANTINE}?row=0.{other}"
        assert worker.request("DELETE", path, None, BEARER).status == 204
    assert worker.get(QUARANTINE, BEARER).headers["x-headwater-quarantine-id"] == row
    # A listing that ends at a shard that is not there would leave out what the others have.
    for after in ("x", "7.00", "eu-0.00"):
        unknown = worker.get(f"{QUARANTINE}?after={after}", BEARER)
        assert (unknown.status, unknown.json()["code"]) == (400, "bad_row"), after


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer x"}, {"authorization": KEY}], ids=str
)
def test_it_is_told_only_to_who_bears_the_key(
    worker: Worker, headers: dict[str, str]
) -> None:
    for method in ("GET", "DELETE", "POST"):
        answer = worker.request(method, f"{QUARANTINE}?row=0.00", None, headers)
        assert (answer.status, answer.json()["code"]) == (403, "operator_key_required")


def test_a_wrong_method_or_a_missing_stream_is_explained(worker: Worker) -> None:
    answer = worker.request("PUT", QUARANTINE, None, BEARER)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, DELETE, POST")
    for query, problem in (
        ("", "stream is missing; name the stream whose records are taken out: ?stream=firehose:NAME"),
        ("?stream=", 'stream= must be firehose:NAME or kinesis:NAME, not ""'),
    ):
        answer = worker.request("POST", QUARANTINE + query, None, BEARER)
        assert (answer.status, answer.json()["code"]) == (400, "bad_stream")
        assert answer.json()["message"] == problem


def test_without_the_secret_nothing_is_told(peer: FakeFirehose) -> None:
    unset = {**peer.environment(), "HEADWATER_OPERATOR_KEY": ""}
    with Worker(unset, SETTINGS) as worker:
        assert worker.get(QUARANTINE, BEARER).status == 403


def test_direct_delivery_lists_records_quarantined_before(
    worker: Worker, peer: FakeFirehose
) -> None:
    quarantined(worker, peer, bad("ada"))
    before = worker.get(QUARANTINE, BEARER)
    worker.kill()
    worker.settings = {"delivery": "direct", "shards": 1}
    worker.restart()
    reported = worker.get(QUARANTINE, BEARER)
    assert (reported.status, reported.body) == (200, before.body)
    row = f"?row={quote(reported.headers['x-headwater-quarantine-id'])}"
    assert worker.request("DELETE", QUARANTINE + row, None, BEARER).status == 204
    assert worker.get(QUARANTINE, BEARER).status == 204


class Shardless(WorkerWithBindings):
    """A worker that nobody has given shards."""

    bindings = "SHARD: undefined"


def test_no_record_is_quarantined_without_shards(peer: FakeFirehose) -> None:
    environment = {**peer.environment(), "HEADWATER_OPERATOR_KEY": KEY}
    with Shardless(environment, {"delivery": "direct"}) as worker:
        assert worker.get(QUARANTINE, BEARER).status == 204
        answer = worker.request("DELETE", f"{QUARANTINE}?row=0.00", None, BEARER)
        assert (answer.status, answer.json()["code"]) == (400, "bad_row")
