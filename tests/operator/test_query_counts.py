"""What scripts/query counts: shares scaled up, programs and tenants named, times of occurrence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from saved_queries import Query
from support.cli import LAKE
from support.lake_fixtures import DAY, Asking, deliver, event, rows


@pytest.fixture
def ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Asking:
    return Asking(tmp_path / "cache", monkeypatch, capsys)


def test_saved_queries_scale_sampled_events(
    ask: Asking, tmp_path: Path
) -> None:
    """Shares take the same devices first: a device stands for as many as its largest share says."""
    one = {"device_id": "ada", "session_id": "s"}
    campaign = {"utm_campaign": "autumn", "utm_source": "news"}
    lake = deliver(
        tmp_path / "lake",
        event(1, sample_rate=0.1, referrer_medium="search", **one, **campaign),
        event(2, "product_viewed", sample_rate=0.1, **one),
        event(3, "cart_changed", sample_rate=0.5, **one),
        event(4, "order_placed", **one),
        event(5, sample_rate=0.1, bot=True, bot_reason="headless", session_id=None),
        event(6, "oder_placed", sample_rate=0.25, schema_version=None, **one),
        event(7, "web_vitals", props={"lcp_ms": 100}, sample_rate=0.1),
        *[event(number, "web_vitals", props={"lcp_ms": 900}) for number in (8, 9)],
    )
    left_out = "query: 10 events of bots are left out; --bots includes them\n"

    per_day = ask(lake, "sessions_per_day")
    # Ada's whole session is there for each device; of the other three one was measured in ten.
    assert rows(per_day) == [(DAY, "13", "13", "39")]
    assert per_day.complaints == left_out
    assert rows(ask(lake, "pages")) == [("shop.example/tea", "10", "10")]
    assert rows(ask(lake, "pages", "--bots")) == [("shop.example/tea", "20", "20")]
    assert rows(ask(lake, "events_per_day"))[0] == (DAY, "web_vitals", "12")
    assert rows(ask(lake, "funnel")) == [
        ("1 product_viewed", "10", "100.0", ""),
        ("2 cart_changed", "10", "100.0", "100.0"),
        ("3 order_placed", "10", "100.0", "100.0"),
    ]
    assert rows(ask(lake, "campaigns")) == [("autumn", "news", "", "10", "10")]
    assert ("direct", "", "12") in rows(ask(lake, "referrers"))
    assert rows(ask(lake, "programs"))[0][:3] == ("headless", "", "10")
    unknown = rows(ask(lake, "unknown_names"))
    assert (unknown[0][:3], unknown[0][-1]) == (("default", "oder_placed", "4"), "order_placed")
    # Ten of twelve visits took 100 ms.
    assert rows(ask(lake, "web_vitals"))[0][:3] == ("shop.example/tea", "12", "100.0")
    own = "SELECT sum(weight), sum(weight) FILTER (name = 'page_view') FROM events"
    assert rows(ask(lake, "--sql", own)) == [("49.0", "20.0")]


@pytest.mark.parametrize("share", [0, -1, 1, 2, None])
def test_a_share_that_is_none_scales_nothing(
    ask: Asking, tmp_path: Path, share: float | None
) -> None:
    lake = deliver(tmp_path / "lake", event(1, sample_rate=share))
    assert rows(ask(lake, "pages")) == [("shop.example/tea", "1", "1")]


def test_programs_left_out_are_named_if_nothing_else_is_there(
    ask: Asking, tmp_path: Path
) -> None:
    program = {"bot": True, "bot_reason": "http_library", "bot_name": "curl"}
    lake = deliver(tmp_path / "lake", event(1, **program))

    for name in sorted(path.stem for path in (LAKE / "queries").glob("*.sql")):
        range_ = [f"{DAY}T07:50..{DAY}T08:20"] if name == "now" else []
        reported = ask(lake, name, *range_)
        counts = re.search(r"FROM (counted|identities)\b", Query.saved(name).sql)
        said = "query: 1 event of bots is left out; --bots includes them\n"
        assert reported.complaints == (said if counts else "")
        with_bots = ask(lake, name, *range_, "--bots")
        assert with_bots.complaints == ""
    assert rows(ask(lake, "sessions_per_day")) == []
    assert rows(ask(lake, "sessions_per_day", "--bots")) == [(DAY, "1", "1", "1")]


def test_tenants_are_apart_if_one_is_named(ask: Asking, tmp_path: Path) -> None:
    same = {"device_id": "ada", "event_id": "the-same"}
    lake = deliver(
        tmp_path / "lake",
        event(1, tenant="shop", **same),
        event(2, tenant="blog", **same),
        event(3, tenant="blog"),
    )

    together = ask(lake, "sessions_per_day")
    assert rows(together) == [(DAY, "3", "3", "3")]
    assert together.complaints == "query: 2 tenants are counted together (blog, shop); --tenant NAME asks about one\n"  # fmt: skip
    alone = ask(lake, "sessions_per_day", "--tenant", "blog")
    assert (rows(alone), alone.complaints) == ([(DAY, "2", "2", "2")], "")
    by_tenant = "SELECT tenant, count(*) FROM events GROUP BY ALL ORDER BY 1"
    own = ask(lake, "--sql", by_tenant)
    assert (rows(own), own.complaints) == ([("blog", "2"), ("shop", "1")], "")
    none = ask(lake, "sessions_per_day", "--tenant", "it's")
    assert none.complaints == "query: there is nothing of tenant it's\n"


def test_times_are_those_at_which_events_occurred(ask: Asking, tmp_path: Path) -> None:
    """An event may be received a month after it occurred, or a moment before, by its clock."""
    late = event(1, at="2026-11-14T08:00:00.000Z", received_at="2026-12-13T08:00:00.000Z")  # fmt: skip
    ahead = event(2, at="2026-11-20T07:00:00.000Z", received_at="2026-11-19T08:00:00.000Z")  # fmt: skip
    lake = deliver(
        tmp_path / "lake", late, ahead, event(3), event(4, at="2026-11-10T08:00:00.000Z")
    )
    count = ("--sql", "SELECT event_id FROM events ORDER BY 1")

    since = ask(lake, *count, "--since", "2026-11-20")
    assert rows(since) == [("page_view-2",), ("page_view-3",)]
    until = ask(lake, *count, "--until", "2026-11-20")
    assert rows(until) == [("page_view-1",), ("page_view-4",)]
    between = ask(lake, *count, "--since", "2026-11-14", "--until", "2026-11-15")
    assert rows(between) == [("page_view-1",)]


def test_columns_of_the_record_exist_if_no_event_has_them(
    ask: Asking, tmp_path: Path
) -> None:
    lake = deliver(tmp_path / "lake", event(1))
    asked = "SELECT consent, utm_term, utm_id, metadata_tag, typeof(asn), typeof(sent_at), typeof(bot) FROM events"
    assert rows(ask(lake, "--sql", asked)) == [("", "", "", "", "BIGINT", "TIMESTAMP", "BOOLEAN")]  # fmt: skip
    empty = tmp_path / "empty"
    empty.mkdir()
    described = ask(empty, "--sql", "SELECT column_name FROM (DESCRIBE events)")
    assert ("utm_term",) in rows(described) and ("weight",) in rows(described)
    failed = ask(empty, "--sql", "SELECT original_base64, violations FROM failed")
    assert rows(failed) == []


def test_failed_events_came_through_whenever_they_occurred(
    ask: Asking, tmp_path: Path
) -> None:
    """An event of the 14th, received and failed on the 20th, and replayed."""
    failed = {
        "event_id": "page_view-1",
        "tenant": "default",
        "stage": "validate",
        "code": "bad_format",
        "received_at": f"{DAY}T08:00:00.000Z",
    }
    lake = deliver(
        tmp_path / "lake",
        failed,
        event(1, at="2026-11-14T08:00:00.000Z", received_at=failed["received_at"]),
    )
    reported = ask(lake, "failed_events", "--since", DAY)
    assert rows(reported)[0][4:6] == ("1", "1")
