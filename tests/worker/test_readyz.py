"""What /readyz reports the one who is woken at night, in the built worker.

Is it us, AWS or the configuration, since when, what waits for how long still, and what to do:
one sentence first, then the same as keys. It tells anyone, so never a word of AWS's own.
"""

from __future__ import annotations

import re
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest

from support import ROOT
from support.fake_firehose import Behaviour, Cut, Effect, Fail, FakeFirehose, Hang, WrongLength
from support.shards import SHARDED, wait_until_drained
from support.streams import Stream
from support.waiting import wait_until
from support.worker import Worker

# What AWS says beside a code, and what a secret is.
TELLING = "User: arn:aws:iam::111122223333:user/headwater is not authorized"
SECRET = "another/secret+access/key"

# How a stream may fail, and what is reported for it: the cause, who mends it, the HTTP status.
FAILURES: dict[str, tuple[Behaviour, str, str, int]] = {
    "is denied": (Fail(400, "AccessDeniedException", TELLING), "access_denied", "operator", 503),
    "has no such key": (
        Fail(403, "UnrecognizedClientException", TELLING), "wrong_key", "operator", 503,
    ),
    "has an old token": (Fail(403, "ExpiredTokenException", TELLING), "expired_token", "operator", 503),
    "has no KMS key": (Fail(400, "InvalidKMSResourceException", TELLING), "kms_key", "operator", 503),
    "takes no direct puts": (
        Fail(400, "InvalidSourceException", TELLING), "no_direct_puts", "operator", 503,
    ),
    "is of another clock": (Fail(403, "RequestExpired", TELLING), "clock_skew", "ours", 200),
    "throttles": (Fail(400, "ThrottlingException", TELLING), "throttled", "stream", 200),
    "is over a quota": (Fail(400, "LimitExceededException", TELLING), "quota_exceeded", "stream", 200),
    "has an internal error": (Fail(500, "InternalFailure", TELLING), "service_failure", "stream", 200),
    "answers nonsense": (WrongLength(), "unknown_answer", "stream", 200),
    "is silent": (Hang(3, Cut(Effect.NONE)), "timed_out", "network", 200),
    "cuts": (Cut(Effect.NONE), "unreachable", "network", 200),
}  # fmt: skip


def now() -> datetime:
    """The clock that the worker has too."""
    return datetime.now(timezone.utc)


def at(text: str) -> datetime:
    """A time as the worker writes it."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def ready(worker: Worker) -> dict[str, Any]:
    """What /readyz tells, whose status fits, and of which nothing is telling."""
    answer = worker.ready()
    for word in (b"arn:", b"111122223333", b"AKID", b"eu-west-1", b"127.0.0.1"):
        assert word not in answer.body
    reported = answer.json()
    assert answer.status == (200 if reported["ready"] else 503)
    assert next(iter(reported)) == "summary"
    assert reported["summary"].startswith("ready" if reported["ready"] else "not ready: ")
    return reported


def of(reported: dict[str, Any], stream: str) -> dict[str, Any]:
    """What is reported for a stream, by the isolate or a shard."""
    (state,) = [each for each in reported["streams"] if each["stream"] == stream]
    return state


def beacons(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Beacons of as many devices."""
    made = ({"id": str(uuid4()), "device_id": str(uuid4())} for _ in range(count))
    return [{"name": "a", **each, **fields} for each in made]


@pytest.fixture(scope="module")
def sharded(peer: FakeFirehose) -> Iterator[Worker]:
    """The worker as the repository configures it, in two shards."""
    with Worker(peer.environment(), {**SHARDED, "shards": 2}) as worker:
        yield worker


def test_a_worker_without_calls_reports_that(sharded: Worker) -> None:
    reported = ready(sharded)

    assert reported["summary"] == "ready: 4 streams, none tried yet, nothing waits"
    assert reported["actions"] == []
    assert "owner" not in reported
    assert {each["state"] for each in reported["streams"]} == {"unknown"}
    assert (reported["delivery"], reported["tenants"]) == ("sharded", 1)


def test_readyz_has_the_version_and_the_bound_parts(sharded: Worker) -> None:
    reported = ready(sharded)

    with (ROOT / "Cargo.toml").open("rb") as manifest:
        version = tomllib.load(manifest)["package"]["version"]
    assert reported["version"]["headwater"] == version
    assert reported["version"]["id"]
    assert at(reported["version"]["uploaded_at"]) <= now()
    assert abs(at(reported["now"]) - now()) < timedelta(seconds=5)
    assert reported["configured"] == {
        "SHARD": True,
        "METRICS": True,
        "ASSETS": True,
        "AWS_SESSION_TOKEN": False,
        "HEADWATER_HASH_SECRET": False,
        "HEADWATER_OPERATOR_KEY": True,
        "HEADWATER_OPERATOR_KEYS": False,
        "HEADWATER_INSPECT_TOKEN": False,
    }


