"""Tenants in the key-value store: found, cached, switched off, and while the store does not answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import Accept, Fail, FakeFirehose
from support.shards import SHARDED, spills, wait_until_drained
from support.streams import FAILED, data, kept
from support.waiting import wait_until
from support.worker import KEY, Answer
from support.worker_with_tenants import WorkerWithTenants

ACME = "https://acme.example"
EVIL = "https://evil.example"
SERVER_KEY = "sk_acme_0123456789abcdef0123456789"
SETTINGS: dict[str, Any] = {
    "keys": {"pk_own": {"tenant": "own"}},
    "protocols": ["segment"],
    "tenant_streams": ["firehose:of-acme", "firehose:of-other"],
}
# How long a value holds, and an entry that does not exist; as src/ingest/tenant_cache has them.
FOUND_SECONDS = 60
UNKNOWN_SECONDS = 10
RETRY_SECONDS = 10


@pytest.fixture(scope="module")
def worker(peer: FakeFirehose) -> Iterator[WorkerWithTenants]:
    secrets = {"HEADWATER_SERVER_KEYS": json.dumps({"acme": SERVER_KEY})}
    with WorkerWithTenants({**peer.environment(), **secrets}, SETTINGS) as worker:
        yield worker


@pytest.fixture
def key(worker: WorkerWithTenants) -> Iterator[str]:
    """A write key of the tenant acme that no other test has."""
    key = f"pk_{uuid4().hex}"
    worker.put({key: {"tenant": "acme", "origins": [ACME], "ip": "drop"}})
    worker.forget()
    worker.seen()
    yield key
    worker.control(fails=False, hangs=False, refuses=False)


def send(worker: WorkerWithTenants, key: str, **headers: str) -> Answer:
    return worker.post({"name": "a", "id": str(uuid4())}, headers, f"?key={key}")


def test_a_key_of_the_store_has_its_tenants_settings(
    worker: WorkerWithTenants, peer: FakeFirehose, key: str
) -> None:
    good, bad = str(uuid4()), str(uuid4())
    beacons = [{"name": "a", "id": good}, {"name": "A", "id": bad}]
    answer = worker.post(beacons, {"x-write-key": key, "origin": ACME})

    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == ACME
    record = data(peer)[good]
    assert (record["tenant"], "ip" in record) == ("acme", False)
    assert kept(peer)[bad]["tenant"] == "acme"
    refused = send(worker, key, origin=EVIL)
    assert (refused.status, refused.json()["code"]) == (403, "origin_not_allowed")


def test_a_key_of_the_configuration_is_not_looked_up(worker: WorkerWithTenants) -> None:
    worker.seen()
    assert send(worker, "pk_own").status == 204
    assert worker.post({"name": "a"}, {"authorization": "Bearer x"}, "?key=pk_own").status == 204
    assert worker.seen().reads == []


@pytest.mark.parametrize("query", ["", "?key=", "?key=no%20key", "?key=tenant/acme", f"?key={'x' * 65}"])
def test_what_can_be_no_key_is_not_looked_up(worker: WorkerWithTenants, query: str) -> None:
    worker.seen()
    answer = worker.post({"name": "a"}, query=query)

    assert (answer.status, answer.json()["code"]) == (401, "unknown_key")
    assert worker.seen().reads == []


def test_a_value_is_read_once_a_minute(worker: WorkerWithTenants, key: str) -> None:
    assert [send(worker, key).status for _ in range(3)] == [204] * 3
    worker.pass_time(FOUND_SECONDS - 5)
    assert send(worker, key).status == 204
    assert worker.seen().reads == [key]
    worker.pass_time(5)
    assert [send(worker, key).status for _ in range(3)] == [204] * 3
    assert worker.seen().reads == [key]


def test_requests_at_once_share_a_read(worker: WorkerWithTenants, key: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: send(worker, key).status, range(16)))

    assert answers == [204] * 16
    assert worker.seen().reads == [key]


def test_an_unknown_key_is_read_once_in_ten_seconds(worker: WorkerWithTenants) -> None:
    key = f"pk_{uuid4().hex}"
    worker.seen()
    answers = [send(worker, key, origin=EVIL) for _ in range(3)]
    assert [(answer.status, answer.json()["code"]) for answer in answers] == [(401, "unknown_key")] * 3
    # A page may read that its key is not known.
    assert answers[0].headers["access-control-allow-origin"] == EVIL
    assert worker.seen().reads == [key]
    worker.put({key: {"tenant": "acme"}})
    assert send(worker, key).status == 401
    worker.pass_time(UNKNOWN_SECONDS)
    assert send(worker, key).status == 204
    assert worker.seen().reads == [key]


def test_a_key_is_switched_off_and_on_within_a_minute(worker: WorkerWithTenants, key: str) -> None:
    assert send(worker, key, origin=ACME).status == 204
    worker.put({key: {"tenant": "acme", "origins": [ACME], "off": True}})
    worker.pass_time(FOUND_SECONDS)
    off = send(worker, key, origin=EVIL)
    unknown = send(worker, "pk_none", origin=EVIL)
    assert off.status == unknown.status == 401
    assert off.json() == {
        **unknown.json(),
        "message": unknown.json()["message"].replace("pk_none", f"{key[:8]}…"),
    }
    names = ("access-control-allow-origin", "vary", "cache-control")
    assert [off.headers.get(name) for name in names] == [unknown.headers.get(name) for name in names]
    worker.put({key: {"tenant": "acme", "off": False}})
    worker.pass_time(FOUND_SECONDS)
    assert send(worker, key).status == 204


@pytest.mark.parametrize("fault", ["fails", "hangs"])
def test_the_last_value_holds_while_the_store_does_not_answer(
    worker: WorkerWithTenants, key: str, fault: str
) -> None:
    assert send(worker, key).status == 204
    before = failures(worker, "unavailable")
    worker.control(**{fault: True})
    worker.pass_time(FOUND_SECONDS)
    worker.seen()
    assert [send(worker, key).status for _ in range(3)] == [204] * 3
    assert worker.seen().reads == [key]
    worker.pass_time(2 * FOUND_SECONDS)
    assert send(worker, key).status == 204
    wait_until(lambda: failures(worker, "unavailable") > before, 10, lambda: worker.points("tenants"))
    worker.wait_for_line(level="error", part="tenants")


def failures(worker: WorkerWithTenants, why: str) -> int:
    return sum(point["blobs"][1] == why for point in worker.points("tenants"))


def test_without_a_last_value_the_answer_is_503(worker: WorkerWithTenants, key: str) -> None:
    worker.control(fails=True)
    answer = send(worker, key, origin=EVIL)

    assert (answer.status, answer.json()["code"]) == (503, "tenants_unavailable")
    assert answer.retry_after == 5
    assert answer.headers["access-control-allow-origin"] == EVIL
    assert worker.get(f"/v1/pixel.gif?key={key}&name=a").status == 503
    # Once in a while, and not for each request.
    assert worker.seen().reads == [key]
    worker.control(fails=False)
    worker.pass_time(5)
    assert send(worker, key).status == 204


@pytest.mark.parametrize(
    "value",
    [
        "{",
        "[]",
        '{"tenant": "ACME"}',
        '{"tenant": "acme", "routes": [{"to": "firehose:elsewhere"}]}',
        '{"tenant": "acme", "gcp": "drop"}',
        json.dumps({"tenant": "acme", "names": {"x": "y" * 20_000}}),
    ],
    ids=["cut", "list", "name", "stream", "misspelt", "large"],
)
def test_an_invalid_value_changes_nothing_and_makes_no_key_unknown(
    worker: WorkerWithTenants, key: str, value: str
) -> None:
    new = f"pk_{uuid4().hex}"
    assert send(worker, key).status == 204
    before = failures(worker, "invalid")
    worker.put({key: value, new: value})
    worker.pass_time(FOUND_SECONDS)
    assert send(worker, key).status == 204
    refused = send(worker, new)
    assert (refused.status, refused.json()["code"]) == (503, "tenants_unavailable")
    wait_until(lambda: failures(worker, "invalid") >= before + 2, 10, lambda: worker.points("tenants"))


def test_the_log_names_the_key_and_the_problem(worker: WorkerWithTenants, key: str) -> None:
    worker.pass_time(FOUND_SECONDS)
    worker.put({key: '{"tenant": "acme", "gcp": "drop"}'})
    assert send(worker, key).status == 503
    worker.wait_for_log(f"TENANTS.{key}.gcp is an unknown key; did you mean gpc?")


def test_a_tenant_that_is_removed_is_unknown(worker: WorkerWithTenants, key: str) -> None:
    assert send(worker, key).status == 204
    worker.control(remove=[key])
    worker.pass_time(FOUND_SECONDS)
    assert send(worker, key).status == 401


def test_a_preflight_honours_the_tenants_origins(worker: WorkerWithTenants, key: str) -> None:
    query = f"?key={key}"
    allowed = worker.preflight(ACME, query=query)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, ACME)
    assert worker.preflight(EVIL, query=query).status == 403
    assert worker.seen().reads == [key]
    # The beacon itself gets the error.
    worker.control(fails=True)
    assert worker.preflight(EVIL, query="?key=pk_none_at_all").status == 204


def test_an_image_names_a_key_of_the_store(
    worker: WorkerWithTenants, peer: FakeFirehose, key: str
) -> None:
    event_id = str(uuid4())
    assert worker.get(f"/v1/pixel.gif?key={key}&name=a&id={event_id}").status == 200
    assert data(peer)[event_id]["tenant"] == "acme"
    refused = worker.get(f"/v1/pixel.gif?key={key}&name=a", {"referer": f"{EVIL}/page"})
    assert refused.status == 403


def test_an_sdk_names_a_key_of_the_store(
    worker: WorkerWithTenants, peer: FakeFirehose, key: str
) -> None:
    def track(write_key: str, origin: str = ACME) -> Answer:
        event = {"type": "track", "event": "Opened", "messageId": str(uuid4()), "anonymousId": "x", "userId": name}
        body = json.dumps({"writeKey": write_key, **event})
        return worker.request("POST", "/v1/t", body, {"content-type": "text/plain", "origin": origin})

    name = uuid4().hex
    assert track(key).status == 200
    (record,) = [each for each in data(peer).values() if each.get("user_id") == name]
    assert (record["tenant"], record["protocol"]) == ("acme", "segment")
    refused = track(key, EVIL)
    assert refused.status == 403
    assert "access-control-allow-origin" not in refused.headers
    assert track("pk_none").status == 401
    assert worker.seen().reads == [key, "pk_none"]


def test_a_server_key_of_a_tenant_of_the_store(
    worker: WorkerWithTenants, peer: FakeFirehose, key: str
) -> None:
    event_id = str(uuid4())
    beacon = {"name": "a", "id": event_id, "ip": "203.0.113.7"}
    bearer = {"authorization": f"Bearer {SERVER_KEY}"}
    assert worker.post(beacon, bearer).status == 204
    record = data(peer)[event_id]
    assert (record["tenant"], record["verified"]) == ("acme", True)
    assert worker.seen().reads == ["tenant/acme", key]
    worker.put({key: {"tenant": "acme", "off": True}})
    worker.pass_time(FOUND_SECONDS)
    assert worker.post(beacon, bearer).status == 401
    # The key is another tenant's by now.
    worker.control(put={key: '{"tenant": "other"}'})
    worker.pass_time(FOUND_SECONDS)
    assert worker.post(beacon, bearer).status == 401
    worker.control(fails=True)
    worker.pass_time(FOUND_SECONDS)
    assert worker.post(beacon, bearer).status == 401, "the last value holds"


def test_the_rate_limiter_counts_a_client_before_a_read(worker: WorkerWithTenants, key: str) -> None:
    address = {"cf-connecting-ip": "203.0.113.9"}
    assert send(worker, key, **address).status == 204
    assert send(worker, key, **address).status == 204
    tenants = ["acme 203.0.113.9"] * 2
    assert worker.seen().counted == ["/tenants 203.0.113.9", *tenants]
    worker.control(refuses=True)
    answer = send(worker, f"pk_{uuid4().hex}", **address)
    assert (answer.status, answer.json()["code"]) == (429, "rate_limited")
    assert worker.seen().reads == []


def test_a_flood_of_invented_keys_reads_few_of_them(worker: WorkerWithTenants, key: str) -> None:
    """Two hundred, and ten a second by the worker's clock."""
    assert send(worker, key).status == 204
    worker.seen()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: send(worker, f"pk_{uuid4().hex}").status, range(600)))

    assert set(answers) == {401, 503}
    assert len(worker.seen().reads) == answers.count(401) < 550
    assert send(worker, key).status == 204
    assert worker.seen().reads == []


