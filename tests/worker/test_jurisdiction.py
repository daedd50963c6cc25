"""Shards that move to a jurisdiction, in the built worker, on the same storage.

workerd has no jurisdictions and refuses them, so the worker gives the objects of each one other names
there. Thus shard 0 and shard eu-0 are two objects with a storage each, as at Cloudflare. What the worker
asks Cloudflare for is seen by a stand-in for the one method that workerd lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from support.delivered_records import now_ms
from support.fake_firehose import Accept, Fail, FakeFirehose
from support.inspected_worker import BEARER as INSPECTOR
from support.inspected_worker import TOKEN
from support.shards import (
    BEARER,
    DRAIN_SECONDS,
    QUARANTINE,
    SHARDED,
    VERDICTS,
    outcomes,
    quarantined,
    records,
    rows,
    wait_until_drained,
)
from support.streams import FAILED, data, ids
from support.waiting import wait_until
from support.worker import Worker
from support.worker_with_bindings import WorkerWithBindings

DEVICES = 5
TAG = ("session_id", "session_index", "session_started_at", "session_trigger")
# The answer for anyone is renewed every five seconds.
SUMMARY_SECONDS = 30

SETTINGS: dict[str, Any] = {
    **SHARDED,
    "linger_ms": 5,
    "delivery_timeout_ms": 500,
    "session": {"timeout_s": 3_600},
    "routes": [{"name": "denied", "to": "firehose:events-low"}, {"to": "firehose:events-mid"}],
}
IN_EU = {"jurisdiction": "eu", "previous_jurisdiction": "none"}

Beacons = list[dict[str, Any]]


def restart(worker: Worker, **settings: str) -> None:
    """Restarts the worker on its storage, with other settings than before."""
    worker.kill()
    worker.settings = {**SETTINGS, **settings}
    worker.restart()


def shards(worker: Worker) -> dict[str | None, dict[str, Any]]:
    """Shard 0 of each jurisdiction, as /readyz lists it."""
    listed = worker.ready().json()["shards"]
    assert [shard["shard"] for shard in listed] == [0] * len(listed)
    return {shard.get("jurisdiction"): shard for shard in listed}


def waiting(worker: Worker) -> dict[str | None, int]:
    """How many records wait in the shard of each jurisdiction."""
    return {name: sum(each["records"] for each in shard["spill"]) for name, shard in shards(worker).items()}


def wait_for_summary(worker: Worker, words: str) -> None:
    """Waits until anyone reads this, which is made of what the shards report."""

    def summary() -> str:
        return worker.get("/readyz").json()["summary"]

    wait_until(lambda: words in summary(), SUMMARY_SECONDS, lambda: f"{words!r} is not in {summary()!r}")


def quarantine_in_eu(worker: Worker, peer: FakeFirehose) -> str:
    """Has the shard of the jurisdiction quarantine a failed event, and returns its id."""
    bad = [{"name": "a", "seq": "y"}]
    # What a stream that has taken nothing refuses is the stream's fault.
    assert worker.post(bad).status == 200
    peer.always(Fail(500, "InternalFailure"), FAILED)
    (verdict,) = worker.post(bad, query=VERDICTS).verdicts
    peer.poison = lambda event: event.get("event_id") == verdict["event_id"]
    peer.always(Accept(), FAILED)

    def count() -> int:
        return sum(each["quarantined"] for each in shards(worker)["eu"]["spill"])

    wait_until(lambda: count() == 1, DRAIN_SECONDS, lambda: shards(worker))
    return verdict["event_id"]


@dataclass
class Move:
    """Events of each device in the order of their times, and what the worker said."""

    peer: FakeFirehose
    before: Beacons
    spilled: Beacons
    after: Beacons
    spilled_after: Beacons
    repeated: list[str]
    waiting: dict[str | None, int]
    quarantined: dict[str, str]
    metrics: str
    drained: dict[str, Any]
    in_the_end: dict[str | None, dict[str, Any]]

    def tags(self, beacons: Beacons) -> list[list[Any]]:
        """The sessions of beacons, in their order."""
        events = data(self.peer)
        return [[events[id].get(column) for column in TAG] for id in ids(beacons)]


@pytest.fixture(scope="module")
def move() -> Iterator[Move]:
    devices = [str(uuid4()) for _ in range(DEVICES)]
    at = now_ms() - 600_000

    def beacons(after_s: int, name: str = "a") -> Beacons:
        """One of each device."""
        reported = {"name": name, "time": at + 1_000 * after_s}
        return [{"id": str(uuid4()), "device_id": each, **reported} for each in devices]

    with FakeFirehose() as peer, Worker(peer.environment(), SETTINGS) as worker:
        (kept,) = quarantined(worker, peer, [{"name": "a", "seq": "x"}])
        before, spilled = beacons(0), beacons(10, "denied")
        assert worker.post(before).status == 204
        peer.always(Fail(500, "InternalFailure"), "events-low")
        assert worker.post(spilled).status == 204
        wait_for_summary(worker, f"{DEVICES} records wait")

        restart(worker, **IN_EU)
        after, spilled_after = beacons(20), beacons(30, "denied")[1:]
        assert worker.post([*after, *spilled_after]).status == 204
        repeated = outcomes(worker.post([before[0], after[0]], {}, VERDICTS))
        # Each jurisdiction has its own reports, of a shard 0 each.
        wait_for_summary(worker, f"{2 * DEVICES - 1} records wait")
        still_waiting = waiting(worker)
        kept_after = quarantine_in_eu(worker, peer)
        found = {row.headers["x-headwater-quarantine-id"]: records(row)[0]["event_id"] for row in rows(worker)}
        metrics = worker.get("/_/metrics", BEARER).body.decode()
        assert sorted(found.values()) == sorted([kept, kept_after])
        for row in found:
            assert worker.request("DELETE", f"{QUARANTINE}?row={quote(row)}", None, BEARER).status == 204
        assert worker.get(QUARANTINE, BEARER).status == 204

        peer.behave()
        wait_until_drained(worker)
        wait_for_summary(worker, "nothing waits")
        drained = worker.ready().json()
        restart(worker, jurisdiction="eu")
        yield Move(
            peer,
            *(before, spilled, after, spilled_after, repeated, still_waiting, found, metrics, drained),
            shards(worker),
        )
        assert peer.signature_errors == []


def test_the_spill_of_both_places_is_shown(move: Move) -> None:
    assert move.waiting == {"eu": DEVICES - 1, None: DEVICES}


def test_no_event_is_lost_and_none_is_doubled(move: Move) -> None:
    sent = [*move.before, *move.spilled, *move.after, *move.spilled_after]
    delivered = [event["event_id"] for stream in ("events-low", "events-mid") for event in move.peer.events(stream)]
    # The repeat of an event that only the earlier shard has seen.
    assert sorted(delivered) == sorted([*ids(sent), move.before[0]["id"]])
    assert move.drained["ready"] and move.drained["spill"]["records"] == 0


def test_a_repeat_is_recognized_by_the_shard_that_has_seen_it(move: Move) -> None:
    assert move.repeated == ["accepted", "duplicate"]


def test_sessions_continue_in_the_jurisdiction(move: Move) -> None:
    before = move.tags(move.spilled)
    assert {(tag[1], tag[3]) for tag in before} == {(1, "first")}
    assert len({tag[0] for tag in before}) == DEVICES
    assert move.tags(move.after) == before
    assert move.tags(move.spilled_after) == before[1:]


def test_the_quarantine_of_both_places_is_exported(move: Move) -> None:
    assert [row.split(".")[0] for row in move.quarantined] == ["eu-0", "0"]


def test_a_shard_of_a_jurisdiction_has_a_label(move: Move) -> None:
    for labels in ('{shard="0",jurisdiction="eu"}', '{shard="0"}'):
        assert f"headwater_shard_up{labels} 1" in move.metrics
    assert f'headwater_spill_records{{shard="0",stream="firehose:events-low"}} {DEVICES}' in move.metrics


def test_the_earlier_place_is_not_asked_any_more(move: Move) -> None:
    assert list(move.in_the_end) == ["eu"]
    assert move.in_the_end["eu"]["devices"] > 0


def test_a_quota_continues_in_the_jurisdiction_and_back(peer: FakeFirehose) -> None:
    keys = {"pk": {"tenant": "limited", "quota": {"events_per_day": 6}}}

    def post(count: int) -> list[str]:
        """The outcomes of as many events, each of a request of its own."""
        sent = ([{"name": "a", "id": str(uuid4()), "device_id": str(uuid4())}] for _ in range(count))
        return [outcome for beacons in sent for outcome in outcomes(worker.post(beacons, {}, f"{VERDICTS}&key=pk"))]

    with Worker(peer.environment(), {**SETTINGS, "keys": keys}) as worker:
        # A lease that a shard loses with its memory stays used; it is of one event here.
        assert post(1) == ["accepted"]
        for settings in (IN_EU, {"jurisdiction": "none", "previous_jurisdiction": "eu"}, IN_EU):
            worker.kill()
            worker.settings = {**SETTINGS, "keys": keys, **settings}
            worker.restart()
            assert post(1) == ["accepted"]
        assert post(4)[2:] == ["over_quota", "over_quota"]


class InJurisdiction(WorkerWithBindings):
    """A worker whose namespaces have jurisdictions as Cloudflare's do, and log what is got from them."""

    bindings = """
    ...Object.fromEntries(["SHARD", "INSPECTOR"].map((binding) => [binding, {
      jurisdiction: (jurisdiction) => ({
        idFromName: (name) => env[binding].idFromName(name),
        get(id, options) {
          console.log(`got ${jurisdiction} ${id.name} ${JSON.stringify(options ?? null)}`);
          return env[binding].get(id);
        },
      }),
      idFromName() { throw new Error("outside of the jurisdiction"); },
    }]))
    """


