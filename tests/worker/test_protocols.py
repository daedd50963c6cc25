"""Addresses of other collectors: their keys, their answers, and what is kept of what they can't read."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.fake_server import Answer as Served
from support.fake_server import Server
from support.aws_call import Call
from support.ports import free_port
from support.streams import data, kept
from support.waiting import wait_until
from support.worker import Answer, Worker

SHOP = "https://shop.example"
PROTOCOLS = ["segment", "snowplow", "posthog", "cloudevents", "otlp", "plausible", "umami", "ga4", "amplitude"]  # fmt: skip
KEYS = {"pk_shop": {"tenant": "shop"}, "pk_blog": {"tenant": "blog"}}
SERVER_KEY = "sk_shop_0123456789abcdef0123456789"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


class OldCollector:
    """The collector that a switcher has, which is slow and then fails."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.may_answer = threading.Event()
        self.server = Server(free_port(), self._handle)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/old"

    def __enter__(self) -> OldCollector:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_answer.set()
        self.server.stop()

    def _handle(self, call: Call) -> Served:
        self.calls.append(call)
        self.may_answer.wait(60)
        return Served(500, b"")


@pytest.fixture(scope="module")
def old() -> Iterator[OldCollector]:
    with OldCollector() as old:
        yield old


@pytest.fixture(scope="module")
def worker(peer: FakeFirehose, old: OldCollector) -> Iterator[Worker]:
    settings = {
        "origins": [SHOP],
        "keys": KEYS,
        "protocols": PROTOCOLS,
        "protocol_paths": {"/com.shop/t": "snowplow", "/in": "posthog"},
        "tee": {"amplitude": old.address},
        "log": {"failure_rate": 1, "success_rate": 1},
    }
    secrets = {"HEADWATER_SERVER_KEYS": json.dumps({"shop": SERVER_KEY})}
    with Worker({**peer.environment(), **secrets}, settings) as worker:
        yield worker


def all_events(peer: FakeFirehose) -> list[dict[str, Any]]:
    """The events of all streams, repeats too."""
    return [each for stream in ("events-high", "events-mid", "events-low") for each in peer.events(stream)]


def message(event_id: str, **more: Any) -> dict[str, Any]:
    """A message of Segment's."""
    return {"type": "track", "event": "Plan Upgraded", "messageId": event_id, "anonymousId": "a-1", **more}


def track(worker: Worker, sent: Any, key: str = "pk_shop", **headers: str) -> Answer:
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    basic = base64.b64encode(f"{key}:".encode()).decode()
    return worker.request("POST", "/v1/track", body, {"authorization": f"Basic {basic}", **headers})


def replay(worker: Worker, failed: dict[str, Any], original: str) -> Answer:
    """Sends the corrected original of a failed event again."""
    header = {column: failed[column] for column in ("event_id", "original_format", "received_at")}
    headers = {
        "x-headwater-replay": json.dumps(header),
        "authorization": f"Bearer {worker.env['HEADWATER_OPERATOR_KEY']}",
    }
    return worker.request("POST", "/v1/events?key=pk_shop", original, headers)


def test_an_address_is_unknown_without_its_protocol(peer: FakeFirehose) -> None:
    with Worker(peer.environment(), {"protocols": ["plausible"]}) as worker:
        assert track(worker, message(str(uuid4()))).status == 404
        for method in ("GET", "OPTIONS", "HEAD"):
            assert worker.request(method, "/v1/batch").status == 404


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_an_event_has_its_tenant_and_its_protocol(worker: Worker, peer: FakeFirehose, slash: str) -> None:
    event_id = str(uuid4())
    body = json.dumps(message(event_id, properties={"plan": "team"}))
    answer = worker.request("POST", f"/v1/track{slash}?writeKey=pk_blog", body)

    assert (answer.status, answer.json()) == (200, {"success": True})
    record = data(peer)[event_id]
    assert (record["tenant"], record["protocol"]) == ("blog", "segment")
    assert (record["name"], record["source_name"]) == ("plan_upgraded", "Plan Upgraded")
    assert record["props"] == {"plan": "team"}


