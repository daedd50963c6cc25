"""Failed events are found by their reason, their cause is fixed, and they come through.

The worker runs in workerd with a shard, the local AWS holds what it delivers, and
scripts/replay is run as an operator runs it.
"""

from __future__ import annotations

import base64
import json
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

from local_aws import BUCKET_OUTPUTS, LocalAws
from support.cli import OPERATOR_KEY, answer, place, replay, start_replay
from support.delivered_records import GEO, complete
from support.replay_fixtures import (
    A_DAY_AGO,
    AFTER,
    HEADERS,
    SECRETIVE,
    ids,
    correct,
    order,
    quiz,
    wait_for,
)
from support.waiting import wait_until
from support.worker import Worker


def test_failed_events_are_found_fixed_and_in_the_lake_once(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    own_id = str(uuid4())
    corrected = [quiz(), quiz(id=own_id, time=A_DAY_AGO), order("francs"), order("euro")]
    broken = {"name": "Order Placed"}
    answered = worker.post([order("CHF"), *corrected, broken], HEADERS)
    good, *failed, hopeless = [each["event_id"] for each in answered.verdicts]
    undecodable = worker.post('{"name":', HEADERS)
    assert undecodable.status == 400
    assert worker.get("/v1/pixel.gif?name=quiz_answered&seq=7", HEADERS).status == 200
    wait_for(lake, "failed", 7)

    reasons = {
        (row["code"], row["name"]): int(row["failed"])
        for row in answer(lake, "failed_events")
    }
    assert reasons == {
        ("unknown_event", "quiz_answered"): 3,
        ("bad_format", "order_placed"): 2,
        ("bad_format", ""): 1,
        ("bad_json", ""): 1,
    }

    correct(worker)
    source, ledger = place(lake, "failed"), ("--resume", str(tmp_path / "resume"))
    first = replay(lake, worker, source, *ledger)
    assert first.code == 1, first.printed
    assert first.report == {
        ("accepted", ""): 5,
        ("failed", "bad_format"): 1,
        ("failed", "bad_json"): 1,
    }
    for secret in (*SECRETIVE, own_id):
        assert secret not in first.printed
    pixel = next(
        each.record["event_id"]
        for each in lake.records("failed")
        if each.record["original_format"] == "query"
    )
    assert wait_for(lake, "data", 6) == Counter([good, *failed, pixel])
    # What failed again is the same failed event, sent once more.
    body_id = undecodable.json()["event_id"]
    assert ids(lake, "failed") == Counter([*failed, pixel, *[hopeless, body_id] * 2])

    rows = {
        (row["code"], row["name"]): (int(row["failed"]), int(row["replayed"]))
        for row in answer(lake, "failed_events")
    }
    assert rows["unknown_event", "quiz_answered"] == (3, 3)
    assert rows["bad_format", ""] == (1, 0)

    before = (ids(lake, "data"), ids(lake, "failed"))
    second = replay(lake, worker, source, *ledger)
    assert (second.code, second.before, second.report) == (1, 7, {}), second.printed
    elsewhere = replay(
        lake,
        worker,
        source,
        "--resume",
        str(tmp_path / "other"),
        "--schema",
        "order_placed",
    )
    assert (elsewhere.code, elsewhere.report) == (
        0,
        {("duplicate", ""): 2},
    ), elsewhere.printed
    assert (ids(lake, "data"), ids(lake, "failed")) == before

    again = replay(lake, worker, source, *ledger, "--again")
    assert again.report == {("failed", "bad_format"): 1, ("failed", "bad_json"): 1}


def test_a_replayed_event_keeps_its_times_and_its_visitors_data(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    worker.post([quiz(time=A_DAY_AGO), quiz()], HEADERS)
    wait_for(lake, "failed", 2)
    kept = {each.record["event_id"]: each.record for each in lake.records("failed")}
    worker.cf.update(country="US", timezone="America/Chicago", city="Austin")
    correct(worker)
    replay(lake, worker, place(lake, "failed"), "--resume", str(tmp_path / "resume"))
    wait_for(lake, "data", 2)
    events = [complete(each.record) for each in lake.records()]
    for event in events:
        failed = kept[event["event_id"]]
        assert event["received_at"] == failed["received_at"] < event["replayed_at"]
        assert event["occurred_at"] == event.get("client_time", failed["received_at"])
        assert "clock_skew_ms" not in event
        assert {name: event[name] for name in GEO} == GEO
        assert (event["browser"], event["ip"], event["utc_offset_minutes"]) == (
            "Firefox",
            failed["ip"],
            60,
        )
        assert "bot" not in event
    assert sum("client_time" in event for event in events) == 1


def test_a_killed_run_resumes_and_delivers_nothing_twice(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    count, resume = 400, tmp_path / "resume"
    worker.post([quiz(device_id=str(uuid4())) for _ in range(count)], HEADERS)
    failed = wait_for(lake, "failed", count)
    correct(worker)
    arguments = (place(lake, "failed"), "--resume", str(resume), "--parallel", "4")
    process = start_replay(lake, worker, *arguments)
    deadline = time.monotonic() + 60
    while (done := _outcomes(resume)) < 40:
        assert time.monotonic() < deadline and process.poll() is None, done
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = _outcomes(resume)
    assert 40 <= done < count

    ended = replay(lake, worker, *arguments)
    assert ended.code == 0, ended.printed
    assert ended.before == done
    assert ended.report.total() == count - done
    assert set(ended.report) <= {("accepted", ""), ("duplicate", "")}
    assert wait_for(lake, "data", count) == failed


def _outcomes(resume: Path) -> int:
    if not resume.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{resume}?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM replayed").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def test_records_that_firehose_did_not_write_arrive_once(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    answered = worker.post(
        [order("CHF"), order("EUR", device_id="another")], HEADERS, "?verdicts=1"
    )
    sent = Counter(each["event_id"] for each in answered.verdicts)
    assert wait_for(lake, "data", 2) == sent
    packed = "".join(f"{each.line}\n" for each in lake.records())
    first = {each.record["event_id"]: each.record for each in lake.records()}
    lake.clear()
    document = {
        "attemptsMade": 1,
        "arrivalTimestamp": 1_795_000_000_000,
        "errorCode": "DataFormatConversion.InvalidSchema",
        "errorMessage": "the schema is invalid",
        "attemptEndingTimestamp": 1_795_000_000_000,
        "rawData": base64.b64encode(packed.encode()).decode(),
    }
    lake.client("s3").put_object(
        Bucket=lake.outputs[BUCKET_OUTPUTS["data"]],
        Key="errors/stream=high/type=format-conversion-failed/day=2026-11-21/hr=08/1",
        Body=json.dumps(document).encode() + b"\n",
    )
    source = place(lake, "data", "errors/")
    codes = ("--code", "DataFormatConversion.InvalidSchema")
    corrected = replay(lake, worker, source, *codes, "--resume", str(tmp_path / "resume"))
    assert (corrected.code, corrected.report) == (0, {("accepted", ""): 2}), corrected.printed
    # The error document itself is one of the records that are in the bucket.

    def back() -> list[dict[str, Any]]:
        return [each.record for each in lake.records() if "event_id" in each.record]

    wait_until(lambda: len(back()) >= 2, 10, back)
    for event in back():
        del event["replayed_at"]
        # What a page had before is not what it is in again, a session apart.
        assert event == {**first[event["event_id"]], "event_index": 0}
    other = replay(lake, worker, source, "--resume", str(tmp_path / "other"))
    assert other.report == {("duplicate", "replayed_lately"): 2}


def test_a_run_is_narrowed_by_reason_and_time(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    worker.post([quiz(), quiz(), order(None), {"name": "A"}], HEADERS)
    wait_for(lake, "failed", 4)

    def dry(*arguments: str) -> dict[str, int]:
        ended = replay(
            lake,
            worker,
            place(lake, "failed"),
            "--dry-run",
            "--resume",
            str(tmp_path / "r"),
            *arguments,
        )
        assert ended.code == 0, ended.printed
        lines = ended.printed.splitlines()
        start = next(
            (i for i, line in enumerate(lines) if line.startswith("code ")), len(lines)
        )
        return {
            " ".join(line.split()[:2]): int(line.split()[2])
            for line in lines[start + 1 :]
        }

    everything = {
        "unknown_event -": 2,
        "wrong_type order_placed": 1,
        "bad_format -": 1,
    }
    assert dry() == everything
    assert dry("--code", "unknown_event") == {"unknown_event -": 2}
    assert dry("--code", "unknown_event", "--code", "bad_format") == {
        "unknown_event -": 2,
        "bad_format -": 1,
    }
    assert dry("--schema", "order_placed") == {"wrong_type order_placed": 1}
    assert dry("--tenant", "default") == everything
    assert dry("--tenant", "shop") == {}
    assert sum(dry("--limit", "3").values()) == 3
    assert dry("--since", "2000-01-01", "--until", "2999-01-01T00:00Z") == everything
    assert dry("--since", "2999-01-01") == dry("--until", "2000-01-01") == {}
    assert ids(lake, "data") == {}


def test_a_wrong_key_replays_nothing(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    worker.post([quiz()], HEADERS)
    wait_for(lake, "failed", 1)
    correct(worker)
    arguments = (place(lake, "failed"), "--resume", str(tmp_path / "resume"))
    refused = replay(
        lake, worker, *arguments, key="a-guess-that-has-32-characters-or-more"
    )
    assert refused.code == 2 and "HEADWATER_OPERATOR_KEY" in refused.printed
    assert ids(lake, "data") == {}
    reported = {"x-headwater-replay": json.dumps({"received_at": A_DAY_AGO})}
    assert worker.post(quiz(), reported).status == 403
    bearing = {**reported, "authorization": f"Bearer {OPERATOR_KEY}"}
    assert worker.post(quiz(), bearing).status == 400


def test_a_replay_waits_for_a_failing_stream(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    worker.post([quiz() for _ in range(3)], HEADERS)
    failed = wait_for(lake, "failed", 3)
    copy = tmp_path / "failed"
    for number, each in enumerate(lake.records("failed")):
        path = copy / "day=2026-11-21" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(each.line + "\n")
    worker.kill()
    worker.settings = {**AFTER, "delivery": "direct", "delivery_timeout_ms": 2_000}
    worker.restart()
    lake.stop()
    try:
        assert worker.post(quiz()).status == 503
        process = start_replay(
            lake, worker, str(copy), "--resume", str(tmp_path / "resume")
        )
        time.sleep(3)
        assert process.poll() is None
    finally:
        lake.start()
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert wait_for(lake, "data", 3) == failed
