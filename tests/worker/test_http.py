"""The HTTP contract beside the body: statuses, verdicts, methods, headers, the pixel."""

from __future__ import annotations

import gzip
import json
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import data, kept
from support.worker import Headers, Worker

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00"
    b"\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b"
)


def test_all_accepted_is_204_without_a_body(worker: Worker) -> None:
    answer = worker.post({"name": "a"})

    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("query", ["?verdicts=1", "?a&=&%ff=%zz&verdicts=1&verdicts=0"])
def test_verdicts_are_in_order_if_requested(
    worker: Worker, peer: FakeFirehose, query: str
) -> None:
    ids = [str(uuid4()) for _ in range(5)]
    answer = worker.post([{"name": "a", "id": each} for each in ids], query=query)

    assert answer.status == 200
    assert answer.verdicts == [
        {"index": index, "event_id": event_id, "outcome": "accepted", "schema": None}
        for index, event_id in enumerate(ids)
    ]
    assert data(peer).keys() >= set(ids)


@pytest.mark.parametrize("query", ["?verdicts=0", "?verdicts", "?%", "?&&=&%00", "??"])
def test_other_queries_ask_for_nothing(worker: Worker, query: str) -> None:
    assert worker.post({"name": "a"}, query=query).status == 204


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_and_readiness_are_not_cached(
    worker: Worker, path: str
) -> None:
    answer = worker.get(path)

    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    reported = answer.json()
    if path == "/healthz":
        assert reported == {"alive": True}
    else:
        assert reported["ready"] is True
        assert set(reported) == {"summary", "ready", "details"}
        shown = worker.ready()
        assert shown.headers["cache-control"] == "no-store"
        reported = shown.json()
        assert (reported["ready"], reported["delivery"]) == (True, "direct")
        assert [each["stream"] for each in reported["streams"]] == [
            "firehose:events-low",
            "firehose:events-high",
            "firehose:events-mid",
            "firehose:events-failed",
        ]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_events_are_posted_and_nothing_else(worker: Worker, method: str) -> None:
    answer = worker.request(method, "/v1/events")

    assert answer.status == 405
    assert answer.headers["allow"] == "POST, OPTIONS"
    if method != "HEAD":
        assert answer.json() == {
            "code": "method_not_allowed",
            "message": "method not taken here; allowed: POST, OPTIONS",
        }


@pytest.mark.parametrize(
    "path", ["/v1/pixel.gif?name=a", "/healthz", "/readyz"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_path_for_reading_refuses_writes(worker: Worker, method: str, path: str) -> None:
    answer = worker.request(method, path)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json()["message"] == "method not taken here; allowed: GET, HEAD"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/_/inspect", "/_/inspect/api", "/_/quarantine", "/_/else"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_page_of_another_origin_can_read_an_operators_address(
    worker: Worker, method: str, path: str
) -> None:
    answer = worker.request(method, path, b"", {"origin": "https://shop.example"})

    assert answer.status in (401, 403, 404, 405)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_look_at_the_pixel_records_nothing(worker: Worker, peer: FakeFirehose) -> None:
    event_id = str(uuid4())

    answer = worker.request("HEAD", f"/v1/pixel.gif?name=a&id={event_id}")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["cache-control"] == "no-store"
    assert event_id not in data(peer)


@pytest.mark.parametrize(
    "path", ["/v1/events/", "//v1/events", "/v1//events", "//v1/events//"]
)
def test_a_slash_too_many_is_ignored(
    worker: Worker, peer: FakeFirehose, path: str
) -> None:
    event_id = str(uuid4())

    answer = worker.request("POST", path, json.dumps({"name": "a", "id": event_id}).encode())

    assert answer.status == 204
    assert event_id in data(peer)


def test_a_slash_too_many_hides_no_pixel(worker: Worker, peer: FakeFirehose) -> None:
    event_id = str(uuid4())

    answer = worker.get(f"//v1/pixel.gif/?name=a&id={event_id}")

    assert (answer.status, answer.body) == (200, GIF)
    assert event_id in data(peer)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/Events", "/v2/events", "/%ff"])
def test_another_path_is_404(worker: Worker, path: str) -> None:
    answer = worker.request("POST", path, b'{"name":"a"}')

    assert answer.status == 404
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json() == {
        "code": "not_found",
        "message": "no such address; beacons go to POST /v1/events",
    }


TYPES = "send text/plain, application/json or application/x-ndjson"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"content-type": "text/html"}, f'content type "text/html" is not taken; {TYPES}'),
        ({"content-type": "multipart/form-data; boundary=x"}, f'content type "multipart/form-data; boundary=x" is not taken; {TYPES}'),
        ({"content-type": b"text/\xe4"}, f'content type "text/\ufffd" is not taken; {TYPES}'),
        ({"content-type": "x" * 300}, f'content type "{"x" * 100}…" is not taken; {TYPES}'),
        ({"content-type": "text/plain; charset=koi8-r"}, 'charset "koi8-r" is not taken; send utf-8, utf-16, iso-8859-1 or windows-1252'),
        ({"content-encoding": "br"}, 'content encoding "br" is not taken; send gzip or none'),
        ({"content-encoding": "gzip, gzip"}, 'content encoding "gzip, gzip" is not taken; send gzip or none'),
        ({"content-encoding": "bröt"}, 'content encoding "bröt" is not taken; send gzip or none'),
    ],
    ids=["HTML", "a form", "not UTF-8", "long", "charset", "brotli", "twice gzip", "not ASCII"],
)  # fmt: skip
def test_a_type_or_compression_that_is_not_read_is_415(
    worker: Worker, headers: Headers, message: str
) -> None:
    answer = worker.post({"name": "a"}, headers)

    assert (answer.status, answer.json()["message"]) == (415, message)
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/vnd.api+json"},
        {"content-type": "text/json; charset=utf-8"},
        {"content-type": "application/ndjson"},
        {"content-type": "application/jsonl"},
        {"content-type": "application/jsonlines"},
        {"content-encoding": "x-gzip"},
        {"content-encoding": "Identity"},
        {"content-encoding": "identity, GZIP"},
    ],
    ids=lambda headers: "; ".join(headers.values()),
)
def test_aliases_of_content_types_are_accepted(
    worker: Worker, peer: FakeFirehose, headers: dict[str, str]
) -> None:
    event_id = str(uuid4())
    body = json.dumps({"name": "a", "id": event_id}).encode()
    if "gzip" in headers.get("content-encoding", "").lower():
        body = gzip.compress(body)

    answer = worker.post(body, headers)

    assert answer.status == 204, answer
    assert event_id in data(peer)


