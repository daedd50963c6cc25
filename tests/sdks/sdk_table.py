"""The table of the SDKs for the documentation: what was run, what it sent, and what of it is in S3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdks.dialect import REACTIONS, Case
from sdks.drivers import Sdk

RUNTIMES = {"node": "Node.js", "python": "Python", "browser": "Chromium"}
HEAD = """| SDK | runs in | how it is pointed here | sent | in S3 | not durable | rate limited | too large |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """A run of an SDK against the worker."""

    sdk: Sdk
    report: dict[str, Any]
    in_s3: int

    def markdown(self) -> str:
        """The row of the table."""
        variant = "".join(f", {name}={value}" for name, value in self.sdk.environment.items())
        reactions = REACTIONS[self.sdk.name]
        cells = [
            f"`{self.report['sdk']}` {self.report['version']}{variant}",
            RUNTIMES[self.sdk.runtime],
            f"`{self.report['option']}`",
            str(len(self.report["events"])),
            str(self.in_s3),
            *(each.value if each else "–" for each in (reactions[case] for case in Case)),
        ]
        return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |\n"


def write(path: Path, rows: Iterable[Row]) -> None:
    """Writes the table as Markdown, in the order of the rows."""
    path.write_text(HEAD + "".join(row.markdown() for row in rows))
