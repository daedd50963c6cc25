"""The snippet in a real browser: its tables are in snippet/rows, and S3 has what they expect."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local_aws import LocalAws
from support import ROOT
from support.worker import HOST, PROGRAMS, Worker

TESTS = "tests/browser/snippet/snippet.test.mjs"
# What a slow machine keeps waiting must not be sent to S3 twice: the rows make the trouble, before the worker.
SETTINGS = {"delivery": "sharded", "shards": 1, "delivery_timeout_ms": 30_000}
BROWSER_SECONDS = 1_200
DELIVERY_SECONDS = 60


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
def test_each_event_of_the_pages_is_in_s3_once(aws: LocalAws, tmp_path: Path) -> None:
    expected_file = tmp_path / "expected.json"
    with Worker(aws.environment(), SETTINGS) as worker:
        result = subprocess.run(
            [PROGRAMS / "node", "--test", "--test-reporter=spec", TESTS],
            cwd=ROOT,
            env={
                **os.environ,
                "HEADWATER_URL": f"http://{HOST}:{worker.port}/",
                "HEADWATER_EXPECTED": str(expected_file),
            },
            capture_output=True,
            text=True,
            timeout=BROWSER_SECONDS,
        )
        reported = result.stdout[-20_000:] + result.stderr
        assert expected_file.is_file(), reported
        expected = {
            build: Counter(names)
            for build, names in json.loads(expected_file.read_text()).items()
        }
        deadline = time.monotonic() + DELIVERY_SECONDS
        while (delivered := _delivered(aws, expected)) != expected:
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
    wrong = {
        build: {"missing": names - delivered[build], "extra": delivered[build] - names}
        for build, names in expected.items()
        if delivered[build] != names
    }
    assert result.returncode == 0, f"{reported}\nIn S3: {wrong}"
    assert not wrong
    assert "ℹ skipped 0" in result.stdout, result.stdout[-2_000:]
    assert [each for each in aws.records("failed") if each.record.get("build") in expected] == []


def _delivered(aws: LocalAws, builds: dict[str, Any]) -> dict[str, Counter[str]]:
    """What lies in S3 of each build, as often as it does; no event id lies there twice."""
    found: dict[str, Counter[str]] = {build: Counter() for build in builds}
    ids: Counter[str] = Counter()
    for each in aws.records():
        event = each.record
        if event.get("build") in builds:
            found[event["build"]][_named(event)] += 1
            ids[event["event_id"]] += 1
    assert [event_id for event_id, count in ids.items() if count > 1] == []
    return found


def _named(event: dict[str, Any]) -> str:
    """What an event is, whatever its id: as `named` in snippet/collector.mjs says it.

    An address that the worker cut is `(cut)`; its row in rows/limits.mjs says so, too.
    """
    if any(each["pointer"] == "/url" and "length" in each for each in event.get("repairs", [])):
        return f"{event['name']} (cut)"
    address = urlsplit(event["url"])
    page = address.path + (address.fragment and f"#{address.fragment}")
    mark = event.get("props", {}).get("mark")
    return " ".join([event["name"], page, *([str(mark)] if mark is not None else [])])
