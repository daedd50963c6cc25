"""The views for queries that were written for other collectors' warehouses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import compatible_views
from support.lake_fixtures import Asking, deliver, event, rows


@pytest.fixture
def asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Asking:
    return Asking(tmp_path / "cache", monkeypatch, capsys)


def sent(number: int, name: str, protocol: str | None, **fields: Any) -> dict[str, Any]:
    return event(number, name, **({"protocol": protocol} if protocol else {}), **fields)


SEGMENT = {"context": {"library": {"name": "analytics-node", "version": "3.1.0"}}}
EVENTS = [
    sent(1, "page_view", "segment", source_name="page", url="https://shop.example/tea", title="Tea",
         props={"page_name": "Tea", "category": "Shop"}, metadata=SEGMENT),
    sent(2, "order_placed", "segment", source_name="Order Completed", source_event_id="node-next-1", user_id="u-7",
         props={"total": 19.9}, metadata=SEGMENT, sample_rate=0.5),
    sent(3, "identify", "segment", user_id="u-7", props={"plan": "team"}),
    sent(4, "identify", "segment", source_name="Identify"),
    sent(5, "page_view", "segment", source_name="Page View"),
    sent(6, "signup", "segment"),
    sent(7, "group", "segment", props={"group_id": "g-1"}),
    sent(8, "page_view", "snowplow", source_name="pv",
         metadata={"snowplow": {"aid": "shop", "p": "web", "tv": "js-4.10.1"}, "session_index": 3}),
    sent(9, "struct_event", "snowplow", source_name="se", props={"category": "coupon", "action": "redeem", "value": 10}),
    sent(10, "order_placed", "snowplow", props={"total": 19.9},
         metadata={"vendor": "com.acme", "schema_version": "1-0-0", "contexts": {"user": [{"plan": "team"}]}}),
    sent(11, "page_view", "posthog", source_name="$pageview", client_session_id="s-1",
         metadata={"window_id": "w-1", "set": {"plan": "team"}, "posthog": {"lib": "web"}}),
    sent(12, "signup", "posthog", user_id="u-7"),
    sent(13, "page_view", None),
]  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """The events, one of each protocol delivered twice."""
    return deliver(tmp_path / "lake", *EVENTS, EVENTS[0], EVENTS[8], EVENTS[11])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT id, anonymous_id, user_id, event, event_text, properties->>'$.total', context_library_name, weight"
            " FROM segment_tracks ORDER BY anonymous_id",
            [
                ("node-next-1", "device-2", "u-7", "order_placed", "Order Completed", "19.9", "analytics-node", "2.0"),
                ("identify-4", "device-4", "", "identify", "Identify", "", "", "1.0"),
                ("page_view-5", "device-5", "", "page_view", "Page View", "", "", "1.0"),
                ("signup-6", "device-6", "", "signup", "signup", "", "", "1.0"),
            ],
        ),
        (
            "SELECT id, name, url, path, title, properties->>'$.category' FROM segment_pages",
            [("page_view-1", "Tea", "https://shop.example/tea", "/tea", "Tea", "Shop")],
        ),
        ("SELECT id, user_id, traits->>'$.plan' FROM segment_identifies", [("identify-3", "u-7", "team")]),
        (
            "SELECT app_id, platform, v_tracker, event, event_name, domain_userid, domain_sessionidx, se_category, se_value,"
            " event_vendor, event_version, contexts->>'$.user[0].plan' FROM snowplow_events ORDER BY derived_tstamp",
            [
                ("shop", "web", "js-4.10.1", "page_view", "page_view", "device-8", "3", "", "", "", "", ""),
                ("", "", "", "struct", "struct_event", "device-9", "", "coupon", "10.0", "", "", ""),
                ("", "", "", "unstruct", "order_placed", "device-10", "", "", "", "com.acme", "1-0-0", "team"),
            ],
        ),
        (
            'SELECT event, distinct_id, session_id, window_id, lib, person_set->>\'$.plan\' FROM posthog_events ORDER BY "timestamp"',
            [
                ("$pageview", "device-11", "s-1", "w-1", "web", "team"),
                ("signup", "u-7", "", "", "", ""),
            ],
        ),
    ],
    ids=list(compatible_views.VIEWS),
)
def test_a_view_has_each_event_of_its_protocol_once(
    asking: Asking, lake: Path, sql: str, expected: list[tuple[str, ...]]
) -> None:
    assert rows(asking(lake, "--sql", sql)) == expected


@pytest.mark.parametrize("name", compatible_views.VIEWS)
def test_a_view_of_nothing_is_empty(asking: Asking, tmp_path: Path, name: str) -> None:
    native = deliver(tmp_path / "lake", EVENTS[12])
    assert rows(asking(native, "--sql", f"SELECT count(*) FROM {name}")) == [("0",)]
