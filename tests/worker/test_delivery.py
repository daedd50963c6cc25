"""Posted events are in S3, field by field, under the prefix of its level.

The worker runs in workerd, the local AWS is made from the production template, and what
is compared is what an analyst would read.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import pytest

from local_aws import LocalAws
from support.delivered_records import (
    GEO,
    delivered,
    event,
    now_ms,
    rfc_3339,
    stamped_ms,
    take_occurrence,
    take_receipt,
)
from support.worker import PATIENT, Worker

CLIENT = {"cf-connecting-ip": "203.0.113.77", "user-agent": "Tester/1.0 (Zürich)"}

# Each field of a beacon but `name` and `id`, and the columns that it becomes.
FIELDS: dict[str, Any] = {
    "device_id": "device 1/ä",
    "time": "2026-11-18T12:06:40.1234+01:00",
    "seq": 9_007_199_254_740_991,
    "session_id": "session-1",
    "level": "high",
    "build": "1.2.3+45",
    "user_id": "user@shop.example",
    "url": "https://shop.example/p?q=1&r=ü#top",
    "title": 'Tea "Ceylon"\n\t\u2028 🍵',
    "referrer": "https://search.example/",
    "screen": "1920x1080",
    "viewport": "390x844",
    "language": "de-CH",
    "props": {"price": 19.9, "big": 2**60, "lines": [{"sku": "x", "": None}], "é": ""},
    "metadata": {"tag": "t", "deep": {"er": [True, False, []]}},
}
AS_SENT = (
    "device_id",
    "seq",
    "level",
    "build",
    "user_id",
    "title",
    "referrer",
    "language",
    "props",
    "metadata",
)
COLUMNS: dict[str, Any] = {
    **{name: FIELDS[name] for name in AS_SENT},
    "client_session_id": "session-1",
    "url": "https://shop.example/p?q=1&r=ü",
    "referrer_medium": "unknown",
    "screen_width": 1_920,
    "screen_height": 1_080,
    "viewport_width": 390,
    "viewport_height": 844,
    # A fragment is of no use to anybody, and says what was read.
    "repairs": [{"rule": "url", "pointer": "/url"}],
}

# The columns of an event that says nothing but its name, of a client that says nothing.
BARE = {"bot": True, "bot_reason": "no_user_agent"}


@pytest.fixture(scope="module")
def worker(aws: LocalAws) -> Iterator[Worker]:
    with Worker(aws.environment(), PATIENT) as worker:
        yield worker


@pytest.fixture(autouse=True)
def empty(aws: LocalAws) -> None:
    """The buckets are empty when a test begins."""
    aws.clear()


def test_every_field_becomes_its_column(worker: Worker, aws: LocalAws) -> None:
    event_id = str(uuid4())
    beacon = {"name": "tea_brewed", "id": event_id, **FIELDS}
    earliest = now_ms()
    envelope = {
        "sent_at": earliest,
        "device_id": "x",
        "events": [{"name": "a"}, beacon],
    }

    answer = worker.post(envelope, CLIENT)

    assert (answer.status, answer.body) == (204, b"")
    record = event(aws, event_id)
    take_receipt(record, earliest, now_ms())
    assert take_occurrence(record, 60) == "2026-11-18T11:06:40.123Z"
    assert record == {
        "v": 3,
        "event_id": event_id,
        "tenant": "default",
        "name": "tea_brewed",
        "event_index": 1,
        "ip": "203.0.113.0",
        "user_agent": "Tester/1.0 (Zürich)",
        "sent_at": rfc_3339(earliest),
        **GEO,
        **COLUMNS,
    }


def test_absent_fields_are_absent_columns(worker: Worker, aws: LocalAws) -> None:
    earliest = now_ms()
    answer = worker.post({"name": "a"}, query="?verdicts=1")

    assert answer.status == 200
    (verdict,) = answer.verdicts
    event_id = verdict["event_id"]
    # The catalogue does not have that name.
    plain = {"index": 0, "event_id": event_id, "outcome": "accepted"}
    assert verdict == {**plain, "schema": None}
    record = event(aws, event_id)
    received = take_receipt(record, earliest, now_ms())
    assert stamped_ms(event_id) == received
    # wrangler adds the origin of the request, if the client does not.
    assert record.pop("ip") == "127.0.0.0"
    assert take_occurrence(record) == rfc_3339(received)
    assert record == {
        "v": 3,
        "event_id": event_id,
        "tenant": "default",
        "name": "a",
        "event_index": 0,
        **BARE,
        **GEO,
    }


@pytest.mark.parametrize("empty", [None, ""])
def test_null_and_the_empty_text_are_left_out(
    worker: Worker, aws: LocalAws, empty: str | None
) -> None:
    not_texts = ("props", "metadata", "device_id", "time", "seq", "level")
    fields = {name: None if name in not_texts else empty for name in FIELDS}
    event_id = str(uuid4())

    assert worker.post({"name": "a", "id": event_id, **fields}).status == 204
    record = event(aws, event_id)
    take_receipt(record, 0, now_ms())
    take_occurrence(record)
    named = {"v", "event_id", "tenant", "name", "event_index", "ip"}
    assert set(record) == named | BARE.keys() | GEO.keys()


def test_the_envelopes_device_replaces_an_absent_one(
    worker: Worker, aws: LocalAws
) -> None:
    ids = [str(uuid4()) for _ in range(3)]
    events = [
        {"name": "a", "id": ids[0]},
        {"name": "a", "id": ids[1], "device_id": None},
        {"name": "a", "id": ids[2], "device_id": "inner"},
    ]

    answer = worker.post({"device_id": "outer", "sent_at": None, "events": events})

    assert answer.status == 204
    records = [event(aws, event_id) for event_id in ids]
    assert [record["device_id"] for record in records] == ["outer", "outer", "inner"]
    assert not any("sent_at" in record for record in records)


TITLE = "a title, with [brackets] and {braces}"


def bodies() -> Iterator[tuple[str, int]]:
    """Each form of a body, in texts that people and programs write, with its count."""
    beacon = json.dumps({"name": "form", "title": TITLE})
    yield beacon, 1
    yield json.dumps({"name": "form", "title": TITLE}, indent=2), 1
    yield f" \n{beacon}\n", 1
    yield f"\ufeff{beacon}", 1
    yield f"[{beacon}]", 1
    yield f"[{beacon}, {beacon}]", 2
    yield f'{{"events": [{beacon},\n{beacon}]}}', 2
    yield f"{beacon}\n{beacon}\n", 2
    yield f"{beacon}\r\n\r\n{beacon}", 2


def lines() -> Iterator[tuple[str, int]]:
    """The forms that are lines, which is all that application/x-ndjson promises."""
    beacon = json.dumps({"name": "form", "title": TITLE})
    yield beacon, 1
    yield f"{beacon}\n{beacon}", 2
    yield f"\n{beacon}\r\n\n  {beacon}  \n", 2


@pytest.mark.parametrize("encoding", [None, "identity", "gzip", "gzip, not named"])
@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain;charset=UTF-8", "application/json", "application/x-ndjson"],
)
def test_every_form_type_and_compression_is_accepted(
    worker: Worker,
    aws: LocalAws,
    content_type: str | None,
    encoding: str | None,
) -> None:
    forms = lines if content_type == "application/x-ndjson" else bodies
    headers = {"content-type": content_type, "content-encoding": encoding}
    if encoding == "gzip, not named":
        headers["content-encoding"] = None
    sent = {name: value for name, value in headers.items() if value}

    ids = []
    for text, count in forms():
        packed = encoding and encoding.startswith("gzip")
        body = gzip.compress(text.encode()) if packed else text.encode()
        answer = worker.post(body, sent, "?verdicts=1")
        assert answer.status == 200, text
        outcomes = [verdict["outcome"] for verdict in answer.verdicts]
        assert outcomes == ["accepted"] * count, text
        ids += [verdict["event_id"] for verdict in answer.verdicts]

    delivered(aws, ids[-1])
    records = [each.record for each in aws.records()]
    assert all(record["title"] == TITLE for record in records)
    assert sorted(record["event_id"] for record in records) == sorted(ids)


@pytest.mark.parametrize(
    ("level", "prefix"),
    [
        ("low", "stream=low/"),
        ("mid", "stream=mid/"),
        ("high", "stream=high/"),
        (None, "stream=mid/"),
    ],
)
def test_the_level_decides_the_stream(
    worker: Worker, aws: LocalAws, level: str | None, prefix: str
) -> None:
    event_id = str(uuid4())

    assert worker.post({"name": "a", "id": event_id, "level": level}).status == 204
    ((key, _, record),) = delivered(aws, event_id)
    # Firehose's own clock makes the prefix; a test may run at the turn of an hour.
    received = datetime.fromisoformat(record["received_at"])
    now = datetime.now(timezone.utc)
    hours = {f"{at:day=%Y-%m-%d/hr=%H/}" for at in (received, now)}
    assert any(key.startswith(prefix + hour) for hour in hours), key


def test_one_request_fills_several_streams(worker: Worker, aws: LocalAws) -> None:
    levels = ["low", "high", "mid", "low"]
    answer = worker.post(
        [{"name": "a", "level": level} for level in levels], query="?verdicts=1"
    )

    assert [verdict["index"] for verdict in answer.verdicts] == [0, 1, 2, 3]
    for verdict, level in zip(answer.verdicts, levels, strict=True):
        ((key, _, record),) = delivered(aws, verdict["event_id"])
        assert (record["level"], key.split("/")[0]) == (level, f"stream={level}")


def test_stamped_ids_ascend_and_carry_the_receipts_time(
    worker: Worker, aws: LocalAws
) -> None:
    answer = worker.post([{"name": "a"}] * 20, query="?verdicts=1")

    ids = [verdict["event_id"] for verdict in answer.verdicts]
    assert ids == sorted(set(ids))
    record = event(aws, ids[0])
    received = take_receipt(record, 0, now_ms())
    assert {stamped_ms(event_id) for event_id in ids} == {received}


@pytest.mark.parametrize(
    ("address", "reported"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:abcd:12:1:2:3:4", "2001:db8:abcd::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("unknown", None),
    ],
)
def test_an_address_is_stored_as_its_network(
    worker: Worker, aws: LocalAws, address: str, reported: str | None
) -> None:
    event_id = str(uuid4())

    answer = worker.post({"name": "a", "id": event_id}, {"cf-connecting-ip": address})

    assert answer.status == 204
    assert event(aws, event_id).get("ip") == reported


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        ({"time": 1_795_000_000_123}, {"occurred_at": "2026-11-18T11:06:40.123Z"}),
        ({"time": 1_795_000_000_123.9}, {"occurred_at": "2026-11-18T11:06:40.123Z"}),
        ({"time": 0}, {"client_time": "1970-01-01T00:00:00.000Z"}),
        ({"time": "2026-11-18T11:06:40Z"}, {"occurred_at": "2026-11-18T11:06:40.000Z"}),
        ({"seq": 0}, {"seq": 0}),
        ({"props": {}}, {"props": {}}),
        ({"props": {"n": 2**53 + 1}}, {"props": {"n": 2**53 + 1}}),
    ],
    ids=str,
)
def test_a_value_keeps_its_meaning(
    worker: Worker, aws: LocalAws, fields: dict[str, Any], columns: dict[str, Any]
) -> None:
    event_id = str(uuid4())

    assert worker.post({"name": "a", "id": event_id, **fields}).status == 204
    record = event(aws, event_id)
    assert {name: record[name] for name in columns} == columns


def test_a_pixel_becomes_a_record(worker: Worker, aws: LocalAws) -> None:
    event_id = str(uuid4())
    query = (
        f"name=mail.opened&id={event_id}&device_id=d%201&time=1795000000123&seq=7"
        "&level=low&user_id=007&url=https%3A%2F%2Fshop.example%2F%3Fa%3D1"
        "&title=T+%C3%BC&props.campaign=spring&props.n=1&metadata.tag=t&language="
    )

    earliest = now_ms()
    answer = worker.get(f"/v1/pixel.gif?{query}", CLIENT)

    assert answer.status == 200
    ((key, _, record),) = delivered(aws, event_id)
    assert key.startswith("stream=low/")
    take_receipt(record, earliest, now_ms())
    assert take_occurrence(record) == "2026-11-18T11:06:40.123Z"
    assert record == {
        "v": 3,
        "event_id": event_id,
        "tenant": "default",
        "name": "mail.opened",
        "event_index": 0,
        "level": "low",
        "ip": "203.0.113.0",
        "user_agent": "Tester/1.0 (Zürich)",
        **GEO,
        "device_id": "d 1",
        "seq": 7,
        "user_id": "007",
        "url": "https://shop.example/?a=1",
        "title": "T ü",
        "props": {"campaign": "spring", "n": "1"},
        "metadata": {"tag": "t"},
    }


def in_kinesis(
    aws: LocalAws, stream: str, *ids: str
) -> dict[str, tuple[str, dict[str, Any]]]:
    """The partition key and the record of each of these events in a Kinesis stream, by its id.

    Other tests put theirs there too.
    """
    kinesis = aws.client("kinesis")
    found = {}
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream,
            ShardId=shard["ShardId"],
            ShardIteratorType="TRIM_HORIZON",
        )["ShardIterator"]
        for each in kinesis.get_records(ShardIterator=iterator)["Records"]:
            assert each["Data"].endswith(b"}\n")
            record = json.loads(each["Data"])
            if (event_id := record.get("event_id")) in ids:
                found[event_id] = (each["PartitionKey"], record)
    return found


def test_an_event_is_in_the_kinesis_stream(aws: LocalAws) -> None:
    routes = [{"name": "order_*", "to": "kinesis:orders"}]
    routes.append({"to": "firehose:events-mid"})
    first, second, view = (str(uuid4()) for _ in range(3))
    beacons = [
        {"name": "order_sent", "id": first, "device_id": "d 1", "props": {"é": "ü"}},
        {"name": "order_paid", "id": second},
        {"name": "page_view", "id": view},
    ]
    with Worker(aws.environment(), {**PATIENT, "routes": routes}) as worker:
        assert worker.post(beacons).status == 204

    stream = aws.outputs["KinesisStreamName"]
    found = in_kinesis(aws, stream, first, second, view)
    assert set(found) == {first, second}
    key, record = found[first]
    assert (record["name"], record["props"]) == ("order_sent", {"é": "ü"})
    # The keys are hashes, so that no client chooses the shard of a stream.
    keys = {key, found[second][0]}
    assert len(keys) == 2 and all(re.fullmatch("[0-9a-f]{32}", each) for each in keys)
    assert event(aws, view)["name"] == "page_view"
