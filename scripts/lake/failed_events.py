"""Failed events as they are stored in S3: the worker's own, and those of Firehose's error output.

The worker's are records of the stream of failed events, with the original inside
(src/model/failed_event.rs). Firehose writes what it could not deliver as JSON with the record in
`rawData`, in base64, which holds a line an event where the worker has packed several:
https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-error-handling.html
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import time_args
from objects import Damaged, LakeError

GEO = ("country", "region", "city", "continent", "timezone", "colo", "asn", "as_organization")  # fmt: skip
SENT_ON = ("event_id", "received_at", "sent_at", "device_id", "ip", "user_agent", "identifiers_removed", "verified")  # fmt: skip

# The fields of Firehose's reasons: of a conversion, of a transformation or a partition, and of a delivery.
CODES = ("lastErrorCode", "errorCode", "ErrorCode")


class EventKey(NamedTuple):
    """The key of an event: two tenants' clients may give the same id."""

    tenant: str
    event_id: str


@dataclass(frozen=True)
class FailedEvent:
    """One of them, or one part of a long one."""

    columns: dict[str, Any]
    code: str
    original_format: str
    original: bytes

    @property
    def key(self) -> EventKey:
        return EventKey(self.tenant, self.columns["event_id"])

    @property
    def tenant(self) -> str:
        return intern(self.columns.get("tenant", "default"))

    @property
    def schema(self) -> str:
        """The name of the schema that it failed against, or nothing."""
        schema_id = self.columns.get("schema_id", "")
        return intern(schema_id.removeprefix("/schemas/").removesuffix(".json"))

    @property
    def received_at(self) -> datetime:
        return time_args.utc(self.columns["received_at"])

    @property
    def failed_at(self) -> datetime:
        """When it failed: of those with the same id the last one counts."""
        return time_args.utc(self.columns.get("replayed_at", self.columns["received_at"]))

    @property
    def part(self) -> tuple[int, int]:
        """Which part of how many."""
        return self.columns.get("part", 1), self.columns.get("parts", 1)

    @property
    def withheld(self) -> bool:
        """Whether its original was not kept, for its person's sake."""
        return bool(self.columns.get("original_withheld"))

    def header(self) -> str:
        """The value of X-Headwater-Replay for it, in ASCII (src/model/replay.rs)."""
        header = {name: self.columns[name] for name in SENT_ON if name in self.columns}
        header["geo"] = {name: self.columns[name] for name in GEO if name in self.columns}
        offset = self.columns.get("utc_offset_minutes", self._zone_offset())
        if offset is not None:
            header["utc_offset_minutes"] = offset
            header["utc_offset_changes"] = self._zone_changes()
        return json.dumps({**header, "original_format": self.original_format})

    def _zone_offset(self) -> int | None:
        """How far its time zone was ahead of UTC when it came, in minutes."""
        try:
            return _offset(ZoneInfo(self.columns["timezone"]), self.received_at)
        except (KeyError, ValueError, ZoneInfoNotFoundError):
            return None

    def _zone_changes(self) -> list[tuple[int, int]]:
        """The changes of its zone in the year before it came, as src/model/request.rs reads them."""
        try:
            return _changes(self.columns["timezone"], self.received_at.date())
        except (KeyError, ValueError, ZoneInfoNotFoundError):
            return []


def _offset(zone: ZoneInfo, at: datetime) -> int | None:
    offset = at.astimezone(zone).utcoffset()
    return None if offset is None else int(offset.total_seconds() // 60)


@lru_cache(maxsize=1024)
def _changes(name: str, day: date) -> list[tuple[int, int]]:
    """When a zone's clocks were changed in the year before the end of a day, in milliseconds,
    and how far they were ahead before, in minutes. No zone changes twice within four weeks."""
    zone, step, changes = ZoneInfo(name), timedelta(days=28), []
    later = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    for _ in range(14):
        low, high = later - step, later
        before = _offset(zone, low)
        if before is not None and before != _offset(zone, high):
            while high - low > timedelta(minutes=1):
                middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            changes.insert(0, (int(high.timestamp() * 1000), before))
        later -= step
    return changes


def parse(line: bytes, where: str) -> list[FailedEvent]:
    """The failed events of one line of an object, which `where` names."""
    try:
        document = json.loads(line)
        if "rawData" not in document:
            return [_of_worker(document)]
        code = next((document[name] for name in CODES if name in document), "firehose")
        records = base64.b64decode(document["rawData"], validate=True).splitlines()
        if not records:
            raise ValueError("it has no record")
        return [_of_firehose(record, str(code)) for record in records]
    except ValueError as error:
        raise Damaged(f"{where} can't be read: {error}") from None
    except (KeyError, TypeError, AttributeError):
        raise LakeError(
            f"{where} is no failed event; give the failed bucket, or the prefix of Firehose's errors"
        ) from None


def _of_worker(columns: dict[str, Any]) -> FailedEvent:
    text = columns.get("original")
    original = (
        text.encode()
        if text is not None
        else base64.b64decode(columns.get("original_base64", ""))
    )
    return _checked(
        FailedEvent(
            columns, intern(columns["code"]), columns["original_format"], original
        )
    )


def _of_firehose(record: bytes, code: str) -> FailedEvent:
    """An event, or a failed one, that Firehose took and did not write."""
    columns = json.loads(record)
    if not isinstance(columns, dict) or "event_id" not in columns:
        raise ValueError("its record is no event")
    if "stage" in columns:
        return _of_worker(columns)
    if "schema_version" in columns:
        columns = {**columns, "schema_id": f"/schemas/{columns['name']}.json"}
    return _checked(FailedEvent(columns, code, "record", record))


def _checked(failed: FailedEvent) -> FailedEvent:
    """The same, which must say when it came and when it failed, or is no failed event."""
    if not failed.key.event_id or failed.failed_at < failed.received_at:
        raise ValueError("it has no reason or time of the failure")
    return failed
