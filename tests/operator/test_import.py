"""Exports of old events come through as what they were: their time, ids, visitor, user and props.

The worker runs in workerd with a shard, the local AWS holds what it delivers, and scripts/import is run as an operator
runs it. Where a test needs an answer at a certain point, it comes from a proxy before the worker.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

import import_events as import_events_module
import import_form
import import_sender
import import_source
from import_segment import Segment
from import_snowplow import Snowplow
from local_aws import LocalAws
from support import ROOT
from support.aws_call import Call
from support.exports import (
    AGENT,
    SERVER_KEY,
    import_events,
    lines,
    parquet,
    posthog,
    segment,
    segment_row,
    snowplow,
    snowplow_json,
    start_import,
    tsv,
)
from support.fake_server import Answer, Server
from support.ports import free_port
from support.waiting import wait_until
from support.worker import Worker

AT = "2024-03-01T08:00:00.500Z"
SETTINGS: dict[str, Any] = {
    "delivery": "sharded",
    "shards": 4,
    "linger_ms": 10,
    # What a slow machine keeps waiting must not be sent twice.
    "delivery_timeout_ms": 30_000,
    "protocols": ["segment", "snowplow", "posthog"],
    "keys": {"pk_shop": {"tenant": "shop"}},
    "unknown_events": "accept",
    "names": {"Plan Upgraded": "plan_upgraded_by_name"},
}


@pytest.fixture(scope="module")
def worker(aws: LocalAws) -> Iterator[Worker]:
    secrets = {"HEADWATER_SERVER_KEYS": json.dumps({"shop": SERVER_KEY})}
    with Worker({**aws.environment(), **secrets}, SETTINGS) as worker:
        yield worker


def records(aws: LocalAws, ids: set[str], kind: Any = "data", by: str = "event_id") -> dict[str, dict[str, Any]]:
    """The records of these events by a column that has their ids, each of which is there once."""

    def found() -> list[dict[str, Any]]:
        return [each.record for each in aws.records(kind) if each.record.get(by) in ids]

    wait_until(lambda: len(found()) >= len(ids), 10, lambda: f"{len(found())} of {len(ids)}")
    counts = Counter(each[by] for each in found())
    assert set(counts.values()) <= {1}, counts
    return {each[by]: each for each in found()}


def check_old(record: dict[str, Any], **expected: Any) -> None:
    """The record has the facts of the export, and none of this request."""
    facts = {
        "tenant": "shop",
        "occurred_at": AT,
        "historical": True,
        "verified": True,
        "ip": "203.0.113.0",
        "user_agent": AGENT,
        "browser": "Firefox",
        "user_id": "u-1",
        **expected,
    }
    assert {name: record.get(name) for name in facts} == facts
    for absent in ("session_id", "clock_skew_ms", "bot", "country"):
        assert absent not in record


def test_segments_messages_come_through(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    messages = [segment(1), segment(1, type="identify", event=None, traits={"plan": "team"})]
    named = segment(1, messageId=str(uuid4()), event="order: sent")
    file = lines(tmp_path / "segment-logs" / "1.json.gz", [*messages, named], zipped=True)

    ended = import_events("segment", worker.port, tmp_path / "state", file.parent)

    assert (ended.code, ended.counts) == (0, {"accepted": 3}), ended.err
    found = records(aws, {each["messageId"] for each in messages}, by="source_event_id")
    track, identify = (found[each["messageId"]] for each in messages)
    assert UUID(track["event_id"]).version == 8
    check_old(track, name="plan_upgraded_by_name", source_name="Plan Upgraded", protocol="segment", device_id="a-1")
    assert track["props"] == {"plan": "team", "seats": 12345678901234567, "price": 19.9, "first": False}
    assert (track["utm_source"], track["timezone"], track["language"]) == ("news", "Europe/Zurich", "de-CH")
    assert track["metadata"]["imported"] == {
        "original_timestamp": "2024-03-01T08:00:05.000Z",
        "received_at": "2024-03-01T08:00:02.500Z",
    }
    check_old(identify, name="identify", props={"plan": "team"})
    check_old(records(aws, {named["messageId"]})[named["messageId"]], name="order_sent")


def test_rows_of_segments_warehouse_become_messages_again(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    track = segment_row()
    no_event = {"event": None, "event_text": None, "plan": None, "price": None}
    page = segment_row(**no_event, url="https://shop.example/a", title="A", name="Home")
    identify = segment_row(**no_event, tier="gold")
    types = {name: "TIMESTAMP" if name.endswith(("_at", "stamp", "_ts")) else "VARCHAR" for name in track}
    tracks = parquet(tmp_path / "tracks [1]*.parquet", [track], {**types, "price": "DOUBLE"})
    pages = lines(tmp_path / "pages" / "0.json", [page])
    identifies = lines(tmp_path / "0.json", [identify])

    ended = import_events("segment", worker.port, tmp_path / "state", tracks, pages)
    assert (ended.code, ended.counts) == (0, {"accepted": 2}), ended.err
    no_table = import_events("segment", worker.port, tmp_path / "state", identifies)
    assert (no_table.code, no_table.counts) == (0, {"rejected": 1})
    ended = import_events("segment", worker.port, tmp_path / "state", identifies, "--table", "identifies")
    assert (ended.code, ended.counts) == (0, {"accepted": 1}), ended.err

    found = records(aws, {each["id"] for each in (track, page, identify)})
    check_old(found[track["id"]], name="plan_upgraded_by_name", props={"plan": "team", "price": 19.9})
    assert found[track["id"]]["url"] == "https://shop.example/thanks"
    check_old(found[page["id"]], name="page_view", source_name="page", title="A", props={"page_name": "Home"} | {"url": "https://shop.example/a"})  # fmt: skip
    check_old(found[identify["id"]], name="identify", props={"tier": "gold"})


def test_posthogs_exports_come_through(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    line, row, of_api = posthog(), posthog(), posthog()
    texts = {name: json.dumps(row[name]) for name in ("properties", "person_properties")}
    strings = ("uuid", "event", "distinct_id", "person_id", "properties", "person_properties", "elements_chain")
    types = {**dict.fromkeys(strings, "VARCHAR"), **dict.fromkeys(("timestamp", "created_at"), "TIMESTAMP")}
    # Its name is PostHog's for Parquet that is compressed within.
    rows = parquet(tmp_path / "events.parquet.zst", [{**row, **texts}], types)
    answer = {"id": of_api.pop("uuid"), **of_api, "person": {"properties": {"tier": "gold"}}}
    document = tmp_path / "api.json"
    document.write_text(json.dumps({"next": None, "results": [answer]}, indent=2))

    ended = import_events(
        "posthog", worker.port, tmp_path / "state", lines(tmp_path / "events.jsonl", [line]), rows, document, "--key", "pk_shop"
    )

    assert (ended.code, ended.counts) == (0, {"accepted": 3}), ended.err
    found = records(aws, {line["uuid"], row["uuid"], answer["id"]})
    for record in found.values():
        check_old(record, name="plan_upgraded", source_name="plan upgraded", protocol="posthog", device_id="d-1")
        assert record["props"] == {"plan": "team", "price": 19.9, "$geoip_country_code": "CH"}
        assert record["url"] == "https://shop.example/thanks"
        assert record["metadata"]["posthog"]["person_properties"] == {"tier": "gold"}


def test_snowplows_enriched_events_come_through(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    line, as_json, row = snowplow(), snowplow_json(snowplow()), snowplow_json(snowplow())
    ping = snowplow(event="page_ping", unstruct_event="", pp_xoffset_min="0", pp_yoffset_max="300")
    types = {name: "TIMESTAMPTZ" if name.endswith("_tstamp") else "VARCHAR" for name in row} | {
        "contexts_com_acme_user_1": "STRUCT(tier VARCHAR, _schema_version VARCHAR)[]",
        "unstruct_event_com_acme_plan_upgraded_2": "STRUCT(plan VARCHAR, price DOUBLE)",
    }
    files = [
        lines(tmp_path / "enriched.gz", [tsv(line), tsv(ping)], zipped=True),
        lines(tmp_path / "sdk.json", [as_json]),
        parquet(tmp_path / "lake.parquet", [row], types),
    ]

    ended = import_events("snowplow", worker.port, tmp_path / "state", *files)

    assert (ended.code, ended.counts) == (0, {"accepted": 4}), ended.err
    found = records(aws, {each["event_id"] for each in (line, as_json, row, ping)})
    for each in (line, as_json, row):
        record = found[each["event_id"]]
        check_old(record, name="plan_upgraded", protocol="snowplow", device_id="d-1", client_session_id="s-1")
        assert record["props"] == {"plan": "team", "price": 19.9}
        assert (record["screen_width"], record["viewport_height"], record["language"]) == (1280, 700, "de-CH")
        metadata = record["metadata"]
        assert (metadata["vendor"], metadata["schema_version"]) == ("com.acme", "2-0-1")
        assert metadata["contexts"] == {"user": [{"tier": "gold"}]}
        assert (metadata["network_userid"], metadata["session_index"]) == ("n-1", 3)
        assert metadata["snowplow"]["geo_country"] == "CH"
        assert "page_urlhost" not in metadata["snowplow"]
    check_old(found[ping["event_id"]], name="page_ping", props={"x_offset_min": 0, "y_offset_max": 300})


def test_our_own_records_become_the_same_events(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    message = segment(1, messageId=str(uuid4()))
    import_events("segment", worker.port, tmp_path / "state", lines(tmp_path / "a.json", [message]))
    record = records(aws, {message["messageId"]})[message["messageId"]]
    moved = {**record, "event_id": str(uuid4()), "country": "CH", "session_id": str(uuid4())}
    beacon = {"name": "page_view", "device_id": "d-1", "time": AT, "url": "https://shop.example/"}
    failed = {"event_id": str(uuid4()), "stage": "validate", "code": "bad_format", "original": "{}"}
    file = lines(tmp_path / "records.json", [moved, beacon, failed])

    ended = import_events("headwater", worker.port, tmp_path / "state", file)

    assert (ended.code, ended.counts) == (0, {"accepted": 2, "rejected": 1}), ended.err
    assert ended.rejects()[0]["message"] == "the row is a failed event; scripts/replay sends those again"
    again = records(aws, {moved["event_id"]})[moved["event_id"]]
    own = {"event_id", "received_at", "event_index", "metadata", "protocol"}
    assert {k: v for k, v in again.items() if k not in own} == {k: v for k, v in record.items() if k not in own}
    imported = again["metadata"]["imported"]
    assert (imported["country"], imported["protocol"], imported["received_at"]) == ("CH", "segment", record["received_at"])


def test_a_second_run_makes_no_duplicates(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    # Without ids of their own, so that they get the same ones each time.
    messages = [segment(number, messageId=None, event=f"Twice {number % 7}") for number in range(700)]
    file = lines(tmp_path / "a.json", messages)

    first = import_events("segment", worker.port, tmp_path / "state", file)
    second = import_events("segment", worker.port, tmp_path / "state", file)
    # Other requests have the same events.
    moved = lines(tmp_path / "moved.json", [*messages[137:], *messages[:137]])
    without_state = import_events("segment", worker.port, tmp_path / "other", moved)

    assert first.counts == {"accepted": 700}, first.err
    assert (second.code, second.summary["before"], second.counts) == (0, 700, {})
    assert (without_state.code, without_state.counts) == (0, {"duplicate": 700})

    def found() -> list[str]:
        return [each.record["event_id"] for each in aws.records() if each.record["name"].startswith("twice")]

    wait_until(lambda: len(found()) >= 700, 10, found)
    assert len(set(found())) == len(found()) == 700
    # What is added later is another file to the state; what it had is known to the worker.
    with file.open("a") as end:
        end.write(json.dumps(segment(event="Twice")) + "\n")
    grown = import_events("segment", worker.port, tmp_path / "state", file)
    assert grown.counts == {"accepted": 1, "duplicate": 700}


def test_an_event_that_its_device_has_sent_is_a_duplicate(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    at = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S}.000Z"
    sent = [segment(number, messageId=str(uuid4()), timestamp=at, originalTimestamp=at) for number in range(20)]
    assert worker.request("POST", "/v1/batch?writeKey=pk_shop", json.dumps({"batch": sent})).status == 200
    ids = {each["messageId"] for each in sent}
    assert all("session_id" in record for record in records(aws, ids).values())

    ended = import_events("segment", worker.port, tmp_path / "state", lines(tmp_path / "a.json", sent))

    assert (ended.code, ended.counts) == (0, {"duplicate": 20}), ended.err
    assert len(records(aws, ids)) == 20


class Proxy:
    """Passes calls on to the worker, but for those that `instead` answers, by their number from 0."""

    def __init__(self, worker: Worker, instead: Callable[[int], Answer | None]) -> None:
        self.calls: list[Call] = []
        self._worker, self._instead = worker, instead
        self._lock = threading.Lock()
        self._server = Server(free_port(), self._handle)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _handle(self, call: Call) -> Answer | None:
        with self._lock:
            number = len(self.calls)
            self.calls.append(call)
        if answer := self._instead(number):
            return answer
        connection = http.client.HTTPConnection("127.0.0.1", self._worker.port, timeout=60)
        try:
            headers = {name: value for name, value in call.headers if name != "host"}
            connection.request("POST", call.path, call.body, headers)
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() == "content-type"}
            return Answer(response.status, response.read(), kept)
        finally:
            connection.close()


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_where_it_was(aws: LocalAws, worker: Worker, tmp_path: Path, by: signal.Signals) -> None:
    messages = [segment(number, messageId=str(uuid4())) for number in range(1_700)]
    file, state = lines(tmp_path / "a.json", messages), tmp_path / "state"
    held, stopped = threading.Event(), threading.Event()

    def hold(number: int) -> Answer | None:
        # The check and two batches come through; the run is stopped while it waits for the third.
        if number == 3:
            held.set()
            stopped.wait(60)
        return None

    with Proxy(worker, hold) as proxy:
        process = start_import("segment", proxy.port, state, file, "--parallel", "1")
        assert held.wait(60)
        process.send_signal(by)
        if by == signal.SIGINT:
            # It has one batch under way, and waits for its answer.
            time.sleep(0.5)
            stopped.set()
        _, complaints = process.communicate(timeout=60)
        stopped.set()
        ended = import_events("segment", proxy.port, state, file)

    if by == signal.SIGINT:
        assert process.returncode == 130
        assert complaints == "import: stopped; run it again to go on\n"
    assert ended.code == 0, ended.err
    assert ended.summary["before"] in ((500, 1_000) if by == signal.SIGKILL else (1_000, 1_500))
    assert sum(ended.counts.values()) == 1_700 - ended.summary["before"]
    assert len(records(aws, {each["messageId"] for each in messages})) == 1_700


def test_an_overloaded_worker_gets_its_batches_later(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    messages = [segment(number, messageId=str(uuid4())) for number in range(1_100)]
    file = lines(tmp_path / "a.json", messages)
    refusals = {1: Answer(503, b"{}", {"retry-after": "1"}), 3: Answer(429, b"", {"retry-after": "0"}), 4: Answer(502, b"")}

    with Proxy(worker, refusals.get) as proxy:
        ended = import_events("segment", proxy.port, tmp_path / "state", file)

    assert (ended.code, ended.counts) == (0, {"accepted": 1_100}), ended.err
    assert len(proxy.calls) == 1 + 3 + len(refusals)
    assert len(records(aws, {each["messageId"] for each in messages})) == 1_100
    # A repeat has the same bytes, and comes no sooner than asked.
    assert len({call.body for call in proxy.calls[1:]}) == 3
    refused, repeat, *_ = (call for call in proxy.calls if call.body == proxy.calls[1].body)
    assert (repeat.arrived - refused.arrived).total_seconds() >= 1


def test_a_refused_batch_is_sent_in_halves(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    messages = [segment(number, messageId=str(uuid4())) for number in range(7)]
    # More than an event may have: the worker keeps it as a failed event.
    messages[3]["properties"] = {"text": "x" * 300_000}
    file = lines(tmp_path / "a.json", messages)
    too_large = Answer(413, b'{"code":"body_too_large","message":"the body has too many bytes"}', {"content-type": "application/json"})

    with Proxy(worker, {1: too_large, 2: too_large}.get) as proxy:
        ended = import_events("segment", proxy.port, tmp_path / "state", file, "--parallel", "1")

    assert (ended.code, ended.counts) == (0, {"accepted": 6, "rejected": 1}), ended.err
    (reject,) = ended.rejects()
    assert (reject["line"], reject["code"]) == (4, "too_large")
    with Proxy(worker, lambda number: too_large if number else None) as proxy:
        ended = import_events("segment", proxy.port, tmp_path / "state", lines(tmp_path / "b.json", [segment()]))
    assert (ended.code, ended.rejects()[-1]["code"]) == (0, "body_too_large")


def test_a_lower_limit_of_events_is_learned(worker: Worker, tmp_path: Path) -> None:
    rows = [{"name": "page_view", "id": str(uuid4()), "time": AT} for _ in range(1_000)]
    too_many = Answer(413, b'{"message":"body has 500 beacons, limit 125"}', {"content-type": "application/json"})

    with Proxy(worker, {1: too_many}.get) as proxy:
        ended = import_events("headwater", proxy.port, tmp_path / "state", lines(tmp_path / "a.json", rows), "--parallel", "1")

    assert (ended.code, ended.counts) == (0, {"accepted": 1_000}), ended.err
    # The check, the refusal, and eight requests of 125.
    assert len(proxy.calls) == 1 + 1 + 8


def test_any_failure_of_the_edge_passes(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    messages = [segment(number, messageId=str(uuid4())) for number in range(3)]
    failures = {0: Answer(500, b""), 2: Answer(520, b"<html>"), 3: Answer(530, b"error code: 1033"), 4: Answer(599, b"")}

    with Proxy(worker, failures.get) as proxy:
        ended = import_events("segment", proxy.port, tmp_path / "state", lines(tmp_path / "a.json", messages))

    assert (ended.code, ended.counts, ended.summary["finished"]) == (0, {"accepted": 3}, True), ended.err
    assert len(proxy.calls) == 2 + len(failures)
    with Proxy(worker, lambda number: Answer(404, b"") if number else None) as proxy:
        file = lines(tmp_path / "b.json", [segment()])
        ended = import_events("segment", proxy.port, tmp_path / "state", file)
    assert (ended.code, ended.summary["finished"], ended.counts) == (1, False, {})
    quiet = run_quiet(worker, tmp_path, file)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def run_quiet(worker: Worker, folder: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """The same by the option's former name, and without --json."""
    command = [sys.executable, import_events_module.__file__, "--from", "segment", "--quiet", "--resume", str(folder / "quiet")]
    return subprocess.run(
        [*command, "--endpoint", f"http://127.0.0.1:{worker.port}", str(file)],
        env={"PATH": os.environ["PATH"], "HEADWATER_SERVER_KEY": SERVER_KEY},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


class Clock:
    """Stands for the module `time`: it passes only while something sleeps, or as a test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.mark.parametrize("rate", [0.5, 12, 500, 3_000])
def test_no_more_events_are_sent_a_second_than_the_rate(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, dice = Clock(), random.Random(20261130)
    monkeypatch.setattr(import_events_module, "time", clock)
    pace = import_events_module.Pace(rate)
    sent: list[tuple[float, int]] = []
    for _ in range(200):
        # Now and then the worker takes its time, which does not let more come together afterwards.
        clock.now += dice.choice([0, 0, 0.01, 3])
        batch = dice.randint(1, 500)
        pace.wait(batch)
        sent.append((clock.now, batch))
    for start in range(0, 200, 7):
        before = 0
        for at, batch in sent[start:]:
            assert before <= rate * (at - sent[start][0]) * (1 + 1e-9)
            before += batch
    # It waits no longer than it has to.
    unpaced = import_events_module.Pace(None)
    now = clock.now
    unpaced.wait(10**9)
    assert clock.now == now
    steady = import_events_module.Pace(rate)
    for _ in range(11):
        steady.wait(100)
    assert clock.now == pytest.approx(now + 1_000 / rate)


def test_a_batch_is_compressed_no_more_often_than_it_has_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many events nothing is compressed, and of too many bytes the whole once, and then what is sent."""
    compressed: list[int] = []
    sent: list[int] = []
    monkeypatch.setattr(import_sender.gzip, "compress", lambda text, *_, **__: compressed.append(text.count(b"{")) or text)
    sender = import_sender.ImportSender("http://127.0.0.1:1", import_events_module.FORMS["headwater"], "k" * 32, None, 1)

    class Answered:
        status, data, headers = 200, b"{}", {}  # noqa: RUF012

    monkeypatch.setattr(sender, "_answer", lambda body: sent.append(body.count(b"{")) or Answered())
    monkeypatch.setattr(sender, "_verdicts", lambda _, count: [import_sender.Verdict("accepted")] * count)

    sender._most = 100
    assert len(sender.send([b"{}"] * 250)) == 250
    assert compressed == sent and sum(sent) == 250 and max(sent) <= 100
    compressed.clear(), sent.clear()
    assert len(sender.send([b"{" + b"x" * 60_000 + b"}"] * 10)) == 10
    assert sum(sent) == 10 and compressed == [10, *sent] and len(sent) == 3


def test_each_rejected_row_is_listed_with_its_line_and_its_reason(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    good = segment(messageId=str(uuid4()))
    too_long = segment(1, anonymousId="x" * 200, messageId=str(uuid4()))
    rows = [good, "{broken", "", too_long, '{"a":1,"a":2}', "[" * 100_000, segment(timestamp=None, originalTimestamp=None, receivedAt=None), segment(timestamp="soon"), '{"type":"track","anonymousId":1e999,"timestamp":"2024-03-01"}']  # fmt: skip
    file = lines(tmp_path / "a.json", rows)

    ended = import_events("segment", worker.port, tmp_path / "state", file)

    assert (ended.code, ended.counts) == (0, {"accepted": 1, "rejected": 7}), ended.err
    rejects = ended.rejects()
    found = [(each["line"], each["code"]) for each in rejects]
    assert found == [(2, "bad_json"), (4, "too_long"), (5, "duplicate_field"), (6, "too_deep"), (7, "missing_field"), (8, "bad_format"), (9, "bad_json")]  # fmt: skip
    assert {each["file"] for each in rejects} == {str(file)}
    assert (rejects[1]["pointer"], rejects[1]["event_id"]) == ("/device_id", too_long["messageId"])
    assert ended.summary["rejected_by_code"]["bad_json"] == 2
    # The worker has it too, as a failed event.
    assert records(aws, {too_long["messageId"]}, "failed")
    for name in ("state", "state.rejects.ndjson"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


HOSTILE = ["\x00\x1b[31m\u202e\x9b", "</script><script>", "=HYPERLINK(1)", "\ud83d", "'; DROP TABLE imported; --", "🦀" * 50]


@pytest.mark.parametrize("form", ["segment", "posthog", "snowplow", "headwater"])
def test_hostile_values_are_values(aws: LocalAws, worker: Worker, tmp_path: Path, form: str) -> None:
    props = {"list": HOSTILE, **{f"k{number}{text}": text for number, text in enumerate(HOSTILE)}}
    event_id = str(uuid4())
    row: Any = {
        "segment": segment(messageId=event_id, event="Hostile", properties=props),
        "posthog": posthog(uuid=event_id, event="Hostile", properties=props),
        "snowplow": snowplow_json(snowplow(event_id=event_id, event_name="hostile")) | {"unstruct_event_com_acme_plan_upgraded_2": props},
        "headwater": {"name": "hostile", "id": event_id, "time": AT, "props": props},
    }[form]
    file = lines(tmp_path / "a[1]*; rm -rf 'x'.json", [row])

    ended = import_events(form, worker.port, tmp_path / "state", file)

    assert (ended.code, ended.counts) == (0, {"accepted": 1}), ended.err
    record = records(aws, {event_id})[event_id]
    assert (record["name"], record["occurred_at"]) == ("hostile", AT)
    assert record["props"]["list"][1:3] + record["props"]["list"][4:] == HOSTILE[1:3] + HOSTILE[4:]
    if form != "segment":
        return
    tried = import_events(form, worker.port, tmp_path / "state", file, "--dry-run", "--since", "2024-02-01")
    assert not {"\x1b", "\x9b", "\u202e"} & set(tried.out + tried.err)


def test_a_time_selects_events_and_an_import_of_others_is_another(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    days = [segment(messageId=str(uuid4()), timestamp=f"2024-03-0{day}T00:00:00Z") for day in range(1, 6)]
    file, state = lines(tmp_path / "a.json", days), tmp_path / "state"
    some = ("--since", "2024-03-02", "--until", "2024-03-04")

    tried = import_events("segment", worker.port, state, file, *some, "--dry-run")
    assert (tried.summary["sendable"], tried.summary["filtered"], len(tried.summary["shown"])) == (2, 3, 2)
    assert (tried.summary["first"], tried.summary["last"]) == ("2024-03-02T00:00:00.000Z", "2024-03-03T00:00:00.000Z")
    assert not state.exists()
    first = import_events("segment", worker.port, state, file, *some)
    assert (first.counts, first.summary["filtered"]) == ({"accepted": 2}, 3)
    rest = import_events("segment", worker.port, state, file)
    assert rest.counts == {"accepted": 3, "duplicate": 2}


def test_standard_input_a_rate_and_left_out_columns(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    messages = [segment(messageId=str(uuid4())) for _ in range(3)]
    text = "".join(json.dumps(each) + "\n" for each in messages)
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_text, args=(text,), daemon=True).start()

    ended = import_events("segment", worker.port, tmp_path / "state", "-", "--rate", "1000", "--without", "context", text=text)
    piped = import_events("segment", worker.port, tmp_path / "state", tmp_path / "pipe")

    assert (ended.code, ended.counts) == (0, {"accepted": 3}), ended.err
    assert (piped.code, piped.counts) == (0, {"duplicate": 3}), piped.err
    for record in records(aws, {each["messageId"] for each in messages}).values():
        assert not {"ip", "user_agent", "url"} & record.keys()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([posthog()], "its first row has uuid, event, distinct_id, person_id, properties, person_properties; it looks like --from posthog"),
        ([snowplow_json(snowplow())], "it looks like --from snowplow"),
        ([tsv(snowplow())], "of its first row: the line is not JSON"),
        (["id,event,time", "1,a,2"], "it looks like CSV"),
        ([{}], "its first row has no columns"),
        (["\x28\xb5\x2f\xfd"], "is zstd"),
        (["a\x00b"], "is neither lines of text nor Parquet"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path: Path, rows: list[Any], message: str) -> None:
    file = lines(tmp_path / "a.json", rows)
    if rows[0] == "\x28\xb5\x2f\xfd":
        file.write_bytes(b"\x28\xb5\x2f\xfd\x00")
    arguments = argparse.Namespace(since=None, until=None, without=[])
    reader = import_events_module.Reader(import_events_module.FORMS["segment"], arguments)
    with pytest.raises(import_source.ImportProblem, match=re.escape(message)):
        reader.check(import_source.files([str(file)]))


def test_a_file_of_another_form_is_refused_before_anything_is_sent(worker: Worker, tmp_path: Path) -> None:
    good, other = lines(tmp_path / "a" / "1.json", [segment()]), lines(tmp_path / "a" / "2.json", [posthog()])
    with Proxy(worker, lambda _: None) as proxy:
        ended = import_events("segment", proxy.port, tmp_path / "state", good.parent)
        assert ended.code == 1 and ended.out == ""
        assert ended.err.startswith(f"import: {other} is no export of the form segment") and ended.err.count("\n") == 1
        assert proxy.calls == []
    ended = import_events("segment", worker.port, tmp_path / "state", "-", text=json.dumps(posthog()))
    assert ended.code == 1 and "it looks like --from posthog" in ended.err


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ('[{"a":1}]', "["),
        ('\ufeff {"next":null,"results":[{"a":1}]}', '\ufeff {"next":null,"results":['),
        ('{\n "a": [1,"]"],\n "batch" : [\n', '{\n "a": [1,"]"],\n "batch" : ['),
        ('{"a":"\\"results\\":[","events":[', '{"a":"\\"results\\":[","events":['),
        ('{"traits":{"events":[1]},"x":1}\n{}', None),
        ('{"s":["results",["batch"]],"q":{}}', None),
        ('{"events":1}', None),
        ("{broken", None),
        ("", None),
    ],
)
def test_a_document_is_known_by_its_list_of_events(text: str, start: str | None) -> None:
    found = import_source._start_of_list(text.encode())
    assert found == (None if start is None else len(start.encode()))


@pytest.mark.parametrize(
    ("column", "schema"),
    [
        ("contexts_com_acme_user_1", "iglu:com.acme/user/jsonschema/1-0-0"),
        ("contexts_com_acme_user_1_2_3", "iglu:com.acme/user/jsonschema/1-2-3"),
        ("contexts_com_acme_item_3_1", "iglu:com.acme/item_3/jsonschema/1-0-0"),
        ("contexts_com_snowplowanalytics_snowplow_web_page_1", "iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0"),
        ("contexts_nl_basjes_yauaa_context_1", "iglu:nl.basjes/yauaa_context/jsonschema/1-0-0"),
        ("contexts_acme_user_1", "iglu:acme/user/jsonschema/1-0-0"),
        ("contexts_acme_1", "iglu:acme/acme/jsonschema/1-0-0"),
    ],
)
def test_a_column_of_a_loader_has_the_schema_of_its_name(column: str, schema: str) -> None:
    row = snowplow(event="page_view", unstruct_event="", contexts="", **{column: [{"a": 1}]})
    message, _, _ = Snowplow().message(row, "")
    assert [each["schema"] for each in json.loads(message["co"])["data"]] == [schema]


ODD = [None, "", " ", 0, -1, 1e308, float("inf"), True, [], [[]], {}, {"a": None}, "{", "[1]", '"', "\ud83d", b"\xff", {1: {(1, 2): 3}}, 10**400]  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_any_value_of_any_column_is_sent_or_rejected(value: Any) -> None:
    record = {"event_id": str(uuid4()), "occurred_at": AT, "name": "a", "props": {}, "metadata": {}, "ip": "203.0.113.7"}
    rows = {
        "segment": (segment(), segment_row(), segment_row(event=None, type="page")),
        "posthog": (posthog(set={}, ip="", person={}), {**posthog(), "properties": "{}"}),
        "snowplow": (snowplow(), snowplow_json(snowplow()), {"event": "page_view", "geo_latitude": 1.0}),
        "headwater": (record, {"name": "a", "time": AT}),
    }
    sent = 0
    for name, of_form in rows.items():
        form = import_events_module.FORMS[name]
        for row in of_form:
            for column in row:
                odd = {**row, column: value}
                assert form.fits(odd) in (True, False)
                try:
                    message = import_form.message_of(form, odd, "a.json")
                except import_form.Rejected as rejected:
                    assert re.fullmatch("[a-z_]+", rejected.code) and rejected.message
                else:
                    assert isinstance(json.loads(form.body([message.text])), (dict, list))
                    sent += 1
    assert sent > 20


def test_an_address_beside_the_context_is_the_visitors() -> None:
    """As RudderStack has it."""
    for context, expected in (({}, "203.0.113.9"), (None, "203.0.113.9"), ({"ip": "203.0.113.7"}, "203.0.113.7")):
        message, _, _ = Segment().message(segment(request_ip="203.0.113.9", context=context), "")
        assert message["context"]["ip"] == expected


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2024-03-01T08:00:00.500Z", AT),
        ("2024-03-01 08:00:00.500", AT),
        ("2024-03-01 08:00:00.500 UTC", AT),
        ("2024-03-01T09:00:00.500+01:00", AT),
        (1709280000.5, AT),
        (1709280000500, AT),
        (1709280000500000, AT),
        ("soon", None),
        (True, None),
        (1e300, None),
        ("9999-12-31T23:59:59-23:00", None),
        ([], None),
    ],
)
def test_times_have_the_forms_of_exports(value: Any, at: str | None) -> None:
    found = import_form.parsed(value)
    assert (found and import_form.iso(found)) == at


