"""What the shards have set aside comes into files, and from there through the worker again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from firehose_peer import FirehosePeer
from local import LocalAws
from mending import AFTER, BEFORE, quiz
from programs import LAKE, REPLAY_KEY, replay
from sharded import set_aside, spills
from streams import FAILED, data
from worker import Worker

SET_ASIDE = "/_/set-aside"
BEARER = {"authorization": f"Bearer {REPLAY_KEY}"}


@pytest.fixture
def peer() -> Iterator[FirehosePeer]:
    with FirehosePeer() as peer:
        yield peer


@pytest.fixture
def worker(peer: FirehosePeer) -> Iterator[Worker]:
    """The worker before it is mended, which does not wait long."""
    environment = {**peer.environment(), "HEADWATER_REPLAY_KEY": REPLAY_KEY}
    with Worker(environment, {**BEFORE, "deadline_ms": 300}) as worker:
        yield worker


def rescue(
    worker: Worker, directory: Path, key: str = REPLAY_KEY
) -> subprocess.CompletedProcess[str]:
    """scripts/rescue, to its end."""
    command = [sys.executable, str(LAKE / "rescue.py"), str(directory)]
    return subprocess.run(
        [*command, "--worker", f"http://127.0.0.1:{worker.port}"],
        env={"PATH": os.environ["PATH"], "HEADWATER_REPLAY_KEY": key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


def test_what_is_set_aside_comes_through_in_the_end(
    worker: Worker, peer: FirehosePeer, own_aws: LocalAws, tmp_path: Path
) -> None:
    ids = set_aside(worker, peer, [quiz(device_id=each) for each in ("ada", "bob")])
    directory = tmp_path / "kept" / "here"

    ended = rescue(worker, directory)

    files = list(directory.iterdir())
    assert (ended.returncode, ended.stdout) == (
        0,
        f"2 records in {len(files)} files of {directory}\n",
    )
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert f"firehose:{FAILED}" not in spills(worker)
    again = rescue(worker, directory)
    assert (again.returncode, again.stdout) == (0, "nothing is set aside\n")

    worker.kill()
    worker.settings = AFTER
    worker.restart()
    peer.behave()
    resume = ("--resume", str(tmp_path / "resume"))
    replayed = replay(own_aws, worker, str(directory), *resume)
    assert replayed.report == {("accepted", ""): 2}, replayed.printed
    assert data(peer).keys() >= set(ids)
    repeated = replay(own_aws, worker, str(directory), *resume)
    assert (repeated.before, repeated.report) == (2, Counter())


def test_a_row_stays_in_its_shard_until_it_is_on_the_disk(
    worker: Worker, peer: FirehosePeer, tmp_path: Path
) -> None:
    set_aside(worker, peer, [quiz()])
    row = worker.get(SET_ASIDE, BEARER).body
    file = tmp_path / "file"
    file.touch()
    for ended, told in [
        (rescue(worker, file), "File exists"),
        (rescue(worker, tmp_path, "another"), "HEADWATER_REPLAY_KEY is another one"),
        (rescue(worker, tmp_path, ""), "HEADWATER_REPLAY_KEY is not set"),
    ]:
        assert ended.returncode == 2 and ended.stdout.startswith("rescue: "), ended
        assert told in ended.stdout
        assert worker.get(SET_ASIDE, BEARER).body == row
    assert rescue(worker, tmp_path).returncode == 0
    (kept,) = tmp_path.glob("*.jsonl")
    assert kept.read_bytes() == row
    assert json.loads(row)["errorCode"] == "set_aside"
