"""The saved queries over three weeks of a made-up shop: each number is worked out here, from the events, without SQL."""

from __future__ import annotations

import csv
import io
import math
import random
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import columns
import tables
import time_args
from saved_queries import DIMENSIONS, Query, names
from support import ROOT
from support.lake_fixtures import Asking, deliver, rows

Event = dict[str, Any]
Row = tuple[str, ...]
MONDAY = datetime(2026, 11, 2, tzinfo=timezone.utc)
COUNTRIES = ["CH", "DE", "FR"]
KINDS = [("desktop", "Windows", "Firefox"), ("mobile", "iOS", "Safari"), ("mobile", "Android", "Chrome")]
PAGES = ["/", "/tea", "/cups", "/cart"]
CAMPAIGNS = [("autumn", "news", "email"), ("winter", "search", None)]
PASSIVE = {"page_view", "page_leave", "web_vitals", "scroll", "pointer"}
THRESHOLDS = {"lcp_ms": (2500, 4000), "inp_ms": (200, 500), "cls": (0.1, 0.25), "fcp_ms": (1800, 3000), "ttfb_ms": (800, 1800)}


def text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shop() -> list[Event]:
    """What forty devices sent in three weeks; the same in each run."""
    dice = random.Random(20261129)
    events: list[Event] = []
    for device in range(40):
        tenant = "shop" if device % 4 else "blog"
        kind = KINDS[device % 3]
        for index in range(1, dice.randint(1, 4) + 1):
            at = MONDAY + timedelta(days=7 * (index - 1 + device % 2) + dice.randint(0, 6), minutes=dice.randint(0, 1400))
            if at >= MONDAY + timedelta(days=21):
                break
            events += session(dice, device, tenant, kind, index, at)
    # A program's, which nothing counts.
    events.append({**events[0], "event_id": "bot", "bot": True, "bot_reason": "headless"})
    return events


def session(dice: random.Random, device: int, tenant: str, kind: Row, index: int, began: datetime) -> list[Event]:
    shared: Event = {
        "v": 1, "tenant": tenant, "device_id": f"device-{device}", "session_id": f"session-{device}-{index}",
        "session_index": index, "session_started_at": text(began), "country": COUNTRIES[device % 3],
        "device_class": kind[0], "os": kind[1], "browser": kind[2], "schema_version": "1.0.0",
        "consent": [None, "granted", "denied"][device % 3],
    }  # fmt: skip
    if device % 5 == 0:
        shared["user_id"] = f"user-{device % 10}"
    events: list[Event] = []
    at = began

    def add(name: str, props: Event | None = None, **fields: Any) -> None:
        delay = dice.choice([0.2, 3, 45, 900, 90_000])
        number = f"{device}-{index}-{len(events)}"
        events.append({
            **shared, "event_id": f"event-{number}", "name": name, "occurred_at": text(at),
            "received_at": text(at + timedelta(seconds=delay)), "props": props or {}, **fields,
        })  # fmt: skip

    for view in range(dice.randint(1, 3)):
        campaign: Event = {}
        if view == 0 and dice.random() < 0.5:
            keys = ("utm_campaign", "utm_source", "utm_medium")
            campaign = {key: value for key, value in zip(keys, dice.choice(CAMPAIGNS), strict=True) if value}
        page = dice.choice(PAGES)
        place = {"url": f"https://shop.example{page}", "url_host": "shop.example", "url_path": page}
        add("page_view", **place, **campaign)
        at += timedelta(seconds=dice.randint(1, 90))
        if dice.random() < 0.6:
            vitals = {"lcp_ms": dice.randint(500, 6000), "cls": dice.randint(0, 40) / 100, "inp_ms": dice.randint(20, 800)}
            add("web_vitals", vitals, **place)
            if dice.random() < 0.5:
                at += timedelta(seconds=1)
                add("web_vitals", {**vitals, "lcp_ms": vitals["lcp_ms"] + 100}, **place)
        add("page_leave", {"depth": 50, "engaged_ms": dice.randint(0, 60_000)}, **place)
    if dice.random() < 0.5:
        at += timedelta(seconds=5)
        add("product_viewed", {"sku": "tea"})
        if dice.random() < 0.6:
            at += timedelta(seconds=5)
            add("cart_changed", {"action": "add"}, repairs=[{"rule": "trim", "pointer": "/props/sku"}] * 2)
            if dice.random() < 0.7:
                at += timedelta(seconds=5)
                total = dice.randint(100, 9999) / 100
                add("order_placed", {"total": total, "currency": dice.choice(["CHF", "EUR"])})
    if dice.random() < 0.3:
        href = f"https://shop.example/{dice.choice(['a', 'b'])}.pdf"
        add("download", {"href": dice.choice([href, f"{href}?x=1", f"{href}#page=2"])})
    if dice.random() < 0.4:
        video = {"video_id": dice.choice(["how-to", "story"]), "position_s": 0}
        add("video_start", video)
        marks = dice.randint(0, 4)
        for mark in [25, 50, 75, 95][:marks]:
            at += timedelta(seconds=10)
            add("video_progress", {**video, "percent": mark, "watched_s": mark / 2})
        if marks and dice.random() < 0.3:
            add("video_pause", {**video, "ended": True, "watched_s": 60})
    if dice.random() < 0.1:
        add("oder_placed", {}, schema_version=None, clock_skew_ms=5_000)
    return events


