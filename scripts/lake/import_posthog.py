"""PostHog's exports: batch exports and file downloads, as JSON lines or Parquet, and answers of its events API.

Sources: https://posthog.com/docs/cdp/batch-exports/s3, https://posthog.com/docs/api/events
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from import_form import JsonObject, Rejected, array_body, hashed_id, iso, object_in, stated, time_of
from import_source import Unreadable, json_object

TIMES = ("timestamp",)
# Of the export and of PostHog's own tables. `elements` is what `elements_chain` has.
_LEFT_OUT = ("team_id", "project_id", "site_url", "_inserted_at", "inserted_at", "bq_ingested_timestamp", "elements")
# Columns of older exports, and the properties that they were.
_PROPERTIES = {"elements_chain": "$elements_chain", "ip": "$ip"}
_SETS = {"set": "$set", "set_once": "$set_once"}


class Posthog:
    """Events, sent as a historical migration."""

    name, protocol, address = "posthog", "posthog", "/e/"
    max_body_bytes = 1_048_576

    def parse(self, text: str) -> JsonObject | Unreadable:
        return json_object(text)

    def fits(self, row: JsonObject) -> bool:
        return {"event", "properties", "distinct_id"} <= row.keys() and bool({"uuid", "id", "timestamp"} & row.keys())

    def message(self, row: JsonObject, file: str) -> tuple[JsonObject, datetime, str]:
        name = row.get("event")
        if not isinstance(name, str) or not name:
            raise Rejected("missing_field", "event is missing")
        at = time_of(row, TIMES)
        event = dict(row)
        for column in (*_LEFT_OUT, "offset", "historical_migration"):
            event.pop(column, None)
        properties = object_in(event, "properties")
        for column, property_ in _PROPERTIES.items():
            if value := event.pop(column, None):
                properties.setdefault(property_, value)
        for column, property_ in _SETS.items():
            if value := object_in(event, column):
                properties.setdefault(property_, value)
        persons = object_in(event, "person_properties") or _of_person(event)
        ids = [event.pop("uuid", None), event.pop("id", None)]
        event = {
            "uuid": str(next(filter(None, ids), None) or hashed_id("posthog", row)),
            **stated(event),
            "timestamp": iso(at),
            "properties": properties,
        }
        if persons:
            event["person_properties"] = persons
        return event, at, name

    def body(self, messages: Iterable[bytes]) -> bytes:
        return array_body(b'{"historical_migration":true,"batch":[', messages)


def _of_person(event: JsonObject) -> JsonObject:
    """Takes the person of an answer of the API, who is as today, and their properties out of them."""
    person = event.pop("person", None)
    properties = person.get("properties") if isinstance(person, dict) else None
    return properties if isinstance(properties, dict) else {}
