"""What the edge adds to an event, from headers, addresses and the CDN's facts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from support.delivered_records import complete, minutes_ahead, now_ms, rfc_3339, take_occurrence, take_receipt
from support.fake_firehose import FakeFirehose
from support.streams import data
from support.worker import Headers, Worker

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
PHONE = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
HINTS = {
    "sec-ch-ua": '"Google Chrome";v="131", "Chromium";v="131", "Not_A Brand";v="24"',
    "sec-ch-ua-mobile": "?1",
    "sec-ch-ua-platform": '"Android"',
    "sec-ch-ua-platform-version": '"15.0.0"',
    "sec-ch-ua-full-version-list": '"Google Chrome";v="131.0.6778.81", "Chromium";v="131.0.6778.81"',
    "sec-ch-ua-model": '"Pixel 8"',
}
AGENT = (
    "browser",
    "browser_version",
    "os",
    "os_version",
    "device_class",
    "device_model",
)
BOT = ("bot", "bot_reason", "bot_name")
CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "click_id", "click_id_network")
REFERRER = ("referrer_host", "referrer_medium", "referrer_source", "referrer_term")


def record(
    worker: Worker,
    peer: FakeFirehose,
    headers: Headers = {},  # noqa: B006 (never changed)
    **fields: Any,
) -> dict[str, Any]:
    """The record of a beacon that must be accepted."""
    event_id = str(uuid4())
    answer = worker.post({"name": "a", "id": event_id, **fields}, headers)
    assert answer.status == 204, answer
    return complete(data(peer)[event_id])


def columns(record: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Those of the columns that a record has."""
    return {name: record[name] for name in names if name in record}


@pytest.mark.parametrize(
    ("headers", "agent", "bot"),
    [
        (
            {"user-agent": CHROME},
            {"browser": "Chrome", "browser_version": "131", "os": "Windows", "os_version": "10", "device_class": "desktop"},
            {},
        ),
        (
            {"user-agent": SAFARI},
            {"browser": "Safari", "browser_version": "18.1", "os": "iOS", "os_version": "18.1", "device_class": "mobile", "device_model": "iPhone"},
            {},
        ),
        (
            {"user-agent": PHONE, **HINTS},
            {"browser": "Chrome", "browser_version": "131.0.6778.81", "os": "Android", "os_version": "15", "device_class": "mobile", "device_model": "Pixel 8"},
            {},
        ),
        (
            {"user-agent": PHONE, "sec-ch-ua": b"\xff", "sec-ch-ua-model": '"', "sec-ch-ua-platform": "ü", "sec-ch-ua-mobile": "yes"},
            {"browser": "Chrome", "browser_version": "131", "os": "Android", "device_class": "mobile"},
            {},
        ),
        (
            {"user-agent": GOOGLEBOT},
            {},
            {"bot": True, "bot_reason": "search_engine", "bot_name": "Googlebot"},
        ),
        (
            {"user-agent": "curl/8.5.0"},
            {},
            {"bot": True, "bot_reason": "http_library", "bot_name": "curl"},
        ),
        ({}, {}, {"bot": True, "bot_reason": "no_user_agent"}),
    ],
    ids=["desktop", "iPhone", "hints", "odd hints", "search engine", "curl", "none"],
)  # fmt: skip
def test_the_browser_system_and_device_are_columns(
    worker: Worker,
    peer: FakeFirehose,
    headers: dict[str, str | bytes],
    agent: dict[str, Any],
    bot: dict[str, Any],
) -> None:
    found = record(worker, peer, headers)

    assert columns(found, AGENT) == agent
    assert columns(found, BOT) == bot


