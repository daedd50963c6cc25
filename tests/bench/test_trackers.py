"""What the comparison says of the snippet itself; the other trackers are asked by `scripts/bench trackers` only."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 120


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
def test_the_snippet_is_seen_to_do_all_that_trackers_are_asked_for() -> None:
    result = subprocess.run(
        [ROOT / "node_modules" / ".bin" / "node", "tests/bench/trackers/own.mjs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout)
    assert len(seen) == 18
    assert [claim for claim, shown in seen.items() if not shown] == []