def test_every_object_is_got_from_its_jurisdiction(peer: FakeFirehose) -> None:
    env = {**peer.environment(), "HEADWATER_INSPECT_TOKEN": TOKEN}
    with InJurisdiction(env, {**SETTINGS, "jurisdiction": "fedramp-high"}) as worker:
        beacon = {"name": "a", "id": str(uuid4())}
        assert worker.post([beacon]).status == 204
        assert "delivered_via" not in data(peer)[beacon["id"]]
        assert list(shards(worker)) == ["fedramp-high"]
        assert worker.get("/readyz").status == 200
        assert worker.get(QUARANTINE, BEARER).status == 204
        assert worker.get("/_/inspect/all", INSPECTOR).json()["accepted"] == 1
        for name in ("shard-fedramp-high-0", "reports-fedramp-high", "inspector-fedramp-high"):
            # A hint is for objects that may be in any place.
            worker.wait_for_log(f"got fedramp-high {name} null")
        assert "outside of the jurisdiction" not in worker.log


class Refused(WorkerWithBindings):
    """A worker whose account has no such jurisdiction."""

    bindings = """
    SHARD: {
      jurisdiction(name) { throw new TypeError(`no jurisdiction ${name}`); },
      idFromName: (name) => env.SHARD.idFromName(name),
      get: (id) => env.SHARD.get(id),
    }
    """


def test_no_object_is_made_outside_of_a_jurisdiction_that_is_refused(peer: FakeFirehose) -> None:
    with Refused(peer.environment(), {**SETTINGS, "jurisdiction": "us"}) as worker:
        beacon = {"name": "a", "id": str(uuid4())}
        assert worker.post([beacon]).status == 204
        assert data(peer)[beacon["id"]]["delivered_via"] == "direct"
        answer = worker.ready()
        (shard,) = answer.json()["shards"]
        assert (answer.status, shard["jurisdiction"], shard["problem"]) == (503, "us", "no jurisdiction us")
        assert "shard us-0 does not answer" in answer.json()["summary"]
        assert worker.databases() == []