def test_a_repeat_of_a_foreign_id_has_the_same_id(worker: Worker, peer: FakeFirehose) -> None:
    foreign = f"ajs-next-{uuid4().hex}"
    for _ in range(2):
        assert track(worker, message(foreign)).status == 200

    found = [each for each in all_events(peer) if each.get("source_event_id") == foreign]
    assert len(found) == 2 and len({each["event_id"] for each in found}) == 1


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress, bytes])
def test_the_first_bytes_show_the_compression(worker: Worker, peer: FakeFirehose, encode: Any) -> None:
    event_id = str(uuid4())
    body = encode(json.dumps(message(event_id)).encode())

    assert track(worker, body, **{"content-type": "application/x-www-form-urlencoded"}).status == 200
    assert event_id in data(peer)


def test_only_a_server_key_states_the_visitor(worker: Worker, peer: FakeFirehose) -> None:
    context = {"ip": "203.0.113.7", "userAgent": AGENT, "timezone": "Europe/Zurich"}
    found = {}
    for key in ("pk_shop", SERVER_KEY):
        event_id = str(uuid4())
        answer = track(worker, message(event_id, context=context), key, **{"user-agent": "backend/1"})
        assert answer.status == 200
        found[key] = data(peer)[event_id]

    assert found[SERVER_KEY]["verified"] is True
    assert (found[SERVER_KEY]["ip"], found[SERVER_KEY]["browser"]) == ("203.0.113.0", "Firefox")
    assert found[SERVER_KEY]["timezone"] == "Europe/Zurich"
    assert found[SERVER_KEY]["utc_offset_minutes"] in (60, 120)
    assert found["pk_shop"]["user_agent"] == "backend/1"
    assert "203.0.113" not in json.dumps(found["pk_shop"])


@pytest.mark.parametrize("key", ["", "pk_other"])
def test_an_unknown_key_is_refused(worker: Worker, peer: FakeFirehose, key: str) -> None:
    event_id = str(uuid4())

    assert track(worker, message(event_id), key).status == 401
    assert event_id not in data(peer) and event_id not in kept(peer)


def test_a_body_that_cannot_be_read_is_one_failed_event(worker: Worker, peer: FakeFirehose) -> None:
    before = set(kept(peer))
    answer = track(worker, b'{"type": "track", ')

    assert answer.status == 400
    (new,) = set(kept(peer)) - before
    failed = kept(peer)[new]
    assert (failed["code"], failed["original_format"]) == ("bad_json", "segment_body")
    assert failed["original"] == '{"type": "track", '

    event_id = str(uuid4())
    corrected = failed["original"] + f'"event": "Opened", "messageId": "{event_id}"}}'
    assert replay(worker, failed, corrected).status == 204
    assert data(peer)[event_id]["source_name"] == "Opened"


def test_an_item_that_fails_is_kept_as_it_came_and_replayed(worker: Worker, peer: FakeFirehose) -> None:
    good, bad = str(uuid4()), str(uuid4())
    items = [message(good), message(bad, userId={"no": "text"})]
    answer = worker.request("POST", "/v1/batch?writeKey=pk_shop", json.dumps({"batch": items}))

    assert (answer.status, answer.json()) == (200, {"success": True})
    assert good in data(peer)
    failed = kept(peer)[bad]
    assert (failed["pointer"], failed["original_format"]) == ("/user_id", "segment")
    assert json.loads(failed["original"]) == items[1]

    corrected = failed["original"].replace('{"no": "text"}', '"u-7"')
    assert replay(worker, failed, corrected).status == 204
    record = data(peer)[bad]
    assert (record["user_id"], record["protocol"]) == ("u-7", "segment")


