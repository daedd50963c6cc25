"""What `scripts/bench` compares is the same job, and its parts are right; nothing here is timed."""

from __future__ import annotations

import itertools
import json
import socket
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from bench.bare_workerd import Running
from bench.coalescing import arrived
from bench.counting_firehose import CountingFirehose, Report, counting_firehose
from bench.cost.cases import CASES, Case
from bench.cost.latency import percentile
from bench.cost.memory import WINDOWS, Memory, MiB, Window
from bench.cost.options import PAGE, Options
from bench.cost.processor import Burst, Cost
from bench.cost.startup import Start
from bench.cost.tables import HEADING, start_table, with_section
from bench.cost.workers import (
    DELIVERIES,
    Cores,
    Load,
    Script,
    Scripts,
    firehose,
    fleet,
    load,
    started,
)
from support import ROOT
from support.put_records import FIREHOSE

ANY_CORE = Cores(None, None)
REQUESTS = 3
# A floor's records are the beacons themselves, which have an `id` and no `event_id`.
WITH_IDS = ("peer", "ours")


@dataclass(frozen=True)
class Bench:
    """The workers of one delivery, before a Firehose that counts."""

    workers: dict[tuple[str, str], Running]
    firehose: CountingFirehose
    load: Load

    def send(self, case: Case, kind: str) -> tuple[set[str], Report]:
        """Makes requests and sends them; returns the ids that were sent, and what came."""
        self.load.ask("make", **{**case.made(), "requests": REQUESTS})
        return set(self.load.ask("ids")["ids"]), self.send_again(case, kind)

    def send_again(self, case: Case, kind: str) -> Report:
        """Sends what was made; the report is of what came since."""
        before = self.firehose.report()
        port = self.workers[kind, case.delivery].port
        self.load.ask("open", port=port, connections=2)
        self.load.ask("burst")
        self.load.ask("close")
        ids = set(self.load.ask("ids")["ids"]) if kind in WITH_IDS else set()
        after = arrived(self.firehose, ids)
        return Report(
            after.calls[len(before.calls) :], after.ids - before.ids, after.refused
        )


@pytest.fixture(scope="module")
def scripts() -> Scripts:
    """The workers' scripts."""
    return Scripts()


@pytest.fixture(scope="module")
def sender() -> Iterator[Load]:
    """What sends requests."""
    with load(ANY_CORE) as sender:
        yield sender


@pytest.fixture(scope="module")
def benches(scripts: Scripts, sender: Load) -> Iterator[Bench]:
    """All workers."""
    with counting_firehose(1) as counting:
        with fleet(scripts, list(DELIVERIES), counting.url, ANY_CORE) as workers:
            yield Bench(workers, counting, sender)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_peer_and_ours_deliver_each_beacon_of_a_case(
    case: Case, benches: Bench
) -> None:
    for kind in WITH_IDS:
        ids, report = benches.send(case, kind)
        assert report.refused == []
        assert len(ids) == REQUESTS * case.size
        assert report.ids == ids, kind
        assert sum(call.events for call in report.calls) == len(ids), kind


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_bad_beacons_are_a_tenth(delivery: str, benches: Bench) -> None:
    """Each goes to the stream of failed events, so there is one more call at least."""
    case = Case(50, delivery, "bad")
    for kind in WITH_IDS:
        _, report = benches.send(case, kind)
        failed = sum(call.events for call in report.calls if call.stream == "failed")
        assert failed == REQUESTS * 5, kind


@pytest.mark.parametrize("kind", WITH_IDS)
def test_a_shard_drops_what_comes_again(kind: str, benches: Bench) -> None:
    case = Case(10, "sharded")
    benches.send(case, kind)
    assert benches.send_again(case, kind).calls == []
    # Without one, nothing knows that it came before.
    case = Case(10, "direct")
    benches.send(case, kind)
    again = benches.send_again(case, kind)
    assert sum(call.events for call in again.calls) == REQUESTS * 10


@pytest.mark.parametrize("size", [1, 50])
def test_the_floors_do_what_the_page_says(size: int, benches: Bench) -> None:
    """One call a request with a record for each beacon, or no call at all."""
    _, report = benches.send(Case(size, "direct"), "floor")
    assert [call.events for call in report.calls] == [size] * REQUESTS
    _, report = benches.send(Case(size, "sharded"), "floor")
    assert report.calls == []
    _, report = benches.send(Case(50, "direct", "gzip"), "floor")
    assert [call.events for call in report.calls] == [50] * REQUESTS


