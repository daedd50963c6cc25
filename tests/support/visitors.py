"""Visitors of a shop and of its blog, what they send, and the numbers that must come of it.

The numbers are worked out here, of what was sent alone. Everybody sells and buys by the piece,
says the schema of `cart_changed`, until somebody wants half a kilo.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from support.replay_fixtures import HEADERS
from support.worker import Answer, Worker

KEYS = {"shop": "pk_shop", "blog": "pk_blog"}
LEVELS = {"page_view": "low", "download": "mid"}

# Nine in the morning, two days ago and yesterday: an event may be older than its delivery.
TODAY = datetime.now(timezone.utc).replace(hour=9, minute=0, second=0, microsecond=0)
EARLIER, LATER = TODAY - timedelta(days=2), TODAY - timedelta(days=1)

PAGE: dict[str, Any] = {"url": "https://shop.example/tea"}
VIEWED: dict[str, Any] = {"props": {"sku": "oolong"}}
TWO_PIECES: dict[str, Any] = {"props": {"action": "add", "sku": "cup", "quantity": 2}}
HALF_A_KILO: dict[str, Any] = {
    "props": {"action": "add", "sku": "oolong", "quantity": 0.5}
}
ORDERED: dict[str, Any] = {"props": {"total": 19.9, "currency": "CHF"}}
FILE: dict[str, Any] = {"props": {"href": "https://blog.example/tea.pdf"}}

# The reason, by code and by the schema's or the beacon's name, why a beacon fails.
Reason = tuple[str, str]
BY_WEIGHT: Reason = ("wrong_type", "cart_changed")
UNKNOWN: Reason = ("unknown_event", "quiz_answered")
NAMELESS: Reason = ("bad_format", "")
BROKEN: Reason = ("bad_json", "")


@dataclass(frozen=True)
class Sent:
    """A beacon, whose it is, and the reason why it fails, if it does."""

    tenant: str
    beacon: dict[str, Any]
    reason: Reason | None = None

    @property
    def event_id(self) -> str:
        return self.beacon["id"]

    @property
    def name(self) -> str:
        return self.beacon["name"]

    @property
    def level(self) -> str:
        return LEVELS.get(self.name, "high")

    @property
    def day(self) -> str:
        return self.beacon["time"][:10]


class Visit:
    """What a device sends on a day, a minute after the other: one session."""

    def __init__(self, tenant: str, device: str, day: datetime) -> None:
        self.tenant, self.device, self.day = tenant, device, day
        self.sent: list[Sent] = []

    def does(
        self, name: str, fields: dict[str, Any], reason: Reason | None = None
    ) -> Visit:
        time = self.day + timedelta(minutes=len(self.sent))
        beacon = {
            "id": str(uuid4()),
            "name": name,
            "device_id": self.device,
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **fields,
        }
        self.sent.append(Sent(self.tenant, beacon, reason))
        return self


ADA = (
    Visit("shop", "ada", EARLIER)
    .does("page_view", PAGE)
    .does("product_viewed", VIEWED)
    .does("cart_changed", HALF_A_KILO, BY_WEIGHT)
    .does("order_placed", ORDERED)
)
ADA_AGAIN = Visit("shop", "ada", LATER).does("page_view", PAGE)
BEN = (
    Visit("shop", "ben", LATER)
    .does("product_viewed", VIEWED)
    .does("cart_changed", TWO_PIECES)
    .does("cart_changed", HALF_A_KILO, BY_WEIGHT)
    .does("order_placed", ORDERED)
    .does("Page View", PAGE, NAMELESS)
)
CLEO = (
    Visit("blog", "cleo", LATER)
    .does("page_view", PAGE)
    .does("download", FILE)
    .does("quiz_answered", {}, UNKNOWN)
    .does("product_viewed", VIEWED)
    .does("cart_changed", HALF_A_KILO, BY_WEIGHT)
)
DAN = (
    Visit("shop", "dan", EARLIER)
    .does("product_viewed", VIEWED)
    .does("cart_changed", HALF_A_KILO, BY_WEIGHT)
)
VISITS = (ADA, ADA_AGAIN, BEN, CLEO, DAN)
SENT = [each for visit in VISITS for each in visit.sent]


def post(worker: Worker, *visits: Visit) -> Answer:
    """As an array."""
    beacons = [each.beacon for visit in visits for each in visit.sent]
    return worker.post(beacons, HEADERS, _key(visits[0].tenant))


def post_lines(worker: Worker, visit: Visit, *more: str) -> Answer:
    """As a beacon a line."""
    body = "".join(f"{line}\n" for line in (*map(json.dumps, _beacons(visit)), *more))
    headers = {**HEADERS, "content-type": "application/x-ndjson"}
    return worker.post(body, headers, _key(visit.tenant))


def post_gzip(worker: Worker, visit: Visit) -> Answer:
    """As an envelope, compressed."""
    body = gzip.compress(json.dumps({"events": _beacons(visit)}).encode())
    headers = {**HEADERS, "content-encoding": "gzip"}
    return worker.post(body, headers, _key(visit.tenant))


def get_pixels(worker: Worker, visit: Visit) -> list[Answer]:
    """As a pixel each."""
    queries = []
    for beacon in _beacons(visit):
        props = {f"props.{key}": value for key, value in beacon.pop("props").items()}
        queries.append(urlencode({"key": KEYS[visit.tenant], **beacon, **props}))
    return [worker.get(f"/v1/pixel.gif?{query}", HEADERS) for query in queries]


def outcomes(visit: Visit, of_good: str = "accepted") -> list[tuple[str, str]]:
    """The outcome and the code that each beacon of a visit must get."""
    return [
        ("failed", each.reason[0]) if each.reason else (of_good, "")
        for each in visit.sent
    ]


def sessions_per_day(events: Iterable[Sent]) -> list[tuple[str, ...]]:
    """Day, sessions, devices and events; a device has one session a day."""
    days: dict[str, list[str]] = {}
    for each in events:
        days.setdefault(each.day, []).append(each.beacon["device_id"])
    return [
        (day, *map(str, (len({*devices}), len({*devices}), len(devices))))
        for day, devices in sorted(days.items())
    ]


def funnel(events: Iterable[Sent]) -> list[tuple[str, ...]]:
    """How many sessions took each step after the one before it."""
    steps = ("product_viewed", "cart_changed", "order_placed")
    reached = Counter(dict.fromkeys(steps, 0))
    at: dict[tuple[str, str], int] = {}
    for each in sorted(events, key=lambda each: each.beacon["time"]):
        session = (each.beacon["device_id"], each.day)
        step = at.get(session, 0)
        if step < len(steps) and each.name == steps[step]:
            reached[each.name] += 1
            at[session] = step + 1
    counts = [reached[step] for step in steps]
    shares = [str(round(100 * count / counts[0], 1)) for count in counts]
    of_previous = ["", *(str(round(100 * count / before, 1)) for before, count in pairwise(counts))]
    numbered = [f"{number} {step}" for number, step in enumerate(steps, 1)]
    return list(zip(numbered, map(str, counts), shares, of_previous, strict=True))


def events_per_day(events: Iterable[Sent]) -> list[tuple[str, ...]]:
    """Day, name and how many there are, in the order of their names."""
    counts = Counter((each.day, each.name) for each in events)
    return [(*key, str(count)) for key, count in sorted(counts.items())]


def _beacons(visit: Visit) -> list[dict[str, Any]]:
    return [dict(each.beacon) for each in visit.sent]


def _key(tenant: str) -> str:
    return f"?key={KEYS[tenant]}"
