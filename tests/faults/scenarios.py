"""What goes wrong while the load runs: a table of the ways in which data gets lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from faults.fault_plans import (
    Plan,
    all_of_it,
    cut,
    expired,
    fail_calls,
    garble,
    hang,
    healthy,
    refuse_records,
)
from faults.firehose_proxy import FirehoseProxy
from faults.load_generator import Load
from support.evictable_worker import EvictableWorker
from support.waiting import wait_until
from support.worker import Worker

# Of an outage; it goes on until the spill holds something, which on a slow machine takes longer.
FILLING_SECONDS = 2
FILLED_SECONDS = 60
# An object is evicted when it was idle for a minute or more, and so long after it has
# written down what it remembers, which it does a second after the last request.
QUIET_SECONDS = 2


@dataclass
class Scene:
    """A load that runs, and what trouble can be made for it."""

    load: Load
    proxy: FirehoseProxy
    worker: Worker
    outage_seconds: float
    has_spilled: Callable[[], bool]
    """Whether the worker says that its spill holds something, where it has one."""

    def close_port(self) -> None:
        """Closes the port of the Firehose."""
        self.load.ledger.count("troubles")
        self.proxy.stop()

    def fill(self) -> None:
        """Lets an outage go on until the spill holds something."""
        time.sleep(FILLING_SECONDS)
        wait_until(
            self.has_spilled,
            FILLED_SECONDS,
            lambda: "an outage in which nothing is spilled",
        )

    def kill(self) -> None:
        """Everything that runs is killed, and started on the same storage."""
        self.load.ledger.count("troubles")
        self.worker.kill()
        self.worker.restart()

    def evict(self) -> None:
        """Every object is taken out of memory, between two requests."""
        assert isinstance(self.worker, EvictableWorker)
        with self.load.paused():
            time.sleep(QUIET_SECONDS)
            self.load.ledger.count("troubles", self.worker.evict())


def calm(scene: Scene) -> None:
    """No more trouble than the plan makes."""


def close_port(scene: Scene) -> None:
    """The port of the Firehose is closed for a while."""
    scene.load.wait_until(0.2)
    scene.close_port()
    time.sleep(scene.outage_seconds)
    scene.proxy.start()


def expire(scene: Scene) -> None:
    """The credentials are refused for a while."""
    scene.load.wait_until(0.2)
    plan, scene.proxy.plan = scene.proxy.plan, expired
    time.sleep(scene.outage_seconds)
    scene.proxy.plan = plan


def kill(scene: Scene) -> None:
    """It is killed under load, and once more in an outage, which its spill has to outlive."""
    scene.load.wait_until(0.3)
    scene.kill()
    scene.load.wait_until(0.6)
    scene.close_port()
    scene.fill()
    scene.kill()
    scene.proxy.start()


def evict(scene: Scene) -> None:
    """Objects lose their memory, the second time in an outage, with their spill full."""
    scene.load.wait_until(0.2)
    scene.evict()
    scene.load.wait_until(0.4)
    scene.close_port()
    scene.fill()
    scene.evict()
    scene.proxy.start()
    scene.load.wait_until(0.8)
    scene.evict()


@dataclass(frozen=True)
class Scenario:
    """One row of the table."""

    name: str
    plan: Plan = healthy
    trouble: Callable[[Scene], None] = calm
    worker: type[Worker] = Worker


SCENARIOS = (
    Scenario("records refused", refuse_records(0.3)),
    Scenario("calls failed", fail_calls(0.3)),
    Scenario("hangs", hang(0.1)),
    Scenario("connections cut", cut(0.2)),
    Scenario("answers garbled", garble(0.2)),
    Scenario("outage", trouble=close_port),
    Scenario("credentials expired", trouble=expire),
    Scenario("all of it", all_of_it),
    Scenario("killed", refuse_records(0.3), kill),
    Scenario("evicted", refuse_records(0.3), evict, EvictableWorker),
)
