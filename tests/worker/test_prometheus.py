"""GET /_/metrics: what a parser of Prometheus' own makes of it, and counters that outlast the worker."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from support import ROOT
from support.fake_firehose import Fail, FakeFirehose
from support.shards import BEARER, SHARDED, wait_until_drained
from support.worker import KEY, Worker

PAGE = (ROOT / "www/docs/metrics.md").read_text()
SHARDS = 2
KEYS = {
    "pk_acme": {"tenant": "acme", "routes": [{"to": "firehose:acme"}]},
    "pk_shop": {"tenant": "shop"},
}


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer


@pytest.fixture
def worker(peer: FakeFirehose) -> Iterator[Worker]:
    with Worker(peer.environment(), {**SHARDED, "shards": SHARDS, "keys": KEYS}) as worker:
        yield worker


def scrape(worker: Worker) -> dict[str, Metric]:
    answer = worker.get("/_/metrics", BEARER)
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.body.decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "the samples of a metric stand together"
    for family in families:
        # The parser takes `_total` off a counter's name.
        assert family.documentation and family.type == ("counter" if family.name == "headwater_shard_records" else "gauge")
        series = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
        assert len(series) == len(set(series)), family.name
    return {family.name: family for family in families}


def total(families: dict[str, Metric], metric: str, **labels: str) -> float:
    return sum(
        sample.value
        for sample in families[metric].samples
        if labels.items() <= sample.labels.items()
    )


def results(worker: Worker) -> Counter[str]:
    """The records of all shards by result."""
    counted: Counter[str] = Counter()
    for sample in scrape(worker)["headwater_shard_records"].samples:
        counted[sample.labels["result"]] += int(sample.value)
    return +counted


def beacons(count: int) -> list[dict[str, str]]:
    return [{"name": "a", "id": str(uuid4()), "device_id": str(uuid4())} for _ in range(count)]


def shop(worker: Worker, sent: list[dict[str, str]], key: str = "pk_shop") -> int:
    return worker.post(sent, {"x-write-key": key}).status


def test_it_needs_a_key_and_says_nothing_without(worker: Worker) -> None:
    for headers in ({}, {"authorization": "Bearer " + "x" * 32}):
        answer = worker.get("/_/metrics", headers)
        assert (answer.status, answer.json()["code"]) == (403, "operator_key_required")
    assert worker.request("POST", "/_/metrics", b"", BEARER).status == 405


def test_its_metrics_are_those_of_the_page_and_name_no_tenant(worker: Worker, peer: FakeFirehose) -> None:
    listed = re.findall(r"^\| `(\w+)` \| (?:`\w+`(?:, `\w+`)*)? ?\| ", PAGE.split("## Prometheus")[1].split("The `result`")[0], re.MULTILINE)
    found = {name.removeprefix("headwater_") + ("_total" if family.type == "counter" else "") for name, family in scrape(worker).items()}
    assert found == set(listed)
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE.split("The `result`")[1].split("```")[0], re.MULTILINE))
    assert {sample.labels["result"] for sample in scrape(worker)["headwater_shard_records"].samples} == named
    peer.always(Fail(500, "InternalFailure"), "acme")
    assert shop(worker, beacons(20), "pk_acme") == 204
    text = worker.get("/_/metrics", BEARER).body.decode()
    assert "firehose:acme" in text
    for word in ("InternalFailure", KEY, "pk_", 'acme"}', "127.0.0.1", "AKID"):
        assert word not in text.replace("firehose:acme", "")


def test_an_outage_is_seen_by_shard_and_stream(worker: Worker, peer: FakeFirehose) -> None:
    peer.always(Fail(400, "AccessDeniedException"), "events-mid")
    assert shop(worker, beacons(20)) == 204
    families = scrape(worker)
    mid = {"stream": "firehose:events-mid"}
    assert total(families, "headwater_spill_records", **mid) == 20
    assert total(families, "headwater_spill_bytes", **mid) == total(families, "headwater_shard_spill_used_bytes") > 0
    assert total(families, "headwater_stream_needs_operator", **mid) == SHARDS
    assert total(families, "headwater_stream_failing", **mid) == SHARDS
    assert (total(families, "headwater_ready"), total(families, "headwater_shard_up")) == (0, SHARDS)


def test_a_counter_goes_on_after_a_restart(worker: Worker, peer: FakeFirehose) -> None:
    assert results(worker) == {}
    sent = beacons(20)
    assert shop(worker, sent) == 204
    assert shop(worker, sent[:5]) == 204
    before = Counter(delivered=20, duplicate=5)
    assert results(worker) == before
    # Without a question in between: the shards store what they count, too.
    peer.always(Fail(500, "InternalFailure"))
    assert shop(worker, beacons(3)) == 204
    worker.kill()
    peer.wait_for_killed()
    peer.behave()
    worker.restart()
    after = results(worker)
    assert after == before + Counter(spilled=3)
    # What comes behind spilled records is spilled, too.
    wait_until_drained(worker)
    assert shop(worker, beacons(2)) == 204
    assert results(worker) == after + Counter(delivered=2)


def test_direct_delivery_has_its_streams_and_no_counter(peer: FakeFirehose) -> None:
    with Worker(peer.environment()) as worker:
        assert worker.post(beacons(1)).status == 204
        families = scrape(worker)
    assert not families["headwater_shard_records"].samples
    assert {"stream": "firehose:events-mid"} in [sample.labels for sample in families["headwater_stream_failing"].samples]


def test_a_wrong_configuration_is_an_error(peer: FakeFirehose) -> None:
    with Worker(peer.environment(), {"routes": []}) as worker:
        assert worker.get("/_/metrics", BEARER).status == 503
