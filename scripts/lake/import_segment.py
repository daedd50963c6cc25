"""Segment's and RudderStack's exports: messages as they were sent, and rows of a warehouse's tables.

Sources: https://www.twilio.com/docs/segment/connections/storage/catalog/aws-s3,
https://www.twilio.com/docs/segment/connections/storage/warehouses/schema,
https://www.rudderstack.com/docs/data-warehouse-integrations/warehouse-schemas/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePath

from import_form import JsonObject, Rejected, array_body, hashed_id, iso, object_in, parsed, stated, time_of
from import_source import Unreadable, json_object

# A warehouse's tables, and the call of their rows.
TABLES = {
    "tracks": "track",
    "pages": "page",
    "screens": "screen",
    "identifies": "identify",
    "groups": "group",
    "aliases": "alias",
}
CALLS = {*TABLES.values(), "merge"}

# The time after the correction of the client's clock comes first: the worker takes it as it is.
TIMES = ("timestamp", "originalTimestamp", "receivedAt")
ROW_TIMES = ("timestamp", "original_timestamp", "received_at")

# Of the loader.
_LEFT_OUT = {"uuid", "uuid_ts", "loaded_at", "sent_at"}
_CONTEXT_OBJECTS = ("app", "campaign", "device", "library", "location", "network", "os", "page", "referrer", "screen", "traits")  # fmt: skip


class Segment:
    """Messages, sent as an import."""

    name, protocol, address = "segment", "segment", "/v1/import"
    max_body_bytes = 1_048_576

    def __init__(self, table: str | None = None) -> None:
        self._call = TABLES[table] if table else None

    def parse(self, text: str) -> JsonObject | Unreadable:
        return json_object(text)

    def fits(self, row: JsonObject) -> bool:
        return _is_message(row) or _is_of_table(row)

    def message(self, row: JsonObject, file: str) -> tuple[JsonObject, datetime, str]:
        # A table may have a column `type` of the event's own.
        if _is_of_table(row) and not _is_message(row):
            return _message_of_row(row, self._call or _call_of(row, file))
        return _message(row)

    def body(self, messages: Iterable[bytes]) -> bytes:
        return array_body(b'{"batch":[', messages)


def _is_message(row: JsonObject) -> bool:
    names = {"messageId", "anonymousId", "userId", "originalTimestamp", "receivedAt"}
    call = row.get("type")
    return isinstance(call, str) and call in {*CALLS, "delete"} and bool(names & row.keys())


def _is_of_table(row: JsonObject) -> bool:
    ids, times = {"anonymous_id", "user_id"}, {"original_timestamp", "received_at"}
    return bool(ids & row.keys()) and bool(times & row.keys()) and "id" in row


def _message(row: JsonObject) -> tuple[JsonObject, datetime, str]:
    call = row.get("type")
    if not isinstance(call, str) or call not in CALLS:
        raise Rejected("not_allowed", "type is none of a message")
    at = time_of(row, TIMES)
    original, received = row.get("originalTimestamp"), row.get("receivedAt")
    message = dict(row)
    for member in (*TIMES, "sentAt", "writeKey", "historical", "imported"):
        message.pop(member, None)
    message["timestamp"] = iso(at)
    # RudderStack has the visitor's address beside the context.
    address, context = message.pop("request_ip", None), message.get("context") or {}
    if address and isinstance(context, dict) and not context.get("ip"):
        message["context"] = {**context, "ip": address}
    if not message.get("messageId"):
        message["messageId"] = hashed_id("segment", row)
    _add_imported(message, at, original, received)
    return message, at, str(row.get("event") or call)


def _add_imported(message: JsonObject, at: datetime, original: object, received: object) -> None:
    """Adds the times that the worker does not take: it would correct the clock again."""
    times = {
        "original_timestamp": None if parsed(original) == at else original,
        "received_at": received,
    }
    if kept := stated(times):
        message["imported"] = kept


def _call_of(row: JsonObject, file: str) -> str:
    """The call of a row: a track has the event's name, and a file the table's."""
    if row.get("event"):
        return "track"
    words = re.split(r"[^a-z]+", PurePath(file).as_posix().lower())
    for table, call in TABLES.items():
        if table in words:
            return call
    raise Rejected("missing_field", "the row names no event, and its file no table; state --table")


def _message_of_row(row: JsonObject, call: str) -> tuple[JsonObject, datetime, str]:
    at = time_of(row, ROW_TIMES)
    columns = stated({name: value for name, value in row.items() if name not in _LEFT_OUT})
    original, received = columns.pop("original_timestamp", None), columns.pop("received_at", None)
    columns.pop("timestamp", None)
    message: JsonObject = {"type": call, "timestamp": iso(at)}
    message["messageId"] = str(columns.pop("id", "")) or hashed_id("segment", row)
    _move(columns, message, {"anonymous_id": "anonymousId", "user_id": "userId", "channel": "channel"})
    name = call
    if call == "track":
        slug = columns.pop("event", None)
        name = message["event"] = str(columns.pop("event_text", None) or slug or "")
    elif call in ("page", "screen"):
        _move(columns, message, {"name": "name", "category": "category"})
    elif call == "group":
        _move(columns, message, {"group_id": "groupId"})
    elif call == "alias":
        _move(columns, message, {"previous_id": "previousId"})
    if context := _context(columns):
        message["context"] = context
    kind = "traits" if call in ("identify", "group") else "properties"
    own = object_in(columns, kind) if kind in columns else {}
    message[kind] = {**columns, **own}
    _add_imported(message, at, original, received)
    return message, at, name


def _move(columns: JsonObject, message: JsonObject, names: dict[str, str]) -> None:
    for column, member in names.items():
        if column in columns:
            message[member] = columns.pop(column)


def _context(columns: JsonObject) -> JsonObject:
    """Takes the columns `context_…` and makes the object again that they were flattened from."""
    context: JsonObject = {}
    for column in [name for name in columns if name.startswith("context_")]:
        value, rest = columns.pop(column), column.removeprefix("context_")
        part, _, member = rest.partition("_")
        if part in _CONTEXT_OBJECTS and member:
            # Traits keep their own names, which may have had an underscore.
            inner = member if part == "traits" else _camel(member)
            within = context.setdefault(part, {})
            if isinstance(within, dict):
                within[inner] = value
        else:
            context[_camel(rest)] = value
    return context


def _camel(name: str) -> str:
    """`user_agent` as `userAgent`."""
    return re.sub("_+([a-z0-9])", lambda letter: letter[1].upper(), name)
