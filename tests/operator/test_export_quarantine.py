"""Quarantined records are exported to files, and replayed from there."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest

from command_line import amount
from local_aws import LocalAws
from support.cli import LAKE, OPERATOR_KEY, replay
from support.fake_firehose import Fail, FakeFirehose, Hang
from support.replay_fixtures import AFTER, BEFORE, quiz
from support.shards import QUARANTINE, quarantined, spills
from support.streams import FAILED, data
from support.waiting import wait_until
from support.worker import Worker

# For so long no attempt begins after an export has asked for the records.
HOLD_SECONDS = 10
BEARER = {"authorization": f"Bearer {OPERATOR_KEY}"}


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer


@pytest.fixture
def worker(peer: FakeFirehose) -> Iterator[Worker]:
    """The worker before it is corrected, which does not wait long."""
    environment = {**peer.environment(), "HEADWATER_OPERATOR_KEY": OPERATOR_KEY}
    with Worker(environment, {**BEFORE, "delivery_timeout_ms": 300}) as worker:
        yield worker


def export_quarantine(
    port: int,
    directory: Path,
    key: str = OPERATOR_KEY,
    most_bytes: int = -1,
    stream: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """scripts/export-quarantine, to its end, with `most_bytes` in a file."""
    command = [sys.executable, str(LAKE / "export_quarantine.py"), str(directory)]
    command += ["--stream", stream] if stream else []
    limits = (most_bytes, most_bytes)
    return subprocess.run(
        [*command, "--worker", f"http://127.0.0.1:{port}"],
        env={"PATH": os.environ["PATH"], "HEADWATER_OPERATOR_KEY": key},
        umask=0,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


@pytest.fixture
def cutting() -> Iterator[Callable[[Worker], int]]:
    """Gives the port of something before a worker that loses half of each body, and its length."""
    servers = []

    def serve(worker: Worker) -> int:
        class Cutting(BaseHTTPRequestHandler):
            def _pass(self) -> None:
                headers = {"authorization": self.headers["authorization"]}
                answer = worker.request(self.command, self.path, None, headers)
                self.send_response(answer.status)
                for name in set(answer.headers) - {"content-length", "connection"}:
                    self.send_header(name, answer.headers[name])
                self.end_headers()
                self.wfile.write(answer.body[: len(answer.body) // 2])

            do_GET = do_POST = do_DELETE = _pass

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Cutting)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_quarantined_records_are_delivered_by_a_replay(
    worker: Worker, peer: FakeFirehose, aws: LocalAws, tmp_path: Path
) -> None:
    ids = quarantined(worker, peer, [quiz(device_id=each) for each in ("ada", "bob")])
    directory = tmp_path / "kept" / "here"

    ended = export_quarantine(worker.port, directory)

    files = list(directory.iterdir())
    assert (ended.returncode, ended.stdout) == (
        0,
        f"2 records in {amount(len(files), 'file')} of {directory}\n",
    )
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert f"firehose:{FAILED}" not in spills(worker)
    again = export_quarantine(worker.port, directory)
    assert (again.returncode, again.stdout) == (0, "nothing is quarantined\n")

    worker.kill()
    worker.settings = AFTER
    worker.restart()
    peer.behave()
    resume = ("--resume", str(tmp_path / "resume"))
    replayed = replay(aws, worker, str(directory), *resume)
    assert replayed.report == {("accepted", ""): 2}, replayed.printed
    assert data(peer).keys() >= set(ids)
    repeated = replay(aws, worker, str(directory), *resume)
    assert (repeated.before, repeated.report) == (2, Counter())


def test_a_row_stays_in_its_shard_until_it_is_on_the_disk(
    worker: Worker,
    peer: FakeFirehose,
    cutting: Callable[[Worker], int],
    tmp_path: Path,
) -> None:
    quarantined(worker, peer, [quiz()])
    row = worker.get(QUARANTINE, BEARER).body
    file = tmp_path / "file"
    file.touch()
    for ended, code, reported in [
        (export_quarantine(worker.port, file), 1, "File exists"),
        (export_quarantine(worker.port, tmp_path, "another"), 2, "HEADWATER_OPERATOR_KEY is another"),
        (export_quarantine(worker.port, tmp_path, ""), 2, "HEADWATER_OPERATOR_KEY is not set"),
        (export_quarantine(worker.port, tmp_path, "a\r"), 2, "HEADWATER_OPERATOR_KEY has a character"),
        (export_quarantine(worker.port, tmp_path, most_bytes=100), 1, "File too large"),
        (export_quarantine(cutting(worker), tmp_path), 1, "was truncated"),
    ]:
        assert ended.returncode == code and ended.stdout.startswith("export-quarantine: "), ended
        assert reported in ended.stdout
        assert worker.get(QUARANTINE, BEARER).body == row
    assert list(tmp_path.iterdir()) == [file], "what was begun is gone"
    assert export_quarantine(worker.port, tmp_path).returncode == 0
    (kept,) = tmp_path.glob("*.jsonl")
    assert kept.read_bytes() == row
    assert json.loads(row)["errorCode"] == "quarantined"


def test_what_waits_for_an_unnamed_stream_comes_out_and_through(
    worker: Worker, peer: FakeFirehose, aws: LocalAws, tmp_path: Path
) -> None:
    old, today = "firehose:events-mdi", worker.settings
    worker.kill()
    worker.settings = {**BEFORE, "delivery_timeout_ms": 300, "routes": [{"to": old}]}
    worker.restart()
    peer.always(Fail(500, "InternalFailure"), "events-mdi")
    beacons = [{"name": "page_view", "device_id": each} for each in ("ada", "bob")]
    answer = worker.post(beacons, query="?verdicts=1")
    ids = [verdict["event_id"] for verdict in answer.verdicts]
    directory = tmp_path / "kept"

    in_use = export_quarantine(worker.port, directory, stream=old)
    assert in_use.returncode == 1
    assert f"stream={old} is one of routes or failed_stream" in in_use.stdout
    worker.kill()
    worker.settings = today
    worker.restart()
    # Without its name nothing of it is taken out.
    assert export_quarantine(worker.port, directory).stdout == "nothing is quarantined\n"
    ended = export_quarantine(worker.port, directory, stream=old)
    files = list(directory.iterdir())
    assert (ended.returncode, ended.stdout) == (
        0,
        f"2 records in {amount(len(files), 'file')} of {directory}\n",
    )
    assert old not in spills(worker)
    again = export_quarantine(worker.port, directory, stream=old)
    assert again.stdout == f"nothing is quarantined of {old}\n"

    peer.behave()
    replayed = replay(aws, worker, str(directory))
    assert replayed.report == {("accepted", ""): 2}, replayed.printed
    assert data(peer).keys() >= set(ids)
    assert not peer.events("events-mdi")


def test_records_that_are_being_sent_are_exported_after_the_attempt(
    worker: Worker, peer: FakeFirehose, tmp_path: Path
) -> None:
    old, today = "events-mdi", worker.settings
    worker.kill()
    worker.settings = {**BEFORE, "delivery_timeout_ms": 300, "routes": [{"to": f"firehose:{old}"}]}
    worker.restart()
    peer.always(Fail(500, "InternalFailure"), old)
    assert worker.post({"name": "page_view", "device_id": "ada"}).status == 204
    worker.kill()
    peer.wait_for_killed()
    worker.settings = today
    # Each attempt takes as long as it may: no answer comes within its deadline.
    peer.always(Hang(60, Fail(500, "InternalFailure")), old)
    tried = len(peer.calls)
    worker.restart()
    # Loads the shard, which tries again what it has stored.
    worker.ready()
    wait_until(lambda: len(peer.calls) > tried, 60, lambda: f"{old} is not tried again")
    asked = urlencode({"stream": f"firehose:{old}"})
    answer = worker.request("POST", f"{QUARANTINE}?{asked}", None, BEARER)
    assert (answer.status, answer.json()["code"]) == (503, "stream_in_delivery")
    assert answer.retry_after < HOLD_SECONDS
    ended = export_quarantine(worker.port, tmp_path, stream=f"firehose:{old}")
    assert (ended.returncode, ended.stdout) == (0, f"1 record in 1 file of {tmp_path}\n")


def test_a_worker_that_can_not_answer_says_so_at_once(peer: FakeFirehose) -> None:
    with Worker(peer.environment(), {"origins": "wrong"}) as worker:
        ended = export_quarantine(worker.port, Path("/nowhere"))
    assert ended.returncode == 1
    assert "HEADWATER.origins must list sites" in ended.stdout
