"""What the shard makes of many small beacons: few calls, at the price of a wait.

The same beacons come at the same rate, by the clock, to the built worker without a shard
and with some, each alone in a workerd of its own; a stand-in for Firehose in a process of
its own answers each call after a while, as a region would. Prints a table, and fails when
there were more calls than the linger allows, or when what was acknowledged did not arrive.
"""

from __future__ import annotations

import http.client
import math
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.bare_workerd import BUILT, connect, serving
from bench.beacon_load import Load, Result, send
from bench.counting_firehose import CountingFirehose, Report, counting_firehose

LINGER_MS = 100
FIREHOSE_MS = 30
LOAD = Load(rate=1_000, warm_up_seconds=10, seconds=30)
# Of the bound on calls: what a clock's ticks and the ends of the measured time may add.
TOLERANCE = 0.01
ARRIVAL_SECONDS = 30


@dataclass(frozen=True)
class Mode:
    """A way of delivery."""

    shards: int
    """0 without: requests deliver their own records, and those that come together share a call."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        if self.shards == 0:
            return "direct"
        return f"sharded, {self.shards} shard{'s' if self.shards > 1 else ''}"

    @property
    def settings(self) -> dict[str, object]:
        """The worker's settings of it."""
        if self.shards == 0:
            return {"delivery": "direct"}
        return {"delivery": "sharded", "shards": self.shards, "linger_ms": LINGER_MS}


MODES = (Mode(0), Mode(1), Mode(4))


@dataclass(frozen=True)
class Measured:
    """What one mode made of a load."""

    mode: Mode
    load: Load
    result: Result
    report: Report
    worker_seconds: float
    """The processor time of the worker's whole life."""

    @property
    def calls(self) -> int:
        """The calls that arrived in the time that counts."""
        return sum(
            self.result.since <= call.arrived < self.result.until
            for call in self.report.calls
        )

    @property
    def most_calls(self) -> float:
        """The most calls that the shards' linger allows in the time that counts."""
        if self.mode.shards == 0:
            return math.inf
        # A time of n lingers touches n + 1 of them.
        lingers = self.load.seconds * 1000 / LINGER_MS * (1 + TOLERANCE) + 1
        return self.mode.shards * lingers

    @property
    def lost(self) -> set[str]:
        """The ids of the events that were acknowledged and did not arrive."""
        return acknowledged(self.result) - self.report.ids

    @property
    def not_2xx(self) -> int:
        """How many beacons were refused or not answered at all."""
        return sum(not beacon.acknowledged for beacon in self.result.counted)

    def answered_after_ms(self, share: float) -> float:
        """The time within which this share of the beacons was answered."""
        seconds = sorted(beacon.seconds for beacon in self.result.counted)
        return seconds[math.ceil(len(seconds) * share) - 1] * 1e3

    def mistakes(self) -> list[str]:
        """What should not be so."""
        mistakes = [f"a call was refused: {why}" for why in self.report.refused[:3]]
        if self.lost:
            mistakes.append(f"{len(self.lost)} acknowledged events did not arrive")
        if self.not_2xx and self.mode.shards:
            mistakes.append(f"{self.not_2xx} beacons were not acknowledged")
        if self.calls > self.most_calls:
            mistakes.append(f"{self.calls} calls, more than {self.most_calls:.0f}")
        in_time = self.result.acknowledged_in_time
        beacons_a_linger = self.load.rate * LINGER_MS / 1000
        if self.mode.shards == 1 and beacons_a_linger >= 100:
            if self.calls > in_time * 0.01 * (1 + TOLERANCE):
                mistakes.append(f"{self.calls} calls for {in_time} beacons: over 1 %")
        return [f"{self.mode.name}: {mistake}" for mistake in mistakes]

    def row(self) -> list[str]:
        """Its row of the table."""
        calls, seconds = self.report.calls, self.load.seconds
        in_time = self.result.acknowledged_in_time
        billed = sum(call.billed_bytes for call in calls)
        return [
            self.mode.name,
            f"{self.load.rate:,}",
            f"{in_time / seconds:,.0f}",
            f"{self.not_2xx:,}",
            f"{self.calls / seconds:,.1f}",
            f"{self.calls / in_time * 100:.2f}" if in_time else "-",
            f"{sum(call.events for call in calls) / len(calls):.1f}" if calls else "-",
            f"{billed / sum(call.sent_bytes for call in calls):.2f}" if calls else "-",
            f"{self.worker_seconds / len(self.result.beacons) * 1e6:,.0f} µs",
            f"{self.answered_after_ms(0.5):,.0f} ms",
            f"{self.answered_after_ms(0.99):,.0f} ms",
        ]


HEADINGS = (
    "delivery",
    "offered/s",
    "answered/s",
    "not 2xx",
    "calls/s",
    "calls per 100 beacons",
    "events a call",
    "billed/sent",
    "processor time a beacon",
    "p50",
    "p99",
)


def acknowledged(result: Result) -> set[str]:
    """The ids of the events that the worker promised."""
    return {beacon.event_id for beacon in result.beacons if beacon.acknowledged}


def check_ready(connection: http.client.HTTPConnection) -> None:
    """Checks that the worker has what it needs."""
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"the worker is not ready: {body!r}")


def measure(mode: Mode, load: Load, settings: Mapping[str, object] = {}) -> Measured:
    """Sends a load to a worker of this mode, which has `settings` as well."""
    with counting_firehose(FIREHOSE_MS) as firehose:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with serving(BUILT, {**mode.settings, **settings}, firehose.url) as port:
            check_ready(connect(port))
            result = send(port, load)
            report = arrived(firehose, acknowledged(result))
        # Only the worker has been waited for in between, and only such children count.
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(mode, load, result, report, used)


def arrived(firehose: CountingFirehose, ids: set[str]) -> Report:
    """What has come, once these are there; what a shard has stored comes a little later."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not ids <= (report := firehose.report()).ids and time.monotonic() < deadline:
        time.sleep(0.5)
    return report


def table(rows: Sequence[Measured]) -> str:
    """What was measured, in Markdown."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *(row.row() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Measures, prints, and fails when something should not be so."""
    measured = []
    for mode in MODES:
        print(f"bench: {mode.name}, {LOAD}", file=sys.stderr)
        measured.append(measure(mode, LOAD))
    print(table(measured))
    late = sorted(
        beacon.turned_to - beacon.due
        for each in measured
        for beacon in each.result.counted
    )
    print(
        f"\n{LOAD.seconds} s after {LOAD.warm_up_seconds} s of warm-up, {os.cpu_count()} cores; "
        f"linger {LINGER_MS} ms, Firehose answers after {FIREHOSE_MS} ms. The load itself was "
        f"{late[int(len(late) * 0.99)] * 1e3:.0f} ms late or less for 99 % of the beacons."
    )
    mistakes = [mistake for each in measured for mistake in each.mistakes()]
    if mistakes:
        sys.exit("\n".join(mistakes))


if __name__ == "__main__":
    main()
