"""An outage of the local AWS: for a time its streams refuse, throttle, deny or do not answer.

What is wrong, with which streams and until when is in a file, which scripts/outage writes and ministack reads before each
call that puts records. So an outage ends at its time, whatever became of who began it. Nothing is stored meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = "outage.json"
# The file's place, for the process of ministack.
VARIABLE = "HEADWATER_LOCAL_OUTAGE"

# How a call is answered: the status and the type of AWS's error.
# https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html#API_PutRecordBatch_Errors
ANSWERS = {
    "refuse": (500, "InternalFailure"),
    "throttle": (400, "ThrottlingException"),
    "deny": (400, "AccessDeniedException"),
}
# A call that hangs gets no answer while the outage lasts.
KINDS = ("refuse", "hang", "throttle", "deny")
# By the end of `X-Amz-Target`: the service, and the member of the request that names the stream.
PUTS = {"PutRecordBatch": ("firehose", "DeliveryStreamName"), "PutRecords": ("kinesis", "StreamName")}

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Outage:
    """What is wrong, until a time in seconds since the epoch; with all streams, if none is named."""

    kind: str
    until: float
    streams: tuple[str, ...] = ()

    @classmethod
    def of(cls, file: Path) -> Outage | None:
        """The one in a file, if there is one that is not over."""
        try:
            document = json.loads(file.read_text())
            outage = cls(document["kind"], float(document["until"]), tuple(document["streams"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return outage if outage.kind in KINDS and time.time() < outage.until else None

    def begin(self, file: Path) -> None:
        # A reader must not see half of it.
        new = file.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)))
        new.replace(file)

    def concerns(self, stream: str) -> bool:
        return not self.streams or stream in self.streams


def install() -> None:
    """Has ministack fail as the file says."""
    from ministack import app as ministack

    ministack.app = failing(ministack.app, Path(os.environ[VARIABLE]))


def failing(app: App, file: Path) -> App:
    """`app`, but for the calls that an outage concerns."""

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ())) if scope["type"] == "http" else {}
        put = PUTS.get(headers.get(b"x-amz-target", b"").decode("latin-1").rpartition(".")[2])
        outage = Outage.of(file) if put else None
        if not put or not outage:
            return await app(scope, receive, send)
        body = await _body(receive)
        if not outage.concerns(_stream(body, *put)):
            return await app(scope, _again(body, receive), send)
        if outage.kind == "hang":
            while Outage.of(file) == outage:
                await asyncio.sleep(0.2)
        status, error = ANSWERS.get(outage.kind, ANSWERS["refuse"])
        text = json.dumps({"__type": error, "message": "scripts/outage"}).encode()
        answered = [(b"content-type", b"application/x-amz-json-1.1"), (b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": status, "headers": answered})
        await send({"type": "http.response.body", "body": text})

    return call


async def _body(receive: Receive) -> bytes:
    chunks, more = [], True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = bool(message.get("more_body"))
    return b"".join(chunks)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read before, and then what comes after it."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def given() -> Message:
        return next(messages, None) or await receive()

    return given


def _stream(body: bytes, service: str, member: str) -> str:
    try:
        return f"{service}:{json.loads(body)[member]}"
    except (ValueError, KeyError, TypeError):
        return ""
