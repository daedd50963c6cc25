"""A stand-in for Amazon Data Firehose, for tests that need it to fail.

It speaks PutRecordBatch on loopback, checks every signature with botocore (which knows
nothing of our signer), enforces the service's limits, keeps what it accepts, and fails
in the ways it is told to:

    with FirehosePeer() as peer:
        peer.script(Refuse({1}), Cut(Effect.DONE))   # the next two calls
        ...                                          # then it accepts all
        assert peer.accepted("events") == [b'{"v":1}\\n']
        assert not peer.signature_errors

A call passes the signature, then the limits, then the poison; only one that passes all
three takes the next behaviour from the script.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Union

from botocore.credentials import Credentials

from aws_call import AwsError, Call
from sigv4_verifier import SignatureError, verify

# https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
# The documentation counts the "entire request", so the bytes of the body count here.
MAX_RECORDS = 500
MAX_CALL_BYTES = 4 * 1024 * 1024
MAX_RECORD_BYTES = 1_024_000
STREAM_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")

TARGET = "Firehose_20150804.PutRecordBatch"
CONTENT_TYPE = "application/x-amz-json-1.1"
SERVICE = "firehose"

# Bounds of the stand-in itself.
MAX_BODY_BYTES = 16 * 1024 * 1024
IDLE_SECONDS = 60


class Effect(Enum):
    """Whether the records were stored before the answer went wrong."""

    NONE = "none"
    DONE = "done"


# A predicate sees one event of a record: the JSON of one of its lines.
Predicate = Callable[[Any], bool]


@dataclass(frozen=True)
class Accept:
    """Stores every record."""


@dataclass(frozen=True)
class Refuse:
    """Refuses some records, by index or by event, and stores the others."""

    which: Collection[int] | Predicate
    code: str = "ServiceUnavailableException"
    message: str = "Slow down."


@dataclass(frozen=True)
class Fail:
    """Fails the whole call; nothing is stored."""

    status: int
    type: str
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotJson:
    """Answers 200 with something that isn't JSON."""

    effect: Effect = Effect.NONE
    body: bytes = b"<html>It works!</html>"


@dataclass(frozen=True)
class WrongLength:
    """Answers 200 with more or fewer responses than there were records."""

    by: int = -1
    effect: Effect = Effect.NONE


@dataclass(frozen=True)
class Hang:
    """Stays silent for a while, and then behaves."""

    seconds: float
    then: Behaviour = Accept()


@dataclass(frozen=True)
class Cut:
    """Closes the connection without an answer."""

    effect: Effect


Behaviour = Union[Accept, Refuse, Fail, NotJson, WrongLength, Hang, Cut]