def test_a_damaged_file_is_read_as_far_as_it_goes(aws: LocalAws, worker: Worker, tmp_path: Path) -> None:
    messages = [segment(messageId=str(uuid4())) for _ in range(2_000)]
    file = lines(tmp_path / "a.json.gz", messages, zipped=True)
    file.write_bytes(file.read_bytes()[:-20_000])

    ended = import_events("segment", worker.port, tmp_path / "state", file)

    assert ended.code == 1
    assert "is not whole gzip; the rows before it are done" in ended.err
    assert 0 < ended.counts["accepted"] < 2_000


@pytest.mark.parametrize(
    ("arguments", "key", "code", "message"),
    [
        ((), "", 2, "HEADWATER_SERVER_KEY has no server key"),
        ((), "pk_shop", 2, "is no server key: it has 7 characters"),
        ((), "a-guess-that-has-32-characters-or-more", 1, "the server key is none of the worker's"),
        (("--key", "pk_shop"), "a-guess-that-has-32-characters-or-more", 1, "the server key is none of the worker's"),
        (("--key", SERVER_KEY), SERVER_KEY, 2, "--key is a tenant's public write key"),
        (("--key-file", "/nowhere"), SERVER_KEY, 2, "/nowhere can't be read"),
    ],
)
def test_a_wrong_key_sends_nothing(
    worker: Worker, tmp_path: Path, arguments: tuple[str, ...], key: str, code: int, message: str
) -> None:
    file = lines(tmp_path / "a.json", [segment()])
    with Proxy(worker, lambda _: None) as proxy:
        ended = import_events("segment", proxy.port, tmp_path / "state", file, *arguments, key=key)
    assert ended.code == code and message in ended.err, ended.err
    assert len(proxy.calls) <= 1
    assert not key or key not in ended.out + ended.err


