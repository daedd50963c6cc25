"""What became of each event that was replayed: the resume file.

It holds ids and outcomes, nothing of the events themselves. Each outcome is a transaction
of SQLite's, so that a run that is killed leaves what it did, and nothing half done.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Literal

from failed_events import EventKey
from objects import LakeError

# In the lake, now or before. A dropped one never will be, and need not be sent again.
SETTLED = ("accepted", "duplicate", "dropped")

Standing = Literal["unsent", "settled", "failed"]


class ReplayState:
    """The outcomes so far."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        former = "SELECT 1 FROM sqlite_master WHERE name = 'outcomes'"
        if self._database.execute(former).fetchone():
            raise LakeError(
                f"{path} is from an earlier version, which did not record tenants; name another"
                " with --resume: what came through before is sent again, as a duplicate if lately"
            )
        # What a power cut takes from the end is sent again, and is a duplicate.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("""CREATE TABLE IF NOT EXISTS replayed (
                 tenant TEXT, event_id TEXT, failed_at TEXT NOT NULL, outcome TEXT NOT NULL,
                 PRIMARY KEY (tenant, event_id)
               ) WITHOUT ROWID""")

    def standing(self, key: EventKey, failed_at: datetime) -> Standing:
        """How an event stands that failed at `failed_at` for the last time.

        One that came through, and failed after that, was lost: it is to be sent.
        """
        row = self._database.execute(
            "SELECT failed_at, outcome FROM replayed WHERE (tenant, event_id) = (?, ?)",
            key,
        ).fetchone()
        if row is None:
            return "unsent"
        if row[1] not in SETTLED:
            return "failed"
        return "unsent" if failed_at > datetime.fromisoformat(row[0]) else "settled"

    def note(self, outcomes: dict[EventKey, str], failed_at: datetime) -> None:
        """Keeps what became of the events that one failed event turned out to have."""
        rows = [(*key, failed_at.isoformat(), it) for key, it in outcomes.items()]
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(
            "INSERT OR REPLACE INTO replayed VALUES (?, ?, ?, ?)", rows
        )
        self._database.execute("COMMIT")
