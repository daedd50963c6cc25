"""Known-bad values are repaired on the way, and each repair is named in the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.delivered_records import complete
from support.fake_firehose import FakeFirehose
from support.streams import data
from support.worker import Worker

ANDROID = {"user-agent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/131.0"}

# A client of one build sent prices in cents; a team spelt a country in two ways.
RULES: list[dict[str, Any]] = [
    {
        "id": "price-in-cents",
        "name": "tea_*",
        "build": {"from": "4.1.0", "to": "4.2.3"},
        "platform": "android",
        "field": "props.price",
        "scale": 0.01,
        "to": "props.price_eur",
    },
    {
        "id": "country",
        "stage": "after",
        "field": "props.country",
        "map": {"Schweiz": "CH", "Suisse": "CH"},
    },
    {"field": "props.debug", "drop": True},
]


@pytest.fixture(scope="module")
def cleaning(peer: FakeFirehose) -> Iterator[Worker]:
    """A worker with rules of its own, which keeps what was there before."""
    settings = {"clean": RULES, "repairs_include_original": True}
    with Worker(peer.environment(), settings) as worker:
        yield worker


def record(
    worker: Worker,
    peer: FakeFirehose,
    beacon: dict[str, Any],
    headers: Any = {},  # noqa: B006 (never changed)
) -> dict[str, Any]:
    """The record of a beacon that must be accepted."""
    event_id = str(uuid4())
    answer = worker.post({"name": "a", "id": event_id, **beacon}, headers)
    assert answer.status == 204, answer
    return complete(data(peer)[event_id])


@pytest.mark.parametrize(
    ("field", "sent", "reported", "rule"),
    [
        ("title", "  Tea \n", "Tea", "trim"),
        ("title", "T\u0000ea", "Tea", "control_characters"),
        ("title", "\\x22Tea\\x22", '"Tea"', "hex_quote"),
        ("title", 1984, "1984", "number_to_text"),
        ("device_id", 7, "7", "number_to_text"),
        ("user_id", 12345678901234567890, "12345678901234567890", "number_to_text"),
        ("seq", "41", 41, "text_to_number"),
        ("level", "HIGH", "high", "lower_case"),
        ("props", '{"a": 1.50}', {"a": 1.50}, "json_text"),
        ("url", "HTTPS://Shop.Example:443/P", "https://shop.example/P", "url"),
        ("url", "notaurl", "notaurl", "no_address"),
        ("props", [], {}, "empty_array"),
        ("consent", True, "granted", "consent"),
        ("consent", "Granted", "granted", "lower_case"),
    ],
    ids=str,
)
def test_known_mistakes_of_clients_are_repaired(
    worker: Worker, peer: FakeFirehose, field: str, sent: Any, reported: Any, rule: str
) -> None:
    found = record(worker, peer, {field: sent})

    assert found[field] == reported
    assert found["repairs"] == [{"rule": rule, "pointer": f"/{field}"}]


@pytest.mark.parametrize("field", ["device_id", "user_id", "session_id"])
@pytest.mark.parametrize(
    "sent",
    [
        "00000000-0000-0000-0000-000000000000",
        "undefined",
        "[object Object]",
        "NaN",
        "{user_id}",
        "%7B%7Buser_id%7D%7D",
        "null,null",
        "#N/A",
    ],
)
def test_a_placeholder_id_is_left_out(
    worker: Worker, peer: FakeFirehose, field: str, sent: str
) -> None:
    found = record(worker, peer, {field: sent})

    assert field not in found
    assert "client_session_id" not in found
    assert found["repairs"] == [{"rule": "placeholder_id", "pointer": f"/{field}"}]


def test_long_values_are_cut(worker: Worker, peer: FakeFirehose) -> None:
    url = "https://shop.example/map?state=" + "a" * 9_000

    found = record(worker, peer, {"url": url, "title": "ä" * 1_100})

    assert (found["url"], found["title"]) == ("https://shop.example/map", "ä" * 1_024)
    assert found["repairs"] == [
        {"rule": "too_long", "pointer": "/title", "length": 1_100},
        {"rule": "too_long", "pointer": "/url", "length": len(url)},
    ]


@pytest.mark.parametrize(
    ("time", "reported"),
    [
        ("2026-11-18T11:06:40+0000", "2026-11-18T11:06:40.000Z"),
        ("2026-11-18T12:06:40,5+01", "2026-11-18T11:06:40.500Z"),
        ("2026-11-18 11:06:40Z", "2026-11-18T11:06:40.000Z"),
        ("2026-11-17T23:59:60Z", "2026-11-17T23:59:59.999Z"),
    ],
)
def test_a_time_in_another_spelling_is_read(
    worker: Worker, peer: FakeFirehose, time: str, reported: str
) -> None:
    found = record(worker, peer, {"time": time})

    assert found["client_time"] == reported
    assert found["repairs"] == [{"rule": "time", "pointer": "/time"}]


def test_a_schema_allows_further_repairs(worker: Worker, peer: FakeFirehose) -> None:
    line = {"sku": 40123, "quantity": 1, "price": 2}
    props = {
        "total": 19.9,
        "currency": "chf",
        "order": 1001,
        "tax": None,
        "coupon": "",
        "lines": [line],
    }
    beacon = {"name": "order_placed", "props": props, "metadata": {"tag": 7}}

    found = record(worker, peer, beacon)

    assert found["props"] == {
        "total": 19.9,
        "currency": "CHF",
        "order": "1001",
        "lines": [{**line, "sku": "40123"}],
    }
    assert found["metadata"] == {"tag": "7"}
    assert {(each["rule"], each["pointer"]) for each in found["repairs"]} == {
        ("upper_case", "/props/currency"),
        ("coerce", "/props/order"),
        ("null", "/props/tax"),
        ("empty", "/props/coupon"),
        ("coerce", "/props/lines/0/sku"),
        ("coerce", "/metadata/tag"),
    }


@pytest.mark.parametrize(
    ("time", "rule"),
    [
        (1_795_000_000, "epoch_seconds"),
        ("1795000000", "epoch_seconds"),
        ("1795000000000", "text_to_number"),
        (1_795_000_000_000_000, "epoch_microseconds"),
        (1_795_000_000_000_000_000, "epoch_nanoseconds"),
    ],
)
def test_a_time_in_another_unit_is_converted(
    worker: Worker, peer: FakeFirehose, time: Any, rule: str
) -> None:
    found = record(worker, peer, {"time": time})

    assert found["client_time"] == "2026-11-18T11:06:40.000Z"
    assert found["repairs"] == [{"rule": rule, "pointer": "/time"}]


def test_an_envelope_is_repaired_as_a_beacon_is(
    worker: Worker, peer: FakeFirehose
) -> None:
    event_id = str(uuid4())
    events = [{"name": "a", "id": event_id}]

    answer = worker.post({"device_id": 7, "sent_at": "1795000000", "events": events})

    assert answer.status == 204
    found = data(peer)[event_id]
    assert found["device_id"] == "7"
    assert found["sent_at"] == "2026-11-18T11:06:40.000Z"


def test_a_schema_says_which_texts_are_meant_as_numbers(
    worker: Worker, peer: FakeFirehose
) -> None:
    props = {"total": "19.90", "currency": "CHF", "order": "1042"}

    found = record(worker, peer, {"name": "order_placed", "props": props})

    assert found["props"] == {"total": 19.90, "currency": "CHF", "order": "1042"}
    assert found["repairs"] == [{"rule": "coerce", "pointer": "/props/total"}]


def test_a_declared_rule_repairs_and_names_itself(
    cleaning: Worker, peer: FakeFirehose
) -> None:
    props = {"price": 1990, "country": "Suisse", "debug": {"trace": "x"}}

    found = record(
        cleaning, peer, {"name": "tea_sold", "build": "4.2.3", "props": props}, ANDROID
    )

    assert found["props"] == {"price": 1990, "price_eur": 19.9, "country": "CH"}
    assert found["repairs"] == [
        # Nothing was there before, and what it was made of is still beside it.
        {"rule": "price-in-cents", "pointer": "/props/price_eur"},
        {"rule": "clean[2]", "pointer": "/props/debug"},
        {"rule": "country", "pointer": "/props/country", "original": '"Suisse"'},
    ]


@pytest.mark.parametrize(
    ("beacon", "headers"),
    [
        ({"name": "coffee_sold", "build": "4.2.3"}, ANDROID),
        ({"name": "tea_sold", "build": "4.2.4"}, ANDROID),
        ({"name": "tea_sold"}, ANDROID),
        ({"name": "tea_sold", "build": "4.2.3"}, {"user-agent": "curl/8.5.0"}),
    ],
    ids=["another event", "a later build", "no build", "another platform"],
)
def test_a_rule_applies_to_its_own_events_only(
    cleaning: Worker,
    peer: FakeFirehose,
    beacon: dict[str, Any],
    headers: dict[str, str],
) -> None:
    found = record(cleaning, peer, {**beacon, "props": {"price": 1990}}, headers)

    assert found["props"] == {"price": 1990}
    assert "repairs" not in found


def test_rules_that_undo_each_other_are_a_mistake(
    peer: FakeFirehose,
) -> None:
    rules = [
        {"field": "props.a", "map": {"x": "y"}},
        {"field": "props.a", "map": {"y": "x"}},
    ]
    with Worker(peer.environment(), {"clean": rules}) as worker:
        ready = worker.ready()
        assert ready.status == 503
        (problem,) = ready.json()["problems"]
        assert problem.startswith(
            "HEADWATER.clean[1] writes props.a, which clean[0] uses"
        )
