"""The inspector's page in a real browser; its tables are in inspector.actions.mjs."""

import os
import shutil
import subprocess

import pytest

from local_aws import LocalAws
from support import ROOT
from support.worker import HOST, PROGRAMS, Worker

BROWSER_SECONDS = 1_200
TOKEN = "a-token/of+the_tests=32.characters"
# Beacons that ask for it are dropped, or lose their identifiers, so that the page has such entries to show.
SETTINGS = {"delivery": "sharded", "shards": 1, "gpc": "drop", "dnt": "strip"}


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
def test_the_inspector_passes_every_row_of_its_tables(aws: LocalAws) -> None:
    environment = {**aws.environment(), "HEADWATER_INSPECT_TOKEN": TOKEN}
    with Worker(environment, SETTINGS) as worker:
        result = subprocess.run(
            [PROGRAMS / "node", "--test", "--test-reporter=spec", "tests/browser/inspector.test.mjs"],
            cwd=ROOT,
            env={
                **os.environ,
                "HEADWATER_URL": f"http://{HOST}:{worker.port}/",
                "HEADWATER_INSPECT_TOKEN": TOKEN,
            },
            capture_output=True,
            text=True,
            timeout=BROWSER_SECONDS,
        )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
    assert "ℹ skipped 0" in result.stdout, result.stdout[-2_000:]


def test_without_its_token_there_is_no_inspector(aws: LocalAws) -> None:
    with Worker(aws.environment()) as worker:
        for path in ("", "/", "/main.js", "/index.html", "/inspect.css", "/live", "/all"):
            assert worker.get("/_/inspect" + path).status == 404, path
