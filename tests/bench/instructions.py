"""The instructions of an event's way through the native recipe, beside the floor: JSON read and written by serde_json.

Valgrind counts them, so neither the machine's speed nor what else it does matters. Each case runs in a process of its
own, with the same ids, keys and times every time. Prints a table; tests/bench/instructions.json has the baseline.

    scripts/bench instructions                  prints the table
    scripts/bench instructions --update         and makes it the baseline
    scripts/bench instructions --profile CASE   prints the functions of a case, such as "records 50-mixed"
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from support import ROOT

BASELINE = ROOT / "tests/bench/instructions.json"
# The share by which a count may differ from the baseline's.
TOLERANCE = 0.05
FLOOR = "floor"
# Where valgrind counts: the function of instructions.rs that runs what is measured.
COUNTED = "instructions::counted*"
# What any request may take, whatever few bytes it has: 10 milliseconds of the built worker, which takes 21 for the 54
# million of the row of page views.
OF_A_REQUEST = 25_000_000
# What each of its events may take besides: its record is written, whatever few bytes it has.
OF_AN_EVENT = 65_000
# The most instructions of a byte that a client sends, inflated, besides. The built worker takes 10 milliseconds for 60 to
# 70 million instructions that read and check values, by scripts/bench hostile; this is as much for 100 kB.
OF_A_BYTE = 680
INSTALL = "valgrind is missing: install it (Debian: apt-get install valgrind), then run this again"
SECONDS = 300


@dataclass(frozen=True)
class Tools:
    """What the counts depend on, besides the code: the compiler, its target, and the C library with its allocator."""

    rustc: str
    host: str
    libc: str

    @classmethod
    def here(cls) -> Tools:
        """Those of this machine."""
        version = run("rustc", "--version", "--verbose")
        facts = dict(re.findall(r"^(\w+): (.*)$", version, re.MULTILINE))
        return cls(facts["release"], facts["host"], " ".join(platform.libc_ver()))


@dataclass(frozen=True)
class Hostile:
    """What a request that is made to cost much takes."""

    instructions: int
    inflated: int
    """Bytes of its body."""
    beacons: int

    @property
    def of_a_byte(self) -> float:
        """The instructions of a byte of its body, without those that any request, and each event, may take."""
        return max(0, self.instructions - OF_A_REQUEST - OF_AN_EVENT * self.beacons) / self.inflated


def run(*command: str | Path, **variables: str) -> str:
    """What a command prints; its errors are shown as they come."""
    environment = {**os.environ, **variables}
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return ended.stdout


def build() -> Path:
    """Compiles the program whose instructions are counted."""
    messages = run(
        "cargo", "bench", "--quiet", "--locked", "--no-run", "--bench", "instructions",
        "--message-format=json-render-diagnostics",
        # As a bench unwinds in any case; otherwise the library is compiled twice, and both have one file name.
        CARGO_PROFILE_RELEASE_PANIC="unwind",
    )  # fmt: skip
    built = [json.loads(line) for line in messages.splitlines()]
    (program,) = (
        message["executable"]
        for message in built
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "instructions"
    )
    return Path(program)


def profile(program: Path, case: str, out: Path) -> str:
    """Runs a case under valgrind, which writes its profile to `out`; returns what it prints."""
    if shutil.which("valgrind") is None:
        sys.exit(INSTALL)
    ended = subprocess.run(
        [
            "valgrind", "--tool=callgrind", "--quiet", f"--toggle-collect={COUNTED}", f"--callgrind-out-file={out}",
            program, case,
        ],
        # Variables are on the stack, whose place should be the same on each machine.
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )  # fmt: skip
    if ended.returncode != 0:
        sys.exit(f"{case} failed: {ended.stderr}")
    return ended.stdout


def counted(program: Path, case: str) -> tuple[int, str]:
    """The instructions of a case, and what it prints.

    Source: https://valgrind.org/docs/manual/cl-format.html
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "profile"
        printed = profile(program, case, out)
        summary = re.search(r"^summary: (\d+)", out.read_text(encoding="utf-8"), re.MULTILINE)
    assert summary is not None, case
    return int(summary[1]), printed


def count(program: Path, case: str) -> int:
    """The instructions of one event of a case."""
    instructions, events = counted(program, case)
    return round(instructions / int(events))


def measure(program: Path) -> dict[str, int]:
    """The instructions of each case."""
    cases = run(program, "list").splitlines()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(cases, pool.map(lambda case: count(program, case), cases)))


def measure_hostile(program: Path) -> dict[str, Hostile]:
    """What each request of tests/fixtures/hostile.json takes."""
    names = run(program, "hostile").splitlines()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(names, pool.map(lambda name: hostile(program, name), names)))


def hostile(program: Path, name: str) -> Hostile:
    """What one of them takes."""
    instructions, printed = counted(program, f"hostile {name}")
    inflated, beacons = map(int, printed.split())
    return Hostile(instructions, inflated, beacons)


def baseline() -> tuple[Tools, dict[str, int]]:
    """The committed counts, and what they were made with."""
    read = json.loads(BASELINE.read_text(encoding="utf-8"))
    return Tools(**read["tools"]), read["instructions"]


def update(counts: dict[str, int]) -> None:
    """Makes these counts the baseline."""
    text = json.dumps({"tools": asdict(Tools.here()), "instructions": counts}, indent=2)
    BASELINE.write_text(text + "\n", encoding="utf-8")


def differences(counts: dict[str, int], tools: Tools) -> list[str]:
    """The cases that differ from the baseline by more than the tolerance, and what to do about them."""
    its_tools, its_counts = baseline()
    if counts.keys() != its_counts.keys():
        return ["there are other cases than in the baseline: run scripts/bench instructions --update"]
    found = []
    for case, count in counts.items():
        change = count / its_counts[case] - 1
        if abs(change) > TOLERANCE:
            found.append(f"{case}: {count:,} instructions an event, {change:+.1%} of the baseline's {its_counts[case]:,}")
    if found and tools != its_tools:
        found.append(
            f"the baseline was made with {its_tools} and this is {tools}: measure the unchanged code with"
            " scripts/bench instructions --update first, and then the change"
        )
    elif found:
        found.append("if it is meant, run scripts/bench instructions --update, and commit the baseline with the change")
    return found


def table(counts: dict[str, int]) -> str:
    """The counts as a table, a row for each kind of request."""
    samples = [case.split(" ")[1] for case in counts if case.startswith(f"{FLOOR} ")]
    steps = list(dict.fromkeys(case.split(" ")[0] for case in counts))
    lines = [f"| an event of | {' | '.join(steps)} |", "|---" * (len(steps) + 1) + "|"]
    for sample in samples:
        floor = counts[f"{FLOOR} {sample}"]
        row = [counts[f"{step} {sample}"] for step in steps]
        lines.append(f"| {sample} | {' | '.join(f'{count:,} ({count / floor:.2f})' for count in row)} |")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="scripts/bench instructions")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--profile", metavar="CASE")
    arguments = parser.parse_args()
    program = build()
    if arguments.profile:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "profile"
            events = profile(program, arguments.profile, out)
            print(events)
            print(run("callgrind_annotate", "--auto=no", out))
        return
    counts = measure(program)
    print("Instructions of an event, in brackets the multiple of the floor:\n")
    print(table(counts))
    if arguments.update:
        update(counts)
        return
    for difference in differences(counts, Tools.here()):
        print(difference, file=sys.stderr)


if __name__ == "__main__":
    main()
