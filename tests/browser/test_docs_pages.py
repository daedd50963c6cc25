"""The documentation's pages in a real browser."""

import os
import shutil
import subprocess

import pytest

from support import ROOT
from support.fake_firehose import FakeFirehose
from support.worker import HOST, PROGRAMS, Worker

BROWSER_SECONDS = 600
TOKEN = "the-token-of-the-inspector-12345678"


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
def test_the_pages_are_whole_at_each_size() -> None:
    with FakeFirehose() as peer:
        environment = {**peer.environment(), "HEADWATER_INSPECT_TOKEN": TOKEN}
        with Worker(environment) as worker:
            result = subprocess.run(
                [PROGRAMS / "node", "--test", "--test-reporter=spec", "tests/browser/docs.test.mjs"],
                cwd=ROOT,
                env={**os.environ, "HEADWATER_URL": f"http://{HOST}:{worker.port}/"},
                capture_output=True,
                text=True,
                timeout=BROWSER_SECONDS,
            )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
    assert "ℹ skipped 0" in result.stdout, result.stdout[-2_000:]
