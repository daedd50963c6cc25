"""The demo's two pages in a real browser; their tables of actions are the .actions.mjs files."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import records
from local import LocalAws

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "worker"))

from firehose_peer import FirehosePeer  # noqa: E402
from worker import HOST, PROGRAMS, Worker  # noqa: E402

BROWSER_SECONDS = 1_200
KEY = "pk_shop-2"


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
@pytest.mark.parametrize("page", ["demo", "beacons"])
def test_the_page_does_what_its_table_says(aws: LocalAws, page: str) -> None:
    with Worker(aws.environment(), {"delivery": "sharded", "shards": 1}) as worker:
        serving = records.server(aws, worker.port, 0)
        threading.Thread(target=serving.serve_forever).start()
        result = subprocess.run(
            [PROGRAMS / "node", "--test", "--test-reporter=spec", f"tests/browser/{page}.test.mjs"],
            cwd=ROOT,
            env={
                **os.environ,
                "HEADWATER_URL": f"http://{HOST}:{worker.port}/",
                "HEADWATER_RECORDS": f"http://{HOST}:{serving.server_port}/records",
            },
            capture_output=True,
            text=True,
            timeout=BROWSER_SECONDS,
        )
        serving.shutdown()
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
    assert "ℹ skipped 0" in result.stdout, result.stdout[-2_000:]


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
def test_both_pages_take_a_write_key() -> None:
    settings = {"keys": {KEY: {"tenant": "shop"}}}
    with FirehosePeer() as peer, Worker(peer.environment(), settings) as worker:
        result = subprocess.run(
            [PROGRAMS / "node", "--test", "--test-reporter=spec", "tests/browser/key.test.mjs"],
            cwd=ROOT,
            env={
                **os.environ,
                "HEADWATER_URL": f"http://{HOST}:{worker.port}/",
                "HEADWATER_KEY": KEY,
            },
            capture_output=True,
            text=True,
            timeout=BROWSER_SECONDS,
        )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
    assert "ℹ skipped 0" in result.stdout, result.stdout[-2_000:]
