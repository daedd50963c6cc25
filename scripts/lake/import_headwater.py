"""Headwater's own exports: records of events as they are in S3, and beacons as they were sent.

A record becomes a beacon again. What the worker found out itself, and would find out in another way today, is kept in
`metadata.imported`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime

from import_form import JsonObject, Rejected, array_body, hashed_id, iso, object_in, stated, time_of
from import_source import Unreadable, json_object

# The columns of a record that are fields of a beacon, or facts that a server may state.
FIELDS = {
    "event_id": "id",
    "client_session_id": "session_id",
    **{
        same: same
        for same in (
            "name", "device_id", "seq", "level", "user_id", "build", "language", "title", "url", "referrer", "consent",
            "source_name", "source_event_id", "user_agent", "timezone", "user_verified",
        )
    },
}  # fmt: skip
# What the edge knew, and what the shard decided.
IMPORTED = (
    "received_at", "client_time", "sent_at", "clock_skew_ms", "tenant", "protocol", "country", "region", "city",
    "continent", "session_id", "session_index", "session_started_at", "new_visitor", "identifiers_removed",
    "sample_rate", "bot",
)  # fmt: skip


class Headwater:
    """Beacons."""

    name, protocol, address = "headwater", "", "/v1/events"
    max_body_bytes = 256_000

    def parse(self, text: str) -> JsonObject | Unreadable:
        return json_object(text)

    def fits(self, row: JsonObject) -> bool:
        is_record = {"event_id", "occurred_at"} <= row.keys()
        is_beacon = "name" in row and "event" not in row and bool({"time", "props", "device_id"} & row.keys())
        return is_record or is_beacon or _is_failed(row)

    def message(self, row: JsonObject, file: str) -> tuple[JsonObject, datetime, str]:
        if _is_failed(row):
            raise Rejected("not_allowed", "the row is a failed event; scripts/replay sends those again")
        beacon, at = _of_record(row) if "occurred_at" in row else _of_beacon(row)
        beacon["historical"] = True
        return beacon, at, str(row.get("name"))

    def body(self, messages: Iterable[bytes]) -> bytes:
        return array_body(b"[", messages)


def _is_failed(row: JsonObject) -> bool:
    return {"event_id", "stage", "code"} <= row.keys()


def _of_beacon(row: JsonObject) -> tuple[JsonObject, datetime]:
    at = time_of(row, ("time",))
    return {**row, "id": row.get("id") or hashed_id("headwater", row)}, at


def _of_record(row: JsonObject) -> tuple[JsonObject, datetime]:
    at = time_of(row, ("occurred_at",))
    record = stated(row)
    beacon: JsonObject = {"time": iso(at)}
    for column, field in FIELDS.items():
        if column in record:
            beacon[field] = record[column]
    for field in ("screen", "viewport"):
        width, height = record.get(f"{field}_width"), record.get(f"{field}_height")
        if width is not None and height is not None:
            beacon[field] = f"{width}x{height}"
    imported = {column: record[column] for column in IMPORTED if column in record}
    if imported.get("client_time") == record["occurred_at"]:
        del imported["client_time"]
    if "ip" in record:
        # A hash of one is none.
        (beacon if _is_address(record["ip"]) else imported)["ip"] = record["ip"]
    props, metadata = object_in(record, "props"), object_in(record, "metadata")
    if props:
        beacon["props"] = props
    beacon["metadata"] = {**metadata, "imported": imported}
    return beacon, at


def _is_address(text: object) -> bool:
    try:
        return bool(isinstance(text, str) and ipaddress.ip_address(text))
    except ValueError:
        return False
