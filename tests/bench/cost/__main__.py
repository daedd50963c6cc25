"""What a request costs in the built worker; scripts/bench has the options.

All workers are up at once. Each is sent the same requests in short bursts, in turn, and
compared with the others within a round: the machine's speed drifts more than that.
"""

from __future__ import annotations

import os
import platform
import sys

from bench.cost.latency import ROUNDS as LATENCY_ROUNDS
from bench.cost.latency import latency
from bench.cost.memory import Memory, memory
from bench.cost.options import Options
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
from bench.cost.workers import Cores, Load, Scripts, firehose, fleet, load

LATENCY_SIZE = 1


def main() -> None:
    """Measures, prints, and fails if memory grew."""
    options = Options.parse(sys.argv[1:])
    cores, scripts = Cores.choose(), Scripts()
    section = [_circumstances(cores, options.rounds)]
    memories: list[Memory] = []
    with firehose(cores) as endpoint, load(cores) as sender:
        if "time" in options.parts:
            section += _processor(options, scripts, endpoint, cores, sender)
        if "size" in options.parts:
            section += ["Size:", _print(size_table(sizes()))]
        if "start" in options.parts:
            started = starts(scripts, endpoint, cores, STARTS, _say)
            section += [
                f"Start-up, medians of {STARTS} starts:",
                _print(start_table(started)),
            ]
        if "memory" in options.parts:
            ours = scripts.of("ours", "direct")
            memories = memory(
                options.cases, options.minutes, ours, endpoint, cores, sender, _say
            )
            section += ["Memory:", _print(memory_table(memories))]
    if options.markdown:
        write(options.markdown, "\n\n".join(section) + "\n")
    failures = [f"{each.delivery} {each.failure}" for each in memories if each.failure]
    if failures:
        sys.exit(f"memory: {'; '.join(failures)}")


def _processor(
    options: Options, scripts: Scripts, endpoint: str, cores: Cores, sender: Load
) -> list[str]:
    """CPU time, and latency if it is asked for."""
    deliveries = list(dict.fromkeys(case.delivery for case in options.cases))
    with fleet(scripts, deliveries, endpoint, cores) as workers:
        measured = costs(options.cases, options.rounds, workers, sender, _say)
        section = ["CPU time:", _print(cost_table(measured))]
        latencies = [
            latency(cost, workers, sender, _say)
            for cost in measured
            if cost.case.size == LATENCY_SIZE and "latency" in options.parts
        ]
        if latencies:
            seconds = f"Latency at half of the rate above, {LATENCY_ROUNDS} rounds:"
            section += [seconds, _print(latency_table(latencies))]
    return section


def _circumstances(cores: Cores, rounds: int) -> str:
    place = "one of them for the workers" if cores.workers is not None else "for all"
    return (
        f"Medians of {rounds} rounds; brackets have the middle half of the rounds. "
        f"{platform.machine()}, {os.cpu_count()} cores, {place}; "
        f"load average before the run {os.getloadavg()[0]:.1f}."
    )


def _say(what: str) -> None:
    """Reports on standard error, which the tables are not on."""
    print(f"bench: {what}", file=sys.stderr)


def _print(table: str) -> str:
    print(f"\n{table}", flush=True)
    return table


if __name__ == "__main__":
    main()