def test_posthog_names_a_failed_event_as_it_was_sent(worker: Worker, peer: FakeFirehose) -> None:
    """An SDK finds the result of an event by its uuid, even if nothing else of the event can be read."""
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    events = {
        "ok": {"event": "Opened", "properties": {}},
        "missing_field": {"properties": {}},
        "wrong_type": {"event": "Opened", "properties": 7},
        "too_deep": {"event": "Opened", "properties": {"deep": deep}},
    }
    sent = [{"uuid": str(uuid4()), **event} for event in events.values()]
    body = json.dumps({"batch": sent})
    answer = worker.request("POST", "/i/v1/analytics/events", body, {"authorization": "Bearer pk_shop"})

    expected = [{"result": "ok"}] + [{"result": "warning", "details": code} for code in list(events)[1:]]
    assert answer.status == 200
    assert answer.json()["results"] == {event["uuid"]: result for event, result in zip(sent, expected, strict=True)}
    for event, code in list(zip(sent, events, strict=True))[1:]:
        assert (kept(peer)[event["uuid"]]["code"], kept(peer)[event["uuid"]]["original_format"]) == (code, "posthog")


def test_a_page_of_the_site_may_read_the_answer(worker: Worker) -> None:
    asked = {
        "origin": SHOP,
        "access-control-request-method": "POST",
        "access-control-request-headers": "anonymousid,authorization,content-type,sentat",
    }
    preflight = worker.request("OPTIONS", "/v1/track?writeKey=pk_shop", None, asked)

    assert preflight.status == 204
    allowed = preflight.headers["access-control-allow-headers"].split(", ")
    assert {"anonymousid", "authorization", "content-type", "sentat"} <= set(allowed)
    for answer in (preflight, track(worker, message(str(uuid4())), origin=SHOP)):
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-allow-credentials"] == "true"
    refused = track(worker, message(str(uuid4())), origin="https://evil.example")
    assert refused.status == 403
    assert "access-control-allow-origin" not in refused.headers


def test_a_sender_of_cloudevents_is_let_in(worker: Worker) -> None:
    asked = {"webhook-request-origin": "bus.example", "webhook-request-rate": "120"}
    answer = worker.request("OPTIONS", "/v1/cloudevents", None, asked)

    assert answer.status in (200, 204)
    assert answer.headers["webhook-allowed-origin"] == "bus.example"
    assert answer.headers["webhook-allowed-rate"] == "*"


def test_an_event_in_headers_keeps_them_if_its_body_is_not_json(worker: Worker, peer: FakeFirehose) -> None:
    event_id = str(uuid4())
    attributes = {"ce-specversion": "1.0", "ce-id": event_id, "ce-source": "/shop", "ce-type": "com.shop.order.paid"}
    sent = {**attributes, "content-type": "application/json", "authorization": "Bearer pk_shop"}
    before = set(kept(peer))

    answer = worker.request("POST", "/v1/cloudevents", b'{"total": }', sent)

    assert (answer.status, answer.body) == (204, b"")
    (new,) = set(kept(peer)) - before
    failed = kept(peer)[new]
    assert (failed["code"], failed["original_format"]) == ("bad_json", "cloudevents")
    item = json.loads(failed["original"])
    assert (item["id"], item.pop("ce-data")) == (event_id, '{"total": }')
    assert replay(worker, failed, json.dumps({**item, "data": {"total": 7}})).status == 204
    assert data(peer)[event_id]["props"] == {"total": 7}


def test_an_anonymous_tracker_leaves_no_address(worker: Worker, peer: FakeFirehose) -> None:
    found = {}
    for name in ("sp-anonymous", "x-other"):
        event_id = str(uuid4())
        event = {"e": "pv", "eid": event_id, "aid": "pk_shop", "url": f"{SHOP}/"}
        answer = worker.request(
            "POST",
            "/com.shop/t",
            json.dumps({"schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": [event]}),
            {name: "*", "cf-connecting-ip": "203.0.113.9"},
        )
        assert (answer.status, answer.body) == (200, b"ok")
        found[name] = data(peer)[event_id]

    assert "ip" not in found["sp-anonymous"]
    assert found["x-other"]["ip"] == "203.0.113.0"


