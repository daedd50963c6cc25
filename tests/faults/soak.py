"""Shows that nothing is lost: sends events through every fault, and looks for each in S3.

    soak.py [--events N] [--seconds S] [--outage S] [--seed N] [--delivery MODE] [--only NAME]

Between the built worker and the local AWS stands a Firehose that fails. When the load of a
scenario is over and the spill is empty, each event that a 2xx acknowledged has to be in S3.
Prints a table; ends with 1 when an event was lost, or some other promise was broken.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "worker"), str(ROOT / "scripts" / "aws")]

from buckets import Bucket, Copies  # noqa: E402
from firehose_proxy import FirehoseProxy  # noqa: E402
from load import Ledger, Load  # noqa: E402
from local import LocalAws  # noqa: E402
from scenarios import SCENARIOS, Scenario, Scene  # noqa: E402
from worker import Worker  # noqa: E402

NO_FAULTS = ("calls", "records forwarded", "untold")
DRAIN_SECONDS = 300
# Small, so that a call has many records, some of which are refused; the local AWS makes an
# object of each, so not one event a record.
PACK_BYTES = 10_240
SAMPLE_SECONDS = 1.0


@dataclass(frozen=True)
class Setting:
    """How much is sent, how fast, and how it is delivered."""

    events: int
    """Of each scenario."""
    seconds: float
    """That the load of each scenario takes at least."""
    outage_seconds: float
    seed: int
    delivery: str = "sharded"


@dataclass
class Result:
    """What came of a scenario."""

    name: str
    seed: int
    ledger: Ledger
    faults: Counter[str]
    lost: list[str] = field(default_factory=list)
    duplicates: Counter[str] = field(default_factory=Counter)
    """Events that lie in S3 more than once, by what explains it."""
    most_spilled: int = 0
    seconds: float = 0.0
    drained_seconds: float = 0.0

    @property
    def troubles(self) -> int:
        """How often something went wrong: faults given, answers lost, objects evicted."""
        faults = self.faults.total() - sum(self.faults[what] for what in NO_FAULTS)
        ledger = self.ledger.counts
        return faults + ledger["answers lost"] + ledger["evicted"] + ledger["503"]

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


class Soak:
    """The local AWS and its buckets, which all scenarios share."""

    def __init__(self, aws: LocalAws, setting: Setting) -> None:
        self._aws = aws
        self._setting = setting
        self._data = Bucket(aws, "data")
        self._failed = Bucket(aws, "failed")

    def run(self, scenario: Scenario, events: int | None = None) -> Result:
        """Runs a scenario with a worker and a proxy of its own."""
        setting = self._setting
        started = time.monotonic()
        seed = f"{setting.seed} {scenario.name}"
        settings = {"delivery": setting.delivery, "pack_bytes": PACK_BYTES}
        with FirehoseProxy(self._aws, seed) as proxy:
            with scenario.worker(proxy.environment(), settings) as worker:
                proxy.plan = scenario.plan
                load = Load(
                    lambda: worker.port, seed, events or setting.events, setting.seconds
                )
                result = Result(scenario.name, setting.seed, load.ledger, Counter())
                with load:
                    scenario.trouble(Scene(load, proxy, worker, setting.outage_seconds))
                    while load.running:
                        spilled = _spill(worker, setting.delivery)["records"]
                        result.most_spilled = max(result.most_spilled, spilled)
                        time.sleep(SAMPLE_SECONDS)
                result.seconds = time.monotonic() - started
                self._drain(worker, proxy)
                result.drained_seconds = time.monotonic() - started - result.seconds
        result.faults = proxy.counts
        self._judge(result, proxy, scenario)
        return result

    def _drain(self, worker: Worker, proxy: FirehoseProxy) -> None:
        """Waits until the spill is empty, as the worker tells itself."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while (spill := _spill(worker, self._setting.delivery))["records"]:
            if time.monotonic() > deadline:
                raise AssertionError(f"the spill is not empty after all: {spill}")
            time.sleep(SAMPLE_SECONDS)
        proxy.wait_until_idle(DRAIN_SECONDS)

    def _judge(self, result: Result, proxy: FirehoseProxy, scenario: Scenario) -> None:
        places = {"accepted": self._data.copies(), "failed": self._failed.copies()}
        for id, outcome in result.ledger.promised.items():
            copies = places.get(outcome, {}).get(id, Copies())
            if not copies.number:
                result.lost.append(id)
            elif copies.number > 1:
                result.duplicates[self._cause(id, copies, result, proxy, scenario)] += 1

    def _cause(
        self,
        id: str,
        copies: Copies,
        result: Result,
        proxy: FirehoseProxy,
        scenario: Scenario,
    ) -> str:
        """Why an event lies in S3 more than once."""
        if copies.number - 1 <= proxy.passages(id).untold:
            return "fault"
        if copies.direct:
            return "fallback"
        forgets = self._setting.delivery == "direct" or scenario.name == "killed"
        if id in result.ledger.sent_again and forgets:
            return "sent again"
        return "unexplained"


