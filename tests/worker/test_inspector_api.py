"""The inspector's JSON, in the built worker: it has each answer already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import Fail, FakeFirehose
from support.inspected_worker import BEARER, SETTINGS, TOKEN, Inspected, counts, event
from support.streams import data, kept
from support.waiting import wait_until
from support.worker import Worker
from support.worker_with_bindings import WorkerWithBindings

PATHS = ("all", "ok", "failed", "live")


@pytest.fixture(scope="module")
def running(peer: FakeFirehose) -> Iterator[Inspected]:
    env = {**peer.environment(), "HEADWATER_INSPECT_TOKEN": TOKEN}
    with Inspected(env, SETTINGS) as worker:
        yield worker


@pytest.fixture
def inspected(running: Inspected) -> Inspected:
    """The same with nothing in it."""
    assert running.reset().status == 200
    return running


def test_the_entry_of_a_good_event_has_all_its_results(
    inspected: Inspected, peer: FakeFirehose
) -> None:
    beacon = event(device_id=str(uuid4()), props={"colour": "teal"}, title="  a \n b ")
    body = json.dumps([beacon])
    headers = {"content-type": "application/json", "cf-connecting-ip": "203.0.113.77"}

    assert inspected.post(body, headers).status == 204

    assert inspected.counted() == counts(accepted=1)
    assert inspected.ask("failed") == []
    (entry,) = inspected.ask("ok")
    assert entry["record"] == data(peer)[beacon["id"]]
    assert entry["record"]["session_index"] == 1
    assert [each["pointer"] for each in entry["record"]["repairs"]] == ["/title"]
    line = json.dumps(entry["record"], separators=(",", ":"), ensure_ascii=False)
    assert entry.pop("record_bytes") == len(f"{line}\n".encode())
    assert entry.pop("at") == entry.pop("record")["received_at"]
    timing = entry.pop("timing")
    assert 0 <= timing["wait_ms"] <= timing["deliver_ms"] <= timing["total_ms"]
    assert entry == {
        "seq": 1,
        "outcome": "accepted",
        "tenant": "default",
        "name": "seen",
        "schema": None,
        "event_id": beacon["id"],
        "request": {
            "kind": "post",
            "status": 204,
            "index": 0,
            "beacons": 1,
            "bytes": len(body),
            "content_type": "application/json",
        },
        "received": {
            "form": "beacon",
            "bytes": len(body) - 2,
            "text": json.dumps(beacon),
        },
        "stream": "firehose:events-mid",
    }


def test_the_entry_of_a_failed_event_has_its_reason(
    inspected: Inspected, peer: FakeFirehose
) -> None:
    beacon = event(seq="x")
    answer = inspected.post([event(), beacon])

    _, verdict = answer.verdicts
    (entry,) = inspected.ask("failed")
    assert entry["record"] == kept(peer)[beacon["id"]]
    for key in ("event_id", "outcome", "code", "pointer", "message"):
        assert entry[key] == verdict[key]
    assert json.loads(entry["received"]["text"]) == beacon
    assert (entry["request"]["index"], entry["request"]["beacons"]) == (1, 2)
    assert entry["stream"] == "firehose:events-failed"
    assert inspected.counted() == counts(accepted=1, failed=1)


@pytest.mark.parametrize("delivery", ["sharded", "direct"])
def test_the_entry_of_a_rejected_record_is_its_failed_event(
    inspected: Inspected, peer: FakeFirehose, delivery: str
) -> None:
    settings = {**SETTINGS, "delivery": delivery}
    with Inspected(inspected.env, settings) as worker:
        assert worker.post(event()).status == 204
        peer.poison = lambda line: line.get("title") == "poison"
        beacon = event(title="poison", device_id=str(uuid4()))
        try:
            assert worker.post(beacon).verdicts[0]["outcome"] == "failed"
        finally:
            peer.behave()

        (entry,) = worker.ask("failed")
        assert (entry["outcome"], entry["code"]) == ("failed", "refused_by_stream")
        assert entry["stream"] == "firehose:events-failed"
        assert entry["record"] == kept(peer)[beacon["id"]]
        places = {each["stream"] for each in worker.ask("live")["seconds"]}
        assert places == {"firehose:events-mid", "firehose:events-failed"}


def test_an_event_that_bypasses_its_shard_has_an_entry(peer: FakeFirehose) -> None:
    class Past(WorkerWithBindings, Inspected):
        bindings = 'SHARD: { idFromName: () => 1, get: () => ({ fetch() { throw new Error("gone"); } }) }'

    env = {**peer.environment(), "HEADWATER_INSPECT_TOKEN": TOKEN}
    with Past(env, SETTINGS) as worker:
        beacon = event(device_id=str(uuid4()))
        assert worker.post(beacon).status == 204
        (entry,) = worker.ask("ok")
        assert entry["record"] == data(peer)[beacon["id"]]
        assert entry["record"]["delivered_via"] == "direct"


def test_headers_are_cut_in_entries(inspected: Inspected) -> None:
    inspected.post("{}", {"content-type": f"text/plain;{'x' * 5_000}"})
    (entry,) = inspected.ask("failed")
    assert len(entry["request"]["content_type"]) == 101


def test_a_name_without_a_schema_is_marked(inspected: Inspected) -> None:
    props = {"order": "A-1", "total": 19.9, "currency": "CHF"}
    known = event(name="order_placed", props=props)
    misspelt = event(name="oder_placed", props=props)
    repeat = {**misspelt, "device_id": str(uuid4())}
    answer = inspected.post([known, misspelt, event(seq="x"), repeat])
    inspected.post(repeat)

    marked = [verdict for verdict in answer.verdicts if "schema" in verdict]
    assert [(verdict["index"], verdict["schema"]) for verdict in marked] == [
        (1, None),
        (3, None),
    ]
    entries = inspected.ask("ok") + inspected.ask("failed")
    names = [entry["name"] for entry in entries if "schema" in entry]
    assert names == ["oder_placed", "oder_placed"]


FATES: list[tuple[str, Any, dict[str, str], dict[str, int], dict[str, Any]]] = [
    (
        "dropped",
        event(),
        {"dnt": "1"},
        {"dropped": 1},
        {
            "outcome": "dropped",
            "code": "dnt",
            "event_id": None,
            "received": None,
            "record": None,
            "stream": None,
        },
    ),
    (
        "broken JSON",
        '{"name"',
        {},
        {"failed": 1},
        {"outcome": "failed", "code": "bad_json", "stream": "firehose:events-failed"},
    ),
    (
        "no UTF-8",
        b'{"name":"\xff\xfe"}',
        {},
        {"failed": 1},
        {
            "code": "bad_utf8",
            "received": {"form": "body", "bytes": 13, "base64": "eyJuYW1lIjoi//4ifQ=="},
        },
    ),
    (
        "another type",
        b"{}",
        {"content-type": "image/png"},
        {"refused": 1},
        {
            "outcome": "refused",
            "code": "unsupported_media_type",
            "event_id": None,
            "received": None,
        },
    ),
    (
        "a replay without its key",
        b"{}",
        {"x-headwater-replay": "{}"},
        {"refused": 1},
        {"code": "operator_key_required"},
    ),
]


@pytest.mark.parametrize(
    ("body", "headers", "totals", "expected"),
    [each[1:] for each in FATES],
    ids=[each[0] for each in FATES],
)
def test_each_fate_is_a_entry(
    inspected: Inspected,
    body: Any,
    headers: dict[str, str],
    totals: dict[str, int],
    expected: dict[str, Any],
) -> None:
    answer = inspected.post(body, headers)

    assert inspected.counted() == counts(**totals)
    (entry,) = inspected.ask("live")["entries"]
    assert entry["request"]["status"] == answer.status
    assert {key: entry.get(key) for key in expected} == expected


def test_a_duplicate_and_a_pixel_are_entries_too(inspected: Inspected) -> None:
    beacon = event(device_id=str(uuid4()))
    inspected.post(beacon)
    assert (
        inspected.post(beacon, {}, "?verdicts=1").verdicts[0]["outcome"] == "duplicate"
    )
    inspected.get("/v1/pixel.gif?name=seen&props.a=1")

    assert inspected.counted() == counts(accepted=2, duplicate=1)
    pixel, repeat, _ = inspected.ask("ok")
    assert pixel["request"]["kind"] == "pixel"
    assert pixel["received"] == {
        "form": "query",
        "bytes": 20,
        "text": "name=seen&props.a=1",
    } | {"bytes": 19}
    assert repeat["outcome"] == "duplicate"
    assert "stream" not in repeat and "session_id" not in repeat["record"]


def test_an_event_that_is_not_durable_is_refused(
    inspected: Inspected, peer: FakeFirehose
) -> None:
    settings = {**SETTINGS, "delivery": "direct", "delivery_timeout_ms": 300}
    with Inspected(inspected.env, settings) as direct:
        peer.always(Fail(500, "InternalFailure"))
        try:
            assert direct.post([event(), event()]).status == 503
        finally:
            peer.behave()
        assert direct.counted() == counts(refused=2)
        for entry in direct.ask("failed"):
            assert (entry["outcome"], entry["code"]) == ("refused", "not_durable")
            assert entry["received"]["form"] == "beacon"


def test_an_entry_has_no_more_than_is_delivered(inspected: Inspected) -> None:
    secret = {"device_id": "device-of-ada", "user_id": "ada@example.com"}
    url = "https://shop.example/?token=tok-en-1&b=2"
    for beacon in (event(**secret, url=url), event(**secret, url=url, seq="x")):
        inspected.post(beacon, {"sec-gpc": "1", "cf-connecting-ip": "203.0.113.77"})

    reported = json.dumps([inspected.ask("ok"), inspected.ask("failed")])
    assert reported.count("[removed]") >= 3
    for value in (*secret.values(), "tok-en-1", "203.0.113.77"):
        assert value not in reported


def test_filters_find_the_entry_and_name_their_mistakes(inspected: Inspected) -> None:
    one, other = event(props={"sku": "Teapot"}), event(name="other")
    inspected.post([one, other, event(seq="x")])

    def found(what: str, query: str) -> list[str]:
        return [entry["event_id"] for entry in inspected.ask(what, query)]

    assert found("ok", f"?event_id={one['id']}") == [one["id"]]
    assert found("ok", "?name=other") == [other["id"]]
    assert found("ok", "?text=TEAPOT&tenant=default") == [one["id"]]
    assert found("ok", "?limit=1") == [other["id"]]
    assert found("failed", "?code=too_long") == []
    assert len(found("failed", "?code=wrong_type&outcome=failed")) == 1
    wrong = inspected.get("/_/inspect/ok?user=1", BEARER)
    assert (wrong.status, wrong.json()["code"]) == (400, "bad_filter")
    assert wrong.json()["message"].startswith(
        "user is no filter; there are outcome, code"
    )


def test_a_viewer_receives_new_entries(inspected: Inspected) -> None:
    inspected.post(event())
    last = inspected.ask("live")["last"]
    assert inspected.ask("live", f"?after={last}")["entries"] == []
    inspected.post([event(), event(seq="x")])

    live = inspected.ask("live", f"?after={last}")

    assert [entry["outcome"] for entry in live["entries"]] == ["failed", "accepted"]
    assert live["last"] == last + 2
    assert live["counts"] == counts(accepted=2, failed=1)
    streams = [(each["stream"], each["outcome"]) for each in live["seconds"]]
    assert ("firehose:events-failed", "failed") in streams
    assert sum(each["count"] for each in live["seconds"]) == 3


def test_a_long_request_is_counted_and_has_a_hundred_entries(
    inspected: Inspected,
) -> None:
    assert inspected.post([event() for _ in range(130)]).status == 204
    assert inspected.counted() == counts(accepted=130)
    assert len(inspected.ask("ok")) == 100
    assert {each["stream"] for each in inspected.ask("live")["seconds"]} == {
        "firehose:events-mid"
    }


def test_a_long_event_is_cut(inspected: Inspected) -> None:
    beacon = event(props={"text": "x" * 100_000})
    assert inspected.post(beacon).status == 204
    (entry,) = inspected.ask("ok")
    assert entry["received"]["cut"] and len(entry["received"]["text"]) == 65_536
    assert entry["record_bytes"] > 100_000 and "record" not in entry


def test_a_reset_forgets_everything(inspected: Inspected) -> None:
    inspected.post(event())
    before = inspected.ask("all")
    answer = inspected.reset().json()
    assert answer == inspected.ask("all")
    assert answer["epoch"] != before["epoch"] and answer["since"] > before["since"]
    assert inspected.counted() == counts()
    assert inspected.ask("ok") == []
    answer = inspected.get("/_/inspect/reset", BEARER)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}],
    ids=["none", "wrong", "no bearer"],
)
def test_a_wrong_token_reads_nothing(
    inspected: Inspected, path: str, headers: dict[str, str]
) -> None:
    for query in ("", f"?token={TOKEN}"):
        answer = inspected.get(f"/_/inspect/{path}{query}", headers)
        assert (answer.status, answer.json()["code"]) == (401, "inspect_token")
    assert inspected.request("POST", "/_/inspect/reset").status == 401


def test_the_page_may_run_its_own_files_only(inspected: Inspected) -> None:
    page = inspected.get("/_/inspect")
    assert (page.status, page.headers["content-type"]) == (
        200,
        "text/html; charset=utf-8",
    )
    assert page.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'"
    )
    assert page.headers["cache-control"] == "no-store"
    for path in ("index.html", "", "nothing.js", "..%2ft.js", "good/1"):
        assert inspected.get(f"/_/inspect/{path}").status == 404, path


def test_without_a_token_there_is_no_inspector(worker: Worker) -> None:
    for path in ("", "/all", "/ok", "/main.js", "/inspect.css"):
        answer = worker.get(f"/_/inspect{path}", BEARER)
        assert (answer.status, answer.json()["code"]) == (404, "not_found"), path
    assert worker.request("POST", "/_/inspect/reset", b"", BEARER).status == 404


INSPECTORS = {
    "it never answers": "call: () => new Promise(() => {})",
    "it throws": 'call() { throw new Error("gone"); }',
    "it refuses": "call: async () => ({ error: new Uint8Array([110, 111]) })",
}


@pytest.mark.parametrize("method", INSPECTORS.values(), ids=INSPECTORS)
def test_no_beacon_needs_the_inspector(peer: FakeFirehose, method: str) -> None:
    class Alone(WorkerWithBindings):
        bindings = f"INSPECTOR: {{ idFromName: () => 1, get: () => ({{ {method} }}) }}"

    env = {**peer.environment(), "HEADWATER_INSPECT_TOKEN": TOKEN}
    with Alone(env) as worker:
        for _ in range(3):
            beacon = event()
            assert worker.post(beacon).status == 204
            assert beacon["id"] in data(peer)
        answer = worker.get("/_/inspect/all", BEARER)
        assert (answer.status, answer.json()["code"]) == (503, "inspector_unavailable")
        # It is left alone for a while, so that not each beacon waits for it.
        wait_until(
            lambda: sum(line.get("part") == "inspector" for line in worker.log_lines)
            == 2
        )
