"""An outage of scripts/dev's AWS: events are sent meanwhile, and the spill is watched until it is empty again.

At the end each event that the worker accepted is looked for in S3. It is there once, or the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from queue import Queue
from typing import Any
from uuid import uuid4

sys.path.append(str(Path(__file__).parents[1] / "lake"))

import urllib3  # noqa: E402
from command_line import DONE, FOUND, Parser, WrongUse, add_output, positive, run, show_progress, waiting, worker_address  # noqa: E402
from local_aws import DIRECTORY, PATIENCE_OF_COMMAND, LocalAws, LocalAwsError  # noqa: E402
from local_outage import FILE, KINDS, Outage  # noqa: E402
from time_args import seconds  # noqa: E402
from worker_client import OPERATOR_KEY, json_of  # noqa: E402

DEV_VARS = Path(__file__).parents[2] / ".dev.vars"
NAME = "outage_probe"
LEVELS = ("low", "mid", "high")
DEVICES = 20
AT_ONCE = 64
ANSWER_SECONDS = 60
EACH_SECONDS = 1.0
LONGEST_SECONDS = 3_600
MOST_RATE = 200
# Of a bar of the table.
WIDTH = 30
DID = {"refuse": "refuses", "hang": "does not answer", "throttle": "throttles", "deny": "denies"}


class OutageError(Exception):
    """Why the worker can't be watched, in one sentence."""


@dataclass
class Sent:
    """What was sent, and how it was answered."""

    statuses: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, status: str, event_id: str) -> None:
        with self.lock:
            self.statuses[status] += 1
            if status == "200":
                self.accepted.add(event_id)

    def answered(self) -> int:
        with self.lock:
            return self.statuses.total()

    def refused(self) -> int:
        with self.lock:
            return self.statuses.total() - self.statuses["200"]


@dataclass(frozen=True)
class Seen:
    """One look at the worker."""

    at_s: int
    sent: int
    accepted: int
    refused: int
    spilled: int
    ready: bool
    phase: str

    def line(self, most: int) -> str:
        blocks = "█" * round(WIDTH * self.spilled / most) if most else ""
        return f"{self.at_s:>4}  {self.phase:<8}  {self.sent:>6}  {self.accepted:>8}  {self.refused:>7}  {self.spilled:>7}  {blocks}".rstrip()


HEAD = f"{'s':>4}  {'AWS':<8}  {'sent':>6}  {'accepted':>8}  {'refused':>7}  {'spilled':>7}"


class Worker:
    """The worker of scripts/dev, as a client and as its operator."""

    def __init__(self, address: str, key: str, write_key: str | None) -> None:
        self._address, self._key, self._write_key = address.rstrip("/"), key, write_key
        timeout = urllib3.Timeout(connect=5, read=ANSWER_SECONDS)
        self._http = urllib3.PoolManager(maxsize=AT_ONCE, timeout=timeout, retries=False)

    def send(self, number: int, sent: Sent) -> None:
        """Sends one event, of each level in turn."""
        event_id = str(uuid4())
        level = LEVELS[number % len(LEVELS)]
        beacon = {"name": NAME, "id": event_id, "device_id": f"outage-{number % DEVICES}", "level": level, "props": {"number": number}}
        headers = {"content-type": "application/json", **({"x-write-key": self._write_key} if self._write_key else {})}
        try:
            answer = self._http.request("POST", f"{self._address}/v1/events?verdicts=1", body=json.dumps(beacon), headers=headers)
            status = str(answer.status)
            verdicts = json_of(answer).get("verdicts") or [{}]
            if status == "200" and verdicts[0].get("outcome") != "accepted":
                status = str(verdicts[0].get("outcome"))
        except urllib3.exceptions.HTTPError as error:
            status = type(error).__name__
        sent.note(status, event_id)

    def spilled(self) -> tuple[int, bool]:
        """How many records are spilled in all shards, and whether the worker is ready."""
        try:
            answer = self._http.request("GET", f"{self._address}/readyz", headers={"authorization": f"Bearer {self._key}"})
        except urllib3.exceptions.HTTPError as error:
            raise OutageError(f"{self._address} does not answer: {type(error).__name__}; is scripts/dev running?") from None
        document = json_of(answer)
        if "spill" not in document:
            raise OutageError(f"{self._address}/readyz shows no details: {OPERATOR_KEY} is not the worker's")
        return int(document["spill"]["records"]), bool(document.get("ready"))


def outage(arguments: argparse.Namespace) -> int:
    with waiting("waiting for the local AWS"):
        aws = LocalAws.running(arguments.dir.resolve(), PATIENCE_OF_COMMAND)
    worker = Worker(arguments.worker, _key(), arguments.write_key)
    before, _ = worker.spilled()
    if before:
        raise OutageError(f"{before} records are spilled already; wait until they are delivered")
    says = not (arguments.json or arguments.quiet)
    if says:
        which = ", ".join(arguments.stream) or "each stream"
        print(f"outage: {which} {DID[arguments.kind]} for {arguments.duration:g} s; {arguments.rate} events a second are sent")
        print(HEAD, flush=True)
    sent, series = Sent(), list[Seen]()
    file = aws.directory / FILE
    try:
        for seen in _watched(arguments, worker, sent, file):
            is_new = not series or replace(seen, at_s=0) != replace(series[-1], at_s=0)
            series.append(seen)
            if says and is_new:
                print(seen.line(max(int(arguments.rate * arguments.duration), seen.spilled)), flush=True)
    finally:
        file.unlink(missing_ok=True)
    # Answers that come after the patience is over count no more.
    with sent.lock:
        document = _result(aws, sent, series, arguments.duration)
    if arguments.json:
        print(json.dumps({**document, "series": [asdict(each) for each in series]}))
    elif says:
        print(_sentence(document))
    return DONE if document["lost"] == document["twice"] == document["still_spilled"] == 0 else FOUND


