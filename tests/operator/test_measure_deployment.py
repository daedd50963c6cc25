"""The script that measures a deployment: bounded, and it asks first."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

import measure_deployment
from measure_deployment import Point
from support import ROOT

SECONDS = 120
BEGAN = datetime(2026, 11, 28, tzinfo=timezone.utc)
READINESS = {
    "shards": [
        {"shard": 0, "buffer_bytes": 1_500, "devices": 3, "seen": 10, "spill": [{"records": 7}]},
        {"shard": 1, "problem": "no answer"},
    ],
    "streams": [{"stream": "firehose:low", "state": "failing"}, {"stream": "firehose:mid", "state": "ok"}],
}


class Handler(BaseHTTPRequestHandler):
    """A worker that accepts everything but each third request of events."""

    protocol_version = "HTTP/1.1"
    posts: list[tuple[dict[str, Any], str | None]] = []  # noqa: RUF012 (of the class, as the server makes handlers)

    def do_GET(self) -> None:
        self._answer(200, json.dumps(READINESS if self.path == "/readyz" else {}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.posts.append((body, self.headers["x-write-key"]))
        self._answer(503 if len(self.posts) % 3 == 0 else 204, "")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("server-timing", "read;dur=1, wait;dur=60, send;dur=30, deliver;dur=100, total;dur=101")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def worker() -> Iterator[str]:
    Handler.posts.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def run(*arguments: str, key: str = "", given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "measure-deployment", *arguments],
        env={**os.environ, "HEADWATER_OPERATOR_KEY": key},
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_it_measures_a_worker_on_this_machine_without_asking(worker: str) -> None:
    ended = run(
        *("--worker", worker, "--requests", "30", "--rate", "200", "--events", "4", "--write-key", "wk_shop"),
        key="the-key-of-the-operator",
    )
    assert ended.returncode == 0, ended.stderr
    assert len(Handler.posts) == 30
    events = [event for body, _ in Handler.posts for event in body["events"]]
    assert len({event["event_id"] for event in events}) == 120
    assert {event["name"] for event in events} == {"capacity_probe"}
    # A request is of one device.
    assert len({event["device_id"] for event in events}) == 30
    assert {key for _, key in Handler.posts} == {"wk_shop"}
    for shown in (
        "round trip to the edge",
        "20 with 204, 10 with 503",
        "of it: shard and back             p50 10",
        "shards that answer, that do not    1, 1",
        "records in spills                  7",
        "streams that fail                  firehose:low",
    ):
        assert shown in ended.stdout, ended.stdout


def test_it_asks_before_it_sends_to_another_machine() -> None:
    for answer in ("n\n", "\n", ""):
        ended = run("--worker", "https://worker.example", given=answer)
        assert ended.returncode == 1
        assert "sends 1,000 events in 200 requests to https://worker.example" in ended.stdout
        assert "nothing was sent" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--worker", "http://worker.example"), "is not https://HOST"),
        (("--worker", "http://127.0.0.1:1", "--rate", "501"), "from 1 to 500"),
        (("--worker", "http://127.0.0.1:1", "--requests", "0"), "from 1 to 20,000"),
        (("--worker", "http://127.0.0.1:1", "--events", "101"), "from 1 to 100"),
        ((), "--worker or --cloudwatch is needed"),
    ],
)
def test_the_load_is_bounded(arguments: tuple[str, ...], sentence: str) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2
    assert sentence in refused.stderr


def test_a_percentile_is_one_of_the_times() -> None:
    times = [float(time) for time in range(1, 101)]
    assert [measure_deployment.percentile(times, share) for share in (0, 0.5, 0.99, 1)] == [1, 51, 100, 100]
    with pytest.raises(argparse.ArgumentTypeError):
        measure_deployment.at_most(5)("6")


def at(minutes: float) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


def test_a_raise_is_dated_from_the_throttling_before_it() -> None:
    limit = [Point(at(minute), value) for minute, value in ((0, 5e6), (10, 5e6), (40, 10e6), (300, 10e6), (400, 12e6))]
    throttled = [Point(at(minute), value) for minute, value in ((0, 0), (12, 9), (20, 30), (39, 2))]
    assert measure_deployment.raises(throttled, limit) == [
        "2026-11-28 00:40 UTC: 5,000,000 to 10,000,000, 28 min after it began to throttle",
        "2026-11-28 06:40 UTC: 10,000,000 to 12,000,000, 388 min after it began to throttle",
    ]
    assert "without throttling" in measure_deployment.raises([], limit)[0]


def test_the_quotas_are_read_from_cloudwatch() -> None:
    client = boto3.client("cloudwatch", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    points = {
        "ThrottledRecords": [(10, 500.0)],
        "BytesPerSecondLimit": [(20, 2e6), (0, 1e6)],
        "PutRequestsPerSecondLimit": [],
        "RecordsPerSecondLimit": [(0, 100_000.0)],
    }
    with Stubber(client) as stub:
        for metric, found in points.items():
            statistic = "Sum" if metric == "ThrottledRecords" else "Maximum"
            stub.add_response(
                "get_metric_statistics",
                {"Datapoints": [{"Timestamp": at(minute), statistic: value} for minute, value in found]},
                {
                    "Namespace": "AWS/Firehose",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "DeliveryStreamName", "Value": "events-low"}],
                    "StartTime": BEGAN,
                    "EndTime": at(48 * 60),
                    "Period": 120,
                    "Statistics": [statistic],
                },
            )
        assert measure_deployment.quotas(client, "events-low", BEGAN, at(48 * 60)) == [
            "events-low: 500 records throttled since 2026-11-28 00:00 UTC",
            "  BytesPerSecondLimit: 2,000,000 now",
            "    2026-11-28 00:20 UTC: 1,000,000 to 2,000,000, 10 min after it began to throttle",
            "  PutRequestsPerSecondLimit: no data",
            "  RecordsPerSecondLimit: 100,000 now",
        ]