@pytest.mark.parametrize(
    ("url", "campaign"),
    [
        (
            "https://shop.example/?utm_source=newsletter&utm_medium=email&utm_campaign=Autumn%20sale",
            {"utm_source": "newsletter", "utm_medium": "email", "utm_campaign": "Autumn sale"},
        ),
        (
            "https://shop.example/?gclid=Cj0abc&utm_source=",
            {"click_id": "Cj0abc", "click_id_network": "google"},
        ),
        ("https://shop.example/?q=utm_source", {}),
        ("not an address?utm_source=x", {"utm_source": "x"}),
    ],
    ids=["utm", "a click", "none", "no address"],
)  # fmt: skip
def test_the_campaign_is_read_from_the_address(
    worker: Worker, peer: FakeFirehose, url: str, campaign: dict[str, str]
) -> None:
    assert columns(record(worker, peer, url=url), CAMPAIGN) == campaign


@pytest.mark.parametrize(
    ("referrer", "reported"),
    [
        (
            "https://www.google.ch/search?q=green+tea",
            {"referrer_host": "www.google.ch", "referrer_medium": "search", "referrer_source": "Google", "referrer_term": "green tea"},
        ),
        ("https://shop.example/cart", {"referrer_host": "shop.example", "referrer_medium": "internal"}),
        ("https://sister.example/", {"referrer_host": "sister.example", "referrer_medium": "internal"}),
        ("https://unheard-of.example/", {"referrer_host": "unheard-of.example", "referrer_medium": "unknown"}),
        ("nonsense", {}),
    ],
    ids=["a search", "own", "own by configuration", "another", "nonsense"],
)  # fmt: skip
def test_the_referrer_is_sorted(
    at_home: Worker, peer: FakeFirehose, referrer: str, reported: dict[str, str]
) -> None:
    page = {"url": "https://shop.example/", "referrer": referrer}
    found = record(at_home, peer, {"user-agent": CHROME}, **page)

    assert columns(found, REFERRER) == reported


@pytest.fixture(scope="module")
def at_home(peer: FakeFirehose) -> Iterator[Worker]:
    """A worker that has a second domain, wants no bots, and stands in Nepal."""
    settings = {"internal_domains": ["sister.example"], "bots": "drop"}
    with Worker(peer.environment(), settings, {"timezone": "Asia/Kathmandu"}) as worker:
        yield worker


def test_bots_are_dropped_if_configured(
    at_home: Worker, peer: FakeFirehose
) -> None:
    event_id = str(uuid4())

    answer = at_home.post({"name": "a", "id": event_id}, {"user-agent": GOOGLEBOT})

    assert answer.verdicts == [
        {
            "index": 0,
            "event_id": event_id,
            "outcome": "dropped",
            "code": "bot",
            "message": "dropped, since a bot made it",
        }
    ]
    assert event_id not in data(peer)


def test_the_wall_clock_is_that_of_the_clients_zone(
    worker: Worker, at_home: Worker, peer: FakeFirehose
) -> None:
    take_occurrence(record(worker, peer), minutes_ahead("Europe/Zurich"))
    take_occurrence(record(at_home, peer, {"user-agent": CHROME}), 345)