EVENTS = shop()
COUNTED = [each for each in EVENTS if not each.get("bot")]


def moment(event: Event) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def week(event: Event) -> date:
    day = moment(event).date()
    return day - timedelta(days=day.weekday())


def day_of_session(event: Event) -> str:
    return str(event["session_started_at"])[:10]


def groups(events: Iterable[Event], key: Callable[[Event], Any]) -> dict[Any, list[Event]]:
    """The events of each key, in the order in which they occurred."""
    found: dict[Any, list[Event]] = defaultdict(list)
    for each in sorted(events, key=lambda event: (event["occurred_at"], event["event_id"])):
        found[key(each)].append(each)
    return found


def sessions(events: Iterable[Event] = COUNTED) -> list[list[Event]]:
    return list(groups(events, lambda each: (each["tenant"], each["session_id"])).values())


def devices(events: Iterable[Event] = COUNTED) -> int:
    return len({(each["tenant"], each["device_id"]) for each in events})


def tenth(value: float, places: int = 1) -> str:
    """Half of the last place is rounded up."""
    return str(math.floor(value * 10**places + 0.5) / 10**places)


def name_is(*its: str) -> list[Event]:
    return [each for each in COUNTED if each["name"] in its]


def retention() -> list[Row]:
    by_device = groups(COUNTED, lambda each: (each["tenant"], each["device_id"]))
    cohorts: dict[date, list[set[date]]] = defaultdict(list)
    for its in by_device.values():
        cohorts[week(its[0])].append({week(each) for each in its})
    last = max(week(each) for each in COUNTED)
    found = []
    for cohort, members in sorted(cohorts.items()):
        for number in range((last - cohort).days // 7 + 1):
            came = sum(cohort + timedelta(weeks=number) in weeks for weeks in members)
            found.append((str(cohort), str(number), str(came), tenth(100 * came / len(members))))
    return found


def revenue() -> list[Row]:
    counts: dict[Any, list[float]] = defaultdict(lambda: [0, 0, 0, 0])
    touches = groups([each for each in COUNTED if "utm_campaign" in each], lambda each: (each["tenant"], each["device_id"]))
    for order in name_is("order_placed"):
        before = [each for each in touches[order["tenant"], order["device_id"]] if moment(each) <= moment(order)]
        for place, touch in ((0, before[0] if before else {}), (2, before[-1] if before else {})):
            source, medium = touch.get("utm_source", ""), touch.get("utm_medium", "")
            its = counts[touch.get("utm_campaign", "(none)"), source, medium, order["props"]["currency"]]
            its[place] += 1
            its[place + 1] += order["props"]["total"]
    found = [(*key, str(int(a)), str(round(b, 2)), str(int(c)), str(round(d, 2))) for key, (a, b, c, d) in counts.items()]
    return sorted(found, key=lambda row: (-float(row[7]), -float(row[5]), row))


def engagement() -> list[Row]:
    found = []
    for day, its in sorted(groups(COUNTED, day_of_session).items()):
        seen = [each for each in sessions(its) if any(event["name"] == "page_view" for event in each)]
        views = [sum(event["name"] == "page_view" for event in each) for each in seen]
        bounces = sum(
            count == 1 and {event["name"] for event in each} <= PASSIVE for each, count in zip(seen, views, strict=True)
        )
        engaged = sum(event["props"].get("engaged_ms", 0) for each in seen for event in each) / 1000
        found.append((
            day, str(len(seen)), str(bounces), tenth(100 * bounces / len(seen)), tenth(sum(views) / len(seen), 2),
            tenth(engaged / len(seen)),
        ))  # fmt: skip
    return found


def entry_and_exit_pages() -> list[Row]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for its in sessions(name_is("page_view")):
        counts[its[0]["url_path"]][0] += 1
        counts[its[-1]["url_path"]][1] += 1
        for each in its:
            counts[each["url_path"]][2] += 1
    found = [(f"shop.example{page}", str(a), str(b), str(c), tenth(100 * b / c)) for page, (a, b, c) in counts.items()]
    return sorted(found, key=lambda row: (-int(row[1]), -int(row[2]), row[0]))


def session_lengths() -> list[Row]:
    found = []
    for day, its in sorted(groups(COUNTED, day_of_session).items()):
        lengths = sorted((moment(each[-1]) - moment(each[0])).total_seconds() for each in sessions(its))
        # The smallest that so large a share does not exceed.
        median, p75 = (lengths[-(-len(lengths) * share // 100) - 1] for share in (50, 75))
        mean = sum(lengths) / len(lengths)
        found.append((day, str(len(lengths)), tenth(mean), str(median), str(p75)))
    return found


def visitors() -> list[Row]:
    by_country = groups(COUNTED, lambda each: each["country"])
    found = [(name, str(devices(its)), str(len(sessions(its))), str(len(its))) for name, its in by_country.items()]
    return sorted(found, key=lambda row: [-int(each) for each in row[1:]])


def kinds() -> list[Row]:
    its = groups(COUNTED, lambda each: (each["device_class"], each["os"], each["browser"]))
    found = [(*kind, str(devices(each)), str(len(sessions(each)))) for kind, each in its.items()]
    return sorted(found, key=lambda row: (-int(row[3]), -int(row[4]), row))


def new_and_returning() -> list[Row]:
    found = []
    for day, its in sorted(groups(COUNTED, day_of_session).items()):
        kinds = Counter("new" if each[0]["session_index"] == 1 else "returning" for each in sessions(its))
        found += [(day, kind, str(count), tenth(100 * count / kinds.total())) for kind, count in sorted(kinds.items())]
    return found


def hourly() -> list[Row]:
    found = []
    for hour, its in sorted(groups(COUNTED, lambda each: each["occurred_at"][:13]).items()):
        views = sum(each["name"] == "page_view" for each in its)
        found.append((f"{hour.replace('T', ' ')}:00:00", str(views), str(len(its)), str(len(sessions(its))), str(devices(its))))
    return found


def downloads() -> list[Row]:
    files = groups(name_is("download"), lambda each: each["props"]["href"].split("?")[0].split("#")[0])
    found = [(file, str(len(its)), str(devices(its))) for file, its in files.items()]
    return sorted(found, key=lambda row: (-int(row[1]), row[0]))


def videos() -> list[Row]:
    found = []
    by_video = groups(name_is("video_start", "video_progress", "video_pause"), lambda each: each["props"]["video_id"])
    for video, its in by_video.items():
        plays = sessions(its)
        reached = [max([100 * ("ended" in each["props"]) or each["props"].get("percent", 0) for each in play]) for play in plays]
        watched = [[each["props"]["watched_s"] for each in play if "watched_s" in each["props"]] for play in plays]
        longest = [max(each) for each in watched if each]
        counts = [sum(percent >= mark for percent in reached) for mark in (25, 50, 75, 95)]
        percent = tenth(100 * counts[3] / len(plays))
        found.append((video, str(len(plays)), *map(str, counts), percent, tenth(sum(longest) / len(longest))))
    return sorted(found, key=lambda row: (-int(row[1]), row[0]))


def web_vitals_good() -> list[Row]:
    last = groups(name_is("web_vitals"), lambda each: (each["tenant"], each["session_id"], each["url"]))
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for its in last.values():
        for metric, value in its[-1]["props"].items():
            values[its[-1]["country"], metric].append(value)
    found = []
    for (country, metric), its in values.items():
        good, poor = THRESHOLDS[metric]
        shares = (100 * sum(map(test, its)) / len(its) for test in (lambda value: value <= good, lambda value: value > poor))  # noqa: B023
        p75 = sorted(its)[-(-len(its) * 75 // 100) - 1]
        found.append((country, metric, str(len(its)), str(float(p75)), *map(tenth, shares)))
    return sorted(found, key=lambda row: (row[0], -int(row[2]), row[1]))


def data_quality() -> list[Row]:
    found: Counter[Row] = Counter()
    limits = [(1, "1 up to 1 s"), (10, "2 up to 10 s"), (60, "3 up to 1 min"), (3600, "4 up to 1 h"), (86400, "5 up to 1 day")]
    for each in EVENTS:
        seconds = (datetime.fromisoformat(each["received_at"]) - moment(each)).total_seconds()
        found["1 delay", next((what for limit, what in limits if seconds <= limit), "6 more than 1 day")] += 1
        found["2 clock", "corrected" if "clock_skew_ms" in each else "as sent"] += 1
        for rule in {repair["rule"] for repair in each.get("repairs", [])}:
            found["3 repair", rule] += 1
        version = each["schema_version"]
        found["4 schema", f"{each['name']} {version}" if version else f"none: {each['name']}"] += 1
    given = [(*what, str(count), tenth(100 * count / len(EVENTS))) for what, count in found.items()]
    return sorted(given, key=lambda row: (row[0], row[1] if row[0] == "1 delay" else "", -int(row[2]), row[1]))


def tenants() -> list[Row]:
    found = []
    for tenant, its in groups(EVENTS, lambda each: each["tenant"]).items():
        counted = [each for each in its if not each.get("bot")]
        latest = max(each["received_at"] for each in its).replace("T", " ").rstrip("Z").removesuffix(".000")
        latest = latest.rstrip("0") if "." in latest else latest
        bots = str(len(its) - len(counted))
        found.append((tenant, str(len(counted)), str(devices(counted)), str(len(sessions(counted))), bots, "0", latest))
    return sorted(found, key=lambda row: -int(row[1]))


def consent() -> list[Row]:
    counts = Counter(each["consent"] or "not asked" for each in COUNTED)
    return [(what, "", str(count), tenth(100 * count / len(COUNTED))) for what, count in counts.most_common()]


def identities() -> list[Row]:
    """By merging sets, until no two share anything."""
    people: list[set[Row]] = []
    for each in COUNTED:
        own = {(each["tenant"], "device", each["device_id"])}
        own |= {(each["tenant"], "user", each["user_id"])} if "user_id" in each else set()
        touched = [person for person in people if person & own]
        people = [person for person in people if not person & own] + [own.union(*touched)]
    shapes = Counter(tuple(sum(kind == its for _, kind, _ in person) for its in ("user", "device")) for person in people)
    found = [(*map(str, shape), str(count)) for shape, count in shapes.items()]
    return sorted(found, key=lambda row: (-int(row[2]), int(row[0]), int(row[1])))


def sessions_per_day() -> list[Row]:
    by_day = sorted(groups(COUNTED, day_of_session).items())
    return [(day, str(len(sessions(its))), str(devices(its)), str(len(its))) for day, its in by_day]


def orders_of_products() -> list[Row]:
    """The shop's sessions see a product before they change the cart, and that before they order."""
    steps = ["product_viewed", "cart_changed", "order_placed"]
    counts = [sum(any(event["name"] == step for event in each) for each in sessions()) for step in steps]
    shares = ["", *(tenth(100 * after / before) for before, after in zip(counts, counts[1:], strict=False))]
    found = zip(steps, counts, shares, strict=True)
    return [(f"{number} {step}", str(count), tenth(100 * count / counts[0]), share) for number, (step, count, share) in enumerate(found, 1)]


RECKONED = {
    "retention": retention, "revenue": revenue, "engagement": engagement, "entry_and_exit_pages": entry_and_exit_pages,
    "session_lengths": session_lengths, "visitors": visitors, "devices": kinds, "new_and_returning": new_and_returning,
    "hourly": hourly, "downloads": downloads, "videos": videos, "web_vitals_good": web_vitals_good, "data_quality": data_quality,
    "tenants": tenants, "consent": consent, "identities": identities,
}  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events of the shop, some of them delivered twice."""
    return deliver(tmp_path_factory.mktemp("shop"), *EVENTS, *EVENTS[::7])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def ask(cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(cache, monkeypatch, capsys)


@pytest.mark.parametrize("name", RECKONED)
def test_a_saved_query_finds_what_the_events_say(ask: Asking, lake: Path, name: str) -> None:
    expected = RECKONED[name]()
    assert len(expected) > 1
    assert rows(ask(lake, name)) == expected


def test_every_new_query_is_reckoned() -> None:
    before = {"campaigns", "events_per_day", "failed_events", "pages", "programs", "referrers", "sessions_per_day",
              "unknown_names", "web_vitals"}  # fmt: skip
    assert set(names()) - before - set(RECKONED) == {"funnel", "now"}


def test_the_steps_of_a_funnel_are_those_asked_for(ask: Asking, lake: Path) -> None:
    steps = ["page_view", "web_vitals", "download", "video_start"]
    reached = [0] * len(steps)
    for its in sessions():
        since = datetime.min.replace(tzinfo=timezone.utc)
        for number, step in enumerate(steps):
            later = [moment(each) for each in its if each["name"] == step and moment(each) >= since]
            if not later:
                break
            since = later[0]
            reached[number] += 1
    assert reached[0] > reached[1] > reached[2] > reached[3] > 0
    expected = [
        (f"{number + 1} {step}", str(count), tenth(100 * count / reached[0]), tenth(100 * count / reached[number - 1]) if number else "")
        for number, (step, count) in enumerate(zip(steps, reached, strict=True))
    ]
    assert rows(ask(lake, "funnel", "--steps", ", ".join(steps))) == expected


def test_a_funnel_is_split_by_what_its_sessions_had_first(ask: Asking, lake: Path) -> None:
    found = rows(ask(lake, "funnel", "--by", "country", "--steps", "page_view,download"))
    expected = []
    for country, its in sorted(groups(COUNTED, lambda each: each["country"]).items()):
        counts = [len(sessions(its)), 0]
        for each in sessions(its):
            view = next(moment(event) for event in each if event["name"] == "page_view")
            counts[1] += any(event["name"] == "download" and moment(event) >= view for event in each)
        percent = tenth(100 * counts[1] / counts[0])
        expected += [(country, "1 page_view", str(counts[0]), "100.0", ""), (country, "2 download", str(counts[1]), percent, percent)]
    assert found == expected


def test_a_dimension_splits_days(ask: Asking, lake: Path) -> None:
    expected = []
    for (browser, day), its in sorted(groups(COUNTED, lambda each: (each["browser"], day_of_session(each))).items()):
        expected.append((browser, day, str(len(sessions(its))), str(devices(its)), str(len(its))))
    assert rows(ask(lake, "sessions_per_day", "--by", "browser")) == expected


def test_the_last_half_hour_is_counted_by_minutes(ask: Asking, lake: Path) -> None:
    until = max(moment(each) for each in COUNTED) + timedelta(seconds=1)
    end = until.replace(second=0, microsecond=0)
    minutes = [end - timedelta(minutes=29 - number) for number in range(30)]
    by_minute = groups(COUNTED, lambda each: moment(each).replace(second=0, microsecond=0))
    expected = []
    for each in minutes:
        its = by_minute[each]
        views = sum(event["name"] == "page_view" for event in its)
        expected.append((f"{each:%Y-%m-%d %H:%M:%S}", str(views), str(len(its)), str(devices(its))))
    assert any(row[1] != "0" for row in expected)
    assert rows(ask(lake, "now", "--until", until.isoformat())) == expected
    assert len(rows(ask(lake, "now"))) == 30
    # A range without an end goes on until now.
    assert len(rows(ask(lake, "now", "20m"))) in (20, 21)
    # The first minute of a range may be cut.
    cut = rows(ask(lake, "now", f"{text(end - timedelta(minutes=10, seconds=20))}..{text(end)}"))
    assert (cut[0][0], cut[1:]) == (expected[-12][0], expected[-11:-1])


@pytest.mark.parametrize("name", [each for each in names() if each not in ("data_quality", "failed_events", "tenants", "identities")])
def test_samples_stand_for_all_devices(
    ask: Asking, tmp_path_factory: pytest.TempPathFactory, lake: Path, name: str
) -> None:
    """With half of the devices, counts are doubled; shares, means and places in an order stay the same."""
    folder = tmp_path_factory.getbasetemp() / "sampled"
    if not folder.exists():
        deliver(folder, *({**each, "sample_rate": 0.5} for each in EVENTS))
    counted = {"devices", "sessions", "bounces", "events", "views", "entries", "exits", "downloads", "plays", "visits", "with_order",
               "reached_25", "reached_50", "reached_75", "completed", "first_orders", "first_revenue", "last_orders",
               "last_revenue", "by_programs"}  # fmt: skip
    whole, half = (list(csv.DictReader(io.StringIO(ask(place, name).printed))) for place in (lake, folder))
    assert len(whole) == len(half)
    for one, other in zip(whole, half, strict=True):
        scaled = {
            key: str(2 * float(value)) if key in counted else value for key, value in one.items()
        }
        assert {key: str(float(value)) if key in counted else value for key, value in other.items()} == scaled


@pytest.mark.parametrize("name", [each for each in names() if Query.saved(each).can_be_split])
def test_a_query_can_be_split_by_what_it_reads(lake: Path, cache: Path, name: str) -> None:
    """A column that the query names could be meant twice; all others are alike."""
    query = Query.saved(name)
    question = tables.Question([str(lake)], None, None, frozenset(), False, cache, 1.0, ("page_view", "download"), query.sql)
    with tables.connect(question) as database:
        for by in DIMENSIONS:
            if by == "country" or re.search(rf"\b{by}\b", query.sql):
                assert by in database.sql(query.asked(by, ()).statement()).columns


def test_the_page_names_the_queries_that_cannot_be_split() -> None:
    page = (ROOT / "www/docs/queries.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(r"first known value\. (.*?) can't be split\.", page, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", sentence)) == {name for name in names() if not Query.saved(name).can_be_split}
    (listed,) = re.findall(r"The columns are (.*?), and those that", page, re.DOTALL)
    assert re.findall(r"`(\w+)`", listed) == [each for each in DIMENSIONS if each not in columns.lifted()]


def test_eight_questions_are_one_command_each(ask: Asking, lake: Path) -> None:
    """The page's table; the ranges of its commands end now, long after the shop's events."""
    page = (ROOT / "www/docs/queries.md").read_text(encoding="utf-8")
    commands = [shlex.split(each) for each in re.findall(r"^\| [^|]+\? \| `scripts/query ([^`]+)` \|$", page, re.MULTILINE)]
    assert len(commands) == 8
    reckoned = {**RECKONED, "sessions_per_day": sessions_per_day, "funnel": orders_of_products}
    for name, range_, *options in commands:
        time_args.range_argument(range_)
        assert rows(ask(lake, name, "2026-11-02..2026-11-23", *options)) == reckoned[name](), name
