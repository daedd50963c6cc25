"""Shows that nothing is lost: sends events through every fault, and looks for each in S3.

    soak.py [--events N] [--seconds S] [--outage S] [--seed N] [--delivery MODE] [--only NAME]

Between the built worker and the local AWS stands a Firehose that fails. When the load of a
scenario is over and the spill is empty, each event that a 2xx acknowledged has to be in S3.
Prints a table; ends with 1 when an event was lost, or some other promise was broken.
"""

from __future__ import annotations

import argparse
import http.client
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from faults.buckets import Bucket
from faults.fault_plans import healthy
from faults.firehose_proxy import FirehoseProxy
from faults.load_generator import Load
from faults.report import Result, heading, row
from faults.scenarios import SCENARIOS, Scenario, Scene, kill
from faults.verify_delivery import judge
from local_aws import LocalAws
from support.worker import Worker

DRAIN_SECONDS = 300
# Small, so that a call has many records, some of which are refused; the local AWS makes an
# object of each, so not one event a record.
AGGREGATE_BYTES = 10_240
SAMPLE_SECONDS = 1.0


@dataclass(frozen=True)
class Setting:
    """How much is sent, how fast, and how it is delivered."""

    events: int
    """Of each scenario."""
    seconds: float
    """That the load of each scenario takes at least."""
    outage_seconds: float
    aftermath_seconds: float
    """That the faults go on when the load is over; then the Firehose is healthy."""
    seed: int
    delivery: str = "sharded"


class Soak:
    """The local AWS and its buckets, which all scenarios share."""

    def __init__(self, aws: LocalAws, setting: Setting) -> None:
        self._aws = aws
        self._setting = setting
        self._data = Bucket(aws, "data")
        self._failed = Bucket(aws, "failed")
        self._lock = threading.Lock()

    def run_all(self, scenarios: Sequence[Scenario], at_once: int) -> Iterator[Result]:
        """Runs scenarios, several at once, since most of their time is waiting."""
        with ThreadPoolExecutor(at_once) as pool:
            yield from pool.map(self.run, scenarios)

    def run(self, scenario: Scenario, events: int | None = None) -> Result:
        """Runs a scenario with a worker and a proxy of its own."""
        setting = self._setting
        seed = f"{setting.seed} {scenario.name}"
        with FirehoseProxy(self._aws, seed) as proxy:
            proxy.plan = scenario.plan
            result = Result(scenario.name, setting.seed)
            try:
                log = self._play(
                    scenario, proxy, result, seed, events or setting.events
                )
            except Exception as error:
                result.ledger.complain(f"{type(error).__name__}: {error}")
                return result
            result.faults = proxy.counts
            with self._lock:
                places = {
                    "accepted": self._data.copies(),
                    "failed": self._failed.copies(),
                }
                judge(result, places, proxy, log, self._forgets(scenario))
        return result

    def _play(
        self,
        scenario: Scenario,
        proxy: FirehoseProxy,
        result: Result,
        seed: str,
        events: int,
    ) -> str:
        """Sends the events, makes the trouble, and waits until the spill is empty.

        Gives the worker's log.
        """
        setting = self._setting
        settings = {"delivery": setting.delivery, "aggregate_bytes": AGGREGATE_BYTES}
        started = time.monotonic()
        with scenario.worker(proxy.environment(), settings) as worker:
            load = Load(
                lambda: worker.port, seed, events, setting.seconds, result.ledger
            )
            with load, self._sampled(worker, result):
                scenario.trouble(
                    Scene(
                        load,
                        proxy,
                        worker,
                        setting.outage_seconds,
                        lambda: self._has_spilled(worker, result),
                    )
                )
                load.wait()
            result.seconds = time.monotonic() - started
            self._drain(worker, proxy)
            result.drained_seconds = time.monotonic() - started - result.seconds
            return worker.log

    @contextmanager
    def _sampled(self, worker: Worker, result: Result) -> Iterator[None]:
        """Looks at the spill now and then; a dead worker has no answer."""
        over = threading.Event()

        def sample() -> None:
            while not over.wait(SAMPLE_SECONDS):
                with suppress(OSError, http.client.HTTPException):
                    self._has_spilled(worker, result)

        sampling = threading.Thread(target=sample, daemon=True)
        sampling.start()
        try:
            yield
        finally:
            over.set()
            sampling.join()

    def _has_spilled(self, worker: Worker, result: Result) -> bool:
        """Whether the spill holds something now, where there is one; notes how much."""
        records = spill(worker, self._setting.delivery)["records"]
        result.most_spilled = max(result.most_spilled, records)
        return records > 0 or self._setting.delivery == "direct"

    def _drain(self, worker: Worker, proxy: FirehoseProxy) -> None:
        """Waits until the spill is empty, as the worker reports."""
        started = time.monotonic()
        while any((left := spill(worker, self._setting.delivery)).values()):
            seconds = time.monotonic() - started
            assert seconds < DRAIN_SECONDS, f"the spill is not empty after all: {left}"
            if seconds > self._setting.aftermath_seconds:
                proxy.plan = healthy
            time.sleep(SAMPLE_SECONDS)
        proxy.wait_until_idle(DRAIN_SECONDS)

    def _forgets(self, scenario: Scenario) -> bool:
        """Whether the worker may have forgotten which events it has seen."""
        return self._setting.delivery == "direct" or scenario.trouble is kill


def spill(worker: Worker, delivery: str) -> dict[str, int]:
    """How many records are in the spill by `/readyz`, which `direct` has none of, and how
    many shards don't answer, which may have some."""
    if delivery == "direct":
        return {"records": 0, "silent": 0}
    reported = worker.ready().json()
    silent = sum("problem" in shard for shard in reported["shards"])
    return {"records": reported["spill"]["records"], "silent": silent}


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
    parser.add_argument("--aftermath", type=float, default=60, help="seconds")
    parser.add_argument("--at-once", type=int, default=3, help="scenarios")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--delivery", choices=("sharded", "direct"), default="sharded")
    parser.add_argument("--only", action="append", help="a scenario's name")
    reported = parser.parse_args()
    # What was started is ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    chosen = [each for each in SCENARIOS if not reported.only or each.name in reported.only]
    setting = Setting(
        reported.events,
        reported.seconds,
        reported.outage,
        reported.aftermath,
        reported.seed,
        reported.delivery,
    )
    print(f"seed {setting.seed}, delivery {setting.delivery}", flush=True)
    print(heading(), flush=True)
    results = []
    with tempfile.TemporaryDirectory(prefix="headwater-soak-") as directory:
        with LocalAws(Path(directory)) as aws:
            for result in Soak(aws, setting).run_all(chosen, reported.at_once):
                results.append(result)
                print(row(result), flush=True)
                for complaint in result.complaints:
                    print(f"  {complaint}", flush=True)
    events = sum(len(result.ledger.promised) for result in results)
    lost = sum(len(result.lost) for result in results)
    print(f"{events} events acknowledged, {lost} lost; seed {setting.seed}")
    return any(result.complaints for result in results)


if __name__ == "__main__":
    sys.exit(main())
