"""How a fleet of Headwater scales, and what it costs: formulas over the constants of constants.toml.

scripts/scale-model prints the tables; www/docs/capacity.md shows them, and a test compares the two.
scripts/simulate runs the same fleet event by event, with the same constants.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "lake"))

from command_line import DONE, Parser, add_output  # noqa: E402

CONSTANTS = Path(__file__).parent / "constants.toml"
PAGE = Path(__file__).parents[2] / "www" / "docs" / "capacity.md"
MIB, GIB = 1 << 20, 1 << 30
MONTH_S = 30 * 86_400
RATES = (10, 100, 1_000, 10_000, 100_000, 350_000)
SIZES = (1, 5, 20)


class Constants:
    """The constants, by names such as `time.call_s`."""

    def __init__(self, changes: dict[str, float] | None = None) -> None:
        self._tables: dict[str, Any] = tomllib.loads(CONSTANTS.read_text(encoding="utf-8"))
        for name, value in (changes or {}).items():
            if isinstance(self[name], (dict, list)):
                raise KeyError(name)
            table, _, last = name.rpartition(".")
            self[table][last] = value

    def __getitem__(self, name: str) -> Any:
        value: Any = self._tables
        for key in name.split("."):
            if not isinstance(value, dict) or key not in value:
                raise KeyError(name)
            value = value[key]
        return value

    def all(self) -> dict[str, Any]:
        def flat(prefix: str, value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                return {prefix: value}
            found: dict[str, Any] = {}
            for key, inner in value.items():
                found |= flat(f"{prefix}.{key}" if prefix else key, inner)
            return found

        return flat("", self._tables)


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        rule = "|".join(["---", *("---:" for _ in self.head[1:])])
        lines = [self.head, *self.rows]
        text = [f"| {' | '.join(line)} |" for line in lines]
        return "\n".join([text[0], f"|{rule}|", *text[1:]]) + "\n"


class Model:
    """The formulas. `rate` is in events a second of the fleet, `size` in events a request."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants
        self.line = constants["event.line_bytes"]
        self.shares: list[float] = constants["event.level_shares"]
        self.largest = max(self.shares)

    def edge_us(self, size: float) -> float:
        return self.constants["processor.edge_request_us"] + self.constants["processor.edge_event_us"] * size

    def shard_us(self, size: float) -> float:
        return self.constants["processor.shard_request_us"] + self.constants["processor.shard_event_us"] * size

    def drained_bytes_s(self, call_s: float, lanes: int) -> float:
        """What a shard can drain of one stream's spill in a second."""
        call = self.constants["headwater.batch_bytes"]
        return lanes * call / (call_s + self.upload_s(call))

    def upload_s(self, line_bytes: float) -> float:
        """Base64 adds a third."""
        return line_bytes * 4 / 3 / self.constants["time.upload_bytes_s"]

    def shards_by(self, rate: float, size: int) -> dict[str, float]:
        """The shards that each limit asks for."""
        of = self.constants
        requests = rate / size
        bytes_s = rate * self.line
        drained = self.drained_bytes_s(of["time.call_s"], of["headwater.drains"])
        return {
            "requests": requests / of["object.planned_requests"],
            "CPU": requests * self.shard_us(size) * 1e-6 / of["processor.planned_share"],
            # Two times the linger and the call, in half of the memory.
            "memory": bytes_s * 0.2 / (of["headwater.buffer_bytes"] / 2),
            # Half of what it drains is for new records.
            "drain": bytes_s * self.largest / (drained / 2),
        }

    def shards(self, rate: float, size: int) -> int:
        return max(1, math.ceil(max(self.shards_by(rate, size).values())))

    def streams(self, rate: float, shards: int, region: str) -> tuple[int, float]:
        """The streams of each level's set, and the MiB a second that each must take, with a fifth to spare. A shard has one
        stream of a set, so no more of them than shards are of use, and the busiest stream has the most shards.
        """
        largest = rate * self.line * self.largest / shards / MIB
        quota = self.constants[f"firehose.{region}.mib"]

        def taken(streams: int) -> float:
            return math.ceil(shards / streams) * largest / 0.8

        fits = (streams for streams in range(1, shards) if taken(streams) <= quota)
        streams = next(fits, shards)
        return streams, max(taken(streams), quota)

    def calls(self, rate: float, size: float) -> list[tuple[float, float]]:
        """Calls a second of one shard with this rate, and lines of a call, for the stream of each level. A request opens
        a batch, which closes after its linger.
        """
        lingers = self.lingers_s(rate, size)
        calls = []
        for share, linger_s in zip(self.shares, lingers, strict=True):
            each_s = 1 / self.requests(rate, size, share)
            calls.append((1 / (linger_s + each_s), rate * share * (linger_s + each_s)))
        return calls

    def requests(self, rate: float, size: float, share: float) -> float:
        """Requests a second that have an event for the stream of a level with this share."""
        return rate / size * (1 - (1 - share) ** size)

    def lingers_s(self, rate: float, size: float) -> list[float]:
        """How long a batch of each level lingers in one shard: not at all if no request is expected meanwhile, else until
        one of them is full, and until a call ends if as many as may be are in flight.
        """
        of = self.constants
        linger_s = of["headwater.linger_ms"] / 1_000
        expected = [self.requests(rate, size, share) * linger_s for share in self.shares]
        linger_s = min(linger_s, of["headwater.closes_bytes"] / (rate * self.line * self.largest))
        linger_s = max(linger_s, of["time.call_s"] / of["headwater.batches_in_flight"])
        return [linger_s if each >= of["headwater.lingers_from_requests"] else 0.0 for each in expected]

    def billed(self, lines: int) -> int:
        """Bytes that Firehose bills for a batch of so many lines."""
        unit = self.constants["headwater.billed_unit"]
        most = self.constants["headwater.aggregate_bytes"] // self.line
        whole, rest = divmod(lines, most)
        rounded = [math.ceil(count * self.line / unit) * unit for count in (most, rest)]
        return int(whole * rounded[0] + rounded[1])

    def billed_ratio(self, lines: float) -> float:
        """Billed bytes for each byte sent, of batches with one line and Poisson many more."""
        more = max(0.0, lines - 1)
        if more > 200:
            return self.billed(int(lines)) / (int(lines) * self.line)
        total = sent = 0.0
        share = math.exp(-more)
        for count in range(int(more + 8 * math.sqrt(more) + 12)):
            share *= more / count if count else 1
            total += share * self.billed(count + 1)
            sent += share * (count + 1) * self.line
        return total / sent

    def billed_ratio_of_levels(self, rate: float, size: float) -> float:
        """The same for all streams of one shard with this rate."""
        calls = self.calls(rate, size)
        return sum(share * self.billed_ratio(lines) for share, (_, lines) in zip(self.shares, calls, strict=True))

    def answer_ms(self, rate: float, size: int) -> float:
        """The mean time until the answer in the region, of one shard with this rate. A request waits for the batches of
        all its levels, which close together.
        """
        of = self.constants
        lingers = self.lingers_s(rate, size)
        lingering = sum(share for share, linger_s in zip(self.shares, lingers, strict=True) if linger_s)
        requests = rate / size * max(lingers) + 1
        # Who opens the batches waits for all of the linger, the others for half.
        waits = max(lingers) * (0.5 + 0.5 / requests) * (1 - (1 - lingering) ** size)
        work = (self.edge_us(size) + self.shard_us(size)) * 1e-6
        upload_s = self.upload_s(max(lines for _, lines in self.calls(rate, size)) * self.line)
        return 1_000 * (of["time.round_trip_s"] + work + waits + of["time.call_s"] + upload_s)

    def rows_s(self, rate: float, size: int, shards: int) -> float:
        """Rows that the shards write and delete in a second."""
        of = self.constants
        each, requests = rate / shards, rate / size / shards
        checkpoints = 1 / (of["headwater.checkpoint_ms"] / 1_000 + 1 / requests)
        # The journal has 96 bytes of each device and checkpoint, in rows that go once they have 32 KiB.
        journal_gone = min(checkpoints, min(requests, each) * 96 / 32_768)
        ids = 2 * each / of["headwater.ids_a_row"]
        devices = each / of["event.visit_events"] / of["headwater.devices_a_row"]
        return float(shards * (2 * checkpoints + journal_gone + ids + devices))

    def awake(self, requests_s: float) -> float:
        """The share of time in which an object is awake."""
        held_s = self.constants["headwater.linger_ms"] / 1_000 + self.constants["time.call_s"]
        return 1 - math.exp(-requests_s * held_s)

    def firehose(self, gib: float) -> float:
        cost = 0.0
        for step, price in self.constants["prices.firehose_tiers"]:
            part = min(gib, step) if step else gib
            cost, gib = cost + part * price, gib - part
        return cost

    def month(self, rate: float, size: int, shards: int | None = None) -> dict[str, float]:
        """Dollars a month at list prices, by part."""
        of, seconds = self.constants, MONTH_S
        shards = shards or self.shards(rate, size)
        requests = rate / size * seconds
        gib = rate * seconds * self.line * self.billed_ratio_of_levels(rate / shards, size) / GIB
        awake_s = shards * self.awake(rate / size / shards) * seconds
        logged = 2 * requests * of["prices.logged_share"] * of["prices.log_bytes"] / 1e9
        return {
            "worker requests": requests / 1e6 * of["prices.worker_million_requests"],
            "worker CPU": requests * self.edge_us(size) / 1_000 / 1e6 * of["prices.worker_million_cpu_ms"],
            "object requests": requests / 1e6 * of["prices.object_million_requests"],
            "object duration": awake_s * of["object.billed_gb"] / 1e6 * of["prices.object_million_gb_s"],
            "object rows": self.rows_s(rate, size, shards) * seconds / 1e6 * of["prices.object_million_rows_written"],
            "Firehose": self.firehose(gib),
            "logs": logged * of["prices.logs_gb"],
        }


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def dollars(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def stream_set(model: Model, rate: float, shards: int, region: str) -> str:
    streams, mib = model.streams(rate, shards, region)
    raised = mib > model.constants[f"firehose.{region}.mib"]
    return f"{streams}, each raised to {mib:.1f} MiB/s" if raised else str(streams)


def settings(model: Model) -> Table:
    """What to set at which size."""
    head = (
        "events/s", "events a request", "`shards`", "limit that decides", "streams a level, 5 MiB/s", "streams a level, 1 MiB/s",
        "calls/s of a shard", "mean answer in the region, ms",
    )  # fmt: skip
    rows = []
    for rate in RATES:
        for size in SIZES:
            by = model.shards_by(rate, size)
            shards = model.shards(rate, size)
            each = rate / shards
            calls = sum(calls for calls, _ in model.calls(each, size))
            decides = max(by, key=lambda name: by[name]) if max(by.values()) > 1 else "none"
            most = model.constants["headwater.most_shards"]
            shown = f"{shards:,}" if shards <= most else f"{shards:,}, above {most}"
            rows.append((
                number(rate), str(size), shown, decides, stream_set(model, rate, shards, "large"), stream_set(model, rate, shards, "other"),
                number(calls), number(model.answer_ms(each, size)),
            ))  # fmt: skip
    return Table(head, rows)


def ends(model: Model) -> Table:
    """What ends first, in events a second."""
    of = model.constants
    head = ("limit", *(f"{size} a request" if size > 1 else "1 event a request" for size in SIZES))
    lines_s = {region: of[f"firehose.{region}.mib"] * MIB / model.line / model.largest for region in ("large", "other")}
    drained = model.drained_bytes_s(of["time.call_s"], of["headwater.drains"]) / 2 / model.line / model.largest
    plan, soft = of["object.planned_requests"], of["object.soft_requests"]
    few, most = of["headwater.default_shards"], of["headwater.most_shards"]
    share = of["processor.planned_share"]

    def same(value: float) -> tuple[str, ...]:
        return tuple(number(value) for _ in SIZES)

    def by_requests(shards: int, requests: int) -> tuple[str, ...]:
        return tuple(number(shards * requests * size) for size in SIZES)

    def by_cpu(shards: int) -> tuple[str, ...]:
        return tuple(number(shards * share * 1e6 / model.shard_us(size) * size) for size in SIZES)

    rows = [
        ("one stream a level, 1 MiB/s", *same(lines_s["other"])),
        ("one stream a level, 5 MiB/s", *same(lines_s["large"])),
        (f"{few} shards, {plan} requests/s each", *by_requests(few, plan)),
        (f"{few} shards, CPU", *by_cpu(few)),
        (f"{few} shards, drain of the spill", *same(few * drained)),
        (f"{most} shards, {plan} requests/s each", *by_requests(most, plan)),
        (f"{most} shards, {soft:,} requests/s each (soft limit)", *by_requests(most, soft)),
        (f"{most} shards, CPU", *by_cpu(most)),
        (f"{most} shards, drain of the spill", *same(most * drained)),
        (f"{most} streams a level, 5 MiB/s", *same(most * lines_s["large"])),
    ]
    return Table(head, rows)


def costs(model: Model) -> Table:
    """Dollars for a million events, by part."""
    parts = list(model.month(1_000, 5))
    head = ("events/s", "events a request", *parts, "in all", "$ a month")
    rows = []
    for rate in (*RATES[1:], 1_000_000):
        for size in SIZES:
            month = model.month(rate, size)
            millions = rate * MONTH_S / 1e6
            each = [month[part] / millions for part in parts]
            rows.append((number(rate), str(size), *(f"{cost:.3f}" for cost in each), f"**{sum(each):.3f}**", dollars(sum(month.values()))))
    return Table(head, rows)


def throughput(model: Model) -> Table:
    """What one shard can put to one stream, by the round trip of a call."""
    of = model.constants
    head = ("a call takes", "two batches in flight, events/s", "out of the spill, events/s")
    rows = []
    for call_ms in (30, 80, 150, 300, 500):
        lanes = of["headwater.batches_in_flight"]
        new, drained = (model.drained_bytes_s(call_ms / 1_000, each) / model.line for each in (lanes, of["headwater.drains"]))
        rows.append((f"{call_ms} ms", number(new), number(drained)))
    return Table(head, rows)


def outages(model: Model) -> Table:
    """How long the spill of a fleet takes records of the largest level."""
    of = model.constants
    head = ("events/s", "shards", "an outage of all streams fills the spill after", "one stream of 5 MiB/s a level does, if its quota stays")
    rows = []
    for rate in RATES[1:]:
        shards = max(model.shards(rate, 5), of["headwater.default_shards"])
        room = shards * of["headwater.spill_bytes"]
        over = rate * model.line * model.largest - of["firehose.large.mib"] * MIB
        rows.append((number(rate), str(shards), span(room / (rate * model.line)), span(room / over) if over > 0 else "never"))
    return Table(head, rows)


def span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{number(seconds / size)} {unit}"
    return f"{seconds:.0f} s"


def tables(model: Model) -> list[Table]:
    return [settings(model), ends(model), throughput(model), outages(model), costs(model)]


def written(page: str, tables: list[Table]) -> str:
    """The page with these tables in place of those with the same first line."""
    for table in tables:
        first = table.markdown().split("\n", 1)[0]
        pattern = rf"^{re.escape(first)}\n(?:\|.*\n)+"
        page, count = re.subn(pattern, lambda _, table=table: table.markdown(), page, flags=re.MULTILINE)
        if count != 1:
            raise SystemExit(f"scale-model: {PAGE.name} has {count} tables that begin with: {first}")
    return page


def change(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER") from None


def main() -> int:
    parser = Parser("scripts/scale-model")
    parser.add_argument("--set", type=change, action="append", default=[], metavar="NAME=NUMBER")
    parser.add_argument("--constants", action="store_true")
    parser.add_argument("--write", action="store_true")
    add_output(parser)
    arguments = parser.parse_args()
    try:
        constants = Constants(dict(arguments.set))
    except KeyError as unknown:
        parser.error(f"there is no constant {unknown}; see --constants")
    if arguments.constants:
        if arguments.json:
            print(json.dumps(constants.all()))
            return DONE
        for name, value in constants.all().items():
            print(f"{name} = {value}")
        return DONE
    found = tables(Model(constants))
    if arguments.write:
        if arguments.set:
            parser.error("--write is for the constants of constants.toml: change them there")
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
        return DONE
    if arguments.json:
        print(json.dumps([[dict(zip(table.head, row, strict=True)) for row in table.rows] for table in found]))
        return DONE
    print("\n".join(table.markdown() for table in found))
    return DONE


if __name__ == "__main__":
    sys.exit(main())