class FirehosePeer:
    """The stand-in; a context manager that serves while it is open.

    `session_token` is the one that each call has to carry; without it, none may.
    `streams` are those that exist; without it, every well-formed name does.
    """

    def __init__(
        self,
        *,
        access_key_id: str = "AKIDPEER",
        secret_access_key: str = "peer/secret+access/key",
        session_token: str | None = None,
        region: str = "eu-west-1",
        streams: Collection[str] | None = None,
        port: int = 0,
    ) -> None:
        self.credentials = Credentials(access_key_id, secret_access_key, session_token)
        self.region = region
        self.port = port
        self.poison: Predicate | None = None
        self._streams = streams
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._signature_errors: list[SignatureError] = []
        self._accepted: dict[str, list[bytes]] = {}
        self._record_ids = itertools.count(1)
        self._script: deque[Behaviour] = deque()
        self._fallback: Behaviour = Accept()
        self._server: _Server | None = None

    def __enter__(self) -> FirehosePeer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serves; after a stop on the same port, with everything still in memory."""
        if self._server is None:
            self._server = _Server(self)
            self.port = self._server.server_port
            serve = threading.Thread(
                target=self._server.serve_forever, args=(0.02,), daemon=True
            )
            serve.start()

    def stop(self) -> None:
        """Closes the port and every connection; calls that hang get no answer."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def url(self) -> str:
        """The endpoint, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[Call]:
        """Every call so far, in the order of arrival."""
        with self._lock:
            return list(self._calls)

    @property
    def signature_errors(self) -> list[SignatureError]:
        """What was wrong with the signatures so far."""
        with self._lock:
            return list(self._signature_errors)

    def environment(self) -> dict[str, str]:
        """What the worker needs to reach it, by the names that the AWS SDKs use."""
        environment = {
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_key,
            "AWS_ENDPOINT_URL": self.url,
        }
        if self.credentials.token is not None:
            environment["AWS_SESSION_TOKEN"] = self.credentials.token
        return environment

    def events(self, stream: str) -> list[Any]:
        """The events of a stream's records, in the order they were stored."""
        return [event for record in self.accepted(stream) for event in _events(record)]

    def accepted(self, stream: str) -> list[bytes]:
        """The records of a stream, decoded, in the order they were stored."""
        with self._lock:
            return list(self._accepted.get(stream, []))

    def script(self, *behaviours: Behaviour) -> None:
        """Queues behaviours, one for each of the next calls."""
        with self._lock:
            self._script.extend(behaviours)

    def always(self, behaviour: Behaviour) -> None:
        """Behaves so whenever the script is empty, until told otherwise."""
        with self._lock:
            self._fallback = behaviour

    def behave(self) -> None:
        """Accepts all from now on: no script, no poison."""
        with self._lock:
            self._script.clear()
            self._fallback = Accept()
            self.poison = None

    def _answer(self, call: Call) -> _Answer | None:
        """Handles a call; None cuts its connection."""
        with self._lock:
            self._calls.append(call)
        try:
            answer = self._handle(call)
        except AwsError as error:
            call.error = error.type
            if isinstance(error, SignatureError):
                with self._lock:
                    self._signature_errors.append(error)
            body = {"__type": error.type, "message": error.message}
            answer = _Answer(error.status, json.dumps(body).encode(), error.headers)
        call.status = None if answer is None else answer.status
        return answer

    def _handle(self, call: Call) -> _Answer | None:
        verify(call, self.credentials, self.region, SERVICE)
        stream, records = put_record_batch(call)
        if self._streams is not None and stream not in self._streams:
            raise AwsError(
                "ResourceNotFoundException",
                f"Firehose {stream} not found under account 000000000000.",
            )
        if self.poison and any(_matches(record, self.poison) for record in records):
            raise AwsError("InvalidArgumentException", "A record is not acceptable.")
        with self._lock:
            behaviour = self._script.popleft() if self._script else self._fallback
        return self._behave(behaviour, stream, records)

    def _behave(
        self, behaviour: Behaviour, stream: str, records: list[bytes]
    ) -> _Answer | None:
        if isinstance(behaviour, Hang):
            server = self._server
            if server is None or server.stopping.wait(behaviour.seconds):
                return None
            return self._behave(behaviour.then, stream, records)
        if isinstance(behaviour, Fail):
            raise AwsError(
                behaviour.type, behaviour.message, behaviour.status, behaviour.headers
            )
        if isinstance(behaviour, Refuse):
            return _results(self._put(stream, records, behaviour))
        if isinstance(behaviour, Accept):
            return _results(self._put(stream, records))

        stored = [] if behaviour.effect is Effect.NONE else records
        self._put(stream, stored)
        if isinstance(behaviour, Cut):
            return None
        if isinstance(behaviour, NotJson):
            return _Answer(200, behaviour.body)
        length = max(0, len(records) + behaviour.by)
        return _results([self._record_id() for _ in range(length)])

    def _put(
        self, stream: str, records: list[bytes], refuse: Refuse | None = None
    ) -> list[dict[str, str]]:
        """Stores what isn't refused; one result per record, in order."""
        results = []
        with self._lock:
            accepted = self._accepted.setdefault(stream, [])
            for index, record in enumerate(records):
                if refuse and _refuses(refuse, index, record):
                    results.append(
                        {"ErrorCode": refuse.code, "ErrorMessage": refuse.message}
                    )
                else:
                    accepted.append(record)
                    results.append(self._record_id())
        return results

    def _record_id(self) -> dict[str, str]:
        return {"RecordId": f"{next(self._record_ids):0>224}"}


