"""Daily quotas of tenants, counted by several shards of the built worker."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from support import sigv4_verifier
from support.fake_firehose import FakeFirehose
from support.shards import SHARDED, VERDICTS, outcomes
from support.streams import data, kept
from support.waiting import wait_until
from support.worker import KEY, LOG_SECONDS, Answer
from support.worker_with_bindings import WorkerWithBindings
from support.worker_with_tenants import WorkerWithTenants

DAY_SECONDS = 86_400
# A lease is given back after eight seconds, and a shard asks again after two.
RETURN_SECONDS = 30
EVENTS = 40


def limited(tenant: str, events: int) -> dict[str, Any]:
    return {"tenant": tenant, "quota": {"events_per_day": events}}


SETTINGS: dict[str, Any] = {
    **SHARDED,
    "shards": 4,
    "linger_ms": 5,
    "protocols": ["segment", "posthog", "snowplow"],
    "keys": {
        "pk_1": limited("many", EVENTS),
        "pk_2": limited("many", EVENTS),
        "pk_day": limited("day", 3),
        "pk_failed": limited("failed", 3),
        "pk_sdk": limited("sdk", 1),
        "pk_free": {"tenant": "free"},
    },
}


@pytest.fixture(scope="module")
def peer() -> Iterator[FakeFirehose]:
    """A Firehose that takes the signatures of other days."""
    before = sigv4_verifier.MAX_CLOCK_SKEW
    sigv4_verifier.MAX_CLOCK_SKEW = timedelta(days=9)
    with FakeFirehose() as peer:
        yield peer
        assert peer.signature_errors == []
    sigv4_verifier.MAX_CLOCK_SKEW = before


@pytest.fixture(scope="module")
def worker(peer: FakeFirehose) -> Iterator[WorkerWithTenants]:
    with WorkerWithTenants(peer.environment(), SETTINGS) as worker:
        # No test is near the end of a day, unless it says so.
        worker.pass_time(1.5 * DAY_SECONDS - time.time() % DAY_SECONDS)
        yield worker


def events(count: int) -> list[dict[str, Any]]:
    """Events of as many devices."""
    return [{"name": "a", "id": str(uuid4()), "device_id": str(uuid4())} for _ in range(count)]


def post(worker: WorkerWithTenants, key: str, beacons: list[dict[str, Any]]) -> Answer:
    return worker.post(beacons, {}, f"{VERDICTS}&key={key}")


def of_tenant(peer: FakeFirehose, tenant: str) -> int:
    """How many records of a tenant are in the streams."""
    records = [*data(peer).values(), *kept(peer).values()]
    return sum(record["tenant"] == tenant for record in records)


def over_quota(worker: WorkerWithTenants) -> dict[str, dict[str, Any]]:
    """The tenants over their quotas, as /readyz lists them for the operator."""
    answer = worker.request("GET", "/readyz", headers={"authorization": f"Bearer {KEY}"})
    return {each["tenant"]: each for each in answer.json().get("over_quota", [])}


def test_exactly_the_events_of_a_quota_are_accepted(
    worker: WorkerWithTenants, peer: FakeFirehose
) -> None:
    counts: Counter[str] = Counter()

    def send(number: int) -> None:
        counts.update(outcomes(post(worker, f"pk_{number % 2 + 1}", events(5))))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(2 * EVENTS // 5)))
    assert sum(counts.values()) == 2 * EVENTS
    assert counts.keys() <= {"accepted", "over_quota"}

    # What one shard had left while another was over the quota is usable soon.
    def all_are_used() -> bool:
        send(0)
        return counts["accepted"] >= EVENTS

    wait_until(all_are_used, RETURN_SECONDS, lambda: counts)
    for number in range(10):
        send(number)
    assert counts["accepted"] == EVENTS == of_tenant(peer, "many")
    point = worker.points()[-1]
    assert (point["tenant"], point["beacons"], point["over_quota"]) == ("many", 5, 5)
    over = over_quota(worker)["many"]
    assert over["events_per_day"] == EVENTS
    assert post(worker, "pk_free", events(1)).verdicts[0]["outcome"] == "accepted"


def test_an_event_over_the_quota_has_a_verdict(worker: WorkerWithTenants) -> None:
    answer = worker.post(events(9), {}, "?key=pk_day")
    assert answer.status == 200
    assert Counter(outcomes(answer)) == {"accepted": 3, "over_quota": 6}
    (verdict, *_) = [each for each in answer.verdicts if each["outcome"] == "over_quota"]
    assert verdict["code"] == "over_quota"
    assert "retry-after" not in answer.headers


def test_the_next_day_has_its_own_count(worker: WorkerWithTenants) -> None:
    assert "accepted" not in outcomes(post(worker, "pk_day", events(8)))
    worker.pass_time(DAY_SECONDS / 2 + 60)
    assert "day" not in over_quota(worker)
    assert Counter(outcomes(post(worker, "pk_day", events(8))))["accepted"] == 3
    assert "day" in over_quota(worker)


def test_a_failed_event_counts_and_a_duplicate_does_not(
    worker: WorkerWithTenants, peer: FakeFirehose
) -> None:
    (event,) = events(1)
    bad = {"name": "A", "id": str(uuid4())}
    assert outcomes(post(worker, "pk_failed", [event, bad])) == ["accepted", "failed"]
    assert outcomes(post(worker, "pk_failed", [event] * 9)) == ["duplicate"] * 9
    last = outcomes(post(worker, "pk_failed", [{**bad, "id": str(uuid4())}, {"name": "A"}]))
    assert last == ["failed", "over_quota"]
    assert outcomes(post(worker, "pk_failed", [event, *events(1)])) == ["duplicate", "over_quota"]
    assert of_tenant(peer, "failed") == 3


def test_a_tenant_of_the_store_has_a_quota(
    worker: WorkerWithTenants, peer: FakeFirehose
) -> None:
    worker.control(put={"pk_stored": json.dumps(limited("stored", 2)), "tenant/stored": "pk_stored"})
    answer = post(worker, "pk_stored", events(6))
    assert Counter(outcomes(answer)) == {"accepted": 2, "over_quota": 4}
    assert of_tenant(peer, "stored") == 2


def test_an_sdk_is_answered_so_that_it_does_not_repeat(worker: WorkerWithTenants) -> None:
    assert outcomes(post(worker, "pk_sdk", events(1))) == ["accepted"]
    message = {"type": "track", "event": "a", "anonymousId": "a"}
    body = json.dumps({"batch": [message], "writeKey": "pk_sdk"})
    segment = worker.request("POST", "/v1/batch", body, {"content-type": "application/json"})
    assert (segment.status, segment.json()["code"]) == (403, "over_quota")
    assert segment.headers["x-headwater-over-quota"] == "1"
    event = {"event": "a", "distinct_id": "a", "properties": {}}
    body = json.dumps({"api_key": "pk_sdk", "batch": [event]})
    posthog = worker.request("POST", "/batch/", body, {"content-type": "application/json"})
    assert posthog.status == 200
    assert posthog.json() == {"status": 1, "quota_limited": ["events"]}


class Home(WorkerWithBindings):
    """Its shards take no events, and a tenant's home grants as many as the test says, or does not
    answer."""

    def __init__(self, environment: dict[str, str], granted: int | None) -> None:
        super().__init__(environment, SETTINGS)
        grant = "null" if granted is None else f"[1, {', '.join(str(it) for it in granted.to_bytes(8))}]"
        self.bindings = """
        SHARD: {
          idFromName: () => 1,
          get: () => ({
            call: async (method) => {
              const grant = %s;
              if (method !== "lease_quota" || !grant) throw new Error("away");
              return new Uint8Array([...grant, ...new Array(16).fill(0)]);
            },
          }),
        }
        """ % grant


def test_what_no_shard_counts_is_within_the_quota_or_refused(peer: FakeFirehose) -> None:
    beacons = events(3)
    with Home(peer.environment(), 2) as worker:
        answer = worker.post(beacons, {}, f"{VERDICTS}&key=pk_1")
        assert Counter(outcomes(answer)) == {"accepted": 2, "over_quota": 1}
    with Home(peer.environment(), None) as worker:
        answer = worker.post(events(1), {}, "?key=pk_1")
        assert (answer.status, answer.json()["code"]) == (503, "not_durable")
        assert "quota_unknown" in answer.json()["message"]
        assert answer.retry_after >= 1
        assert worker.post(events(1), {}, "?key=pk_free").status == 204
    assert sum(beacon["id"] in data(peer) for beacon in beacons) == 2
