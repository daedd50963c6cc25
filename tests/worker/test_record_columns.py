"""Which columns a record has: those that a view derives are left out, others if the operator drops them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

import columns
from support.delivered_records import complete, now_ms
from support.fake_firehose import FakeFirehose
from support.streams import data
from support.worker import Worker

URLS = [
    "https://shop.example/tea/sencha?utm_source=news#a/b",
    "https://shop.example",
    "https://shop.example?q=/x",
    "https://shop.example#/route",
    "HTTPS://Shop.Example:443/P",
    "https://shop.example:8443/x;y=1",
    "https://someone:secret@shop.example/",
    "https://shop.example./",
    "https://Bücher.Example/ü",
    "https://b%C3%BCcher.example/%2F",
    "https://[2001:db8::1]/x",
    "https://\\shop.example\\x",
    "//shop.example/x",
    "/a?u=https://b.example/c",
    "x?u=https://b.example/c",
    "android-app://com.example/x",
    "myapp://screen/home#x",
    "https:///x",
    "https://.../x",
    "https://shop..example/x",
    "https://-/x",
    "file:///home/x",
    "mailto:a@b.example",
    "about:blank",
    "notaurl",
    "https://shop.example/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "https://shop.example/a@b.example/x?card=4111111111111111",
    "https://shop.example/x y",
    "https://shop.example/\u00a0x",
    "https://xn--/x",
]


def beacons() -> list[dict[str, Any]]:
    now = now_ms()
    times = [None, now, now - 5_000, now + 7_200_000, now - 86_400_000, 0]
    return [
        *({"name": "a", "url": url, "referrer": URLS[-1 - place]} for place, url in enumerate(URLS)),
        *({"name": "a", "time": time} for time in times),
        *({"name": "a", "time": f"2026-11-18T{hour:02}:30:00{zone}"} for hour in (0, 5, 11, 12, 23) for zone in ("Z", "-08:00", "+05:45", "+14:00")),
    ]  # fmt: skip


def written(sent: list[dict[str, Any]], peer: FakeFirehose, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of the beacons, under new ids, by a worker with these settings."""
    sent = [{**each, "id": str(uuid4())} for each in sent]
    with Worker(peer.environment(), settings) as worker:
        answer = worker.post({"sent_at": now_ms(), "events": sent})
    assert answer.status == 204, answer
    records = data(peer)
    return [records[each["id"]] for each in sent]


@pytest.mark.parametrize("more", [{}, {"scrub": ["emails", "cards"]}], ids=["plain", "scrubbed"])
def test_a_view_finds_what_is_left_out(peer: FakeFirehose, more: dict[str, Any]) -> None:
    sent = beacons()
    whole = written(sent, peer, {**more, "columns": {"derived": True}})
    lean = written(sent, peer, more)

    for one, other, beacon in zip(whole, lean, sent, strict=True):
        # The second request came later, and what follows from its time differs.
        names = {*columns.DERIVED} - {"date", "hour"}
        if one["occurred_at"] != other["occurred_at"]:
            names -= {"local_hour", "day_part"}
        shown = {**one, "url_host": one.get("url_host") or None, "referrer_host": one.get("referrer_host") or None}  # fmt: skip
        found = complete(other)
        for name in names:
            assert found.get(name) == shown.get(name), (name, beacon, other)
        assert not other.keys() & {"date", "hour", "local_hour", "day_part"}


def test_a_partition_is_a_column_whatever_columns_are_wanted(peer: FakeFirehose) -> None:
    order = {"name": "order_placed", "props": {"total": 1, "currency": "CHF"}, "metadata": {"tag": "shop-ch", "other": "x"}}
    for columns_ in ({}, {"derived": True}, {"drop": ["metadata"]}):
        (record,) = written([order], peer, {"columns": columns_})
        assert record["metadata_tag"] == "shop-ch"
        assert "metadata_other" not in record


def test_columns_that_the_operator_drops_are_in_no_record(peer: FakeFirehose) -> None:
    beacon = {"name": "a", "url": URLS[0], "title": "t", "device_id": "d"}
    (record,) = written([beacon], peer, {"columns": {"drop": ["title", "url", "user_agent", "ip"]}})

    assert not record.keys() & {"title", "url", "user_agent", "ip"}
    # No view could derive them now.
    assert (record["url_host"], record["url_path"]) == ("shop.example", "/tea/sencha")
    assert record["device_id"] == "d"
