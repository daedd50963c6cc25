"""Events as they are stored, and scripts/query in this process: no worker and no AWS is needed."""

from __future__ import annotations

import csv
import io
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import query as program
from support.cli import Ended

DAY = "2026-11-20"


def event(number: int, name: str = "page_view", **fields: Any) -> dict[str, Any]:
    """An event of its own device and session, unless they are given."""
    at = fields.pop("at", f"{DAY}T08:00:{number % 60:02}.000Z")
    own = {
        "device_id": f"device-{number}",
        "session_id": f"session-{number}",
        "session_started_at": f"{at[:10]}T08:00:00.000Z",
    }
    return {
        "v": 1,
        "event_id": f"{name}-{number}",
        "tenant": "default",
        "name": name,
        "occurred_at": at,
        "received_at": at,
        "schema_version": "1.0.0",
        "url_host": "shop.example",
        "url_path": "/tea",
        **own,
        **fields,
    }


def deliver(directory: Path, *events: dict[str, Any], name: str = "1") -> Path:
    """Stores events in the partitions of the days on which they were received."""
    for each in events:
        day, stage = each["received_at"][:10], "stage" in each
        folder = directory / ("" if stage else "stream=low") / f"day={day}" / "hr=08"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("a") as file:
            file.write(json.dumps(each) + "\n")
    return directory


class Asking:
    """scripts/query with a cache of its own."""

    def __init__(
        self,
        cache: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.cache, self._monkeypatch, self._capsys = cache, monkeypatch, capsys
        monkeypatch.setattr(signal, "signal", lambda *_: None)

    def __call__(self, lake: Path | str, *arguments: str) -> Ended:
        words = [*arguments, "--source", str(lake), "--csv", "--cache", str(self.cache)]
        self._monkeypatch.setattr(sys, "argv", ["query", *words])
        code = program.main()
        printed, complaints = self._capsys.readouterr()
        assert code == 0, complaints
        return Ended(code, printed, complaints)


def rows(ended: Ended) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in csv.DictReader(io.StringIO(ended.printed))]
