"""scripts/alarms, asked about the points that the built worker writes.

Analytics Engine runs nowhere but at Cloudflare: here DuckDB answers the same SQL.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import duckdb
import pytest

from support import ROOT
from support.fake_firehose import Fail, FakeFirehose
from support.metered_worker import Metered
from support.shards import SHARDED
from support.waiting import wait_until
from support.worker import PATIENT

SECONDS = 120
SITE = {"origin": "https://shop.example", "x-write-key": "pk_shop"}
TOKEN = "a-token-of-cloudflare"


class AnalyticsEngine:
    """The points of a dataset, asked as Cloudflare's SQL API is."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._points = duckdb.connect()
        blobs = ", ".join(f"blob{place} TEXT" for place in range(1, 21))
        doubles = ", ".join(f"double{place} DOUBLE" for place in range(1, 21))
        columns = f"timestamp TIMESTAMPTZ, _sample_interval UBIGINT, index1 TEXT, {blobs}, {doubles}"
        self._points.execute(f"CREATE TABLE headwater ({columns})")
        self.asked: list[tuple[str, str]] = []
        self.status = 200
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["content-length"])).decode()
                engine.asked.append((self.path, self.headers["authorization"]))
                body = engine.answer(query).encode()
                self.send_response(engine.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, blobs: list[str], doubles: list[float] = [], interval: int = 1, minutes: int = 0) -> None:  # noqa: B006
        row = [interval, blobs[1], *(blobs + [""] * 20)[:20], *([float(each) for each in doubles] + [0.0] * 20)[:20]]
        places = ", ".join("?" for _ in row)
        with self._lock:
            self._points.execute(f"INSERT INTO headwater VALUES (now() - INTERVAL '{minutes}' MINUTE, {places})", row)

    def answer(self, query: str) -> str:
        if self.status != 200:
            return "no such\ndataset"
        with self._lock:
            found = self._points.execute(query)
            names = [column[0] for column in found.description or []]
            rows = found.fetchall()
        # Integers of 64 bits are texts, as ClickHouse writes them.
        as_json = [[str(int(value)) if isinstance(value, float) and name == "requests" else value for name, value in zip(names, row, strict=True)] for row in rows]  # fmt: skip
        return json.dumps({"data": [dict(zip(names, row, strict=True)) for row in as_json], "rows": len(rows)}, default=str)


@pytest.fixture
def engine() -> Iterator[AnalyticsEngine]:
    engine = AnalyticsEngine()
    yield engine
    engine.server.shutdown()
    engine.server.server_close()


