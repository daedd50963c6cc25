"""Sessions, in the built worker: the one in an event's record, by the event's own time.

The timeout is 2 s. All times are those of the beacons, an hour ago or a day, so that nothing
is waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from support.delivered_records import now_ms, rfc_3339, stamped_ms
from support.fake_firehose import FakeFirehose
from support.streams import Stream
from support.worker import Worker

COLUMNS = ("session_id", "session_index", "session_started_at", "session_trigger")
DAY_MS = 86_400_000
OPENS = {"name": "app_open", "props": {"source": "icon"}}


def beacon(at: int, name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "name": name, "time": at, **fields}


def records(stream: Stream, *posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of beacons, in their order, which are posted as they are grouped."""
    for post in posts:
        answer = stream.worker.post(post)
        assert answer.status == 204, answer
    there = {event["event_id"]: event for event in stream.peer.events("others")}
    return [there[each["id"]] for post in posts for each in post]


def test_an_event_has_its_session_in_four_columns(sharded_stream: Stream) -> None:
    at = now_ms() - 3_600_000

    (record,) = records(sharded_stream, [beacon(at, device_id=str(uuid4()))])

    assert stamped_ms(record["session_id"]) == at
    assert {column: record[column] for column in COLUMNS[1:]} == {
        "session_index": 1,
        "session_started_at": rfc_3339(at),
        "session_trigger": "first",
    }


