"""Runs scripts/replay and scripts/query as an operator does, against the local AWS."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from local_aws import BUCKET_OUTPUTS, Kind, LocalAws
from support import ROOT
from support.worker import Worker

LAKE = ROOT / "scripts" / "lake"
OPERATOR_KEY = "the-operator-key-of-the-tests-12345"
SECONDS = 120

# A row of the report: outcome, code where there is one, count.
ROW = re.compile(
    r"^(accepted|failed|duplicate|dropped) +(?:([a-z]\w*) +)?(\d+)$", re.MULTILINE
)


@dataclass(frozen=True)
class Ended:
    """How a program ended, what it printed, and its complaints where they are apart."""

    code: int
    printed: str
    complaints: str = ""

    @property
    def report(self) -> Counter[tuple[str, str]]:
        """How many events had which outcome and code."""
        return Counter(
            {(row[1], row[2] or ""): int(row[3]) for row in ROW.finditer(self.printed)}
        )

    @property
    def before(self) -> int:
        """How many events an earlier run had done, whatever became of them."""
        found = re.findall(
            r"^(\d+) (?:came through|failed again) before", self.printed, re.MULTILINE
        )
        return sum(map(int, found))


def place(aws: LocalAws, kind: Kind, prefix: str = "") -> str:
    """A bucket, as the programs name it."""
    return f"s3://{aws.outputs[BUCKET_OUTPUTS[kind]]}/{prefix}"


def environment(aws: LocalAws, more: Mapping[str, str] = {}) -> dict[str, str]:
    """The operator's: ministack's key `test` may read the buckets, the worker's may not."""
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_REGION": aws.region,
        "AWS_DEFAULT_REGION": aws.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **more,
    }


def start_replay(
    aws: LocalAws, worker: Worker, *arguments: str, key: str = OPERATOR_KEY
) -> subprocess.Popen[str]:
    """scripts/replay, under way."""
    command = [sys.executable, str(LAKE / "replay.py"), *arguments]
    return subprocess.Popen(
        [*command, "--worker", f"http://127.0.0.1:{worker.port}"],
        env=environment(aws, {"HEADWATER_OPERATOR_KEY": key}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def replay(
    aws: LocalAws, worker: Worker, *arguments: str, key: str = OPERATOR_KEY
) -> Ended:
    """scripts/replay, to its end."""
    process = start_replay(aws, worker, *arguments, key=key)
    printed, _ = process.communicate(timeout=SECONDS)
    return Ended(process.returncode, printed)


def query(aws: LocalAws, *arguments: str) -> Ended:
    """scripts/query, to its end."""
    ended = subprocess.run(
        [sys.executable, str(LAKE / "query.py"), *arguments],
        env=environment(aws),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def answer(aws: LocalAws, *arguments: str) -> list[dict[str, str]]:
    """What a query answers, over both buckets."""
    sources = ("--source", place(aws, "data"), "--source", place(aws, "failed"))
    ended = query(aws, *arguments, *sources, "--csv")
    assert ended.code == 0, ended.complaints
    return list(csv.DictReader(io.StringIO(ended.printed)))