def test_head_has_the_status_and_no_body(sharded: Worker) -> None:
    answer = sharded.request("HEAD", "/readyz")
    assert (answer.status, answer.body) == (200, b"")


def test_a_healthy_stream_has_its_last_success(sharded: Worker) -> None:
    before = now()
    assert sharded.post(beacons(20)).status == 204

    reported = ready(sharded)

    assert reported["summary"] == "ready: 4 streams, 3 of them not tried yet, nothing waits"
    for number, shard in enumerate(reported["shards"]):
        state = of(shard, "firehose:events-mid")
        assert (state["state"], state["source"]) == ("ok", f"shard {number}")
        assert before - timedelta(seconds=1) < at(state["last_success_at"]) < now()
        assert shard["room"] == {
            "used_bytes": 0,
            "limit_bytes": 1 << 30,
            "used_percent": 0,
        }


@pytest.mark.parametrize("way", FAILURES)
def test_each_failure_has_its_cause_owner_and_actions(
    impatient: Iterator[Stream], way: str
) -> None:
    behaviour, cause, blame, status = FAILURES[way]
    stream = next(impatient)
    assert stream.post(stream.beacons(1)).status == 204
    stream.peer.always(behaviour, stream.name)
    before = now()
    for _ in range(2):
        assert stream.post(stream.beacons(1)).status == 503

    reported = ready(stream.worker)

    state = of(reported, stream.to)
    assert (state["state"], state["source"]) == ("failing", "this isolate")
    assert (state["cause"], state["owner"], reported["owner"]) == (cause, blame, blame)
    assert state.get("operator", False) == (status == 503) == (not reported["ready"])
    since, last = at(state["failing_since"]), at(state["last_failed_at"])
    assert before - timedelta(seconds=1) < since <= last < now()
    assert at(state["last_success_at"]) <= since
    assert reported["actions"] == [f"{stream.to}: {state['action']}"]
    clause = f" since {since:%H:%M:%S} ({state['problem']}); what it does not take"
    assert clause in reported["summary"]
    assert stream.to in reported["summary"]

    stream.peer.behave()
    if state["paused"]:
        rest = at(state["paused_until"]) - last
        assert timedelta(0) < rest <= timedelta(seconds=10)
        # Sooner than the rest is over: a new isolate leaves nothing alone.
        stream.worker.kill()
        stream.worker.restart()
    assert stream.post(stream.beacons(1)).status == 204
    assert of(ready(stream.worker), stream.to)["state"] == "ok"


@pytest.fixture(scope="module")
def impatient(peer: FakeFirehose) -> Iterator[Iterator[Stream]]:
    """Streams behind a worker that waits for none for long, and delivers directly."""
    names = [f"stream_{number}" for number in range(len(FAILURES))]
    routes = [{"name": name, "to": f"firehose:{name}"} for name in names]
    settings = {"routes": [*routes, {"to": "firehose:others"}], "delivery_timeout_ms": 1_000}
    with Worker(peer.environment(), settings) as worker:
        yield (Stream(name, worker, peer) for name in names)
    peer.behave()


def test_credentials_that_are_wrong_are_the_operators() -> None:
    """All that is reported is AWS's code, never the key."""
    with FakeFirehose() as peer:
        environment = {**peer.environment(), "AWS_SECRET_ACCESS_KEY": SECRET}
        with Worker(environment, SHARDED) as worker:
            assert worker.post(beacons(3)).status == 204
            reported = ready(worker)

        assert peer.signature_errors
    assert reported["owner"] == "operator"
    assert "firehose:events-mid refuses the worker's signature since" in reported["summary"]
    assert "(InvalidSignatureException); 3 records wait in 1 shard" in reported["summary"]
    (advice,) = reported["actions"]
    assert "AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID" in advice


def test_a_missing_stream_is_named_with_its_fix() -> None:
    with FakeFirehose(streams={"events-low"}) as peer:
        with Worker(peer.environment()) as worker:
            assert worker.post(beacons(1)).status == 503
            assert worker.post(beacons(1, level="low")).status == 204
            reported = ready(worker)

    assert reported["summary"].startswith("not ready: firehose:events-mid is not there")
    assert "(ResourceNotFoundException)" in reported["summary"]
    (advice,) = reported["actions"]
    assert advice.startswith("firehose:events-mid: is the name right? firehose:events-low works")
    assert of(reported, "firehose:events-low")["state"] == "ok"


@dataclass
class Outage:
    """What /readyz reported before, in and after an outage of one stream."""

    began: datetime
    first: dict[str, Any]
    grown: dict[str, Any]
    crashed: dict[str, Any]
    drained: dict[str, Any]


