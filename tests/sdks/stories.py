"""What becomes of a story: its records in S3, and what each of them must have."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection
from typing import Any

from local_aws import Kind, LocalAws
from sdks.drivers import Driver
from support.waiting import wait_until

# Firehose and a drained spill take seconds; a busy machine more.
DELIVERY_SECONDS = 90

# By the step of the story.
NAMES = {"page": "page_view", "identify": "identify"}
# Those of Segment's own names that the story has.
SEGMENTS = {"Order Completed": "order_placed"}
# What an SDK sends of its own, with the props of its page.
OF_THE_SDK = {"page_leave", "page_ping"}


class Records:
    """The records in S3 of a kind; reads each object once."""

    def __init__(self, aws: LocalAws, kind: Kind = "data") -> None:
        self._aws = aws
        self._kind = kind
        self._keys: set[str] = set()
        self._lines: list[tuple[str, dict[str, Any]]] = []

    def of(self, run: str) -> list[dict[str, Any]]:
        """The records of a run of a driver."""
        for each in self._aws.records(self._kind, self._keys):
            self._lines.append((each.line, each.record))
            self._keys.add(each.key)
        return [record for line, record in self._lines if run in line]


def by_marker(records: list[dict[str, Any]], run: str) -> dict[str, list[dict[str, Any]]]:
    """The records by their markers: the one among the props, else the only one that a record has anywhere.

    A later event may carry the traits of the user, and the marker of the identify with them.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        own = (record.get("props") or {}).get("marker")
        markers = {own} if own else set(re.findall(rf"{run}\.[a-z]+", json.dumps(record)))
        if record["name"] in OF_THE_SDK:
            continue
        assert len(markers) == 1, f"{markers} are the markers of {record}"
        found.setdefault(markers.pop(), []).append(record)
    return found


def wait_until_arrived(records: Records, driver: Driver, lost: Collection[str] = ()) -> None:
    """Waits until each event of the story is in S3, except those with the markers `lost`."""
    markers = {each["marker"] for each in driver.events} - set(lost)

    def missing() -> set[str]:
        return markers - by_marker(records.of(driver.run), driver.run).keys()

    wait_until(lambda: not missing(), DELIVERY_SECONDS, lambda: f"{missing()} are missing: {driver.said}")


def assert_is_each_once(
    records: Records,
    driver: Driver,
    lost: Collection[str] = (),
    untold: Callable[[str], int] = lambda event_id: 0,
) -> dict[str, dict[str, Any]]:
    """Asserts that each event of the story is there once, except those with the markers `lost`, and nothing
    else; gives the records by step. A copy is excused for each time that the stream took an event, and its caller
    had gone before the answer: `untold`.
    """
    found = by_marker(records.of(driver.run), driver.run)
    counts = {marker: max(1, len(each) - untold(each[0]["event_id"])) for marker, each in found.items()}
    kept = [each for each in driver.events if each["marker"] not in lost]
    assert counts == {each["marker"]: 1 for each in kept}
    return {each["step"]: found[each["marker"]][0] for each in kept}


def assert_has_what_was_sent(event: dict[str, Any], record: dict[str, Any], protocol: str) -> None:
    """Asserts that a record has each field that the SDK was given for its event."""
    sent = event.get("name")
    expected: dict[str, Any] = {"name": name(event, protocol), "protocol": protocol}
    fields = ("device_id", "user_id", "url", "title", "referrer")
    expected |= {field: event[field] for field in fields if field in event}
    if sent and sent != expected["name"] and event["step"] in ("order", "second"):
        expected["source_name"] = sent
    assert {field: record.get(field) for field in expected} == expected
    props = event.get("props", {})
    assert {key: record["props"].get(key) for key in props} == props


def name(event: dict[str, Any], protocol: str) -> str:
    """The name that the event of a step must have."""
    sent = event.get("name")
    if sent is None:
        return NAMES[event["step"]]
    return (SEGMENTS.get(sent) if protocol == "segment" else None) or event_name(sent)


def event_name(sent: str) -> str:
    """The declared rule for any name: lower case, without marks, other characters as `_`."""
    letters = unicodedata.normalize("NFKD", sent.lower())
    plain = "".join(each for each in letters if not unicodedata.combining(each))
    return re.sub("[^a-z0-9.]+", "_", plain).lstrip("_0123456789.")[:64].rstrip("_.") or "unnamed"
