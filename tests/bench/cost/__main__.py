"""What a request costs in the built worker; scripts/bench has the options.

All workers are up at once. Each is sent the same requests in short bursts, in turn, and
compared with the others within a round: the machine's speed drifts more than that.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

from bench.cost.cases import CASES, Case
from bench.cost.latency import ROUNDS as LATENCY_ROUNDS
from bench.cost.latency import latency
from bench.cost.memory import Memory, memory
from bench.cost.processor import costs
from bench.cost.startup import STARTS, sizes, starts
from bench.cost.tables import (
    cost_table,
    latency_table,
    memory_table,
    size_table,
    start_table,
    write,
)
from bench.cost.workers import Cores, Scripts, firehose, fleet, load
from support import ROOT

PAGE = ROOT / "www" / "docs" / "performance.md"
LATENCY_SIZE = 1
ROUNDS = 11
QUICK_ROUNDS = 4


def options(arguments: list[str]) -> argparse.Namespace:
    """The options of `scripts/bench cost`."""
    parser = argparse.ArgumentParser(prog="scripts/bench cost")
    parser.add_argument("--rounds", type=_count)
    parser.add_argument("--only", type=_cases)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=_count, default=1)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args(arguments)


def main() -> None:
    """Measures, prints, and fails if memory grew."""
    if not sys.platform.startswith("linux"):
        sys.exit("scripts/bench: only Linux reports another process's processor time")
    given = options(sys.argv[1:])
    cases: list[Case] = given.only or CASES
    deliveries = list(dict.fromkeys(case.delivery for case in cases))
    rounds = given.rounds or (QUICK_ROUNDS if given.quick else ROUNDS)
    cores, scripts = Cores.choose(), Scripts()
    section = [_circumstances(cores, rounds)]
    memories: list[Memory] = []
    with firehose(cores) as endpoint, load(cores) as sender:
        with fleet(scripts, deliveries, endpoint, cores) as workers:
            measured = costs(cases, rounds, workers, sender, _say)
            section += ["CPU time:", _print(cost_table(measured))]
            latencies = [
                latency(cost, workers, sender, _say)
                for cost in measured
                if cost.case.size == LATENCY_SIZE and not given.quick
            ]
            if latencies:
                seconds = f"Latency at half of the rate above, {LATENCY_ROUNDS} rounds:"
                section += [seconds, _print(latency_table(latencies))]
        section += ["Size:", _print(size_table(sizes()))]
        if not given.quick:
            started = starts(scripts, endpoint, cores, STARTS, _say)
            section += [
                f"Start-up, medians of {STARTS} starts:",
                _print(start_table(started)),
            ]
            ours = scripts.of("ours", "direct")
            memories = memory(cases, given.minutes, ours, endpoint, cores, sender, _say)
            section += ["Memory:", _print(memory_table(memories))]
    file = given.markdown or (None if given.only or given.quick else PAGE)
    if file:
        write(file, "\n\n".join(section) + "\n")
    grew = [each.delivery for each in memories if each.grew]
    if grew:
        sys.exit(f"memory grew: {', '.join(grew)}")


def _circumstances(cores: Cores, rounds: int) -> str:
    return (
        f"Medians of {rounds} rounds; brackets have the middle half of the rounds. "
        f"{platform.machine()}, {os.cpu_count()} cores"
        f"{', shared by all processes' if cores.workers is None else ', one of them for the workers'}."
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _cases(text: str) -> list[Case]:
    known = {case.name: case for case in CASES}
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no case is called {unknown[0]}; there are {', '.join(known)}"
        )
    return [known[name] for name in names]


def _say(what: str) -> None:
    """Reports on standard error, which the tables are not on."""
    print(f"bench: {what}", file=sys.stderr)


def _print(table: str) -> str:
    print(f"\n{table}", flush=True)
    return table


if __name__ == "__main__":
    main()