def _watched(arguments: argparse.Namespace, worker: Worker, sent: Sent, file: Path) -> Iterator[Seen]:
    """A look each second, from the begin of the outage until the spill is empty, or the patience is over."""
    began = time.monotonic()
    Outage(arguments.kind, time.time() + arguments.duration, tuple(arguments.stream)).begin(file)
    deadline = began + arguments.duration + arguments.wait
    numbers: Queue[int] = Queue()

    def send() -> None:
        while True:
            worker.send(numbers.get(), sent)

    # What hangs is not waited for: Ctrl-C ends the command.
    for _ in range(AT_ONCE):
        threading.Thread(target=send, daemon=True).start()
    number = 0
    due = began
    while True:
        is_over = Outage.of(file) is None
        if not is_over:
            for _ in range(int(arguments.rate * EACH_SECONDS)):
                numbers.put(number)
                number += 1
        due += EACH_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))
        spilled, ready = worker.spilled()
        at = round(time.monotonic() - began)
        refused = sent.refused()
        yield Seen(at, number, len(sent.accepted), refused, spilled, ready, "up" if is_over else arguments.kind)
        if is_over and sent.answered() == number and not spilled or time.monotonic() > deadline:
            return


def _result(aws: LocalAws, sent: Sent, series: list[Seen], duration: float) -> dict[str, Any]:
    """What became of the accepted events."""
    counts: Counter[str] = Counter()
    for kind in ("data", "failed"):
        with aws.answering():
            counts.update(each.record.get("event_id", "") for each in aws.records(kind) if each.record.get("name") == NAME)
    last = series[-1] if series else None
    # The stand-in writes at once; what a stream other than Firehose's takes is not in S3.
    return {
        "sent": sum(sent.statuses.values()),
        "accepted": len(sent.accepted),
        "refused": {status: count for status, count in sorted(sent.statuses.items()) if status != "200"},
        "most_spilled": max((each.spilled for each in series), default=0),
        "still_spilled": last.spilled if last else 0,
        "drained_after_s": max(0, round(last.at_s - duration)) if last and not last.spilled else None,
        "delivered": sum(each in counts for each in sent.accepted),
        "lost": sum(each not in counts for each in sent.accepted),
        "twice": sum(counts[each] > 1 for each in sent.accepted),
    }


def _sentence(found: dict[str, Any]) -> str:
    refused = ", ".join(f"{count} with {status}" for status, count in found["refused"].items())
    parts = [
        f"{found['sent']} events sent, {found['accepted']} accepted" + (f" ({refused} refused: a client keeps those)" if refused else ""),
        f"at most {found['most_spilled']} were spilled",
    ]
    if found["still_spilled"]:
        parts.append(f"{found['still_spilled']} still are; ask /readyz why")
    else:
        parts.append(f"none was {found['drained_after_s']} s after the outage")
    parts.append(f"{found['delivered']} of the accepted are in S3, {found['lost']} are not, {found['twice']} are there twice")
    return f"outage: {'; '.join(parts)}"


def _key() -> str:
    """The operator's key, of the environment or of scripts/dev."""
    if key := os.environ.get(OPERATOR_KEY):
        return key
    text = DEV_VARS.read_text() if DEV_VARS.exists() else ""
    found = re.search(rf"^{OPERATOR_KEY}=(.+)$", text, re.MULTILINE)
    if not found:
        raise WrongUse(f"{OPERATOR_KEY} is not set, and .dev.vars has none; start scripts/dev first")
    return found[1].strip().strip("\"'")


def main() -> int:
    parser = Parser("scripts/outage")
    add = parser.add_argument
    add("kind", nargs="?", choices=KINDS, default="refuse", metavar="KIND")
    add("--stream", action="append", default=[], metavar="firehose:NAME")
    add("--for", dest="duration", type=seconds, default=20.0, metavar="TIME")
    add("--wait", type=seconds, default=150.0, metavar="TIME")
    add("--rate", type=positive, default=10, metavar="N")
    add("--worker", type=worker_address, default=f"http://127.0.0.1:{os.environ.get('PORT', '8787')}", metavar="URL")
    add("--write-key", metavar="KEY")
    add_output(parser)
    # Of the tests.
    add("--dir", type=Path, default=DIRECTORY)
    arguments = parser.parse_args()
    show_progress(arguments)
    if not 0 < arguments.duration <= LONGEST_SECONDS:
        parser.error(f"--for must be up to {LONGEST_SECONDS} s")
    if arguments.rate > MOST_RATE:
        parser.error(f"--rate must be up to {MOST_RATE}")
    for stream in arguments.stream:
        if not re.fullmatch(r"(firehose|kinesis):[\w.-]+", stream):
            parser.error(f"--stream {stream!r} is not firehose:NAME or kinesis:NAME")
    return run("outage", lambda: outage(arguments), OutageError, LocalAwsError, stopped="stopped; the outage is over")


if __name__ == "__main__":
    sys.exit(main())