def run(engine: AnalyticsEngine, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    api = f"http://127.0.0.1:{engine.server.server_port}/client/v4"
    cloudflare = {"CLOUDFLARE_ACCOUNT_ID": "0a1b2c", "CLOUDFLARE_API_TOKEN": TOKEN, "CLOUDFLARE_API_BASE_URL": api}
    return subprocess.run(
        [ROOT / "scripts" / "alarms", *options],
        env={**os.environ, **cloudflare, **env},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def found(engine: AnalyticsEngine, *options: str) -> dict[str, int]:
    """The alarms and their counts."""
    ended = run(engine, "--json", *options)
    alarms = {alarm["alarm"]: alarm["count"] for alarm in json.loads(ended.stdout)}
    assert ended.returncode == (1 if alarms else 0), ended.stderr
    return alarms


def request(status: int, events: int = 1, failed: int = 0, not_durable: int = 0, code: str = "") -> tuple[list[str], list[float]]:
    return ["request", "shop", "post", str(status), code], [events, events - failed - not_durable, failed, 0, 0, not_durable]


def test_bursts_at_the_built_worker_are_alarms(engine: AnalyticsEngine) -> None:
    settings = {**SHARDED, **PATIENT, "keys": {"pk_shop": {"tenant": "shop", "origins": ["https://shop.example"]}}}
    with FakeFirehose() as peer:
        secrets = {"HEADWATER_OPERATOR_KEY": "k" * 32}
        with Metered({**peer.environment(), **secrets}, settings) as worker:
            for _ in range(100):
                assert worker.post({"name": "a"}, {"x-write-key": "pk_other"}).status == 401
                assert worker.post({"name": "a"}, {**SITE, "origin": "https://evil.example"}).status == 403
                assert worker.post(b" " * 300_000, SITE).status == 413
            for _ in range(10):
                assert worker.get("/_/quarantine", {"authorization": "Bearer " + "x" * 32}).status == 403
            assert worker.get("/readyz", {"authorization": "Bearer " + "k" * 32}).status == 200
            assert worker.post([{"name": "a"}] * 90 + [{"name": "!"}] * 10, SITE).status == 200
            peer.always(Fail(400, "AccessDeniedException"))
            assert worker.post([{"name": "b"}] * 3, SITE).status == 204
            wait_until(lambda: worker.points("spill") != [] and len(worker.points("operator")) == 11)
            wait_until(lambda: len(worker.points()) == 302)
            points = [{"blobs": list(each.values())[:5], "doubles": list(each.values())[5:-1]} for each in worker.points()]
            for point in [*points, *worker.points("spill")[-1:], *worker.points("operator")]:
                engine.add(point["blobs"], point["doubles"])
            peer.behave()

    alarms = found(engine, "--spill-seconds", "1") if points else {}
    alarms.pop("spill", None)
    assert alarms == {"refused_401": 100, "refused_403": 100, "refused_413": 100, "operator_keys": 10}


@pytest.mark.parametrize(
    ("points", "options", "alarms"),
    [
        ([], [], {"no_events": 0}),
        ([], ["--silence"], {}),
        ([(request(204), 1, 20)], [], {"no_events": 0}),
        ([(request(204), 1, 20)], ["--minutes", "30"], {}),
        ([(request(204), 1, 0)], [], {}),
        ([(request(204), 1, 0), (request(429, code="rate_limited", events=0), 100, 0)], [], {"refused_429": 100}),
        ([(request(204), 1, 0), (request(429, code="rate_limited", events=0), 99, 0)], [], {}),
        # Below one of a hundred, refusals are the noise of a large site.
        ([(request(204), 10_000, 0), (request(413, events=0), 100, 0)], [], {}),
        ([(request(204, events=90), 1, 0), (request(200, events=10, failed=10), 1, 0)], [], {"failed": 10}),
        ([(request(204, events=91), 1, 0), (request(200, events=9, failed=9), 1, 0)], [], {}),
        ([(request(204, events=98), 1, 0), (request(503, events=2, not_durable=2), 1, 0)], [], {"not_durable": 2}),
        ([(request(204), 1, 0), ((["spill", "firehose:a", "shard-1"], [7, 700, 600, 0]), 1, 0)], [], {"spill": 7}),
        # What counts is the last point of a stream.
        (
            [
                (request(204), 1, 0),
                ((["spill", "firehose:a", "shard-1"], [7, 700, 600, 0]), 1, 5),
                ((["spill", "firehose:a", "shard-1"], [0, 0, 0, 0]), 1, 1),
            ],
            [],
            {},
        ),
    ],
)
def test_a_state_has_its_alarms(
    engine: AnalyticsEngine, points: list[tuple[Any, int, int]], options: list[str], alarms: dict[str, int]
) -> None:
    for (blobs, doubles), interval, minutes in points:
        engine.add(blobs, doubles, interval, minutes)
    assert found(engine, *options) == alarms


def test_an_alarm_says_in_words_what_is_wrong(engine: AnalyticsEngine) -> None:
    engine.add(*request(204), interval=300)
    engine.add(*request(429, code="rate_limited", events=0), interval=100)
    ended = run(engine)
    assert ended.returncode == 1
    first, last = ended.stdout.splitlines()
    assert first == "refused_429     100 requests (25 %) were answered 429, most for the tenant shop: clients above the rate limit"
    assert last == "1 alarm in the last 15 minutes"
    for code, count in (("unknown_key", 60), ("bad_signature", 60)):
        engine.add(*request(401, code=code, events=0), interval=count)
    engine.add(["request", "blog", "post", "401", "unknown_key"], interval=100)
    assert "most for the tenant shop" in run(engine).stdout.splitlines()[0]
    assert engine.asked[0] == ("/client/v4/accounts/0a1b2c/analytics_engine/sql", f"Bearer {TOKEN}")


def test_a_question_without_an_answer_is_no_good_news(engine: AnalyticsEngine) -> None:
    engine.status = 422
    refused = run(engine)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "alarms: Cloudflare answered 422: no such dataset\n"
    engine.status = 403
    assert "Account Analytics: Read" in run(engine).stderr
    assert "CLOUDFLARE_API_TOKEN is not set" in run(engine, CLOUDFLARE_API_TOKEN="").stderr
    plain = run(engine, CLOUDFLARE_API_BASE_URL="http://api.example")
    assert plain.returncode == 2 and "neither https" in plain.stderr
    assert all(TOKEN not in ended.stderr for ended in (refused, plain))