def _spill(worker: Worker, delivery: str) -> dict[str, Any]:
    """What `/readyz` tells of the spill, which `direct` has none of."""
    if delivery == "direct":
        return {"records": 0}
    return worker.get("/readyz").json()["spill"]


COLUMNS = (
    ("scenario", 20),
    ("acked", 8),
    ("lost", 5),
    ("dup:fault", 10),
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


def row(result: Result) -> list[str | int]:
    """A scenario's row of the table."""
    ledger = result.ledger
    return [
        result.name,
        len(ledger.promised),
        len(result.lost),
        *(
            result.duplicates[cause]
            for cause in ("fault", "fallback", "sent again", "unexplained")
        ),
        ledger.counts["duplicate"],
        ledger.counts["503"],
        result.most_spilled,
        result.troubles,
        round(result.seconds),
        round(result.drained_seconds),
    ]


def line(cells: list[str | int]) -> str:
    """A line of the table."""
    (_, first), *rest = COLUMNS
    numbers = (
        f"{cell:>{width}}" for cell, (_, width) in zip(cells[1:], rest, strict=True)
    )
    return f"{cells[0]:<{first}}" + "".join(numbers)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """The command; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description="Shows that nothing is lost.")
    parser.add_argument("--events", type=int, default=22_000, help="of each scenario")
    parser.add_argument(
        "--seconds", type=float, default=30, help="of each load, at least"
    )
    parser.add_argument("--outage", type=float, default=60, help="seconds")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--delivery", choices=("sharded", "direct"), default="sharded")
    parser.add_argument("--only", action="append", help="a scenario's name")
    told = parser.parse_args()
    # What was started is ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    chosen = [each for each in SCENARIOS if not told.only or each.name in told.only]
    setting = Setting(told.events, told.seconds, told.outage, told.seed, told.delivery)
    print(f"seed {setting.seed}, delivery {setting.delivery}", flush=True)
    print(line([name for name, _ in COLUMNS]), flush=True)
    results = []
    with tempfile.TemporaryDirectory(prefix="headwater-soak-") as directory:
        aws = LocalAws(Path(directory))
        aws.start()
        try:
            soak = Soak(aws, setting)
            for scenario in chosen:
                results.append(soak.run(scenario))
                print(line(row(results[-1])), flush=True)
                for complaint in results[-1].complaints:
                    print(f"  {complaint}", flush=True)
        finally:
            aws.stop()
    events = sum(len(result.ledger.promised) for result in results)
    lost = sum(len(result.lost) for result in results)
    print(f"{events} events acknowledged, {lost} lost; seed {setting.seed}")
    return any(result.complaints for result in results)


if __name__ == "__main__":
    sys.exit(main())
