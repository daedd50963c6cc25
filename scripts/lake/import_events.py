"""Sends exports of old events into the worker, as events of the past.

Each keeps its own id, time, visitor and user, and joins no session. It is checked against the current rules, as an event
of its SDK is. A row that is no event is rejected, with its file, its line and the reason; the others are sent.

Its exit code is 0 if each row was taken or rejected, and 1 if a file can't be read to its end or if it had to stop: run
again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import time_args
from command_line import DONE, FOUND, Parser, WrongUse, add_output, add_worker, bar, positive, run, show_progress, state_file
from import_form import Form, JsonObject, Rejected, iso, message_of
from import_headwater import Headwater
from import_posthog import Posthog
from import_segment import TABLES, Segment
from import_sender import MAX_BYTES, MAX_EVENTS, ImportSender, Verdict
from import_snowplow import Snowplow
from import_source import Damaged, ExportFile, ImportProblem, Row, Unreadable, files
from import_state import ImportState, Reject
from worker_client import WorkerError

STATE = Path(__file__).parents[2] / ".wrangler" / "import"
SERVER_KEY = "HEADWATER_SERVER_KEY"
# As the worker has it.
MIN_KEY_CHARS = 32
FORMS: dict[str, Form] = {each.name: each for each in (Segment(), Snowplow(), Posthog(), Headwater())}

# Rows by which a form is recognized.
SAMPLE = 5
# Rows of a batch, even if few of them are sent: as often the progress is noted.
MAX_ROWS = 20_000
TRIED_SHOWN = 3
MAX_NAMES = 10_000


@dataclass
class Batch:
    """What is sent in one request, and the rows that are done with it."""

    messages: list[bytes] = field(default_factory=list)
    places: list[tuple[ExportFile, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    # Each file's last row, and whether it is the file's last.
    through: dict[str, tuple[ExportFile, int, bool]] = field(default_factory=dict)
    size: int = 0
    rows: int = 0
    filtered: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def is_full(self) -> bool:
        return len(self.messages) >= MAX_EVENTS or self.rows >= MAX_ROWS


@dataclass
class Summary:
    """What became of the rows."""

    rows: int = 0
    before: int = 0
    filtered: int = 0
    finished: bool = False
    outcomes: Counter[str] = field(default_factory=Counter)
    # By code: of rejected rows and failed events, and of dropped events.
    rejected: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, batch: Batch, verdicts: list[Verdict]) -> list[Reject]:
        """Counts a batch, and returns its rejects in their order."""
        rejects = list(batch.rejects)
        for (file, number), verdict in zip(batch.places, verdicts, strict=True):
            self.outcomes["rejected" if verdict.outcome == "failed" else verdict.outcome] += 1
            if verdict.outcome == "failed":
                rejects.append(Reject(file.name, number, verdict.code, verdict.message, verdict.event_id, verdict.pointer))
            elif verdict.outcome == "dropped":
                self.dropped[verdict.code] += 1
        self.outcomes["rejected"] += len(batch.rejects)
        self.rejected.update(each.code for each in rejects)
        self.rows += batch.rows
        self.filtered += batch.filtered
        for name in batch.names:
            # What is counted must not grow with what visitors invent.
            if name in self.names or len(self.names) < MAX_NAMES:
                self.names[name] += 1
        self.first = min((at for at in (self.first, batch.first) if at), default=None)
        self.last = max((at for at in (self.last, batch.last) if at), default=None)
        return sorted(rejects, key=lambda each: (each.file, each.number))

    def document(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "finished": self.finished,
            "before": self.before,
            "filtered": self.filtered,
            **{outcome: self.outcomes[outcome] for outcome in ("accepted", "duplicate", "dropped", "rejected")},
            "rejected_by_code": dict(self.rejected.most_common()),
            "dropped_by_code": dict(self.dropped.most_common()),
            "first": self.first and iso(self.first),
            "last": self.last and iso(self.last),
        }


class Reader:
    """The rows of the files, as batches of messages."""

    def __init__(self, form: Form, arguments: argparse.Namespace) -> None:
        self._form = form
        self._since, self._until = arguments.since, arguments.until
        self._without = arguments.without
        self.damaged: list[str] = []

    def check(self, found: Iterable[ExportFile]) -> None:
        """Refuses a file that is plainly of another form, before anything is sent."""
        for file in found:
            self._check(file, file.first(SAMPLE))

    def _check(self, file: ExportFile, rows: list[Row]) -> None:
        read = [self._read(row) for row in rows]
        objects = [row for row in read if isinstance(row, dict)]
        if not rows or any(self._form.fits(row) for row in objects):
            return
        what = f"{file.name} is no export of the form {self._form.name}"
        if not objects:
            problem = next((each.message for each in read if isinstance(each, Unreadable)), "")
            raise ImportProblem(f"{what}; of its first row: {problem}{_hint(rows[0])}")
        columns = ", ".join(list(objects[0])[:6])
        others = [name for name, form in FORMS.items() if form.fits(objects[0])]
        better = f"; it looks like --from {others[0]}" if others else ""
        raise ImportProblem(f"{what}: its first row has {columns or 'no columns'}{better}")

    def _read(self, row: Row) -> JsonObject | Unreadable:
        return self._form.parse(row.value) if isinstance(row.value, str) else row.value

    def batches(self, found: Iterable[tuple[ExportFile, int]]) -> Iterator[Batch]:
        """The batches of the files, of each from after the row that it is done up to."""
        batch = Batch()
        for file, done in found:
            number = done
            try:
                rows = file.rows()
                if not file.version:
                    sample = list(islice(rows, SAMPLE))
                    self._check(file, sample)
                    rows = chain(sample, rows)
                for row in rows:
                    if row.number <= done:
                        continue
                    number = row.number
                    message = self._add(batch, file, row)
                    if message is not None:
                        # Too much for this request: it is the first one of the next.
                        if batch.messages and batch.size + len(message[0]) > MAX_BYTES:
                            yield batch
                            batch = Batch()
                        _append(batch, file, number, *message)
                    batch.rows += 1
                    batch.through[file.name] = (file, number, False)
                    if batch.is_full:
                        yield batch
                        batch = Batch()
                batch.through[file.name] = (file, number, True)
            except Damaged as damage:
                self.damaged.append(str(damage))
        if batch.through:
            yield batch

    def _add(self, batch: Batch, file: ExportFile, row: Row) -> tuple[bytes, datetime, str] | None:
        """The message of a row; none if it is rejected or not meant, which is counted."""
        read = self._read(row)
        if isinstance(read, Unreadable):
            batch.rejects.append(Reject(file.name, row.number, read.code, read.message))
            return None
        for column in self._without:
            read.pop(column, None)
        try:
            message = message_of(self._form, read, file.name)
        except Rejected as rejected:
            batch.rejects.append(Reject(file.name, row.number, rejected.code, rejected.message))
            return None
        if (self._since and message.at < self._since) or (self._until and message.at >= self._until):
            batch.filtered += 1
            return None
        return message.text, message.at, message.name


def _append(batch: Batch, file: ExportFile, number: int, text: bytes, at: datetime, name: str) -> None:
    batch.messages.append(text)
    batch.places.append((file, number))
    batch.names.append(name)
    batch.size += len(text) + 1
    batch.first = min(batch.first or at, at)
    batch.last = max(batch.last or at, at)


def _hint(row: Row) -> str:
    text = row.value if isinstance(row.value, str) else ""
    return "; it looks like CSV: export JSON lines or Parquet" if re.match(r'"?\w+"?(,"?\w+"?){2}', text) else ""


class Pace:
    """At most so many events a second."""

    def __init__(self, rate: float | None) -> None:
        self._rate, self._free_at = rate, time.monotonic()

    def wait(self, events: int) -> None:
        if self._rate:
            now = time.monotonic()
            time.sleep(max(0.0, self._free_at - now))
            self._free_at = max(self._free_at, now) + events / self._rate


def main() -> int:
    arguments = _arguments()
    show_progress(arguments)
    return run("import", lambda: _import(arguments), ImportProblem, WorkerError)


def _import(arguments: argparse.Namespace) -> int:
    form = Segment(arguments.table) if arguments.table else FORMS[arguments.form]
    found = files(arguments.file)
    reader = Reader(form, arguments)
    reader.check(found)
    if arguments.dry_run:
        return _try(arguments, reader, found)
    sender = ImportSender(
        arguments.worker, form, _server_key(arguments), arguments.key, arguments.parallel
    )
    sender.check()
    resume = arguments.resume or state_file(STATE, arguments.worker, arguments.form)
    rejects = arguments.rejects or resume.with_suffix(".rejects.ndjson")
    state = ImportState(resume, rejects, _selection(arguments))
    summary = Summary()
    try:
        left = _left(found, state, summary)
        _send(reader.batches(left), sender, state, summary, arguments)
        summary.finished = True
    finally:
        state.close()
        _report(arguments, summary, rejects)
    return _end(reader)


def _left(found: list[ExportFile], state: ImportState, summary: Summary) -> list[tuple[ExportFile, int]]:
    """The files that are not done, each with how many of its rows are."""
    left = []
    for file in found:
        done, is_whole = state.done(file)
        summary.before += done
        if not is_whole:
            left.append((file, done))
    return left


def _send(
    batches: Iterator[Batch],
    sender: ImportSender,
    state: ImportState,
    summary: Summary,
    arguments: argparse.Namespace,
) -> None:
    """Sends the batches, several at once, and notes them in their order: what is noted is done up to there."""
    under_way: deque[tuple[Batch, Future[list[Verdict]]]] = deque()
    pace, progress = Pace(arguments.rate), bar("importing", "rows")

    def settle() -> None:
        batch, answer = under_way[0]
        rejects = summary.add(batch, answer.result())
        under_way.popleft()
        state.note(batch.through.values(), rejects)
        progress.set_postfix(rejected=summary.outcomes["rejected"], refresh=False)
        progress.update(batch.rows)

    with ThreadPoolExecutor(arguments.parallel) as pool:
        try:
            for batch in batches:
                while under_way and (len(under_way) >= 2 * arguments.parallel or under_way[0][1].done()):
                    settle()
                pace.wait(len(batch.messages))
                under_way.append((batch, pool.submit(_sent, sender, batch)))
            while under_way:
                settle()
        except BaseException:
            sender.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            # What the worker took meanwhile need not be sent again.
            while under_way and _came_through(under_way[0][1]):
                settle()
            raise
        finally:
            progress.close()


def _sent(sender: ImportSender, batch: Batch) -> list[Verdict]:
    return sender.send(batch.messages) if batch.messages else []


def _came_through(answer: Future[list[Verdict]]) -> bool:
    return answer.done() and not answer.cancelled() and answer.exception() is None


def _try(arguments: argparse.Namespace, reader: Reader, found: list[ExportFile]) -> int:
    """Prints what would be sent of the first rows, and counts all."""
    summary, rejects = Summary(), Counter[tuple[str, str]]()
    shown: list[bytes] = []
    with bar("reading", "rows") as progress:
        for batch in reader.batches([(file, 0) for file in found]):
            of_batch = summary.add(batch, [Verdict("read")] * len(batch.messages))
            rejects.update((each.code, each.message) for each in of_batch)
            shown += batch.messages[: max(0, arguments.show - len(shown))]
            progress.update(batch.rows)
    summary.finished = True
    if arguments.json:
        document = {**summary.document(), "sendable": summary.outcomes["read"], "names": dict(summary.names.most_common())}
        print(json.dumps({**document, "shown": [json.loads(text) for text in shown]}))
    if arguments.json or arguments.quiet:
        return _end(reader)
    for text in shown:
        print(text.decode())
    print(f"{summary.outcomes['read']} of {summary.rows} rows would be sent; {summary.filtered} are of another time")
    if summary.first and summary.last:
        print(f"from {iso(summary.first)} to {iso(summary.last)}")
    for name, count in summary.names.most_common(20):
        print(f"{count:>10}  {name}")
    for (code, message), count in rejects.most_common(20):
        print(f"{count:>10}  rejected: {code}: {message}")
    return _end(reader)


def _report(arguments: argparse.Namespace, summary: Summary, rejects: Path) -> None:
    if arguments.json:
        print(json.dumps({**summary.document(), "rejects": str(rejects)}))
    if arguments.json or arguments.quiet:
        return
    if summary.before:
        print(f"{summary.before} rows were done before")
    print(f"{summary.rows} rows, {summary.filtered} of another time")
    for outcome in ("accepted", "duplicate", "dropped", "rejected"):
        codes = {"dropped": summary.dropped, "rejected": summary.rejected}.get(outcome, Counter())
        by_code = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        if summary.outcomes[outcome]:
            print(f"{summary.outcomes[outcome]:>10}  {outcome}{by_code and f': {by_code}'}")
    if summary.outcomes["rejected"]:
        print(f"{rejects} has each rejected row")


def _end(reader: Reader) -> int:
    for damage in reader.damaged:
        print(f"import: {damage}; the rows before it are done", file=sys.stderr)
    return FOUND if reader.damaged else DONE


def _server_key(arguments: argparse.Namespace) -> str:
    if arguments.key_file:
        try:
            key = arguments.key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise WrongUse(f"{arguments.key_file} can't be read") from None
        source = str(arguments.key_file)
    else:
        key, source = os.environ.get(SERVER_KEY, "").strip(), SERVER_KEY
    if not key:
        raise WrongUse(f"{source} has no server key; it is one of the worker's secret HEADWATER_SERVER_KEYS")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise WrongUse(f"{source} has a character that no key has")
    if len(key) < MIN_KEY_CHARS:
        raise WrongUse(f"{source} is no server key: it has {len(key)} characters, and those have at least {MIN_KEY_CHARS}")
    if key == arguments.key:
        raise WrongUse("--key is a tenant's public write key; a server key must not be on a command line")
    return key


def _selection(arguments: argparse.Namespace) -> str:
    """The options that decide what is sent of a file: with others it is not done."""
    times = [at and iso(at) for at in (arguments.since, arguments.until)]
    options = [arguments.worker.rstrip("/"), arguments.form, arguments.key, arguments.table, *times]
    return json.dumps([*options, sorted(arguments.without)])


def _rate(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _arguments() -> argparse.Namespace:
    parser = Parser("scripts/import")
    add = parser.add_argument
    add("file", nargs="+", metavar="FILE")
    add("--from", dest="form", choices=FORMS, required=True)
    add_worker(parser, "--endpoint", required=False)
    add("--key", metavar="KEY")
    add("--key-file", type=Path, metavar="FILE")
    add("--table", choices=TABLES)
    add("--since", type=time_args.argument, metavar="TIME")
    add("--until", type=time_args.argument, metavar="TIME")
    add("--without", action="append", default=[], metavar="COLUMN")
    add("--dry-run", action="store_true")
    add("--show", type=positive, default=TRIED_SHOWN, metavar="N")
    add("--rate", type=_rate, metavar="N")
    add("--parallel", type=positive, default=4, metavar="N")
    add("--resume", type=Path, metavar="FILE")
    add("--rejects", type=Path, metavar="FILE")
    add_output(parser)
    arguments = parser.parse_args()
    if arguments.table and arguments.form != "segment":
        parser.error("--table is of Segment's warehouse")
    if not arguments.worker and not arguments.dry_run:
        parser.error("--worker is required, except with --dry-run")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
