"""Bodies within the contract, at its limits, and as no client should send them.

Whatever comes in, the answer has the right status and a sentence, nothing panics, and
the worker goes on. A 2xx is believed only when the stand-in holds what was sent.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import data, kept
from support.worker import Answer, Worker

pytestmark = pytest.mark.parametrize(
    "worker", ["direct", "sharded"], indirect=True, scope="module"
)


@pytest.fixture(autouse=True)
def goes_on(worker: Worker) -> Iterator[None]:
    """After every request of this file the worker still takes a beacon."""
    yield
    assert worker.post({"name": "still_there"}).status == 204


def assert_refused(answer: Answer, code: str, message: str) -> None:
    reported = answer.json()
    assert (answer.status, reported["code"], reported["message"]) == (413, code, message)
    assert "retry-after" not in answer.headers


def items(count: int) -> bytes:
    return b"[" + b",".join([b'{"name":"a"}'] * count) + b"]"


@pytest.mark.parametrize("body", ["[]", '{"events":[]}'])
def test_no_beacon_is_no_mistake(worker: Worker, body: str) -> None:
    assert worker.post(body).status == 204
    assert worker.post(body, query="?verdicts=1").verdicts == []


def test_500_beacons_are_accepted_and_501_are_not(
    worker: Worker, peer: FakeFirehose
) -> None:
    answer = worker.post(items(500), query="?verdicts=1")

    ids = {verdict["event_id"] for verdict in answer.verdicts}
    assert len(ids) == 500
    assert data(peer).keys() >= ids
    before = len(data(peer))
    for count in (501, 10_000):
        message = f"body has {count} beacons, limit 500"
        answer = worker.post(items(count))
        assert_refused(answer, "too_many_beacons", message)
    assert len(data(peer)) == before


def test_a_full_request_goes_in_calls_of_1_mib(
    worker: Worker, peer: FakeFirehose
) -> None:
    beacons = [
        {
            "name": "a",
            "id": str(uuid4()),
            "title": "t" * 1_000,
            "props": {"p": "p" * 900},
        }
        for _ in range(500)
    ]
    before = len(peer.calls)

    answer = worker.post(gzip.compress(json.dumps(beacons).encode()))

    assert answer.status == 204
    calls = peer.calls[before:]
    assert len(calls) == 2
    assert all(len(call.body) <= 1_048_576 for call in calls)
    assert data(peer).keys() >= {beacon["id"] for beacon in beacons}


def test_one_bad_beacon_among_500_hurts_no_other(
    worker: Worker, peer: FakeFirehose
) -> None:
    beacons: list[Any] = [{"name": "a", "id": str(uuid4())} for _ in range(500)]
    good = {beacon["id"] for beacon in beacons}
    bad = beacons[250]["id"]
    beacons[250]["name"] = "Bad Name"

    answer = worker.post(beacons)

    assert answer.status == 200
    assert [verdict["index"] for verdict in answer.verdicts] == list(range(500))
    failed = [each for each in answer.verdicts if each["outcome"] != "accepted"]
    assert failed == [
        {
            "index": 250,
            "event_id": bad,
            "outcome": "failed",
            "code": "bad_format",
            "pointer": "/name",
            "message": "name must match [a-z][a-z0-9_.]{0,63}",
        }
    ]
    assert data(peer).keys() & (good | {bad}) == good - {bad}
    assert kept(peer)[bad]["name"] if "name" in kept(peer)[bad] else True


WRONG: list[tuple[str, Any, str]] = [
    ("name", 1, "name must be a string, not a number"),
    ("id", True, "id must be a string, not a boolean"),
    ("device_id", {}, "device_id must be a string, not an object"),
    ("time", [], "time must be a string or a number, not an array"),
    ("seq", "one", "seq must be an integer, not a string"),
    ("session_id", True, "session_id must be a string, not a boolean"),
    ("level", False, "level must be a string, not a boolean"),
    ("build", [2], "build must be a string, not an array"),
    ("user_id", {}, "user_id must be a string, not an object"),
    ("url", [], "url must be a string, not an array"),
    ("title", {}, "title must be a string, not an object"),
    ("referrer", 1, "referrer must be a string, not a number"),
    ("screen", 1920, "screen must be a string, not a number"),
    ("viewport", [390, 844], "viewport must be a string, not an array"),
    ("language", 1, "language must be a string, not a number"),
    ("props", "[]", "props must be an object, not a string"),
    ("metadata", [1], "metadata must be an object, not an array"),
]


def test_a_wrong_type_in_any_field_is_named(worker: Worker, peer: FakeFirehose) -> None:
    beacons = [{"name": "a", field: value} for field, value, _ in WRONG]

    answer = worker.post(beacons)

    assert answer.status == 200
    reported = [
        (each["code"], each["pointer"], each["message"]) for each in answer.verdicts
    ]
    assert reported == [("wrong_type", f"/{field}", message) for field, _, message in WRONG]
    assert kept(peer).keys() >= {each["event_id"] for each in answer.verdicts}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body is empty"),
        (b" \n", "body is empty"),
        (b"\xef\xbb\xbf", "body is empty"),
        (b"null", "body must start with { or ["),
        (b'{"name":"a"', "body is not JSON: EOF while parsing an object at line 1 column 11"),
        (b'{"name":"a"}}', "body goes on after its first JSON value, which does not end its line"),
        (b'{"name":"a"} x', "body goes on after its first JSON value, which does not end its line"),
        (b'[{"name":"a"},]', "body is not JSON: trailing comma at line 1 column 15"),
        (b"[" * 100_000, "body is not JSON: EOF while parsing a list at line 1 column 100000"),
        (b'{"events":{}}', "events must be an array"),
        (b'{"events":[],"sent_at":"now"}', "sent_at must be RFC 3339 or milliseconds since the epoch"),
        (b'{"events":[],"device_id":[7]}', "device_id must be a string, not an array"),
        (b'{"events":[],"name":"a"}', "name is not a field of an envelope"),
    ],
)  # fmt: skip
def test_an_undecodable_body_is_400_and_stored(
    worker: Worker, peer: FakeFirehose, body: bytes, message: str
) -> None:
    answer = worker.post(body)

    assert answer.status == 400
    reported = answer.json()
    assert reported["message"] == message
    assert kept(peer)[reported["event_id"]]["message"] == message


def chunks(size: int) -> Iterator[bytes]:
    yield from (b"x" * 50_000 for _ in range(size // 50_000))


AS_SENT = ("body_too_large", "body has more than 256000 bytes, the limit as sent")
INFLATED = (
    "inflated_too_large",
    "body inflates to more than 1048576 bytes, the limit",
)


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        (b"x" * 256_001, AS_SENT),
        (b"x" * 5_000_000, AS_SENT),
        (tuple(chunks(300_000)), AS_SENT),
        (gzip.compress(b" " * 1_048_577), INFLATED),
        (gzip.compress(b"[" * 200_000_000, 9), INFLATED),
    ],
    ids=["1 too many", "5 MB", "chunks", "1 inflated", "a bomb"],
)
def test_too_many_bytes_are_413(
    worker: Worker, body: bytes | Iterable[bytes], reported: tuple[str, str]
) -> None:
    assert_refused(worker.post(body), *reported)


def test_the_sender_of_5_mb_in_chunks_gets_to_see_the_answer(worker: Worker) -> None:
    for _ in range(20):
        assert_refused(worker.post(chunks(5_000_000)), *AS_SENT)


def test_a_body_at_the_limit_is_accepted(worker: Worker) -> None:
    assert worker.post(b'{"name":"a"}'.ljust(256_000)).status == 204
    chunked = iter([b'{"name":"a"}'.ljust(128_000), b" " * 128_000])
    assert worker.post(chunked).status == 204
    assert worker.post(gzip.compress(b'{"name":"a"}'.ljust(1_048_576))).status == 204


@pytest.mark.parametrize("depth", [33, 1_000, 100_000])
@pytest.mark.parametrize("form", ["array", "lines"])
def test_a_deep_beacon_fails_among_good_neighbours(
    worker: Worker, peer: FakeFirehose, depth: int, form: str
) -> None:
    deep = '{"name":"a","props":{"a":' + "[" * (depth - 2) + "]" * (depth - 2) + "}}"
    neighbours = ['{"name":"a"}', deep, '{"name":"b"}']
    body = "\n".join(neighbours) if form == "lines" else f"[{','.join(neighbours)}]"

    answer = worker.post(body)

    assert answer.status == 200
    outcomes = [verdict["outcome"] for verdict in answer.verdicts]
    assert outcomes == ["accepted", "failed", "accepted"]
    reported = answer.verdicts[1]
    assert (reported["code"], reported["message"]) == (
        "too_deep",
        "beacon is nested deeper than 32 levels",
    )
    assert kept(peer)[reported["event_id"]]["original"] == deep


def test_32_levels_are_accepted(worker: Worker) -> None:
    props = '{"a":' * 30 + "{}" + "}" * 30

    assert worker.post(f'{{"name":"a","props":{props}}}').status == 204


def test_a_broken_line_hurts_no_other(worker: Worker) -> None:
    answer = worker.post(
        '{"name":"a"}\n{"name":\n{"name":"a","props":NaN}\n{"name":"b"}'
    )

    assert answer.status == 200
    reported = [(each["outcome"], each.get("code")) for each in answer.verdicts]
    assert reported == [
        ("accepted", None),
        ("failed", "bad_json"),
        ("failed", "bad_json"),
        ("accepted", None),
    ]


def test_half_of_a_surrogate_pair_is_replaced_and_noted(
    worker: Worker, peer: FakeFirehose
) -> None:
    """JavaScript sends one when it cuts a title in the middle of an emoji."""
    event_id = str(uuid4())
    half = f'{{"name":"a","id":"{event_id}","title":"Tea \\ud83c","props":{{"k":"\\udf75"}}}}'

    answer = worker.post(f'[{{"name":"a"}},{half},{{"name":"b"}}]')

    assert answer.status == 204
    record = data(peer)[event_id]
    assert (record["title"], record["props"]) == ("Tea \ufffd", {"k": "\ufffd"})
    assert record["repairs"] == [
        {"rule": "surrogate", "pointer": pointer} for pointer in ("/title", "/props/k")
    ]


def test_half_of_a_surrogate_pair_in_a_key_is_repaired_and_noted(
    worker: Worker, peer: FakeFirehose
) -> None:
    event_id = str(uuid4())
    cut = f'{{"name":"a","id":"{event_id}","props":{{"x":[{{"tea \\ud83c":1}}]}}}}'

    answer = worker.post(cut)

    assert answer.status == 204
    record = data(peer)[event_id]
    assert record["props"] == {"x": [{"tea \ufffd": 1}]}
    assert record["repairs"] == [
        {"rule": "surrogate", "pointer": "/props/x/0/tea \ufffd"}
    ]


@pytest.mark.parametrize(
    ("beacon", "seq"), [("7.0", 7), ("1e3", 1_000), ("70e-1", 7)]
)
def test_an_integer_is_one_however_it_is_written(
    worker: Worker, peer: FakeFirehose, beacon: str, seq: int
) -> None:
    event_id = str(uuid4())

    answer = worker.post(f'{{"name":"a","id":"{event_id}","seq":{beacon}}}')

    assert answer.status == 204
    assert data(peer)[event_id]["seq"] == seq


@pytest.mark.parametrize(
    ("beacon", "message"),
    [
        ({"event": "a"}, "name is missing; event is called name here"),
        ({"name": "a", "timestamp": 1}, "timestamp is not a field of a beacon; did you mean time?"),
        ({"name": "a", "deviceId": "d"}, "deviceId is not a field of a beacon; did you mean device_id?"),
        ({"batch": []}, "name is missing; batch is called events here"),
    ],
)  # fmt: skip
def test_the_field_that_was_meant_is_named(
    worker: Worker, beacon: dict[str, Any], message: str
) -> None:
    answer = worker.post(beacon)

    assert answer.verdicts[0]["message"] == message


@pytest.mark.parametrize(
    ("beacon", "pointer", "message"),
    [
        ('{"name":"a","name":"b"}', "/name", "name comes twice"),
        ('{"name":"a","props":{"x":1,"x":1}}', "/props/x", "x comes twice"),
        (
            '{"name":"a","props":{"l":[{},{"y":1,"y":2}]}}',
            "/props/l/1/y",
            "y comes twice",
        ),
    ],
)
def test_a_duplicate_key_is_refused(
    worker: Worker, peer: FakeFirehose, beacon: str, pointer: str, message: str
) -> None:
    answer = worker.post(f'[{{"name":"a"}},{beacon}]')

    outcomes = [verdict["outcome"] for verdict in answer.verdicts]
    assert outcomes == ["accepted", "failed"]
    reported = answer.verdicts[1]
    assert (reported["code"], reported["pointer"]) == ("duplicate_field", pointer)
    assert reported["message"] == message
    assert kept(peer)[reported["event_id"]]["original"] == beacon


def test_a_beacon_is_never_dropped_in_silence(
    worker: Worker, peer: FakeFirehose
) -> None:
    first, second = str(uuid4()), str(uuid4())

    answer = worker.post(
        f'{{"events":[{{"name":"a","id":"{first}"}}],'
        f'"events":[{{"name":"a","id":"{second}"}}]}}'
    )

    if answer.status == 204:
        assert data(peer).keys() >= {first, second}
    else:
        assert answer.status == 400