@pytest.fixture(scope="module")
def outage() -> Iterator[Outage]:
    """A stream that throttles until there was a crash."""
    with FakeFirehose() as peer, Worker(peer.environment(), SHARDED) as worker:
        assert worker.post(beacons(1)).status == 204
        peer.always(Fail(400, "ThrottlingException", TELLING))
        began = now()
        assert worker.post(beacons(3)).status == 204
        wait_until(lambda: ready(worker)["shards"][0]["spill"][0].get("problem"))
        first = ready(worker)
        assert worker.post(beacons(5)).status == 204
        grown = ready(worker)
        worker.kill()
        worker.restart()
        wait_until(lambda: not ready(worker)["summary"].startswith("ready:"))
        crashed = ready(worker)
        peer.behave()
        wait_until_drained(worker)
        yield Outage(began, first, grown, crashed, ready(worker))


def test_an_outage_shows_the_backlog_and_its_owner(outage: Outage) -> None:
    first = outage.first

    assert re.fullmatch(
        r"ready, but firehose:events-mid throttles since \d\d:\d\d:\d\d "
        r"\(ThrottlingException\); 3 records wait in 1 shard "
        r"for firehose:events-mid, the oldest for \d+ s",
        first["summary"],
    )
    assert (first["ready"], first["owner"]) == (True, "stream")
    (shard,) = first["shards"]
    state = of(shard, "firehose:events-mid")
    assert at(state["last_success_at"]) <= at(state["failing_since"])
    assert outage.began - timedelta(seconds=1) < at(state["failing_since"])
    (spill,) = shard["spill"]
    assert (spill["owner"], spill["records"]) == ("stream", 3)
    assert at(spill["next_try_at"]) < at(first["now"]) + timedelta(minutes=1)
    assert "last_drained_at" not in spill


def test_a_growing_spill_uses_up_its_capacity(outage: Outage) -> None:
    (before,), (after,) = outage.first["shards"], outage.grown["shards"]
    assert "; 8 records wait in 1 shard" in outage.grown["summary"]
    assert after["room"]["used_bytes"] > before["room"]["used_bytes"] > 0
    assert after["room"]["used_bytes"] == after["spill"][0]["bytes"]


def test_the_report_is_the_same_after_a_crash(outage: Outage) -> None:
    assert "throttles since" in outage.crashed["summary"]
    assert "; 8 records wait in 1 shard" in outage.crashed["summary"]


def test_a_report_after_an_outage_is_empty(outage: Outage) -> None:
    reported = outage.drained
    assert reported["summary"] == "ready: 4 streams, 3 of them not tried yet, nothing waits"
    assert reported["actions"] == []
    assert reported["shards"][0]["room"]["used_bytes"] == 0


def test_a_full_spill_is_not_ready_and_names_its_fix(
    peer: FakeFirehose,
) -> None:
    settings = {**SHARDED, "delivery_timeout_ms": 300, "spill": {"max_bytes": 5_000}}
    peer.always(Fail(400, "ThrottlingException"))
    with Worker(peer.environment(), settings) as worker:
        assert worker.post(beacons(2)).status == 204
        assert ready(worker)["ready"]
        assert worker.post(beacons(20)).status == 503

        reported = ready(worker)

        assert not reported["ready"]
        assert (
            "; there is no room in the spill of shard 0; 2 records wait"
            in reported["summary"]
        )
        (shard,) = reported["shards"]
        assert at(shard["room"]["full_at"]) <= at(reported["now"])
        assert shard["room"]["limit_bytes"] == 5_000
        assert "HEADWATER.spill.max_bytes" in reported["actions"][-1]
        peer.behave()
        wait_until_drained(worker)
        assert ready(worker)["ready"]


def test_a_shard_that_does_not_answer_is_named(peer: FakeFirehose) -> None:
    with Worker(peer.environment(), {**SHARDED, "shards": 3}) as worker:
        assert worker.post(beacons(20)).status == 204
        assert len(ready(worker)["shards"]) == 3
        worker.kill()
        with closing(sqlite3.connect(worker.databases()[0])) as database, database:
            database.execute("ALTER TABLE seen_rows RENAME COLUMN key TO lost")
        worker.restart()

        reported = ready(worker)

    (silent,) = [shard for shard in reported["shards"] if "problem" in shard]
    number = silent["shard"]
    assert reported["summary"] == (
        f"not ready: shard {number} does not answer, so that what waits there is not known"
    )
    assert reported["actions"] == [f"shard {number}: {silent['actions'][0]}"]


def test_a_configuration_mistake_is_reported_first(peer: FakeFirehose) -> None:
    environment = {**peer.environment(), "AWS_REGION": ""}
    with Worker(environment, {"failed": "events", "orgins": ["*"]}) as worker:
        reported = ready(worker)

    mistakes = reported["problems"]
    assert reported["summary"] == (
        f"not ready: {mistakes[0]}; and 2 more mistakes in the configuration"
    )
    assert reported["owner"] == "operator"
    assert reported["actions"][0].startswith("correct what the problems name")
    assert reported["version"]["id"]
