"""What `scripts/bench` compares is the same job, and its parts are right; nothing here is timed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from bench.bare_workerd import Running
from bench.coalescing import arrived
from bench.counting_firehose import CountingFirehose, Report, counting_firehose
from bench.cost.cases import CASES, Case
from bench.cost.latency import percentile
from bench.cost.memory import MiB, Memory
from bench.cost.options import PAGE, Options
from bench.cost.processor import Burst, Cost
from bench.cost.tables import HEADING, with_section
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


def test_memory_grows_only_beyond_what_varies() -> None:
    memory = Memory("direct", 50 * MiB, 100 * MiB, [130 * MiB, 115 * MiB])
    assert not memory.grew
    assert replace(memory, minutes=[100 * MiB, 119 * MiB]).grew


def test_a_section_replaces_the_one_before_and_nothing_else() -> None:
    page = f"# A\n\n{HEADING}\n\nold\n\n| old |\n\n## B\n\nb\n"
    new = with_section(page, "new\n")
    assert new == f"# A\n\n{HEADING}\n\nnew\n\n## B\n\nb\n"
    assert with_section(new, "new") == new
    with pytest.raises(ValueError, match="no heading"):
        with_section("# A\n", "new")
