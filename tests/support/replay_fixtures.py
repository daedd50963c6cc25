"""Events that fail at first, and the corrected rules that accept them."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

from local_aws import Kind, LocalAws
from support.waiting import wait_until
from support.worker import Worker

BEFORE: dict[str, Any] = {
    "delivery": "sharded",
    "shards": 1,
    "linger_ms": 10,
    # What a slow machine keeps waiting must not be sent twice, and be counted so.
    "delivery_timeout_ms": 30_000,
    "unknown_events": "fail",
}
CODES = {
    "name": "order_placed",
    "field": "props.currency",
    "map": {"francs": "CHF", "euro": "EUR"},
}
AFTER: dict[str, Any] = {**BEFORE, "unknown_events": "accept", "clean": [CODES]}

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
HEADERS = {"user-agent": AGENT, "cf-connecting-ip": "203.0.113.77"}
SECRETIVE = ("ada@example.com", "203.0.113", "Firefox", "device-of-ada")
A_DAY_AGO = f"{datetime.now(timezone.utc) - timedelta(days=1):%FT08:00:00.000Z}"


def correct(worker: Worker) -> None:
    """Deploys the rules that let in what failed, on the same storage."""
    time.sleep(3)  # sessions and ids are written at most a second after they change
    worker.kill()
    worker.settings = AFTER
    worker.restart()


def quiz(**fields: Any) -> dict[str, Any]:
    return {
        "name": "quiz_answered",
        "device_id": "device-of-ada",
        "props": {"mail": "ada@example.com"},
        **fields,
    }


def order(currency: str | None, **fields: Any) -> dict[str, Any]:
    props = {"total": 19.9, "currency": currency}
    return {
        "name": "order_placed",
        "device_id": "device-of-ada",
        "props": props,
        **fields,
    }


def ids(aws: LocalAws, kind: Kind) -> Counter[str]:
    return Counter(each.record["event_id"] for each in aws.records(kind))


def wait_for(aws: LocalAws, kind: Kind, count: int) -> Counter[str]:
    wait_until(lambda: ids(aws, kind).total() >= count, 10, lambda: ids(aws, kind))
    return ids(aws, kind)
