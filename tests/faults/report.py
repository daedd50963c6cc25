"""The result of a scenario, and its row in the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from faults.load_generator import Ledger

# What the proxy counts besides faults.
NO_FAULTS = ("calls", "records forwarded")


@dataclass
class Result:
    """What came of a scenario."""

    name: str
    seed: int
    ledger: Ledger = field(default_factory=Ledger)
    faults: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    duplicates: Counter[str] = field(default_factory=Counter)
    """Events that are in S3 more than once, by the explanation."""
    most_spilled: int = 0
    seconds: float = 0.0
    drained_seconds: float = 0.0

    @property
    def troubles(self) -> int:
        """How often something went wrong: faults given, answers lost, objects evicted."""
        faults = self.faults.total() - sum(self.faults[what] for what in NO_FAULTS)
        ledger = self.ledger.counts
        return faults + ledger["answers lost"] + ledger["503"] + ledger["troubles"]

    @property
    def complaints(self) -> list[str]:
        """What is wrong, a sentence each; none where every promise was kept."""
        wrong = list(dict.fromkeys(self.ledger.complaints))[:10]
        if self.lost:
            wrong.append(f"{len(self.lost)} events lost, such as {self.lost[:3]}")
        for number, what in (
            (self.ledger.counts["given up"], "events were never taken"),
            (self.duplicates["unexplained"], "duplicates can't be explained"),
            (self.faults["wrong signatures"], "calls were signed wrongly"),
        ):
            if number:
                wrong.append(f"{number} {what}")
        return wrong


COLUMNS = (
    ("scenario", 20),
    ("acked", 8),
    ("lost", 5),
    ("dup:fault", 10),
    ("crossed", 8),
    ("fallback", 9),
    ("again", 6),
    ("unexpl.", 8),
    ("answered dup", 13),
    ("503s", 6),
    ("spilled", 8),
    ("troubles", 9),
    ("s", 6),
    ("drain s", 8),
)


def heading() -> str:
    """The first line of the table."""
    return _line([name for name, _ in COLUMNS])


def row(result: Result) -> str:
    """A scenario's line of the table."""
    ledger = result.ledger
    cells: list[str | int] = [
        result.name,
        len(ledger.promised),
        len(result.lost),
        *(
            result.duplicates[cause]
            for cause in ("fault", "crossed", "fallback", "sent again", "unexplained")
        ),
        ledger.counts["duplicate"],
        ledger.counts["503"],
        result.most_spilled,
        result.troubles,
        round(result.seconds),
        round(result.drained_seconds),
    ]
    return _line(cells)


def _line(cells: Sequence[str | int]) -> str:
    (_, first), *rest = COLUMNS
    numbers = (
        f"{cell:>{width}}" for cell, (_, width) in zip(cells[1:], rest, strict=True)
    )
    return f"{cells[0]:<{first}}" + "".join(numbers)