def test_the_key_is_in_no_output_and_with_a_write_key_in_no_request(worker: Worker, tmp_path: Path) -> None:
    file, key_file = lines(tmp_path / "a.json", [segment(), "{broken"]), tmp_path / "key"
    key_file.write_text(f"{SERVER_KEY}\n")
    with Proxy(worker, lambda _: None) as proxy:
        ended = import_events("segment", proxy.port, tmp_path / "state", file, "--key", "pk_shop", "--key-file", key_file, key="")
    assert ended.counts == {"accepted": 1, "rejected": 1}, ended.err
    assert all(SERVER_KEY not in str(call.headers) for call in proxy.calls)
    for text in (ended.out, ended.err, *(each.read_text(errors="replace") for each in tmp_path.glob("state*"))):
        assert SERVER_KEY not in text
        assert "the-old-write-key" not in text


def test_a_worker_without_the_protocol_is_named(aws: LocalAws, tmp_path: Path) -> None:
    file = lines(tmp_path / "a.json", [posthog()])
    secrets = {"HEADWATER_SERVER_KEYS": json.dumps({"default": SERVER_KEY})}
    with Worker({**aws.environment(), **secrets}, {"delivery_timeout_ms": 20_000}) as plain:
        ended = import_events("posthog", plain.port, tmp_path / "state", file)
        assert ended.code == 1 and 'add it: protocols = ["posthog"]' in ended.err
        # Without tenants, and in direct delivery.
        beacon = {"name": "page_view", "id": str(uuid4()), "time": AT}
        ended = import_events("headwater", plain.port, tmp_path / "state", lines(tmp_path / "b.json", [beacon]))
    assert (ended.code, ended.counts) == (0, {"accepted": 1}), ended.err
    assert records(aws, {beacon["id"]})[beacon["id"]]["occurred_at"] == AT


