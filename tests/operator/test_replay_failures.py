"""What a replay meets when things are not as they should be: nothing is lost, sent twice or given away."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from failed_events import parse
from local_aws import BUCKET_OUTPUTS, LocalAws
from support.cli import LAKE, OPERATOR_KEY, Ended, environment, place, replay
from support.replay_fixtures import AFTER, BEFORE, HEADERS, ids, correct, order, quiz, wait_for
from support.worker import Worker

FAILED = {
    "event_id": "01939b70-6d2a-7c3e-8f00-000000000001",
    "received_at": "2026-11-20T08:00:00.000Z",
    "stage": "validate",
    "code": "unknown_event",
    "original_format": "beacon",
    "original": '{"name":"quiz_answered"}',
}


def put(aws: LocalAws, kind: Any, key: str, body: bytes) -> None:
    bucket = aws.outputs[BUCKET_OUTPUTS[kind]]
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def replay_to(aws: LocalAws, address: str, tmp_path: Path) -> Ended:
    """A replay of one failed event to any address."""
    copy = tmp_path / "failed"
    copy.mkdir(exist_ok=True)
    (copy / "1").write_text(json.dumps(FAILED) + "\n")
    ended = subprocess.run(
        [sys.executable, str(LAKE / "replay.py"), str(copy), "--worker", address]
        + ["--resume", str(tmp_path / "resume")],
        env=environment(aws, {"HEADWATER_OPERATOR_KEY": OPERATOR_KEY}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Ended(ended.returncode, ended.stdout + ended.stderr)


@contextmanager
def elsewhere(status: int, body: str, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """Something that is no worker: its address, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            # Left unread, it would have the connection reset, and the answer with it.
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_the_key_and_the_events_follow_no_redirect(
    aws: LocalAws, tmp_path: Path
) -> None:
    with elsewhere(200, "{}") as (other, asked):
        with elsewhere(307, "", location=f"{other}/v1/events") as (address, _):
            ended = replay_to(aws, address, tmp_path)
    assert (ended.code, asked) == (1, [])
    assert "the worker answers 307" in ended.printed


@pytest.mark.parametrize("address", ["http://c.example", "c.example", "https://"])
def test_the_key_goes_over_https_only(
    aws: LocalAws, tmp_path: Path, address: str
) -> None:
    ended = replay_to(aws, address, tmp_path)
    assert ended.code == 2 and f"'{address}' is not https://HOST" in ended.printed


def test_a_page_in_place_of_the_worker_is_reported(
    aws: LocalAws, tmp_path: Path
) -> None:
    with elsewhere(200, "<html>") as (address, _):
        ended = replay_to(aws, address, tmp_path)
    assert ended.code == 1
    assert "the worker answers 200 in words of its own" in ended.printed


@pytest.mark.parametrize("name", ["lastErrorCode", "errorCode", "ErrorCode"])
def test_an_event_in_firehoses_errors_has_its_code(name: str) -> None:
    event = {**FAILED, "name": "page_view"}
    del event["stage"]
    document = {name: "Some.Code", "rawData": base64.b64encode(json.dumps(event).encode()).decode()}  # fmt: skip
    (failed,) = parse(json.dumps(document).encode(), "here")
    assert (failed.code, failed.original_format) == ("Some.Code", "record")


def test_a_misconfigured_worker_is_reported_at_once(
    aws: LocalAws, tmp_path: Path
) -> None:
    with Worker({"HEADWATER_OPERATOR_KEY": OPERATOR_KEY}) as worker:
        address = f"http://127.0.0.1:{worker.port}"
        ended = replay_to(aws, address, tmp_path)
    assert ended.code == 1
    assert "can't accept events: AWS_ACCESS_KEY_ID is missing" in ended.printed


