"""The table of the SDKs for the documentation: what was run, what it sent, and what of it is in S3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdks.drivers import Sdk

# The columns that users look for, in the order of the record.
COLUMNS = (
    *("source_name", "source_event_id", "device_id", "client_session_id", "user_id", "url", "title", "referrer"),
    *("utm_source", "language", "screen_width", "viewport_width", "timezone", "consent", "build", "props", "metadata"),
)  # fmt: skip
RUNTIMES = {"node": "Node.js", "python": "Python", "browser": "Chromium"}
HEAD = """| SDK | Runs in | Protocol | How it is pointed here | Events sent | In the lake | Columns filled |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """A run of an SDK against the worker."""

    sdk: Sdk
    report: dict[str, Any]
    records: list[dict[str, Any]]

    def markdown(self) -> str:
        """The row of the table."""
        filled = [name for name in COLUMNS if any(record.get(name) not in (None, {}) for record in self.records)]
        variant = "".join(f", {name}={value}" for name, value in self.sdk.environment.items())
        cells = [
            f"`{self.report['sdk']}` {self.report['version']}{variant}",
            RUNTIMES[self.sdk.runtime],
            self.sdk.protocol,
            f"`{self.report['option']}`",
            str(len(self.report["events"])),
            str(len(self.records)),
            ", ".join(filled),
        ]
        return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |\n"


def write(path: Path, rows: Iterable[Row]) -> None:
    """Writes the table as Markdown, in the order of the rows."""
    path.write_text(HEAD + "".join(row.markdown() for row in rows))
