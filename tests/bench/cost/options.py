"""The options of `scripts/bench cost`, which reads them before it builds anything."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cost.cases import CASES, Case
from support import ROOT

PAGE = ROOT / "www" / "docs" / "performance.md"
ROUNDS = 11
QUICK_ROUNDS = 4
PARTS = ("time", "latency", "size", "start", "memory")
QUICK_PARTS = ("time", "size")


@dataclass(frozen=True)
class Options:
    """What is to be measured."""

    cases: Sequence[Case]
    rounds: int
    parts: Sequence[str]
    """Some of `PARTS`, each with a table of its own."""
    minutes: int
    """How long memory is watched."""
    markdown: Path | None
    """Where the tables are written to, if anywhere."""

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Options:
        """Ends the program if there is a mistake."""
        if not sys.platform.startswith("linux"):
            sys.exit(
                "scripts/bench: only Linux reports another process's processor time"
            )
        parser = argparse.ArgumentParser(prog="scripts/bench cost")
        parser.add_argument("--rounds", type=_count)
        parser.add_argument("--only", type=_cases)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--quick", action="store_true")
        which.add_argument("--parts", type=_parts)
        parser.add_argument("--minutes", type=_count, default=1)
        parser.add_argument("--markdown", type=Path)
        given = parser.parse_args(arguments)
        # The page has the figures of a whole run.
        page = None if given.only or given.quick or given.parts else PAGE
        return cls(
            cases=given.only or CASES,
            rounds=given.rounds or (QUICK_ROUNDS if given.quick else ROUNDS),
            parts=given.parts or (QUICK_PARTS if given.quick else PARTS),
            minutes=given.minutes,
            markdown=given.markdown or page,
        )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1")
    return int(text)


def _parts(text: str) -> list[str]:
    names = _names(text, PARTS, "part")
    if "latency" in names and "time" not in names:
        raise argparse.ArgumentTypeError("latency needs the rates of the part time")
    return names


def _cases(text: str) -> list[Case]:
    known = {case.name: case for case in CASES}
    return [known[name] for name in _names(text, list(known), "case")]


def _names(text: str, known: Sequence[str], what: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no {what} is called {unknown[0]}; there are {', '.join(known)}"
        )
    return names


if __name__ == "__main__":
    Options.parse(sys.argv[1:])