@pytest.mark.parametrize(
    "zone",
    [
        "America/Chicago",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Pacific/Auckland",
        "Asia/Kolkata",
    ],
)
def test_each_event_has_the_wall_clock_of_its_own_day(
    peer: FakeFirehose, zone: str
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    days = [now - timedelta(days=days) for days in range(0, 360, 15)]
    offsets = [at.astimezone(ZoneInfo(zone)).utcoffset() for at in days]
    changed = [at for at, old, new in zip(days[1:], offsets[1:], offsets) if old != new]
    ids = {str(uuid4()): at for at in [now, *changed, days[-1]]}
    events = [
        {"name": "page_view", "id": id_, "time": at.isoformat().replace("+00:00", "Z")}
        for id_, at in ids.items()
    ]
    with Worker(peer.environment(), cf={"timezone": zone}) as worker:
        answer = worker.post({"device_id": "d", "sent_at": now_ms(), "events": events})
        assert answer.status == 204, answer
        reported = data(peer)

    for id_, at in ids.items():
        offset = at.astimezone(ZoneInfo(zone)).utcoffset()
        assert reported[id_]["utc_offset_minutes"] == offset.total_seconds() // 60, at


def test_the_clients_own_offset_goes_before_the_cdns(
    worker: Worker, peer: FakeFirehose
) -> None:
    reported = record(worker, peer, time="2026-11-18T23:30:00-08:00")

    assert (reported["local_hour"], reported["day_part"]) == (23, "evening")
    assert take_occurrence(reported, -480) == "2026-11-19T07:30:00.000Z"


@pytest.mark.parametrize("timezone", ["Europe/Nowhere", "GMT+99:00"])
def test_a_zone_that_does_not_exist_hurts_nothing(
    peer: FakeFirehose, timezone: str
) -> None:
    with Worker(peer.environment(), cf={"timezone": timezone}) as worker:
        reported = record(worker, peer)

    assert not reported.keys() & {"utc_offset_minutes", "local_hour", "day_part"}
    assert (reported["timezone"], reported["country"]) == (timezone, "CH")


def test_an_event_without_the_cdns_facts_is_accepted(
    peer: FakeFirehose,
) -> None:
    facts = ("country", "region", "city", "continent", "timezone", "colo", "asn")
    odd = {fact: [] for fact in facts} | {"asOrganization": "\ud83c", "asn": -1}
    with Worker(peer.environment(), cf=odd) as worker:
        reported = record(worker, peer)

    assert not reported.keys() & set(facts)
    assert reported["as_organization"] == "\ufffd"


@pytest.mark.parametrize("hours", [-5, 3])
def test_a_clock_that_is_wrong_by_hours_is_corrected(
    worker: Worker, peer: FakeFirehose, hours: int
) -> None:
    """The event happened ten seconds before it was sent, by whatever clock."""
    event_id = str(uuid4())
    earliest = now_ms()
    sent = earliest + hours * 3_600_000
    beacon = {"name": "a", "id": event_id, "time": sent - 10_000}

    assert worker.post({"sent_at": sent, "events": [beacon]}).status == 204

    reported = data(peer)[event_id]
    assert reported["client_time"] == rfc_3339(sent - 10_000)
    received = take_receipt(reported, earliest, now_ms())
    assert reported["clock_skew_ms"] == sent - received
    assert reported["occurred_at"] == rfc_3339(received - 10_000)


def test_a_delayed_event_is_not_mistaken_for_a_wrong_clock(
    worker: Worker, peer: FakeFirehose
) -> None:
    event_id = str(uuid4())
    sent = now_ms()
    beacon = {"name": "a", "id": event_id, "time": sent - 2 * 86_400_000}

    assert worker.post({"sent_at": sent, "events": [beacon]}).status == 204

    reported = complete(data(peer)[event_id])
    assert take_occurrence(reported) == reported["client_time"]
    assert "clock_skew_ms" not in reported


def test_the_language_is_the_pages_or_else_the_browsers(
    worker: Worker, peer: FakeFirehose
) -> None:
    browsers = {"accept-language": "de-CH,de;q=0.9"}

    assert record(worker, peer, browsers)["language"] == "de-CH"
    assert record(worker, peer, browsers, language="fr")["language"] == "fr"
    assert "language" not in record(worker, peer, {"accept-language": "<script>"})


def test_a_device_id_of_version_7_shows_a_new_visitor(
    worker: Worker, peer: FakeFirehose
) -> None:
    def device_id(milliseconds: int) -> str:
        hex = f"{milliseconds:012x}"
        return f"{hex[:8]}-{hex[8:]}-7000-8000-000000000001"

    assert record(worker, peer, device_id=device_id(now_ms()))["new_visitor"] is True
    old = device_id(now_ms() - 86_400_000)
    assert record(worker, peer, device_id=old)["new_visitor"] is False
    assert "new_visitor" not in record(worker, peer, device_id="d")


def test_events_are_numbered_in_their_request(
    worker: Worker, peer: FakeFirehose
) -> None:
    ids = [str(uuid4()) for _ in range(4)]
    beacons: list[dict[str, Any]] = [{"name": "a", "id": event_id} for event_id in ids]
    beacons[1]["name"] = "A"

    assert worker.post(beacons).status == 200

    found = data(peer)
    assert [found[id]["event_index"] for id in ids if id in found] == [0, 2, 3]