def test_the_operator_asks_about_a_tenant_of_the_store(worker: WorkerWithTenants, key: str) -> None:
    worker.put({key: {"tenant": "acme", "routes": [{"to": "firehose:of-acme"}]}})
    worker.pass_time(FOUND_SECONDS)
    ready = worker.ready("?tenant=acme")
    assert ready.status == 200
    streams = {each["stream"]: each.get("tenants") for each in ready.json()["streams"]}
    assert streams["firehose:of-acme"] == streams["firehose:of-other"] == ["TENANTS"]
    unknown = worker.ready("?tenant=nobody")
    assert (unknown.status, unknown.json()["code"]) == (404, "unknown_tenant")


def test_an_operator_sends_again_what_came_before_a_key_was_off(
    worker: WorkerWithTenants, peer: FakeFirehose, key: str
) -> None:
    bad = str(uuid4())
    assert worker.post({"name": "A", "id": bad}, query=f"?key={key}").status == 200
    assert kept(peer)[bad]["tenant"] == "acme"
    worker.put({key: {"tenant": "acme", "off": True}})
    worker.pass_time(FOUND_SECONDS)
    facts = {"event_id": bad, "original_format": "beacon", "received_at": "2026-11-18T11:06:40Z"}
    headers = {"x-write-key": key, "x-headwater-replay": json.dumps(facts)}
    beacon = {"name": "a", "id": bad}
    assert worker.post(beacon, headers).status == 403
    assert worker.post(beacon, {**headers, "authorization": f"Bearer {KEY}"}).status == 204
    assert data(peer)[bad]["tenant"] == "acme"