def test_an_address_without_a_worker_is_named_soon(tmp_path: Path) -> None:
    ended = import_events("segment", free_port(), tmp_path / "state", lines(tmp_path / "a.json", [segment()]))
    assert ended.code == 1 and "/v1/import does not answer: NewConnectionError" in ended.err


def test_two_runs_do_not_share_a_state(worker: Worker, tmp_path: Path) -> None:
    file, state = lines(tmp_path / "a.json", [segment()]), tmp_path / "state"
    held, release = threading.Event(), threading.Event()

    def hold(number: int) -> Answer | None:
        if number == 1:
            held.set()
            release.wait(60)
        return None

    with Proxy(worker, hold) as proxy:
        process = start_import("segment", proxy.port, state, file)
        assert held.wait(60)
        ended = import_events("segment", worker.port, state, file)
        release.set()
        process.communicate()
    assert ended.code == 1 and "another import uses it" in ended.err
    assert process.returncode == 0


def rows_of(path: Path) -> tuple[list[Any], str]:
    """The values of a file's rows, and why it could not be read to its end."""
    values: list[Any] = []
    (file,) = import_source.files([str(path)])
    try:
        for row in file.rows():
            values.append(row.value)
    except import_source.Damaged as damaged:
        return values, str(damaged)
    return values, ""


