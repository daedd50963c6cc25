"""What a beacon costs in the built worker, beside workers that do less.

Each worker runs alone in a workerd of its own, is sent the same beacons one after the
other over loopback, and is ended; its processor time, less that of a run without
beacons, divided by their number, is what one costs. Rounds alternate between the
workers, so that a drift of the machine's speed meets all of them. Prints a table.

    empty      answers 204 and does nothing else
    forward    parses the beacon in JavaScript and puts it, unsigned, into one Firehose call
    headwater  build/index.js: validates, enriches, signs, delivers, pairs the answer
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.bare_workerd import BUILD, BUILT, connect, serving

ROUNDS = 5
BEACONS = 2_000

BEACON = json.dumps(
    {
        "name": "page_view",
        "id": "01939b70-6d2a-7c3e-8f00-000000000001",
        "device_id": "5f0c2a3e-1111-4222-8333-444455556666",
        "time": 1795000000000,
        "url": "https://shop.example/p/1",
        "title": "A product",
        "props": {"a": 1, "b": "two", "c": True},
    }
)

EMPTY = "export default { fetch() { return new Response(null, { status: 204 }); } };"

FORWARD = """
export default {
  async fetch(request, env) {
    const event = JSON.parse(await request.text());
    event.received_at = new Date().toISOString();
    const body = JSON.stringify({
      DeliveryStreamName: "events",
      Records: [{ Data: btoa(JSON.stringify(event) + "\\n") }],
    });
    const headers = {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "Firehose_20150804.PutRecordBatch",
    };
    const answer = await fetch(env.AWS_ENDPOINT_URL, { method: "POST", headers, body });
    return new Response(null, { status: (await answer.json()).FailedPutCount ? 503 : 204 });
  },
};
"""


class Firehose(BaseHTTPRequestHandler):
    """Takes every record, and checks nothing: its cost is not measured."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answers as PutRecordBatch does."""
        body = self.rfile.read(int(self.headers["content-length"]))
        entries = [{"RecordId": "r" * 200}] * body.count(b'"Data"')
        answer = json.dumps({"FailedPutCount": 0, "RequestResponses": entries}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(answer)}\r\n\r\n".encode()
        self.wfile.write(head + answer)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def firehose() -> Iterator[str]:
    """The stand-in's address, while it serves."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Firehose)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def modules(worker: str) -> str:
    """The modules of a worker, as workerd's configuration names them."""
    if worker == "headwater":
        return BUILT
    script = {"empty": EMPTY, "forward": FORWARD}[worker]
    return f'(name = "worker.js", esModule = {json.dumps(script)})'


def run(worker: str, beacons: int, endpoint: str) -> tuple[float, list[float]]:
    """The processor seconds of a worker's whole life, and the seconds of each answer."""
    seconds = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with serving(modules(worker), {"delivery": "direct"}, endpoint) as port:
        connection = connect(port)
        for _ in range(beacons):
            started = time.perf_counter()
            connection.request("POST", "/v1/events", BEACON, {"content-type": "text/plain"})
            answer = connection.getresponse()
            answer.read()
            seconds.append(time.perf_counter() - started)
            assert answer.status == 204, answer.status
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return used, seconds


def main() -> None:
    """Measures and prints."""
    wasm = (BUILD / "index_bg.wasm").read_bytes()
    workers = ("empty", "forward", "headwater")
    cost: dict[str, list[float]] = {worker: [] for worker in workers}
    firsts, hundredths = [], []
    with firehose() as endpoint:
        for _ in range(ROUNDS):
            for worker in workers:
                idle, _ = run(worker, 0, endpoint)
                busy, seconds = run(worker, BEACONS, endpoint)
                cost[worker].append((busy - idle) / BEACONS * 1e6)
                if worker == "headwater":
                    firsts.append(seconds[0] * 1e3)
                    hundredths.append(seconds[99] * 1e3)
    print(f"| worker | processor time a beacon ({os.cpu_count()} cores) | of `forward` |")
    print("|---|---|---|")
    for worker in workers:
        ratios = [mine / base for mine, base in zip(cost[worker], cost["forward"])]
        print(f"| {worker} | {statistics.median(cost[worker]):.0f} µs | {statistics.median(ratios):.2f} |")
    first, hundredth = statistics.median(firsts), statistics.median(hundredths)
    print(f"\nWasm: {len(wasm):,} bytes, {len(gzip.compress(wasm, 9)):,} gzipped.")
    print(f"First answer of a new worker: {first:.1f} ms; the hundredth: {hundredth:.2f} ms.")


if __name__ == "__main__":
    main()
