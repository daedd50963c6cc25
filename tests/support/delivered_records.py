"""The records in the buckets of the local AWS, by event id."""

from __future__ import annotations

import base64
import re
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import duckdb

import columns
from local_aws import Delivered, Kind, LocalAws
from support.waiting import wait_until
from support.worker import CF

SECONDS = 10
RFC_3339_MS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# What the views derive columns from, and the columns themselves, if a record has them.
VIEWED = (
    *("v", "received_at", "occurred_at", "clock_skew_ms", "utc_offset_minutes", "url", "referrer"),
    *columns.DERIVED,
)
DAY_PARTS = ("night", "morning", "afternoon", "evening")

# The columns that the CDN's facts fill.
GEO = {
    "country": CF["country"],
    "region": CF["region"],
    "city": CF["city"],
    "continent": CF["continent"],
    "timezone": CF["timezone"],
    "colo": CF["colo"],
    "asn": CF["asn"],
    "as_organization": CF["asOrganization"],
}


def delivered(
    aws: LocalAws, event_id: str, kind: Kind = "data", count: int = 1
) -> list[Delivered]:
    """The records of an event; waits until there are that many."""

    def found() -> list[Delivered]:
        return [
            each
            for each in aws.records(kind)
            if each.record.get("event_id") == event_id
        ]

    wait_until(
        lambda: len(found()) >= count,
        SECONDS,
        lambda: f"{event_id} is not among the {kind}",
    )
    return found()


def event(aws: LocalAws, event_id: str) -> dict[str, Any]:
    """The one record of an event."""
    (only,) = delivered(aws, event_id)
    return only.record


def failed_event(aws: LocalAws, event_id: str) -> dict[str, Any]:
    """The one record of a failed event."""
    (only,) = delivered(aws, event_id, "failed")
    return only.record


def original(record: dict[str, Any]) -> bytes:
    """The bytes that a record of a failed event keeps, in the one form it may have."""
    assert ("original" in record) != ("original_base64" in record), record
    if "original" in record:
        return record["original"].encode()
    return base64.b64decode(record["original_base64"], validate=True)


def stamped_ms(event_id: str) -> int:
    """The time in an id, which must be a UUID of version 7, in ms since the epoch."""
    uuid = UUID(event_id)
    assert (uuid.version, str(uuid)) == (7, event_id)
    return uuid.int >> 80


def now_ms() -> int:
    """This machine's clock, in whole ms since the epoch."""
    return time.time_ns() // 1_000_000


def rfc_3339(milliseconds: int) -> str:
    """A time in ms since the epoch, as in a record."""
    seconds, rest = divmod(milliseconds, 1_000)
    return (
        f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"
    )


def minutes_ahead(zone: str) -> int:
    """How far the clocks of a zone are ahead of UTC now."""
    offset = datetime.now(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return round(offset.total_seconds() / 60)


def complete(record: dict[str, Any]) -> dict[str, Any]:
    """The record as the views show it: with the columns that others of its columns imply."""
    types = columns.duckdb(columns.TABLES["events"])
    given = [
        f"TRY_CAST(${name} AS {types[name]}) AS {name}"
        if name in record
        else f"NULL::{types[name]} AS {name}"
        for name in VIEWED
    ]
    query = f"SELECT {columns.complete()} FROM (SELECT {', '.join(given)})"
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        found = database.execute(
            query, {name: str(record[name]) for name in VIEWED if name in record}
        )
        names = [each[0] for each in found.description or ()]
        row = dict(zip(names, found.fetchall()[0], strict=True))
    texts = {
        "date": lambda value: f"{value:%Y-%m-%d}",
        "client_time": lambda value: f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z",
    }
    derived = {
        name: texts.get(name, lambda value: value)(value)
        for name, value in row.items()
        if value is not None
    }
    return {name: value for name, value in record.items() if name not in columns.DERIVED} | derived


def take_occurrence(record: dict[str, Any], minutes: int | None = None) -> str:
    """Takes the columns of the time when it happened out of a record and gives that time.

    The wall clock must be as many minutes ahead of UTC, or as many as the CDN's zone is.
    """
    if minutes is None:
        minutes = minutes_ahead(CF["timezone"])
    text = record.pop("occurred_at")
    assert RFC_3339_MS.fullmatch(text), text
    local = datetime.fromisoformat(text) + timedelta(minutes=minutes)
    derived = complete({**record, "occurred_at": text})
    assert record.pop("utc_offset_minutes") == minutes
    assert derived["local_hour"] == local.hour
    assert derived["day_part"] == DAY_PARTS[local.hour // 6]
    return text


def take_receipt(record: dict[str, Any], earliest: int, latest: int) -> int:
    """Takes the columns of the receipt's time out of a record and checks them.

    It must be in the window, all in ms since the epoch.
    """
    text = record.pop("received_at")
    assert RFC_3339_MS.fullmatch(text), text
    received = datetime.fromisoformat(text)
    derived = complete({**record, "received_at": text})
    assert derived["date"] == f"{received:%Y-%m-%d}"
    assert derived["hour"] == received.hour
    milliseconds = round(received.astimezone(timezone.utc).timestamp() * 1_000)
    assert earliest <= milliseconds <= latest
    return milliseconds