@pytest.mark.parametrize(
    "text",
    ['[{"a": 1}]\n[{"a": 2}]\n', '{"batch": [{"a": 1}]}\n{"batch": [{"a": 2}]}\n', '[{"a": 1}] x', '{"batch": [{"a": 1}], "b"'],
    ids=["arrays", "requests", "a word", "cut"],
)
def test_what_follows_a_document_is_never_dropped(text: str, tmp_path: Path) -> None:
    file = tmp_path / "pages.json"
    file.write_text(text)
    assert rows_of(file) == ([{"a": 1}], f"{file} has more after the list of its events; make each document a file")


@pytest.mark.parametrize("text", ['[{"a": 1}]\n \n', '{"batch": [{"a": 1}], "next": {"c": [1, "]"]}}\n', '{"x": 0, "events": [{"a": 1}]}'])
def test_the_rest_of_a_document_is_no_event(text: str, tmp_path: Path) -> None:
    file = tmp_path / "page.json"
    file.write_text(text)
    assert rows_of(file) == ([{"a": 1}], "")


def test_a_document_in_a_pipe_is_known_however_it_comes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    came = threading.Event()

    def write() -> None:
        with pipe.open("w") as opened:
            opened.write('{"next": null,')
            opened.flush()
            came.wait(60)
            opened.write('"results": [{"a": 1}]}')

    threading.Thread(target=write, daemon=True).start()
    threading.Timer(0.3, came.set).start()
    assert rows_of(pipe) == ([{"a": 1}], "")


def test_the_limits_are_those_of_the_documentation() -> None:
    page = (ROOT / "www/docs/configuration.md").read_text()
    defaults = {key: int(page.split(f"| `limits.{key}` | ")[1].split(" ")[0]) for key in ("max_beacons", "max_inflated_bytes")}
    assert import_sender.MAX_EVENTS == defaults["max_beacons"]
    assert import_sender.MAX_BYTES < defaults["max_inflated_bytes"]