@pytest.fixture
def sharded() -> Iterator[tuple[WorkerWithTenants, FakeFirehose]]:
    with FakeFirehose() as peer:
        settings = {**SHARDED, **SETTINGS, "linger_ms": 10, "delivery_timeout_ms": 300}
        with WorkerWithTenants(peer.environment(), settings) as worker:
            yield worker, peer


def ids(peer: FakeFirehose, stream: str) -> list[str]:
    return [event["event_id"] for event in peer.events(stream)]


def test_shards_deliver_by_a_tenants_routes_and_drain_what_waits_after_it_was_switched_off(
    sharded: tuple[WorkerWithTenants, FakeFirehose],
) -> None:
    worker, peer = sharded
    of_acme = {"tenant": "acme", "routes": [{"to": "firehose:of-acme"}]}
    worker.put({"pk_acme": of_acme})
    first, waits, bad = (str(uuid4()) for _ in range(3))

    def accepted(event_id: str, **fields: Any) -> str:
        beacon = {"name": "a", "id": event_id, "device_id": "d", **fields}
        (verdict,) = worker.post([beacon], query="?key=pk_acme&verdicts=1").verdicts
        return verdict["outcome"]

    assert accepted(first) == "accepted"
    assert ids(peer, "of-acme") == [first]
    peer.always(Fail(500, "InternalFailure"), "of-acme")
    peer.always(Fail(500, "InternalFailure"), FAILED)
    assert accepted(waits) == "accepted"
    assert accepted(bad, name="A") == "failed"
    assert spills(worker)["firehose:of-acme"]["records"] == 1

    worker.put({"pk_acme": {**of_acme, "off": True}})
    worker.kill()
    worker.restart()
    assert send(worker, "pk_acme").status == 401
    peer.always(Accept(), "of-acme")
    peer.always(Accept(), FAILED)
    wait_until_drained(worker)
    assert ids(peer, "of-acme") == [first, waits]
    assert kept(peer)[bad]["tenant"] == "acme"