# By device, seconds after the first and name: the events of one request after the other. Then
# the session of each event: its index, how it was opened, and by which of the events.
CASES: dict[
    str, tuple[list[list[tuple[str, float, str]]], list[tuple[int, str, int]]]
] = {
    "a gap as long as the timeout goes on, a longer one does not": (
        [[("d", 0, "a")], [("d", 2, "a")], [("d", 4.001, "a")]],
        [(1, "first", 0), (1, "first", 0), (2, "timeout", 2)],
    ),
    "an event that the configuration names opens one": (
        [[("d", 0, "a")], [("d", 1, "visit")], [("d", 2, "a")]],
        [(1, "first", 0), (2, "start_event", 1), (2, "start_event", 1)],
    ),
    "an event whose schema says so opens one": (
        [[("d", 0, "a")], [("d", 1, "app_open")], [("d", 2, "a")]],
        [(1, "first", 0), (2, "start_event", 1), (2, "start_event", 1)],
    ),
    "what comes first, or after a gap, is reported as that, also where it is an opening event": (
        [[("d", 0, "visit")], [("d", 9, "visit")]],
        [(1, "first", 0), (2, "timeout", 1)],
    ),
    "two devices have sessions of their own": (
        [[("d", 0, "a"), ("e", 0, "a")], [("e", 1, "visit"), ("d", 1, "a")]],
        [(1, "first", 0), (1, "first", 1), (2, "start_event", 2), (1, "first", 0)],
    ),
    "a late event joins the session that is near": (
        [[("d", 0, "a")], [("d", 10, "a")], [("d", 1, "a")], [("d", 9, "a")]],
        [(1, "first", 0), (2, "timeout", 1), (1, "first", 0), (2, "timeout", 1)],
    ),
    "a late event that is near to none opens one of its own": (
        [[("d", 0, "a")], [("d", 20, "a")], [("d", 10, "a")], [("d", 21, "a")]],
        [(1, "first", 0), (2, "timeout", 1), (3, "late", 2), (2, "timeout", 1)],
    ),
    "events of one request are taken in the order in which they happened": (
        [[("d", 9, "a"), ("d", 0, "a"), ("d", 1, "a")]],
        [(2, "timeout", 0), (1, "first", 1), (1, "first", 1)],
    ),
    "a clock that jumps ahead and back goes on where it was": (
        [[("d", 0, "a")], [("d", 600, "a")], [("d", 1, "a")], [("d", 2, "a")]],
        [(1, "first", 0), (2, "timeout", 1), (1, "first", 0), (1, "first", 0)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_sessions(sharded_stream: Stream, case: str) -> None:
    events, expected = CASES[case]
    start = now_ms() - 3_600_000
    devices = {"d": str(uuid4()), "e": str(uuid4())}

    def of(device: str, after_s: float, name: str) -> dict[str, Any]:
        more = OPENS if name == "app_open" else {"name": name}
        at = start + round(after_s * 1_000)
        return {**beacon(at, device_id=devices[device]), **more}

    posts = [[of(*event) for event in post] for post in events]
    found = records(sharded_stream, *posts)

    times = [each["time"] for post in posts for each in post]
    tags = [(each["session_index"], each["session_trigger"]) for each in found]
    assert tags == [(index, opened_by) for index, opened_by, _ in expected]
    started = [each["session_started_at"] for each in found]
    assert started == [rfc_3339(times[opener]) for *_, opener in expected]
    ids = [each["session_id"] for each in found]
    assert ids == [ids[opener] for *_, opener in expected]
    openers = {opener for *_, opener in expected}
    assert len(set(ids)) == len(openers)


def test_a_session_runs_over_midnight(sharded_stream: Stream) -> None:
    midnight = now_ms() // DAY_MS * DAY_MS - DAY_MS
    device = str(uuid4())

    before, after = records(
        sharded_stream,
        [beacon(midnight - 700, device_id=device)],
        [beacon(midnight + 700, device_id=device)],
    )

    assert before["occurred_at"][:10] < after["occurred_at"][:10]
    assert {column: before[column] for column in COLUMNS} == {
        column: after[column] for column in COLUMNS
    }


def test_an_event_without_a_device_has_no_session(sharded_stream: Stream) -> None:
    (record,) = records(sharded_stream, [beacon(now_ms())])

    assert not set(COLUMNS) & set(record)


def test_an_event_stripped_of_its_device_has_no_session(sharded_stream: Stream) -> None:
    device = str(uuid4())

    stripped, plain = records(
        sharded_stream,
        [
            beacon(now_ms(), device_id=device, consent="denied"),
            beacon(now_ms(), device_id=device),
        ],
    )

    assert stripped["identifiers_removed"] == "consent"
    assert not {"device_id", *COLUMNS} & set(stripped)
    assert plain["session_index"] == 1


def test_a_failed_event_is_in_no_session(sharded_stream: Stream) -> None:
    worker, peer = sharded_stream.worker, sharded_stream.peer
    at, device = now_ms() - 3_600_000, str(uuid4())
    bad = beacon(at, device_id=device, seq="x")

    assert worker.post([bad]).status == 200
    (record,) = records(sharded_stream, [beacon(at + 1_000, device_id=device)])

    (failed,) = [
        each for each in peer.events("events-failed") if each["event_id"] == bad["id"]
    ]
    assert not set(COLUMNS) & set(failed)
    assert record["session_started_at"] == rfc_3339(at + 1_000)


def test_a_pixel_has_a_session(sharded_stream: Stream) -> None:
    worker, peer = sharded_stream.worker, sharded_stream.peer
    at, device = now_ms() - 3_600_000, str(uuid4())
    first, second = str(uuid4()), str(uuid4())

    for event_id, after_ms in ((first, 0), (second, 1_000)):
        query = f"name=a&device_id={device}&id={event_id}&time={at + after_ms}"
        answer = worker.get(f"/v1/pixel.gif?{query}")
        assert (answer.status, len(answer.body)) == (200, 43)

    sessions = {
        each["session_id"]
        for each in peer.events("others")
        if each["event_id"] in (first, second)
    }
    assert len(sessions) == 1


@pytest.fixture(scope="module")
def cookieless(peer: FakeFirehose) -> Iterator[Worker]:
    """A worker with a secret, which knows visitors by their address and browser."""
    keys = {
        "pk_cookieless": {"tenant": "cookieless", "cookieless": True},
        "pk_shop": {"tenant": "shop"},
        "pk_blog": {"tenant": "blog"},
    }
    settings = {"delivery": "sharded", "shards": 8, "linger_ms": 20, "keys": keys}
    environment = {**peer.environment(), "HEADWATER_HASH_SECRET": "s" * 32}
    with Worker(environment, settings) as worker:
        yield worker


def sent(
    worker: Worker, peer: FakeFirehose, headers: dict[str, str], **fields: Any
) -> dict[str, Any]:
    """The record of one beacon."""
    each = beacon(now_ms(), **fields)
    assert worker.post(each, headers).status == 204
    (record,) = [
        event for event in peer.events("events-mid") if event["event_id"] == each["id"]
    ]
    return record


def test_a_visitor_without_a_device_id_of_its_own_has_a_session(
    cookieless: Worker, peer: FakeFirehose
) -> None:
    headers = {"x-write-key": "pk_cookieless", "user-agent": "Browser/1"}
    url = "https://shop.example/"

    first = sent(cookieless, peer, headers, url=url)
    second = sent(cookieless, peer, headers, url=url)
    other = sent(cookieless, peer, {**headers, "user-agent": "Browser/2"}, url=url)

    assert UUID(first["session_id"]) == UUID(second["session_id"])
    assert other["session_id"] != first["session_id"]


def test_a_device_of_two_tenants_is_two_devices(
    cookieless: Worker, peer: FakeFirehose
) -> None:
    device, event_id = str(uuid4()), str(uuid4())

    of_shop = sent(cookieless, peer, {"x-write-key": "pk_shop"}, device_id=device)
    of_blog = sent(cookieless, peer, {"x-write-key": "pk_blog"}, device_id=device)

    assert of_shop["session_id"] != of_blog["session_id"]
    assert of_blog["session_index"] == 1
    for key in ("pk_shop", "pk_blog"):
        each = {"id": event_id, "name": "a", "device_id": device}
        answer = cookieless.post(each, {"x-write-key": key}, "?verdicts=1")
        assert answer.verdicts[0]["outcome"] == "accepted"
