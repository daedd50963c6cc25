"""`local` as a source: what scripts/dev runs, with no address and no credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local_aws import LocalAws
from support.cli import LAKE, OPERATOR_KEY
from support.replay_fixtures import HEADERS, correct, quiz, wait_for
from support.worker import Worker


def run(
    checkout: Path, program: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """A program of a checkout whose scripts/dev runs, to its end."""
    command = [sys.executable, str(checkout / "scripts" / "lake" / program)]
    return subprocess.run(
        [*command, *arguments],
        env={"PATH": os.environ["PATH"], "HEADWATER_OPERATOR_KEY": OPERATOR_KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


def test_local_reads_the_buckets_of_scripts_dev(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    shutil.copytree(LAKE.parent, tmp_path / "scripts")
    sent_again = ("local", "--worker", f"http://127.0.0.1:{worker.port}")
    for program, arguments in [
        ("query.py", ("failed_events", "--source", "local")),
        ("replay.py", sent_again),
    ]:
        ended = run(tmp_path, program, *arguments)
        assert ended.returncode != 0
        assert ended.stdout.rstrip().endswith("`local` is what scripts/dev runs")
    (tmp_path / ".wrangler").mkdir()
    (tmp_path / ".wrangler" / "local-aws").symlink_to(lake.directory)
    worker.post([quiz()], HEADERS)
    wait_for(lake, "failed", 1)
    correct(worker)

    replayed = run(tmp_path, "replay.py", *sent_again)

    assert replayed.returncode == 0, replayed.stdout
    wait_for(lake, "data", 1)
    counts = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM failed)"
    asked = run(tmp_path, "query.py", "--sql", counts, "--source", "local", "--csv")
    assert asked.stdout.splitlines()[-1] == "1,1", asked.stdout
