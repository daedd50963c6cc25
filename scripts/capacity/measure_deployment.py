"""Measures a deployed worker: what the model of scale can only assume.

    /healthz, one connection     the round trip to the edge
    events, at a steady rate     the latency of answers; Server-Timing has the shard's wait and the stream's call
    /readyz, before and after    what shards hold, and which streams fail
    CloudWatch, on its own       when a stream throttled, and when AWS raised its quota

The load is bounded. Each request is sent at its time, whether others have been answered or not, so a slow worker is not asked
more slowly, and a latency counts from the time at which its request was due.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import boto3
import time_args
import urllib3
from command_line import DONE, LOOPBACK, Parser, add_output, add_worker, at_most, bar, run, show_progress
from botocore.exceptions import BotoCoreError, ClientError

MOST_REQUESTS, MOST_RATE, MOST_EVENTS = 20_000, 500, 100
ROUND_TRIPS = 20
ANSWER_SECONDS = 30
# Requests without an answer, above which no more are sent: the load must not pile up.
MOST_OPEN = 1_000
LIMITS = ("BytesPerSecondLimit", "PutRequestsPerSecondLimit", "RecordsPerSecondLimit")


class Stopped(Exception):
    """Why nothing can be measured, in one sentence."""


@dataclass
class Samples:
    """What the answers were. Times in milliseconds."""

    statuses: Counter[str] = field(default_factory=Counter)
    latency: list[float] = field(default_factory=list)
    # By the name in Server-Timing.
    timing: dict[str, list[float]] = field(default_factory=dict)
    skipped: int = 0


def percentile(times: Sequence[float], share: float) -> float:
    """The time below which this share of the times is; `times` has some."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def summary(times: Sequence[float]) -> dict[str, float]:
    """Percentiles in milliseconds; nothing of no times."""
    if not times:
        return {}
    shares = {f"p{share * 100:g}": percentile(times, share) for share in (0.5, 0.9, 0.99)}
    return {name: round(time, 1) for name, time in {**shares, "most": max(times)}.items()}


def times_line(name: str, times: Mapping[str, float]) -> str:
    shown = "  ".join(f"{share} {time:.0f}" for share, time in times.items())
    return f"{name:<34}{f'{shown} ms' if shown else 'no answer'}"


def stages(timing: str) -> dict[str, float]:
    """The times in Server-Timing, in milliseconds, and what of them the way to the shard and back took."""
    times = {name: float(value) for name, value in re.findall(r"([\w-]+);dur=([\d.]+)", timing)}
    if {"deliver", "wait", "send"} <= set(times):
        times["shard and back"] = max(0.0, times["deliver"] - times["wait"] - times["send"])
    return times


def is_local(worker: str) -> bool:
    return urlsplit(worker).hostname in LOOPBACK


def at_most(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,9}", text) and 1 <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"must be an integer from 1 to {most:,}, not {text!r}")

    return number


