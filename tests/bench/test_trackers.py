"""What the comparison says of the snippet itself; the other trackers are asked by `scripts/bench trackers` only."""

import json
import shutil
import subprocess

import pytest

from support import ROOT

SECONDS = 120


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
def test_the_snippet_has_every_feature_that_is_compared() -> None:
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