def test_a_form_is_no_beacon(worker: Worker) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}

    answer = worker.post(b"name=a&device_id=d", headers)

    assert answer.status == 415
    assert answer.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("iso-8859-1", "latin-1"),
        ("Windows-1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-be"),
        ("utf-16le", "utf-16-le"),
        ('"UTF-8"', "utf-8"),
    ],
)
def test_a_stated_charset_is_decoded(
    worker: Worker, peer: FakeFirehose, charset: str, encoding: str, packed: bool
) -> None:
    title = "Zürich" if encoding == "latin-1" else "Zürich – 5 €"
    event_id = str(uuid4())
    beacon = {"name": "a", "id": event_id, "title": title}
    body = json.dumps(beacon, ensure_ascii=False).encode(encoding)
    headers = {"content-type": f"application/json; charset={charset}"}

    answer = worker.post(gzip.compress(body) if packed else body, headers)

    assert answer.status == 204, answer
    assert data(peer)[event_id]["title"] == title


@pytest.mark.parametrize(
    ("headers", "columns"),
    [
        ({"user-agent": "Zürich/1 (🍵)"}, {"user_agent": "Zürich/1 (🍵)"}),
        ({"user-agent": b"\xff\xfe/1"}, {"user_agent": "\ufffd\ufffd/1"}),
        ({"user-agent": "x" * 8_000}, {"user_agent": "x" * 1_024}),
        ({"user-agent": ""}, {}),
        ({"origin": b"https://sh\xf6p.example"}, {}),
        ({"content-type": b"text/plain; name=\xe4"}, {}),
        ({"referer": b"\xff", "cookie": b"a=\x80", "x-unknown": "ü"}, {}),
        ({"cf-connecting-ip": b"\xff"}, {}),
        ({"content-length": "012"}, {}),
    ],
    ids=[
        "agent",
        "agent not UTF-8",
        "long agent",
        "empty agent",
        "origin",
        "content type",
        "unknown",
        "address",
        "length",
    ],
)
def test_a_strange_header_is_no_obstacle(
    worker: Worker, peer: FakeFirehose, headers: Headers, columns: dict[str, str]
) -> None:
    answer = worker.post('{"name":"a"}', headers, "?verdicts=1")

    assert answer.status == 200
    (verdict,) = answer.verdicts
    assert verdict["outcome"] == "accepted"
    record = data(peer)[verdict["event_id"]]
    reported = {name: record[name] for name in ("user_agent",) if name in record}
    assert reported == columns


# The pixel


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ("name=a", "data"),
        ("name=a&%ff=%zz&&==", "data"),
        ("name=a&amp;device_id=d&cb=1&cb=2", "data"),
        ("name=b&name=a", "failed"),
        ("name=a&%ff=%zz&&==&props.=1", "data"),
        ("name=a&amp;name=a", "failed"),
        ("name=A", "failed"),
        ("", "failed"),
    ],
)
def test_the_pixel_is_43_bytes_that_no_cache_keeps(
    worker: Worker, peer: FakeFirehose, query: str, outcome: str
) -> None:
    before = {"data": len(data(peer)), "failed": len(kept(peer))}

    answer = worker.get(f"/v1/pixel.gif?{query}")

    assert (answer.status, answer.body) == (200, GIF)
    assert len(GIF) == 43
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    after = {"data": len(data(peer)), "failed": len(kept(peer))}
    assert after == {**before, outcome: before[outcome] + 1}


def test_the_demo_is_served_on_this_machine_only(peer: FakeFirehose) -> None:
    elsewhere = {"host": "events.shop.example"}
    pages = ("/", "/index.html", "/beacons", "/beacons.html")
    with Worker(peer.environment(), {}) as worker:
        for path in pages:
            local = worker.get(path)
            assert (local.status, local.headers["content-type"]) == (200, "text/html; charset=utf-8")
            refused = worker.get(path, elsewhere)
            assert (refused.status, refused.json()["code"]) == (404, "not_found"), path
        assert worker.request("POST", "/", b"{}", {}).status == 404
        worker.kill()
        worker.settings = {"demo": True}
        worker.restart()
        assert [worker.get(path, elsewhere).status for path in pages] == [200] * 4
