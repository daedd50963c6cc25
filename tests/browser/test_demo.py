"""The demo's two pages in a real browser; their tables of actions are the .actions.mjs files."""

import os
import shutil
import subprocess
import threading

import pytest

import records_server
from local_aws import LocalAws
from support import ROOT
from support.fake_firehose import FakeFirehose
from support.worker import HOST, PROGRAMS, Worker

BROWSER_SECONDS = 1_200
KEY = "pk_shop-2"


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
@pytest.mark.parametrize("page", ["demo", "beacons"])
def test_the_page_passes_every_row_of_its_table(aws: LocalAws, page: str) -> None:
    with Worker(aws.environment(), {"delivery": "sharded", "shards": 1}) as worker:
        serving = records_server.server(aws, worker.port, 0)
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
def test_both_pages_accept_a_write_key() -> None:
    settings = {"keys": {KEY: {"tenant": "shop"}}}
    with FakeFirehose() as peer, Worker(peer.environment(), settings) as worker:
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
