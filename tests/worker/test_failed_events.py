"""Refused events are in the bucket of failed events, with its reason and its bytes.

Nothing may be dropped in silence: stage, code, pointer and message say why, and the
original comes back byte for byte, whatever it was.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from local_aws import LocalAws
from support.delivered_records import (
    GEO,
    delivered,
    event,
    failed_event,
    now_ms,
    original,
    stamped_ms,
    take_receipt,
)
from support.worker import PATIENT, Worker

CLIENT = {"cf-connecting-ip": "203.0.113.77", "user-agent": "Tester/1.0"}
EVENT_ID = "01939b70-6d2a-7c3e-8f00-0000000000aa"

# What a failed event keeps of one original: more goes on in a further part.
PART_BYTES = 262_144


@pytest.fixture(scope="module")
def worker(aws: LocalAws) -> Iterator[Worker]:
    with Worker(aws.environment(), PATIENT) as worker:
        yield worker


@pytest.fixture(autouse=True)
def empty(aws: LocalAws) -> None:
    """The buckets are empty when a test begins."""
    aws.clear()


def violation(code: str, pointer: str, message: str) -> dict[str, str]:
    return {"code": code, "pointer": pointer, "message": message}


NO_NAME = violation("missing_field", "/name", "name is missing")
WRONG_SEQ = violation("wrong_type", "/seq", "seq must be an integer, not a string")
NO_FIELD = violation(
    "unknown_field", "/a~1b", "a/b is not a field of a beacon; put it into props"
)


@pytest.mark.parametrize(
    ("text", "stage", "violations", "known"),
    [
        ("{}", "validate", [NO_NAME], {}),
        ('{"name":"a", "a/b": 1}', "validate", [NO_FIELD], {"name": "a"}),
        (
            f'{{"id":"{EVENT_ID}" ,"seq":"one","a/b":"ü\\u0000"}}',
            "validate",
            [NO_NAME, WRONG_SEQ, NO_FIELD],
            {"event_id": EVENT_ID},
        ),
        (
            '"name"',
            "protocol",
            [violation("wrong_type", "", "a beacon must be an object, not a string")],
            {},
        ),
        (
            '{"name":"a","props":' + '{"a":' * 32 + "1" + "}" * 33,
            "protocol",
            [violation("too_deep", "", "beacon is nested deeper than 32 levels")],
            {},
        ),
    ],
    ids=["no name", "unknown field", "several", "no object", "too deep"],
)
def test_a_refused_beacon_is_stored_with_every_reason(
    worker: Worker,
    aws: LocalAws,
    text: str,
    stage: str,
    violations: list[dict[str, str]],
    known: dict[str, str],
) -> None:
    body = f'{{"sent_at": 1795000000456, "device_id": "d-1", "events": [ {text} ]}}'

    earliest = now_ms()
    answer = worker.post(body, CLIENT)

    assert answer.status == 200
    (verdict,) = answer.verdicts
    event_id = verdict["event_id"]
    assert verdict == {
        "index": 0,
        "event_id": event_id,
        "outcome": "failed",
        **violations[0],
    }
    record = failed_event(aws, event_id)
    received = take_receipt(record, earliest, now_ms())
    assert event_id == EVENT_ID or stamped_ms(event_id) == received
    assert record == {
        "v": 3,
        "event_id": event_id,
        "tenant": "default",
        "ip": "203.0.113.0",
        "user_agent": "Tester/1.0",
        **GEO,
        "sent_at": "2026-11-18T11:06:40.456Z",
        "device_id": "d-1",
        "stage": stage,
        **violations[0],
        "violations": violations,
        "original_format": "beacon",
        "original_bytes": len(text.encode()),
        "original": text,
        **known,
    }
    assert aws.records() == []


def test_a_refused_pixel_keeps_its_query(worker: Worker, aws: LocalAws) -> None:
    query = "name=A&props.x=%C3%BC&seq=-1"

    answer = worker.get(f"/v1/pixel.gif?{query}")

    assert answer.status == 200
    ((_, _, record),) = aws.records("failed")
    assert (record["stage"], record["code"], record["pointer"]) == (
        "validate",
        "bad_format",
        "/name",
    )
    assert [each["pointer"] for each in record["violations"]] == ["/name", "/seq"]
    assert (record["original_format"], record["original"]) == ("query", query)


PACKED = gzip.compress(json.dumps({"name": "a", "title": "t" * 500}).encode())


@pytest.mark.parametrize(
    ("body", "headers", "form", "code", "message"),
    [
        (b"{", {}, "body", "bad_json", "body is not JSON: EOF while parsing"),
        (b"", {}, "body", "bad_json", "body is empty"),
        (b"name=a", {}, "body", "bad_json", "body must start with { or ["),
        (
            b'{"name":"caf\xe9"}',
            {},
            "body",
            "bad_utf8",
            "body is not UTF-8 from byte 12 on",
        ),
        (b"\x00\x01\x02", {}, "body", "bad_json", "body must start with { or ["),
        (PACKED[:-9], {}, "gzip_body", "bad_gzip", "body is not whole gzip: "),
        (
            b"{}",
            {"content-encoding": "gzip"},
            "gzip_body",
            "bad_gzip",
            "body is not whole gzip: ",
        ),
        (
            gzip.compress(b'{"name":"caf\xe9"}'),
            {},
            "gzip_body",
            "bad_utf8",
            "body is not UTF-8 from byte 12 on",
        ),
    ],
    ids=[
        "half of JSON",
        "nothing",
        "a form",
        "Latin-1",
        "control characters",
        "half of gzip",
        "gzip that is none",
        "gzip of Latin-1",
    ],
)
def test_a_body_that_can_not_be_decoded_is_one_failed_event(
    worker: Worker,
    aws: LocalAws,
    body: bytes,
    headers: dict[str, str],
    form: str,
    code: str,
    message: str,
) -> None:
    earliest = now_ms()
    answer = worker.post(body, {**CLIENT, **headers})

    reported = answer.json()
    assert (answer.status, reported["code"]) == (400, code)
    assert reported["message"].startswith(message)
    assert set(reported) == {"code", "pointer", "message", "event_id"}
    record = failed_event(aws, reported["event_id"])
    take_receipt(record, earliest, now_ms())
    assert original(record) == body
    assert record["original_bytes"] == len(body)
    kept = {
        "v": 3,
        "event_id": reported["event_id"],
        "tenant": "default",
        "ip": "203.0.113.0",
        "user_agent": "Tester/1.0",
        **GEO,
        "stage": "protocol",
        "code": code,
        "pointer": reported["pointer"],
        "message": reported["message"],
        "violations": [violation(code, reported["pointer"], reported["message"])],
        "original_format": form,
    }
    assert {name: record[name] for name in kept} == kept
    others = {"original", "original_base64", "original_bytes"}
    assert set(record) - set(kept) <= others
    assert aws.records() == []


@pytest.mark.parametrize(
    ("padding", "parts"), [("x", 2), ("ü", 3)], ids=["one byte", "two bytes"]
)
def test_a_large_original_is_stored_in_parts(
    worker: Worker, aws: LocalAws, padding: str, parts: int
) -> None:
    text = json.dumps({"name": "a", "title": padding * 270_000}, ensure_ascii=False)
    size = len(text.encode())

    answer = worker.post(gzip.compress(text.encode()))

    assert answer.status == 200
    (verdict,) = answer.verdicts
    assert (verdict["outcome"], verdict["code"]) == ("failed", "too_large")
    assert verdict["message"] == f"beacon has {size} bytes, limit 256000"
    records = [
        each.record
        for each in delivered(aws, verdict["event_id"], "failed", parts)
    ]
    records.sort(key=lambda record: record["part"])
    assert [(each["part"], each["parts"]) for each in records] == [
        (part, parts) for part in range(1, parts + 1)
    ]
    assert {each["original_bytes"] for each in records} == {size}
    assert all(len(original(each)) == PART_BYTES for each in records[:-1])
    assert b"".join(original(each) for each in records).decode() == text


def test_a_large_body_of_noise_comes_back(worker: Worker, aws: LocalAws) -> None:
    body = b"\x1f\x8b" + os.urandom(255_998)

    answer = worker.post(body)

    assert answer.status == 400
    record = failed_event(aws, answer.json()["event_id"])
    assert (record["original_format"], original(record)) == ("gzip_body", body)


def test_the_good_neighbours_of_a_bad_beacon_are_delivered(
    worker: Worker, aws: LocalAws
) -> None:
    ids = [str(uuid4()) for _ in range(3)]
    beacons: list[Any] = [{"name": "a", "id": event_id} for event_id in ids]
    beacons[1] = {**beacons[1], "seq": "x"}

    answer = worker.post(beacons)

    assert answer.status == 200
    assert [(each["event_id"], each["outcome"]) for each in answer.verdicts] == [
        (ids[0], "accepted"),
        (ids[1], "failed"),
        (ids[2], "accepted"),
    ]
    assert event(aws, ids[0])["name"] == event(aws, ids[2])["name"] == "a"
    assert failed_event(aws, ids[1])["name"] == "a"
    assert len(aws.records()) == 2