def test_an_answer_that_is_no_success_ends_the_bench() -> None:
    refusing = (
        b'export default { fetch: () => new Response("no room", { status: 503 }) };'
    )
    with load(ANY_CORE) as sender:
        with started(
            Script.of_js(refusing), "direct", "http://127.0.0.1:1", ANY_CORE
        ) as worker:
            sender.ask("make", **Case(1, "direct").made(0.001))
            sender.ask("open", port=worker.port, connections=1)
            with pytest.raises(RuntimeError, match="503(.|\n)*no room"):
                sender.ask("burst")


def test_by_the_clock_each_request_is_answered(benches: Bench) -> None:
    case = Case(1, "direct")
    benches.load.ask("make", **{**case.made(), "requests": 40})
    port = benches.workers["ours", "direct"].port
    benches.load.ask("open", port=port, connections=4)
    answer = benches.load.ask("clock", rate=400)
    benches.load.ask("close")
    assert len(answer["latencies"]) == len(answer["late"]) == 40
    # No answer comes before its request is due.
    assert min(answer["latencies"]) > 0


def test_no_beacon_has_the_id_of_another(sender: Load) -> None:
    made: set[str] = set()
    for _ in range(3):
        sender.ask("make", requests=100, size=50)
        made.update(sender.ask("ids")["ids"])
    assert len(made) == 3 * 100 * 50


@pytest.mark.parametrize("records", [1, 3])
def test_the_firehose_answers_each_record(records: int) -> None:
    body = json.dumps(
        {"DeliveryStreamName": "events", "Records": [{"Data": "e30="}] * records}
    ).encode()
    head = f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    expected = json.dumps(
        FIREHOSE.answer([FIREHOSE.taken(0)] * records), separators=(",", ":")
    )
    with firehose(ANY_CORE) as url:
        with socket.create_connection(("127.0.0.1", int(url.split(":")[2]))) as caller:
            caller.settimeout(20)
            # In parts, and twice on one connection.
            for part in (head[:30], head[30:] + body[:5], body[5:], head + body):
                caller.sendall(part)
                if part.endswith(body[-5:]):
                    answer = b""
                    while not answer.endswith(b"}]}"):
                        answer += caller.recv(65_536)
                    assert answer.split(b"\r\n\r\n")[1].decode() == expected


def test_the_page_gets_the_tables_of_a_whole_run_only() -> None:
    assert Options.parse([]).markdown == PAGE
    assert Options.parse(["--minutes", "10"]).markdown == PAGE
    assert Options.parse(["--quick"]).markdown is None
    assert Options.parse(["--parts", "start,memory"]).markdown is None
    some = Options.parse(["--only", "1-direct,50-sharded-bad"])
    assert some.markdown is None
    assert some.cases == [Case(1, "direct"), Case(50, "sharded", "bad")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--only", "1-direct,2-direct"],
            "no case is called 2-direct; there are 1-direct",
        ),
        (["--rounds", "0"], "0 is no number from 1"),
        (["--parts", "memory,cpu"], "no part is called cpu; there are time, latency"),
        (["--parts", "latency"], "latency needs the rates of the part time"),
        (["--quick", "--parts", "size"], "not allowed with argument --quick"),
        (["sharded"], "unrecognized arguments: sharded"),
    ],
)
def test_a_mistake_in_the_options_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        Options.parse(arguments)
    assert message in capsys.readouterr().err


def test_ratios_are_within_a_round() -> None:
    cost = Cost(Case(1, "direct"))
    # The machine is half as fast in the second round, for both.
    for slow in (1, 2):
        cost.bursts["floor"].append(Burst(100, 100, 0.1 * slow, 1))
        cost.bursts["ours"].append(Burst(100, 100, 0.3 * slow, 1))
    assert cost.ratios("ours", "floor") == pytest.approx([3, 3])
    assert cost.median("ours", lambda one: one.us_a_request) == pytest.approx(4_500)


def test_percentiles_are_of_the_values() -> None:
    values = [float(number) for number in range(1, 1001)]
    assert [percentile(values, share) for share in (0.5, 0.99, 0.999)] == [
        500,
        990,
        999,
    ]
    assert percentile([7.0], 0.999) == 7


# The least resident memory in MiB of each round of all cases, in a run of 25 minutes on a busy
# machine. A round had 3,240 requests and 74,500 events for each worker.
DIRECT = """
131 242 250 261 273 280 277 269 271 268 269 271 272 267 269 265 267 268 267 269 271 266
270 265 271 267 268 267 271 265 268 262 267 271 277 275 266 273 265 270 268 268 273 268
271 268 265 266 264 263 262 263 263 262 264 265 267 269 262 265 259 261 260 265 267 265
269 273 277 277 273 279 277 275 274 274 275 271 270 273 273
"""
SHARDED = """
153 259 272 277 291 294 311 293 296 303 301 299 296 305 300 301 308 310 303 299 299 298
306 299 303 301 305 309 318 309 304 307 301 312 311 307 303 312 310 308 314 310 316 305
302 302 294 296 302 301 309 297 297 302 311 304 307 311 307 310 302 301 298 305 311 319
327 339 356 372 339 340 348 344 349 338 342 339 342 337 340
"""
# `50-direct` on a quiet machine, after each 3,900 requests from the 18,600th on: V8 gives the heap
# more room, and takes longer to.
QUIET = "244 247 250 253 261 309 308 317 305 314 323 319 331 317 327 319 321 327 319 328"
KB, BYTES_100 = 1_000 / MiB, 100 / MiB