def test_what_waits_for_a_stream_that_is_gone_goes_by_the_tenants_routes_of_today(
    sharded: tuple[WorkerWithTenants, FakeFirehose],
) -> None:
    worker, peer = sharded
    worker.put({
        "pk_acme": {"tenant": "acme", "routes": [{"to": "firehose:of-acme"}]},
        "pk_bad": {"tenant": "bad", "routes": [{"to": "firehose:of-acme"}]},
        "pk_gone": {"tenant": "gone", "routes": [{"to": "firehose:of-acme"}]},
    })  # fmt: skip
    peer.always(Fail(400, "ResourceNotFoundException"), "of-acme")
    sent = {}
    for key in ("pk_bad", "pk_acme", "pk_gone"):
        sent[key] = str(uuid4())
        beacon = {"name": "a", "id": sent[key], "device_id": "d"}
        assert worker.post([beacon], query=f"?key={key}").status == 204
    off = {"tenant": "acme", "routes": [{"to": "firehose:of-other"}], "off": True}
    worker.put({"pk_acme": off, "pk_bad": "{"})
    worker.control(remove=["pk_gone", "tenant/gone"])
    worker.kill()
    worker.settings = {**worker.settings, "tenant_streams": ["firehose:of-other"]}
    worker.restart()
    wait_until_drained(worker)
    assert ids(peer, "of-other") == [sent["pk_acme"]]
    # An invalid value does not keep them, nor what waits behind them.
    assert sorted(ids(peer, "events-mid")) == sorted([sent["pk_bad"], sent["pk_gone"]])
    assert ids(peer, "of-acme") == []
