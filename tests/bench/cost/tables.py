"""The tables in Markdown, and the section of the documentation that has them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.cost.latency import Latency, percentile
from bench.cost.memory import Memory, MiB
from bench.cost.processor import Cost
from bench.cost.startup import EMPTY_RUST, Size, Start
from bench.cost.workers import FLOORS, KINDS

HEADING = "### Results of `scripts/bench`"


def cost_table(costs: Sequence[Cost]) -> str:
    """Processor time of each case and worker."""
    rows = []
    for cost in costs:
        for kind in KINDS:
            rows.append(
                [
                    f"`{cost.case.name}`" if kind == KINDS[0] else "",
                    _name(kind, cost.case.delivery),
                    f"{cost.median(kind, lambda one: one.us_a_request):,.0f}",
                    f"{cost.median(kind, lambda one: one.us_an_event):,.1f}",
                    _ratio(cost.ratios(kind, "floor")),
                    _ratio(cost.ratios(kind, "peer")),
                    f"{cost.median(kind, lambda one: one.rate):,.0f}",
                ]
            )
    return _table(
        (
            "case",
            "worker",
            "µs a request",
            "µs an event",
            "relative to the floor",
            "relative to the peer",
            "requests/s",
        ),
        rows,
    )


def latency_table(latencies: Sequence[Latency]) -> str:
    """Percentiles of each case, of ours and the floor."""
    rows = []
    for latency in latencies:
        for kind, milliseconds in latency.milliseconds.items():
            rows.append(
                [
                    f"`{latency.case.name}`",
                    _name(kind, latency.case.delivery),
                    f"{latency.rate:,}",
                    *(
                        f"{percentile(milliseconds, share):,.1f} ms"
                        for share in (0.5, 0.99, 0.999)
                    ),
                ]
            )
    table = _table(("case", "worker", "requests/s", "p50", "p99", "p99.9"), rows)
    late = percentile([ms for each in latencies for ms in each.late], 0.99)
    return (
        f"{table}\n\nThe load was at most {late:.1f} ms late for 99 % of the requests."
    )


def memory_table(memories: Sequence[Memory]) -> str:
    """Resident memory at the start, and its lows in the windows."""

    def lows(values: Sequence[int]) -> str:
        return ", ".join(f"{each / MiB:,.0f}" for each in values) + " MiB"

    return _table(
        ("delivery", "start", "windows of the warm-up", "windows after it"),
        [
            [
                memory.delivery,
                lows([memory.start]),
                lows(memory.warm_up),
                lows(memory.after) if memory.after else "",
            ]
            for memory in memories
        ],
    )


def size_table(sizes: Sequence[Size]) -> str:
    """Each file as it is deployed, and as gzip makes it."""
    whole = Size("together", sum(s.bytes for s in sizes), sum(s.gzip for s in sizes))
    return _table(
        ("file", "bytes", "gzip -9"),
        [
            [each.name if each is whole else f"`{each.name}`", f"{each.bytes:,}", f"{each.gzip:,}"]
            for each in [*sizes, whole]
        ],
    )  # fmt: skip


def start_table(starts: Sequence[Start]) -> str:
    """From a process's start to its first answer."""
    rust = next(start for start in starts if start.name == EMPTY_RUST)
    relative = (f"relative to {EMPTY_RUST}",)
    return _table(
        ("worker", "first answer", *relative, "CPU time", *relative),
        [
            [
                start.name,
                f"{start.ms:.1f} ms",
                _ratio(start.ratios(rust)),
                f"{start.processor_ms:.1f} ms",
                _ratio(start.processor_ratios(rust)),
            ]
            for start in starts
        ],
    )


def with_section(page: str, section: str) -> str:
    """The page with this section in place of the one that has its heading."""
    lines = page.splitlines()
    if HEADING not in lines:
        raise ValueError(f"the page has no heading {HEADING}")
    start = lines.index(HEADING) + 1
    end = next(
        (
            number
            for number in range(start, len(lines))
            if lines[number].startswith(("# ", "## ", "### "))
        ),
        len(lines),
    )
    return (
        "\n".join([*lines[:start], "", section.strip(), "", *lines[end:]]).rstrip()
        + "\n"
    )


def write(file: Path, section: str) -> None:
    """Writes the tables to a page that has their heading, or to a file of their own."""
    if file.exists() and HEADING in file.read_text(encoding="utf-8").splitlines():
        section = with_section(file.read_text(encoding="utf-8"), section)
    file.write_text(section, encoding="utf-8")


def _name(kind: str, delivery: str) -> str:
    return {
        "floor": f"floor `{FLOORS[delivery]}`",
        "peer": "peer",
        "ours": "Headwater",
    }[kind]


def _ratio(ratios: Sequence[float]) -> str:
    """The median, and the quartiles if there are enough rounds for them."""
    if set(ratios) == {1.0}:
        return "1"
    if len(ratios) < 4:
        return f"{statistics.median(ratios):.2f}"
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    heading, *lines = (f"| {' | '.join(cells)} |" for cells in (headings, *rows))
    return "\n".join([heading, f"|{'---|' * len(headings)}", *lines])