def test_a_damaged_object_does_not_stop_the_rest(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    worker.post([quiz(), quiz()], HEADERS)
    failed = wait_for(lake, "failed", 2)
    whole = gzip.compress(json.dumps(FAILED).encode() * 9)
    put(lake, "failed", "day=2026-11-21/hr=00/half.gz", whole[:-20])
    put(lake, "failed", "day=2026-11-21/hr=00/text", b'{"event_id":\n\n')
    put(lake, "failed", "errors/day=2026-11-21/1", b'{"rawData":"no base64"}\n')
    for number, record in enumerate((b"", b"5", b"{}", b"\0\1garbled")):
        document = {"rawData": base64.b64encode(record).decode()}
        put(lake, "failed", f"errors/day=2026-11-21/r{number}", json.dumps(document).encode())  # fmt: skip
    correct(worker)
    arguments = (place(lake, "failed"), "--resume", str(tmp_path / "resume"))
    ended = replay(lake, worker, *arguments)
    assert (ended.code, ended.report) == (1, {("accepted", ""): 2}), ended.printed
    assert "8 of that kind are left out" in ended.printed
    assert wait_for(lake, "data", 2) == failed


def test_a_resume_file_without_tenants_is_refused(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    resume = tmp_path / "resume"
    with sqlite3.connect(resume) as database:
        database.execute("CREATE TABLE outcomes (event_id TEXT, outcome TEXT)")
    ended = replay(lake, worker, place(lake, "failed"), "--resume", str(resume))
    assert ended.code == 1 and "name another with --resume" in ended.printed


def test_accepted_events_are_noted_though_another_was_refused(
    lake: LocalAws, tmp_path: Path
) -> None:
    keys = {"pk_shop": {"tenant": "shop"}, "pk_blog": {"tenant": "blog"}}
    env = {**lake.environment(), "HEADWATER_OPERATOR_KEY": OPERATOR_KEY}
    with Worker(env, {**BEFORE, "keys": keys}) as worker:
        for key in ["pk_blog", *["pk_shop"] * 20]:
            worker.post([quiz()], HEADERS, f"?key={key}")
        wait_for(lake, "failed", 21)
        worker.kill()
        worker.settings = {**AFTER, "keys": keys}
        worker.restart()
        arguments = (place(lake, "failed"), "--resume", str(tmp_path / "resume"))
        refused = replay(
            lake, worker, *arguments, "--key", "shop=pk_shop", "--key", "blog=pk"
        )
        assert refused.code == 1 and "write key of tenant 'blog'" in refused.printed
        taken = len(ids(lake, "data"))
        assert taken > 0
        ended = replay(
            lake, worker, *arguments, "--key", "shop=pk_shop", "--key", "blog=pk_blog"
        )
        assert (ended.code, ended.before) == (0, taken), ended.printed
        assert ended.report == {("accepted", ""): 21 - taken}


def test_a_body_that_is_dropped_today_stops_nothing(
    lake: LocalAws, tmp_path: Path
) -> None:
    env = {**lake.environment(), "HEADWATER_OPERATOR_KEY": OPERATOR_KEY}
    accepting = {**BEFORE, "consent": {"denied": "keep"}}
    with Worker(env, accepting) as worker:
        assert worker.post('{"consent":"denied","name":').status == 400
        worker.post([quiz()], HEADERS)
        wait_for(lake, "failed", 2)
        worker.kill()
        worker.settings = {**AFTER, "consent": {"denied": "drop"}}
        worker.restart()
        arguments = (place(lake, "failed"), "--resume", str(tmp_path / "resume"))
        ended = replay(lake, worker, *arguments)
        assert ended.code == 1, ended.printed
        assert ended.report == {("accepted", ""): 1, ("failed", "bad_json"): 1}


def test_an_event_that_firehose_loses_twice_stays_to_be_sent(
    lake: LocalAws, tmp_path: Path
) -> None:
    """Within the window its replay is taken for a repeat, and after it comes through."""
    env = {**lake.environment(), "HEADWATER_OPERATOR_KEY": OPERATOR_KEY}

    errors = tmp_path / "errors"

    def lose() -> None:
        (each,) = lake.records()
        lake.clear()
        raw = base64.b64encode(each.line.encode()).decode()
        errors.mkdir(exist_ok=True)
        (errors / "1").write_text(json.dumps({"rawData": raw}))

    arguments = (str(errors), "--resume", str(tmp_path / "resume"))
    with Worker(env, AFTER) as worker:
        worker.post([order("CHF")], HEADERS)
        sent = wait_for(lake, "data", 1)
        lose()
        assert replay(lake, worker, *arguments).report == {("accepted", ""): 1}
        wait_for(lake, "data", 1)
        lose()
        for _ in range(2):
            known = replay(lake, worker, *arguments)
            assert known.code == 1
            assert known.report == {("duplicate", "replayed_lately"): 1}
        worker.kill()
        worker.settings = {**AFTER, "delivery": "direct"}  # which knows no repeats
        worker.restart()
        assert replay(lake, worker, *arguments).report == {("accepted", ""): 1}
        assert replay(lake, worker, *arguments).before == 1
        assert wait_for(lake, "data", 1) == sent