def test_a_path_of_ones_own_leads_to_all_of_a_protocol(worker: Worker, peer: FakeFirehose) -> None:
    event_id = str(uuid4())
    event = {"uuid": event_id, "event": "$pageview", "properties": {"token": "pk_shop", "distinct_id": "d-1"}}

    assert worker.request("POST", "/in/e/", json.dumps(event)).json() == {"status": 1}
    assert data(peer)[event_id]["name"] == "page_view"
    assert worker.request("POST", "/in/flags/?v=2", "{}").json()["featureFlags"] == {}
    assert worker.request("GET", "/in/nothing").status == 404


def test_head_collects_nothing(worker: Worker, peer: FakeFirehose) -> None:
    event_id = str(uuid4())
    assert worker.request("HEAD", f"/i?e=pv&eid={event_id}&aid=pk_shop").status == 200
    assert worker.request("GET", f"/i?e=pv&eid={event_id}&aid=pk_shop").headers["content-type"] == "image/gif"
    assert [each["event_id"] for each in all_events(peer)].count(event_id) == 1


def upload(worker: Worker, event_id: str, key: str = "pk_shop") -> Answer:
    events = [{"event_type": "a", "device_id": "device-1", "insert_id": event_id}]
    body = json.dumps({"api_key": key, "events": events})
    headers = {"content-type": "application/json", "cookie": "a=b", "cf-connecting-ip": "203.0.113.9"}
    return worker.request("POST", "/2/httpapi?x=1", body, headers)


def test_the_old_collector_gets_a_copy_and_delays_nothing(
    worker: Worker, peer: FakeFirehose, old: OldCollector
) -> None:
    event_id = str(uuid4())
    # It does not answer before the worker has.
    assert upload(worker, event_id).status == 200
    assert event_id in data(peer)

    call = wait_until(lambda: next((call for call in old.calls if event_id.encode() in call.body), None))
    assert (call.method, call.path) == ("POST", "/old/2/httpapi?x=1")
    assert json.loads(call.body)["events"][0]["insert_id"] == event_id
    assert call.header("content-type") == "application/json"
    assert call.header("x-forwarded-for") == "203.0.113.9"
    assert call.header("cookie") is None
    old.may_answer.set()
    worker.wait_for_log("the tee of amplitude answered 500")


def test_a_request_with_an_unknown_key_is_not_copied(worker: Worker, old: OldCollector) -> None:
    refused, taken = str(uuid4()), str(uuid4())
    assert upload(worker, refused, "pk_other").status == 400
    assert upload(worker, taken).status == 200

    wait_until(lambda: any(taken.encode() in call.body for call in old.calls))
    assert not any(refused.encode() in call.body for call in old.calls)


def test_verdicts_are_for_an_import_which_is_not_copied(worker: Worker, peer: FakeFirehose, old: OldCollector) -> None:
    imported, sent = str(uuid4()), str(uuid4())
    events = [
        {"event_type": "a", "user_id": "u-7", "insert_id": imported},
        {"event_type": "a", "user_id": "u" * 200},
    ]
    body = json.dumps({"api_key": "pk_shop", "events": events})
    answer = worker.request("POST", "/2/httpapi?verdicts=1", body)
    assert answer.status == 200
    first, second = answer.verdicts
    assert (first["event_id"], first["outcome"]) == (imported, "accepted")
    assert (second["outcome"], second["pointer"]) == ("failed", "/user_id")
    assert imported in data(peer)

    assert upload(worker, sent).status == 200
    wait_until(lambda: any(sent.encode() in call.body for call in old.calls))
    assert not any(imported.encode() in call.body for call in old.calls)
