"""What became of each event that was replayed: the resume file.

It holds ids and outcomes, nothing of the events themselves. Each outcome is a transaction
of SQLite's, so that a run that is killed leaves what it did, and nothing half done.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path

# In the lake, now or before. A dropped one never will be, and nobody need send it again.
SETTLED = ("accepted", "duplicate", "dropped")


class Ledger:
    """The outcomes so far, by event id."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("""CREATE TABLE IF NOT EXISTS outcomes (
                 event_id TEXT PRIMARY KEY, failed_at TEXT NOT NULL, outcome TEXT NOT NULL
               ) WITHOUT ROWID""")

    def wants(self, event_id: str, failed_at: datetime, again: bool) -> bool:
        """Whether an event is still to be sent that failed at `failed_at` for the last time.

        One that failed again is sent once more only when that is asked for; one that came
        through is sent once more only if it was lost after that.
        """
        row = self._database.execute(
            "SELECT failed_at, outcome FROM outcomes WHERE event_id = ?", (event_id,)
        ).fetchone()
        if row is None:
            return True
        if row[1] in SETTLED:
            return failed_at > datetime.fromisoformat(row[0])
        return again

    def note(self, outcomes: dict[str, str], failed_at: datetime) -> None:
        """Keeps what became of the ids that one failed event turned out to have."""
        rows = [
            (event_id, failed_at.isoformat(), it) for event_id, it in outcomes.items()
        ]
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(
            "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", rows
        )
        self._database.execute("COMMIT")
