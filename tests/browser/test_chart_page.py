"""The page of scripts/query --plot in a real browser: no text of a visitor's makes it do anything."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chart import Chart
from shown_text import shown
from support import ROOT
from support.cli import LAKE
from support.lake_fixtures import deliver, event
from support.worker import PROGRAMS

BROWSER_SECONDS = 300
RUN = "document.title='run'"
GADGETS = [
    f"</script><script>{RUN}</script>",
    f"<!--<script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f"</text></svg><script>{RUN}</script>",
    f"</title></style></table></textarea></noscript><script>{RUN}</script>",
    f'" onload="{RUN}" x="',
    f"' onmouseover='{RUN}' style='position:fixed;inset:0",
    f"]]><svg onload={RUN}>",
    f"javascript:{RUN}",
    f'<a href="javascript:{RUN}">click</a>',
    '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    '<base href="https://evil.example/"><link rel=stylesheet href="/x.css">',
    "<iframe srcdoc='<script>parent.document.title=1</script>'></iframe>",
    '<form action="https://evil.example/"><button>send</button></form>',
    "https://evil.example/x.png",
    "<style>body{display:none}</style>",
    "&lt;script&gt;&#x3c;script&#62;",
    "&quot;&gt;<svg><a xlink:href='https://evil.example/'><text>x</text></a></svg>",
    "a\x00b\x01\x08\x0b\x1b[31m\x7f\x9b31m\ufffe\uffff",
    "\u202etxt.exe\u2066\u2028\u2029\r\n\t",
    "[0].b.c\\.d['e']",
    "\\u0000\\u0007 \\",
    '\\" + (1 / 0) + \\"',
    "datum.x + toString.constructor('document.title=1')()",
    "`${document.title=1}`",
    "x" * 5_000,
    "👩‍🚀 日本語 Zoë",
    "__proto__",
    "",
]


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium"
)
def test_no_text_makes_the_page_do_anything(tmp_path: Path) -> None:
    values = [{"campaign": text, "events": number} for number, text in enumerate(GADGETS)]
    Chart.parse("bar campaign events").write(tmp_path / "values.html", "A title", values)
    Chart.parse("line campaign events campaign").write(tmp_path / "colours.html", "A title", values)
    for number, text in enumerate(GADGETS):
        # A title that is in no file of ours, and columns as PIVOT makes them.
        Chart.parse("bar campaign events").write(tmp_path / f"title-{number}.html", text, values[:2])
        columns = [{f"x{text}": "a", f"y{text}": 2, f"c{text}": 3, "other": None}]
        chart = Chart("bar", f"x{text}", f"y{text}", f"c{text}")
        chart.write(tmp_path / f"columns-{number}.html", "A title", columns)
    deliver(tmp_path / "lake", *(event(n, utm_campaign=text) for n, text in enumerate(GADGETS)))
    command = [sys.executable, str(LAKE / "query.py"), "campaigns", "--source", str(tmp_path / "lake"), "--no-cache"]  # fmt: skip
    asked = subprocess.run(
        [*command, "--plot", str(tmp_path / "query.html")], capture_output=True, text=True
    )
    assert asked.returncode == 0, asked.stderr
    (tmp_path / "gadgets.json").write_text(json.dumps([shown(text) for text in GADGETS]))
    result = subprocess.run(
        [PROGRAMS / "node", "--test", "--test-reporter=spec", "tests/browser/chart.test.mjs"],
        cwd=ROOT,
        env={"PATH": f"{PROGRAMS}:/usr/bin:/bin", "HEADWATER_CHARTS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=BROWSER_SECONDS,
    )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
    assert "ℹ skipped 0" in result.stdout, result.stdout[-2_000:]
