"""The records of requests besides their answers: points, lines of the log, Server-Timing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import Fail, FakeFirehose
from support.metered_worker import NUMBERS, Metered
from support.shards import SHARDED, wait_until_drained
from support.waiting import wait_until
from support.worker import PATIENT, Worker

PERSON = {
    "ip": "198.51.100.23",
    "mail": "ada.lovelace@example.org",
    "device": "device-of-ada-5e1f",
    "user": "user-ada-77",
    "agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "value": "a-value-that-only-she-has",
    "page": "https://shop.example/account/ada-lovelace",
}


@pytest.fixture(scope="module")
def metered(peer: FakeFirehose) -> Iterator[Metered]:
    log = {"success_rate": 1, "failure_rate": 1}
    settings = {
        **SHARDED,
        **PATIENT,
        "unknown_events": "accept",
        "log": log,
        "gpc": "drop",
        "origins": ["https://shop.example"],
    }
    with Metered(peer.environment(), settings) as worker:
        yield worker


@pytest.fixture
def count(metered: Metered) -> int:
    """How many points of requests there are before a test."""
    return len(metered.points())


def event(**fields: Any) -> dict[str, Any]:
    return {"name": "metered", "id": str(uuid4()), **fields}


def test_a_request_is_one_point_however_many_beacons_it_has(
    metered: Metered, peer: FakeFirehose, count: int
) -> None:
    repeated = event()
    assert metered.post([repeated]).status == 204
    body = json.dumps([event(), event(), repeated, event(seq="x")]).encode()

    answer = metered.post(body)

    assert answer.status == 200
    point = metered.point(count + 2)
    stored = sum(len(line) + 1 for line in last_lines(peer, 3))
    assert point == {
        "kind": "request",
        "tenant": "default",
        "index": "default",
        "request": "post",
        "status": "200",
        "code": "",
        **dict.fromkeys(NUMBERS, 0),
        **{"beacons": 4, "accepted": 2, "failed": 1, "duplicate": 1},
        "bytes_in": len(body),
        "bytes_out": point["bytes_out"],
        **{key: point[key] for key in NUMBERS if key.endswith("_ms")},
    }
    # A record gets its session in the shard, and the repeat's was not sent.
    assert 0 < point["bytes_out"] < stored + 2_000
    assert 0 <= point["wait_ms"] <= point["deliver_ms"] <= point["total_ms"]
    # Whole milliseconds of another clock.
    assert point["total_ms"] <= 1_000 * answer.seconds + 1
    assert point["wait_ms"] + point["send_ms"] <= point["deliver_ms"]
    assert point["read_ms"] + point["deliver_ms"] == point["total_ms"]


def last_lines(peer: FakeFirehose, count: int) -> list[bytes]:
    streams = ("events-low", "events-mid", "events-high", "events-failed")
    records = [record for stream in streams for record in peer.accepted(stream)]
    return b"".join(records).splitlines()[-count:]


REFUSED: list[tuple[str, Any, dict[str, str], str, dict[str, Any]]] = [
    (
        "another site",
        b"{}",
        {"origin": "https://a.example"},
        "",
        {"status": "403", "code": "origin_not_allowed"},
    ),
    (
        "too many bytes",
        b" " * 300_000,
        {},
        "",
        {"status": "413", "code": "body_too_large", "bytes_in": 0},
    ),
    (
        "another type",
        b"{}",
        {"content-type": "image/png"},
        "",
        {"status": "415", "code": "unsupported_media_type"},
    ),
    (
        "broken JSON",
        b"{",
        {},
        "",
        {"status": "400", "code": "", "failed": 1, "beacons": 1},
    ),
    (
        "a person who wants none",
        b'{"name":"a"}',
        {"sec-gpc": "1"},
        "",
        {"status": "200", "dropped": 1, "beacons": 1},
    ),
    (
        "a replay without its key",
        b"{}",
        {"x-headwater-replay": "{}"},
        "",
        {"status": "403", "request": "replay"},
    ),
]


@pytest.mark.parametrize(
    ("body", "headers", "query", "expected"),
    [each[1:] for each in REFUSED],
    ids=[each[0] for each in REFUSED],
)
def test_refused_requests_are_points(
    metered: Metered,
    count: int,
    body: bytes,
    headers: dict[str, str],
    query: str,
    expected: dict[str, Any],
) -> None:
    answer = metered.post(body, headers, query)

    point = metered.point(count + 1)
    assert expected.items() <= point.items()
    assert point["status"] == str(answer.status)
    assert point["bytes_out"] > 0 or point["failed"] == 0


def test_a_pixel_is_a_point_of_its_kind(metered: Metered, count: int) -> None:
    assert metered.get("/v1/pixel.gif?name=metered").status == 200
    point = metered.point(count + 1)
    assert (point["request"], point["accepted"], point["bytes_in"]) == ("pixel", 1, 12)
    assert point["status"] == "200"


def test_a_request_to_a_mistaken_worker_is_a_point_too(peer: FakeFirehose) -> None:
    with Metered(peer.environment(), {"shards": 0}) as worker:
        assert worker.post(event()).status == 503
        post = worker.point(1)
        assert worker.get("/v1/pixel.gif?name=a").status == 503
        pixel = worker.point(2)
    for point, kind in ((post, "post"), (pixel, "pixel")):
        reported = (point["request"], point["status"], point["code"], point["tenant"])
        assert reported == (kind, "503", "not_configured", "")


def test_a_preflight_or_another_address_is_no_point(
    metered: Metered, count: int
) -> None:
    metered.request("OPTIONS", "/v1/events", None, {"origin": "https://shop.example"})
    metered.ready()
    metered.get("/nowhere")
    assert metered.post(event()).status == 204
    metered.point(count + 1)


def test_retries_and_the_spill_are_counted(
    metered: Metered, peer: FakeFirehose, count: int
) -> None:
    peer.script(Fail(503, "ServiceUnavailableException"))
    assert metered.post([event(), event()]).status == 204
    again = metered.point(count + 1)
    assert (again["retries"], again["spill_depth"]) == (1, 0)

    peer.always(Fail(400, "AccessDeniedException"))
    try:
        assert metered.post([event(), event()]).status == 204
        spilled = metered.point(count + 2)
        assert (spilled["accepted"], spilled["spill_depth"]) == (2, 2)
    finally:
        peer.behave()
    wait_until_drained(metered)

    def last() -> list[list[float]]:
        return [point["doubles"] for point in metered.points("spill")][-1:]

    # It comes a little after what /readyz reports.
    wait_until(lambda: last() == [[0, 0, 0, 0]])


def test_a_stream_of_the_longest_name_has_its_point(peer: FakeFirehose) -> None:
    stream = "kinesis:" + "k" * 128
    settings = {**SHARDED, "routes": [{"to": stream}], "delivery_timeout_ms": 300}
    peer.always(Fail(500, "InternalFailure"))
    try:
        with Metered(peer.environment(), settings) as worker:
            assert worker.post(event()).status == 204
            wait_until(lambda: worker.points("spill") != [])
            assert worker.points("spill")[0]["blobs"] == ["spill", stream, "shard-0"]
    finally:
        peer.behave()


def test_a_log_line_has_the_values_of_its_point(
    metered: Metered, count: int
) -> None:
    assert metered.post([event(), event(seq="x")]).status == 200
    point = metered.point(count + 1)
    line = metered.wait_for_line(bytes_in=point["bytes_in"], failed=1)
    for key in ("tenant", "request", *NUMBERS[6:-3]):
        assert line[key] == point[key], key
    assert line["accepted"] == 1


def test_no_line_and_no_point_has_personal_data(metered: Metered, count: int) -> None:
    headers = {"cf-connecting-ip": PERSON["ip"], "user-agent": PERSON["agent"]}
    person = {
        "device_id": PERSON["device"],
        "user_id": PERSON["user"],
        "url": PERSON["page"],
        "props": {"mail": PERSON["mail"], "value": PERSON["value"]},
    }
    bodies: list[Any] = [
        event(**person),
        event(**person, seq=PERSON["value"]),
        event(**person, **{PERSON["value"]: 1}),
        json.dumps(event(**person))[:-1],
        f'[{{"name":"{PERSON["value"]}"}},{{"name":7,"title":"{PERSON["mail"]}"}}]',
    ]
    for body in bodies:
        metered.post(body, headers)
    metered.get(
        f"/v1/pixel.gif?name=metered&user_id={PERSON['user']}&props.mail={PERSON['mail']}",
        headers,
    )
    metered.post(
        event(**person), {**headers, "origin": f"https://{PERSON['value']}.example"}
    )
    metered.point(count + len(bodies) + 2)
    for what, value in PERSON.items():
        assert value not in metered.log, what


def test_server_timing_is_sent_on_request(metered: Metered) -> None:
    origin = {"origin": "https://shop.example"}
    plain = metered.post(event(), origin)
    timed = metered.post(event(), origin, "?timing=1")

    assert "server-timing" not in plain.headers
    stages = re.findall(r"(\w+);dur=(\d+)", timed.headers["server-timing"])
    assert [stage for stage, _ in stages] == [
        "read",
        "wait",
        "send",
        "deliver",
        "total",
    ]
    assert int(dict(stages)["total"]) <= 1_000 * timed.seconds + 1
    assert "server-timing" in timed.headers["access-control-expose-headers"]
    assert "server-timing" in metered.post("{", origin, "?timing=1").headers


def test_as_many_requests_are_logged_as_the_operator_wants(peer: FakeFirehose) -> None:
    with Worker(peer.environment(), {"log": {"success_rate": 0, "failure_rate": 0}}) as worker:
        assert worker.post(event()).status == 204
        assert worker.post(event(seq="x")).status == 200
        worker.kill()
        worker.settings = {"log": {"success_rate": 0}}
        worker.restart()
        assert worker.post(event()).status == 204
        assert worker.post(event(seq="x")).status == 200
        worker.wait_for_line(failed=1)
        assert [line.get("status") for line in worker.log_lines] == [200]
