"""What goes wrong while the load runs: a table of the ways in which data gets lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from evictable import EvictableWorker
from fault_plans import (
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
from firehose_proxy import FirehoseProxy
from load import Load
from worker import Worker


@dataclass
class Scene:
    """A load that runs, and what trouble can be made for it."""

    load: Load
    proxy: FirehoseProxy
    worker: Worker
    outage_seconds: float


def calm(scene: Scene) -> None:
    """No more trouble than the plan makes."""


def close_port(scene: Scene) -> None:
    """The port of the Firehose is closed for a while."""
    scene.load.wait_until(0.2)
    scene.proxy.stop()
    time.sleep(scene.outage_seconds)
    scene.proxy.start()


def expire(scene: Scene) -> None:
    """The credentials are refused for a while."""
    scene.load.wait_until(0.2)
    plan, scene.proxy.plan = scene.proxy.plan, expired
    time.sleep(scene.outage_seconds)
    scene.proxy.plan = plan


def kill(scene: Scene) -> None:
    """Everything that runs is killed, twice, and started on the same storage.

    The second time there is an outage, so that what is in the spill outlives it too.
    """
    scene.load.wait_until(0.3)
    scene.worker.kill()
    scene.worker.restart()
    scene.load.wait_until(0.6)
    scene.proxy.stop()
    time.sleep(3)
    scene.worker.kill()
    scene.worker.restart()
    scene.proxy.start()


def evict(scene: Scene) -> None:
    """Every object is taken out of memory several times, and once while its spill is full."""
    worker = scene.worker
    assert isinstance(worker, EvictableWorker)
    evicted = 0
    for share in (0.2, 0.4, 0.6):
        scene.load.wait_until(share)
        evicted += worker.evict()
    scene.proxy.stop()
    time.sleep(3)
    evicted += worker.evict()
    scene.proxy.start()
    scene.load.wait_until(0.9)
    evicted += worker.evict()
    scene.load.ledger.count("evicted", evicted)


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