class Deployment:
    """The worker, as a client and as its operator."""

    def __init__(self, worker: str, write_key: str | None, connections: int) -> None:
        self._worker = worker.rstrip("/")
        self._write_key = write_key
        timeout = urllib3.Timeout(connect=10, read=ANSWER_SECONDS)
        self._http = urllib3.PoolManager(maxsize=connections, timeout=timeout, retries=False)

    def round_trips(self) -> list[float]:
        """Milliseconds of requests that no shard and no stream sees, the first of which connects and is left out."""
        times = []
        for _ in range(ROUND_TRIPS + 1):
            began = time.monotonic()
            self._ask("GET", "/healthz")
            times.append(1_000 * (time.monotonic() - began))
        return times[1:]

    def readiness(self) -> dict[str, Any] | None:
        """The answer of /readyz with the operator's key, if there is one."""
        key = os.environ.get("HEADWATER_OPERATOR_KEY")
        if not key:
            return None
        answer = self._ask("GET", "/readyz", headers={"authorization": f"Bearer {key}"})
        try:
            document = json.loads(answer.data)
        except ValueError:
            raise Stopped(f"/readyz answers {answer.status} without JSON") from None
        return document if isinstance(document, dict) else None

    def send(self, requests: int, rate: int, events: int) -> Samples:
        """Sends so many requests, each of one device, at this rate."""
        samples, lock = Samples(), threading.Lock()
        open_requests: list[threading.Thread] = []
        began = time.monotonic()
        sending = bar("sending", "requests", requests)
        for index in range(requests):
            sending.update()
            due = began + index / rate
            time.sleep(max(0.0, due - time.monotonic()))
            open_requests = [each for each in open_requests if each.is_alive()]
            if len(open_requests) >= MOST_OPEN:
                samples.skipped += 1
                continue
            thread = threading.Thread(target=self._send_one, args=(due, events, samples, lock), daemon=True)
            thread.start()
            open_requests.append(thread)
        for thread in open_requests:
            thread.join(ANSWER_SECONDS + 10)
        sending.close()
        return samples

    def _send_one(self, due: float, events: int, samples: Samples, lock: threading.Lock) -> None:
        device = str(uuid.uuid4())
        beacons = [{"event_id": str(uuid.uuid4()), "name": "capacity_probe", "device_id": device} for _ in range(events)]
        envelope = {"events": beacons}
        headers = {"content-type": "application/json"}
        if self._write_key:
            headers["x-write-key"] = self._write_key
        try:
            answer = self._ask("POST", "/v1/events?timing=1", body=json.dumps(envelope), headers=headers)
            status, timing = str(answer.status), answer.headers.get("server-timing", "")
        except Stopped as why:
            status, timing = str(why), ""
        took = 1_000 * (time.monotonic() - due)
        with lock:
            samples.statuses[status] += 1
            samples.latency.append(took)
            for name, value in stages(timing).items():
                samples.timing.setdefault(name, []).append(value)

    def _ask(self, method: str, path: str, **arguments: Any) -> urllib3.BaseHTTPResponse:
        try:
            return self._http.request(method, self._worker + path, redirect=False, **arguments)
        except urllib3.exceptions.HTTPError as error:
            raise Stopped(f"no answer: {type(error).__name__}") from None


