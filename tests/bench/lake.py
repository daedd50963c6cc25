"""Measures scripts/query over a lake of many events: reading it for the first time, and each saved query after.

Processor time is what compares: a machine that others use makes the other one longer.

    scripts/bench lake [EVENTS [DIRECTORY]]

The lake is written first (10,000,000 events, unless another number is given), into DIRECTORY if it is not there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import lake_events
from support import ROOT

LAKE = ROOT / "scripts" / "lake"
DAYS, OBJECTS_AN_HOUR = 30, 4
ONE_WEEK = ("--since", f"{lake_events.FIRST.replace(day=15)}", "--until", f"{lake_events.FIRST.replace(day=22)}")  # fmt: skip


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as scratch:
        lake = Path(sys.argv[2] if len(sys.argv) > 2 else f"{scratch}/lake")
        if not lake.exists():
            started = time.monotonic()
            lake_events.write(lake_events.Plan(events, DAYS, OBJECTS_AN_HOUR), lake)
            print(f"{events:,} events written in {time.monotonic() - started:.0f} s")
        files = [path for path in lake.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        print(f"{len(files):,} objects, {size / 2**20:,.0f} MiB")
        cache = Path(scratch) / "cache"
        _measure("the first answer, which reads all of it", lake, cache, "events_per_day")  # fmt: skip
        kept = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
        print(f"{kept / 2**20:,.0f} MiB are kept")
        for name in sorted(path.stem for path in (LAKE / "queries").glob("*.sql")):
            _measure(name, lake, cache, name)
        _measure("sessions_per_day of a week", lake, cache, "sessions_per_day", *ONE_WEEK)  # fmt: skip


def _measure(what: str, lake: Path, cache: Path, *words: str) -> None:
    asked = ["--source", str(lake), "--cache", str(cache), "--csv"]
    started, before = time.monotonic(), os.times()
    subprocess.run(
        [sys.executable, str(LAKE / "query.py"), *words, *asked],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = os.times()
    used = sum(after[2:4]) - sum(before[2:4])
    print(f"{time.monotonic() - started:7.1f} s, {used:.1f} s of processor time  {what}", flush=True)


if __name__ == "__main__":
    main()
