"""How far an import came, and which rows were rejected.

The state has names of files and numbers, nothing of the events themselves. Each step is a transaction of SQLite's, so a
run that is killed goes on where it was. What it had sent, but not noted, is sent again: its ids are the same.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from import_source import ExportFile, ImportProblem


# How long another import's end is waited for.
BUSY_SECONDS = 0.5


@dataclass(frozen=True)
class Reject:
    """A row that is no event of the worker's, and why."""

    file: str
    number: int
    code: str
    message: str
    event_id: str | None = None
    pointer: str | None = None

    def document(self) -> dict[str, Any]:
        """It as the file of rejects has it."""
        known = {"event_id": self.event_id, "pointer": self.pointer}
        more = {key: value for key, value in known.items() if value}
        return {"file": self.file, "line": self.number, "code": self.code, "message": self.message, **more}


class ImportState:
    """Up to which row each file is done, by the options that decide what is sent of it."""

    def __init__(self, path: Path, rejects: Path, selection: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            # What a power cut takes from the end is sent again, and is a duplicate.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute("""CREATE TABLE IF NOT EXISTS imported (
                     file TEXT, selection TEXT, version TEXT NOT NULL, done INTEGER NOT NULL, whole INTEGER NOT NULL,
                     PRIMARY KEY (file, selection)
                   ) WITHOUT ROWID""")
            # One run at a time: two would send the same rows, and overwrite each other's progress.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("BEGIN EXCLUSIVE")
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            why = "another import uses it" if "locked" in str(error) else str(error)
            raise ImportProblem(f"{path} can't be used: {why}; name another file with --resume") from None
        except (sqlite3.DatabaseError, OSError) as error:
            raise ImportProblem(f"{path} is no state of an import: {error}; name another file with --resume") from None
        self._selection = selection
        try:
            rejects.parent.mkdir(parents=True, exist_ok=True)
            self._rejects = rejects.open("a", encoding="utf-8")
        except OSError as error:
            raise ImportProblem(f"{rejects} can't be written: {error.strerror}") from None

    def done(self, file: ExportFile) -> tuple[int, bool]:
        """How many rows of a file are done, and whether that is all of them. A file that changed is done from its start."""
        row = self._database.execute(
            "SELECT version, done, whole FROM imported WHERE (file, selection) = (?, ?)",
            (_key(file), self._selection),
        ).fetchone()
        return (row[1], bool(row[2])) if file.version and row and row[0] == file.version else (0, False)

    def note(self, through: Iterable[tuple[ExportFile, int, bool]], rejects: Iterable[Reject]) -> None:
        """Keeps that files are done up to a row, wholly or not, and appends the rejects to their file."""
        for reject in rejects:
            self._rejects.write(json.dumps(reject.document()) + "\n")
        self._rejects.flush()
        rows = [(_key(file), self._selection, file.version, done, whole) for file, done, whole in through if file.version]
        self._database.execute("BEGIN")
        try:
            self._database.executemany("INSERT OR REPLACE INTO imported VALUES (?, ?, ?, ?, ?)", rows)
            self._database.execute("COMMIT")
        finally:
            # Ctrl-C may come at any time, and more is noted after it.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def close(self) -> None:
        self._rejects.close()
        self._database.close()


def _key(file: ExportFile) -> str:
    # A name need not be UTF-8; what SQLite stores has to be.
    return str(file.path.resolve() if file.path else file.name).encode(errors="backslashreplace").decode()