def shards_of(readiness: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the shards and the streams report."""
    if readiness is None:
        return None
    shards = [shard for shard in readiness.get("shards", []) if "problem" not in shard]

    def most(key: str) -> int:
        return max((shard.get(key, 0) for shard in shards), default=0)

    return {
        "shards": len(shards),
        "silent_shards": len(readiness.get("shards", [])) - len(shards),
        "most_buffer_bytes": most("buffer_bytes"),
        "most_devices": most("devices"),
        "most_ids": most("seen"),
        "spilled_records": sum(each.get("records", 0) for shard in shards for each in shard.get("spill", [])),
        "failing_streams": sorted({each["stream"] for each in readiness.get("streams", []) if each.get("state") == "failing"}),
    }


def shard_lines(found: dict[str, Any] | None) -> list[str]:
    """The same in a few lines."""
    if found is None:
        return ["shards and streams                set HEADWATER_OPERATOR_KEY to read them from /readyz"]
    return [
        f"shards that answer, that do not    {found['shards']}, {found['silent_shards']}",
        f"most bytes held by a shard         {found['most_buffer_bytes']:,}",
        f"most devices, most ids of a shard  {found['most_devices']:,}, {found['most_ids']:,}",
        f"records in spills                  {found['spilled_records']:,}",
        f"streams that fail                  {', '.join(found['failing_streams']) or 'none'}",
    ]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    deployment = Deployment(arguments.worker, arguments.write_key, min(MOST_OPEN, arguments.rate * 2))
    round_trips = deployment.round_trips()
    before = shards_of(deployment.readiness())
    samples = deployment.send(arguments.requests, arguments.rate, arguments.events)
    return {
        "round_trip_ms": summary(round_trips),
        "before": before,
        "statuses": dict(sorted(samples.statuses.items())),
        "latency_ms": summary(samples.latency),
        "stages_ms": {name: summary(times) for name, times in sorted(samples.timing.items())},
        "skipped": samples.skipped,
        "after": shards_of(deployment.readiness()),
    }


def lines_of(found: dict[str, Any]) -> list[str]:
    """What was measured, as a person reads it."""
    statuses = ", ".join(f"{count} with {status}" for status, count in found["statuses"].items())
    lines = [times_line("round trip to the edge", found["round_trip_ms"]), "before:", *shard_lines(found["before"])]
    lines += ["answers:", f"{'statuses':<34}{statuses}", times_line("latency of an answer", found["latency_ms"])]
    lines += [times_line(f"of it: {name}", times) for name, times in found["stages_ms"].items()]
    if found["skipped"]:
        lines.append(f"{found['skipped']} requests were not sent, since {MOST_OPEN} others had no answer")
    return [*lines, "after:", *shard_lines(found["after"])]


@dataclass(frozen=True)
class Point:
    at: datetime
    value: float


def raises(throttled: Sequence[Point], limit: Sequence[Point]) -> list[str]:
    """When the limit grew, and how long after the stream had begun to throttle."""
    lines = []
    for before, after in zip(limit, limit[1:], strict=False):
        if after.value <= before.value:
            continue
        # The throttling that led to it: records refused with no quiet hour before the raise.
        refused = [point.at for point in throttled if point.value > 0 and point.at <= after.at]
        since = None
        for at in reversed(refused):
            if since is not None and since - at > timedelta(hours=1):
                break
            since = at
        waited = f"{(after.at - since).total_seconds() / 60:.0f} min after it began to throttle" if since else "without throttling"
        lines.append(f"{after.at:%Y-%m-%d %H:%M} UTC: {before.value:,.0f} to {after.value:,.0f}, {waited}")
    return lines


def quotas(cloudwatch: Any, stream: str, since: datetime, until: datetime) -> list[str]:
    """How the quotas of a stream were raised, by its metrics in CloudWatch."""
    # 1,440 points a metric at most.
    period = max(60, 60 * -int(-(until - since).total_seconds() // (60 * 1_440)))

    def points(metric: str, statistic: str) -> list[Point]:
        answer = cloudwatch.get_metric_statistics(
            Namespace="AWS/Firehose",
            MetricName=metric,
            Dimensions=[{"Name": "DeliveryStreamName", "Value": stream}],
            StartTime=since,
            EndTime=until,
            Period=period,
            Statistics=[statistic],
        )
        found = (Point(each["Timestamp"], each[statistic]) for each in answer["Datapoints"])
        return sorted(found, key=lambda point: point.at)

    throttled = points("ThrottledRecords", "Sum")
    lines = [f"{stream}: {sum(point.value for point in throttled):,.0f} records throttled since {since:%Y-%m-%d %H:%M} UTC"]
    for metric in LIMITS:
        limit = points(metric, "Maximum")
        shown = f"{limit[-1].value:,.0f} now" if limit else "no data"
        lines += [f"  {metric}: {shown}", *(f"    {line}" for line in raises(throttled, limit))]
    return lines


def confirmed(arguments: argparse.Namespace) -> bool:
    """Asks, unless the worker is on this machine."""
    if arguments.yes or is_local(arguments.worker):
        return True
    events = arguments.requests * arguments.events
    what = f"This sends {events:,} events in {arguments.requests:,} requests to {arguments.worker}; they are delivered, and billed."
    print(what, file=sys.stderr if arguments.json else sys.stdout)
    try:
        print("Send them? [y/N] ", end="", file=sys.stderr, flush=True)
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        return False


def parser() -> Parser:
    program = Parser("scripts/measure-deployment")
    add_worker(program, required=False)
    program.add_argument("--requests", type=at_most(MOST_REQUESTS), default=200)
    program.add_argument("--rate", type=at_most(MOST_RATE), default=20)
    program.add_argument("--events", type=at_most(MOST_EVENTS), default=5)
    program.add_argument("--write-key")
    program.add_argument("--yes", action="store_true")
    program.add_argument("--cloudwatch", action="append", default=[], metavar="STREAM")
    program.add_argument("--since", type=time_args.argument, default=time_args.argument("24h"))
    add_output(program)
    return program


def main() -> int:
    program = parser()
    arguments = program.parse_args()
    show_progress(arguments)
    if arguments.cloudwatch and arguments.json:
        program.error("--json is for --worker")
    if not arguments.worker and not arguments.cloudwatch:
        program.error("--worker or --cloudwatch is needed")
    return run("measure-deployment", lambda: work(arguments), Stopped, BotoCoreError, ClientError, stopped="stopped")


def work(arguments: argparse.Namespace) -> int:
    if arguments.cloudwatch:
        now = datetime.now(timezone.utc)
        cloudwatch = boto3.client("cloudwatch")
        for stream in arguments.cloudwatch:
            print("\n".join(quotas(cloudwatch, stream, arguments.since, now)))
        return DONE
    if not confirmed(arguments):
        raise Stopped("nothing was sent")
    found = measure(arguments)
    print(json.dumps(found) if arguments.json else "\n".join(lines_of(found)))
    return DONE


if __name__ == "__main__":
    sys.exit(main())