def watched(text: str, requests: int, events: int, leak: float = 0) -> Memory:
    """What is judged of rounds with these lows, and a leak in MiB a round. The last one repeats."""
    lows = [float(low) for low in text.split()]
    memory, window = Memory("direct", round(lows[0] * MiB)), Window()
    rounds = itertools.chain(lows, itertools.repeat(lows[-1]))
    leaks = itertools.count(leak, leak)
    while not memory.is_flat and not memory.is_over:
        low = round((next(rounds) + next(leaks)) * MiB)
        if window.add(Burst(requests, events, 1, 1), low):
            memory.warm_up.append(window.low or 0)
            window = Window()
    return memory


@pytest.mark.parametrize(
    ("text", "requests", "events"),
    [(DIRECT, 3_240, 74_500), (SHARDED, 3_240, 74_500), (QUIET, 3_900, 195_000)],
)
def test_the_warm_up_ends_when_memory_is_flat_and_only_then(
    text: str, requests: int, events: int
) -> None:
    assert watched(text, requests, events).is_flat
    for leak in (requests * KB, events * BYTES_100):
        memory = watched(text, requests, events, leak)
        assert memory.is_over
        assert memory.failure == "still grew after 12 windows of the warm-up"


def test_the_warm_up_lasts_until_the_heap_has_its_size() -> None:
    low = min(watched(QUIET, 3_900, 195_000).warm_up[-WINDOWS:])
    assert low > 300 * MiB


def test_a_window_ends_by_requests_or_events_and_has_their_least_memory() -> None:
    window = Window()
    assert not window.add(Burst(19_999, 19_999, 1, 1), 300)
    assert not window.add(Burst(0, 980_000, 1, 1), 200)
    assert window.add(Burst(0, 1, 1, 1), 250)
    assert window.low == 200
    assert Window().add(Burst(20_000, 20_000, 1, 1), 100)


def test_memory_after_the_warm_up_may_only_vary() -> None:
    memory = Memory("direct", 50 * MiB, [100 * MiB] * 3, [140 * MiB, 127 * MiB])
    assert memory.failure is None
    grown = replace(memory, after=[100 * MiB, 129 * MiB, 135 * MiB, 140 * MiB])
    assert grown.failure == "grew after the warm-up"
    assert replace(memory, after=[129 * MiB]).failure == "grew after the warm-up"
    # The warm-up of another worker did not end.
    assert replace(memory, after=[]).failure is None


def test_the_empty_rust_worker_is_of_the_same_crates() -> None:
    """Else it says nothing of ours, and bindgen reads one version only."""
    locks = [
        {
            package["name"]: package["version"]
            for package in tomllib.loads((ROOT / path).read_text())["package"]
        }
        for path in ("Cargo.lock", "tests/bench/peers/empty/Cargo.lock")
    ]
    for name in ("worker", "wasm-bindgen", "js-sys"):
        assert locks[0][name] == locks[1][name]


def test_starts_are_compared_within_a_round() -> None:
    rust = Start("empty, Rust", [0.02, 0.04], [0.01, 0.02])
    ours = Start("Headwater", [0.03, 0.06], [0.02, 0.04])
    assert ours.ratios(rust) == pytest.approx([1.5, 1.5])
    assert ours.processor_ratios(rust) == pytest.approx([2, 2])
    assert start_table([rust, ours]).splitlines()[2:] == [
        "| empty, Rust | 30.0 ms | 1 | 15.0 ms | 1 |",
        "| Headwater | 45.0 ms | 1.50 | 30.0 ms | 2.00 |",
    ]


def test_a_section_replaces_the_one_before_and_nothing_else() -> None:
    page = f"# A\n\n{HEADING}\n\nold\n\n| old |\n\n## B\n\nb\n"
    new = with_section(page, "new\n")
    assert new == f"# A\n\n{HEADING}\n\nnew\n\n## B\n\nb\n"
    assert with_section(new, "new") == new
    with pytest.raises(ValueError, match="no heading"):
        with_section("# A\n", "new")
