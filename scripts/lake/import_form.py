"""What each form of an export shares: from a row to the message that is sent.

A message has the form of an SDK's, and the worker translates it as it translates that SDK's. So an imported event is
the same as one that was sent: name, id, props, the columns of its protocol. What a form adds is stated in its file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Protocol

from import_source import Unreadable

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
JsonObject = dict[str, Any]


class Rejected(Exception):
    """Why a row can't be sent, as the worker states why an event fails."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Message:
    """A message: its JSON, and when the event happened."""

    text: bytes
    at: datetime
    name: str


class Form(Protocol):
    """A form of exports."""

    name: str
    # What the operator has to name in `protocols`, or empty.
    protocol: str
    address: str
    max_body_bytes: int

    def parse(self, text: str) -> JsonObject | Unreadable:
        """The row of a line."""

    def fits(self, row: JsonObject) -> bool:
        """Whether a row is of this form, by the names of its columns."""

    def message(self, row: JsonObject, file: str) -> tuple[JsonObject, datetime, str]:
        """The message of a row, when its event happened, and the event's name as the export has it."""

    def body(self, messages: Iterable[bytes]) -> bytes:
        """The body of a request."""


def message_of(form: Form, row: JsonObject, file: str) -> Message:
    """The message of a row. Raises `Rejected`."""
    try:
        message, at, name = form.message(row, file)
        return Message(written(message), at, name)
    except (ValueError, TypeError, RecursionError):
        # Of what JSON has no form for: an infinite number, a map of Parquet whose keys are no texts.
        raise Rejected("bad_json", "a value has no form in JSON, or is nested too deep") from None


def written(value: Any) -> bytes:
    """`value` as JSON, on one line."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain)
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair; the worker repairs it.
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=plain).encode()


def plain(value: Any) -> Any:
    """A value of Parquet as JSON has it."""
    match value:
        case datetime():
            return iso(in_utc(value))
        case date():
            return value.isoformat()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return base64.b64encode(value).decode()
        case _:
            return str(value)


def in_utc(at: datetime) -> datetime:
    """A time without a zone is in UTC, as warehouses have it."""
    return at.replace(tzinfo=timezone.utc) if at.tzinfo is None else at.astimezone(timezone.utc)


def iso(at: datetime) -> str:
    """A time in RFC 3339."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def milliseconds(at: datetime) -> int:
    """Milliseconds since the epoch."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def time_of(row: JsonObject, columns: Iterable[str]) -> datetime:
    """The time in the first of these columns that has one."""
    for column in columns:
        value = row.get(column)
        if value not in (None, ""):
            at = parsed(value)
            if at is None:
                raise Rejected("bad_format", f"{column} is no time")
            return at
    first, *others = columns
    also = f", nor {' or '.join(others)}" if others else ""
    raise Rejected("missing_field", f"there is no {first}{also}; an event of the past needs its time")


def parsed(value: Any) -> datetime | None:
    """A time as exports have it: ISO 8601, without a zone in UTC, or a number since the epoch."""
    try:
        if isinstance(value, datetime):
            return in_utc(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            # Seconds until the year 5138, then milliseconds, then microseconds.
            scale = 1 if abs(value) < 1e11 else 1_000 if abs(value) < 1e14 else 1_000_000
            return EPOCH + timedelta(seconds=value / scale)
        if isinstance(value, str):
            # BigQuery and Snowflake end a time with their zone.
            text = value.strip().removesuffix(" UTC").removesuffix(" Z")
            return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    return None


def hashed_id(form: str, row: JsonObject) -> str:
    """The id of a row without one: the same each time that the same row is imported.

    Rows that are equal in all columns are one event. It is a UUID of version 8, as the worker makes them of ids that are
    none.
    """
    text = json.dumps(row, sort_keys=True, allow_nan=True, default=plain)
    digest = bytearray(hashlib.sha256(f"import {form} {text}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def stated(row: JsonObject) -> JsonObject:
    """The columns that say something."""
    return {name: value for name, value in row.items() if value is not None and value != ""}


def json_in(row: JsonObject, column: str) -> Any:
    """Takes a column that is JSON, as a text or as it is."""
    value = row.pop(column, None)
    if not isinstance(value, (str, bytes)):
        return value
    try:
        return json.loads(value) if value else None
    except (ValueError, RecursionError):
        raise Rejected("bad_json", f"{column} is not JSON") from None


def object_in(row: JsonObject, column: str) -> JsonObject:
    """Takes a column that is an object, or the JSON text of one."""
    value = json_in(row, column)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Rejected("wrong_type", f"{column} is no object")
    return value


def array_body(before: bytes, messages: Iterable[bytes]) -> bytes:
    """A body that ends with the list of its messages."""
    return before + b",".join(messages) + (b"]}" if before.startswith(b"{") else b"]")
