"""A Firehose that takes everything after a while, as one in a region does, and counts it.

It runs in a process of its own and holds each call to the service's limits, but not its
signature: what it costs must not slow what is measured.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from multiprocessing.connection import Connection

from support.aws_call import AwsError
from support.aws_call import Call as AwsCall
from support.put_records import CONTENT_TYPE, FIREHOSE, lines, put_of

BILLED_STEP_BYTES = 5_120
START_SECONDS = 20


@dataclass(frozen=True)
class Call:
    """A call that was taken."""

    arrived: float
    """By `time.monotonic`, which all processes of a machine share."""
    stream: str
    events: int
    sent_bytes: int
    """Of the records, before base64."""
    billed_bytes: int


@dataclass
class Report:
    """What has come so far."""

    calls: list[Call] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    """The `event_id`s."""
    refused: list[str] = field(default_factory=list)
    """Why calls were refused: outside the limits, or no PutRecordBatch at all."""


class CountingFirehose:
    """The stand-in, as others see it."""

    def __init__(self, port: int, pipe: Connection) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._pipe = pipe

    def report(self) -> Report:
        """What has come so far."""
        self._pipe.send("report")
        report: Report = self._pipe.recv()
        return report


@contextmanager
def counting_firehose(answer_ms: float) -> Iterator[CountingFirehose]:
    """A stand-in that answers each call `answer_ms` after its arrival, while it serves."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, answer_ms / 1e3), daemon=True
    )
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise RuntimeError("the stand-in for Firehose does not start")
        yield CountingFirehose(ours.recv(), ours)
    finally:
        ours.close()
        process.join()


def _serve(pipe: Connection, answer_seconds: float) -> None:
    """Serves until the other end of the pipe is closed."""
    asyncio.run(_serve_until_closed(pipe, answer_seconds))


async def _serve_until_closed(pipe: Connection, answer_seconds: float) -> None:
    report, closed, loop = Report(), asyncio.Event(), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Caller(report, answer_seconds), "127.0.0.1", 0, backlog=1024
    )
    pipe.send(server.sockets[0].getsockname()[1])

    def asked() -> None:
        try:
            pipe.recv()
            pipe.send(report)
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            closed.set()

    loop.add_reader(pipe.fileno(), asked)
    await closed.wait()
    server.close()


class _Caller(asyncio.Protocol):
    """A connection, on which one call comes after the other."""

    def __init__(self, report: Report, answer_seconds: float) -> None:
        self._report = report
        self._answer_seconds = answer_seconds
        self._bytes = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        head_end = self._bytes.find(b"\r\n\r\n")
        if head_end < 0:
            return
        request, *fields = self._bytes[:head_end].decode("latin-1").split("\r\n")
        headers = [
            (name.lower(), value.strip())
            for name, _, value in (line.partition(":") for line in fields)
        ]
        body_start = head_end + 4
        body_end = body_start + int(dict(headers).get("content-length", "0"))
        if len(self._bytes) < body_end:
            return
        method, path, _ = request.split(" ")
        body = bytes(self._bytes[body_start:body_end])
        del self._bytes[:body_end]
        self._take(AwsCall(datetime.now(timezone.utc), method, path, headers, body))

    def _take(self, call: AwsCall) -> None:
        arrived = time.monotonic()
        try:
            put = put_of(call)
        except AwsError as error:
            self._report.refused.append(str(error))
            status, answer = "400 Bad Request", {"__type": error.type}
        else:
            events = [event for record in put.records for event in lines(record)]
            ids = (event.get("event_id") for event in events)
            self._report.ids.update(id for id in ids if id)
            sizes = [len(record) for record in put.records]
            billed = sum(
                -(-size // BILLED_STEP_BYTES) * BILLED_STEP_BYTES for size in sizes
            )
            self._report.calls.append(
                Call(arrived, put.stream, len(events), sum(sizes), billed)
            )
            entries = [FIREHOSE.taken(number) for number in range(len(put.records))]
            status, answer = "200 OK", FIREHOSE.answer(entries)
        text = json.dumps(answer)
        head = (
            f"HTTP/1.1 {status}\r\ncontent-type: {CONTENT_TYPE}\r\n"
            f"content-length: {len(text)}\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        loop.call_at(
            arrived + self._answer_seconds, self._answer, (head + text).encode()
        )

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)
