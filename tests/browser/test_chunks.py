"""The snippet's chunks in a real browser; their table of actions is chunks.actions.mjs."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from support import ROOT
from support.fake_firehose import FakeFirehose
from support.worker import HOST, PROGRAMS, Worker

BROWSER_SECONDS = 900

# Where the table's row "a path can be drawn again" moves the pointer.
ROUTE = [(40, 50), (400, 120), (380, 500), (10, 15)]

# The points of every pointer's path: milliseconds since its page was opened, and pixels from its top left.
PATHS = """
    SELECT url AS page, list_contains(presses, (i - 1) // 3) AS pressed,
           sum(deltas[i]) OVER path AS ms, sum(deltas[i + 1]) OVER path AS x, sum(deltas[i + 2]) OVER path AS y
    FROM (SELECT tenant, event_id, url, unnest(props), unnest(range(1, len(props.deltas), 3)) AS i
          FROM events WHERE name = 'pointer')
    WINDOW path AS (PARTITION BY tenant, event_id ORDER BY i)
    ORDER BY page, ms
"""


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
def test_the_chunks_pass_every_row_of_their_table(tmp_path: Path) -> None:
    with FakeFirehose() as peer:
        with Worker(peer.environment(), {"unknown_events": "fail"}) as worker:
            result = subprocess.run(
                [PROGRAMS / "node", "--test", "--test-reporter=spec", "tests/browser/chunks.test.mjs"],
                cwd=ROOT,
                env={**os.environ, "HEADWATER_URL": f"http://{HOST}:{worker.port}/"},
                capture_output=True,
                text=True,
                timeout=BROWSER_SECONDS,
            )
        assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
        assert "ℹ skipped 0" in result.stdout, result.stdout[-2_000:]
        events = [event for stream in ("events-low", "events-mid") for event in peer.events(stream)]

    assert {event["name"] for event in events} == {
        "pointer",
        "video_ad",
        "video_pause",
        "video_progress",
        "video_start",
        "web_vitals",
    }
    (tmp_path / "events.json").write_text("\n".join(map(json.dumps, events)))
    with duckdb.connect() as lake:
        lake.execute(f"""CREATE TABLE events AS FROM read_json('{tmp_path}/events.json',
            format = 'newline_delimited', map_inference_threshold = -1)""")
        path = lake.execute(f"""SELECT ms, x, y FROM ({PATHS})
            WHERE page LIKE '%/a-path-can-be-drawn-again' AND NOT coalesce(pressed, false)""").fetchall()
    assert [(x, y) for _, x, y in path] == ROUTE
    # The row waits 150 ms between two points, of which the first may come late.
    times = [ms for ms, _, _ in path]
    assert all(40 < later - earlier < 5_000 for earlier, later in zip(times, times[1:]))