def put_record_batch(call: Call) -> tuple[str, list[bytes]]:
    """The stream and the decoded records of a call that is inside the limits."""
    if (
        call.method != "POST"
        or call.path != "/"
        or call.header("x-amz-target") != TARGET
        or call.header("content-type") != CONTENT_TYPE
    ):
        raise AwsError("UnknownOperationException", f"Not a {TARGET} in {CONTENT_TYPE}")
    try:
        body = json.loads(call.body)
        stream = body["DeliveryStreamName"]
        data = [record["Data"] for record in body["Records"]]
        records = [base64.b64decode(item, validate=True) for item in data]
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise AwsError("SerializationException", str(error)) from error
    if not isinstance(stream, str) or not STREAM_NAME.fullmatch(stream):
        raise _constraint("deliveryStreamName", "Member must satisfy [a-zA-Z0-9_.-]+")
    if not records:
        raise _constraint("records", "Member must have length greater than 0")
    if len(records) > MAX_RECORDS:
        raise _constraint(
            "records", f"Member must have length less than or equal to {MAX_RECORDS}"
        )
    for index, record in enumerate(records, start=1):
        if len(record) > MAX_RECORD_BYTES:
            raise _constraint(
                f"records.{index}.member.data",
                f"Member must have length less than or equal to {MAX_RECORD_BYTES}",
            )
    if len(call.body) > MAX_CALL_BYTES:
        raise AwsError("InvalidArgumentException", "Records size exceeds 4 MB limit")
    return stream, records


def _constraint(member: str, constraint: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"1 validation error detected: Value at '{member}' failed to satisfy "
        f"constraint: {constraint}",
    )


def _refuses(refuse: Refuse, index: int, record: bytes) -> bool:
    if callable(refuse.which):
        return _matches(record, refuse.which)
    return index in refuse.which


def _matches(record: bytes, predicate: Predicate) -> bool:
    return any(predicate(event) for event in _events(record))


def _events(record: bytes) -> Iterator[Any]:
    """The events of a record; a line that isn't JSON is none."""
    for line in record.splitlines():
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            continue


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def _results(results: list[dict[str, str]]) -> _Answer:
    body = {
        "FailedPutCount": sum("ErrorCode" in result for result in results),
        "Encrypted": False,
        "RequestResponses": results,
    }
    return _Answer(200, json.dumps(body).encode())


class _Server(ThreadingHTTPServer):
    """The port and its connections, which end with it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, peer: FirehosePeer) -> None:
        super().__init__(("127.0.0.1", peer.port), _Handler)
        self.peer = peer
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client has gone already

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Shows what is wrong with the stand-in, but not that a client gave up."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = -1  # an answer leaves in one piece
    server: _Server

    def do_POST(self) -> None:
        arrived = datetime.now(timezone.utc)
        length = int(self.headers.get("content-length", "0"))
        if length > MAX_BODY_BYTES or "transfer-encoding" in self.headers:
            self.close_connection = True
            self._send(_Answer(413 if length else 411, b""))
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        call = Call(
            arrived=arrived,
            method=self.command,
            path=self.path,
            headers=[(name.lower(), value) for name, value in self.headers.items()],
            body=body,
        )
        answer = self.server.peer._answer(call)
        if answer is None or self.server.stopping.is_set():
            self.close_connection = True
        else:
            self._send(answer)

    do_GET = do_PUT = do_DELETE = do_POST

    def _send(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        headers = {"content-type": CONTENT_TYPE, **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing; the calls are kept."""
