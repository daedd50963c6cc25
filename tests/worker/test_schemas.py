"""The catalogue of events: its schemas are published as they are, and held to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.catalogue import NAMES, SCHEMAS, invalid, schema, valid
from support.fake_firehose import FakeFirehose
from support.streams import DATA, data, kept
from support.worker import Worker


@pytest.fixture(scope="module")
def strict(peer: FakeFirehose) -> Iterator[Worker]:
    """A worker that takes the events of the catalogue only."""
    with Worker(peer.environment(), {"unknown_events": "fail"}) as worker:
        yield worker


@pytest.mark.parametrize("name", ["order_placed", "page_view"])
def test_a_schema_is_served_as_in_the_repository(
    worker: Worker, name: str
) -> None:
    answer = worker.get(f"/schemas/{name}.json")

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == (SCHEMAS / f"{name}.json").read_bytes()
    assert answer.json()["$id"] == f"/schemas/{name}.json"


@pytest.mark.parametrize("name", NAMES)
def test_each_event_of_the_catalogue_is_accepted_and_stamped(
    strict: Worker, peer: FakeFirehose, name: str
) -> None:
    beacons = [{**beacon, "id": str(uuid4())} for beacon in valid(name)]

    assert strict.post(beacons).status == 204

    published = schema(name)
    for beacon in beacons:
        record = data(peer)[beacon["id"]]
        assert record["schema_version"] == published["x-version"]
        assert record["level"] == beacon.get("level", published["x-level"])
        assert record.get("props") == beacon.get("props")


@pytest.mark.parametrize("name", NAMES)
def test_each_violation_names_its_rule(
    strict: Worker, peer: FakeFirehose, name: str
) -> None:
    samples = invalid(name)
    published = schema(name)

    answer = strict.post([beacon for beacon, _ in samples])

    assert answer.status == 200
    for reported, (beacon, expected) in zip(answer.verdicts, samples, strict=True):
        assert reported["outcome"] == ("failed" if expected else "accepted")
        if not expected:
            continue
        record = kept(peer)[reported["event_id"]]
        assert record["schema_id"] == published["$id"]
        assert record["schema_version"] == published["x-version"]
        assert (record["stage"], record["name"]) == ("validate", name)
        found = [(each["pointer"], each.get("rule")) for each in record["violations"]]
        assert sorted(found, key=str) == expected
        first = record["violations"][0]
        for key in ("code", "pointer", "message"):
            assert reported[key] == record[key] == first[key]
        assert json.loads(record["original"]) == beacon


def test_a_violation_has_its_place_the_limit_and_the_value(
    worker: Worker, peer: FakeFirehose
) -> None:
    lines = [{"sku": "tea", "quantity": 0, "price": "free"}]
    props = {"total": 1, "currency": "euro", "lines": lines}

    answer = worker.post({"name": "order_placed", "props": props})

    (reported,) = answer.verdicts
    assert reported == {
        "index": 0,
        "event_id": reported["event_id"],
        "outcome": "failed",
        "code": "bad_format",
        "pointer": "/props/currency",
        "message": "order_placed 1.0.0: /props/currency must match ^[A-Z]{3}$",
    }
    record = kept(peer)[reported["event_id"]]
    assert record["schema_id"] == "/schemas/order_placed.json"
    violations = {each.pop("pointer"): each for each in record["violations"]}
    assert violations == {
        "/props/currency": {
            "code": "bad_format",
            "message": reported["message"],
            "rule": "pattern",
            "found": "string",
        },
        "/props/lines/0/quantity": {
            "code": "out_of_range",
            "message": "order_placed 1.0.0: /props/lines/0/quantity must be at least 1, not a smaller number",
            "rule": "minimum",
            "found": "number",
        },
        "/props/lines/0/price": {
            "code": "wrong_type",
            "message": "order_placed 1.0.0: /props/lines/0/price must be a number, not a string",
            "rule": "type",
            "found": "string",
        },
    }


def test_unknown_events_are_accepted_unless_configured_otherwise(
    worker: Worker, strict: Worker, peer: FakeFirehose
) -> None:
    event_id = str(uuid4())
    beacons = [{"name": "rocket_launched", "id": event_id}, {"name": "scroll"}]
    beacons[1]["props"] = {"depth": 50}  # type: ignore[assignment]

    assert worker.post(beacons).status == 204
    assert "schema_version" not in data(peer)[event_id]

    answer = strict.post(beacons)
    assert [each["outcome"] for each in answer.verdicts] == ["failed", "accepted"]
    reported = answer.verdicts[0]
    assert (reported["code"], reported["pointer"]) == ("unknown_event", "/name")
    assert reported["message"] == "rocket_launched is not in the catalogue of events"
    record = kept(peer)[event_id]
    assert record["name"] == "rocket_launched"
    assert "schema_id" not in record


def test_the_catalogues_level_decides_the_stream(
    worker: Worker, peer: FakeFirehose
) -> None:
    order = {"name": "order_placed", "props": {"total": 1, "currency": "CHF"}}
    scroll = {"name": "scroll", "props": {"depth": 1}}
    beacons: list[dict[str, Any]] = [
        {**beacon, "id": str(uuid4())}
        for beacon in (order, scroll, {**scroll, "level": "high"})
    ]

    assert worker.post(beacons).status == 204

    found = {
        event["event_id"]: stream for stream in DATA for event in peer.events(stream)
    }
    assert [found[beacon["id"]] for beacon in beacons] == [
        "events-high",
        "events-low",
        "events-high",
    ]


def test_only_listed_values_are_partitions(worker: Worker, peer: FakeFirehose) -> None:
    order = {"name": "order_placed", "props": {"total": 1, "currency": "CHF"}}
    for tag, column in [("shop-ch", "shop-ch"), ("stranger", "other"), ("7", "other"), (None, None)]:
        event_id, metadata = str(uuid4()), {**({"tag": tag} if tag else {}), "other": "x"}

        assert worker.post({**order, "id": event_id, "metadata": metadata}).status == 204

        record = data(peer)[event_id]
        assert record["metadata"] == metadata
        assert record.get("metadata_tag") == column
        assert "metadata_other" not in record
