"""A stand-in for Amazon Data Firehose and Kinesis Data Streams, for tests that need it to fail.

It speaks PutRecordBatch and PutRecords on loopback, checks every signature with botocore
(which knows nothing of our signer), enforces the services' limits, keeps what it accepts,
and fails as a test scripts it:

    with FakeFirehose() as peer:
        peer.script(Refuse({1}), Cut(Effect.DONE))   # the next two calls
        ...                                          # then it accepts all
        assert peer.accepted("events") == [b'{"v":1}\\n']
        assert not peer.signature_errors

A Kinesis stream is called `kinesis:NAME` here, one of Firehose just by its name. A call
passes the signature, then the limits, then the poison; only one that passes all three
takes the next behaviour from the script.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any

from botocore.credentials import Credentials

from support.aws_call import AwsError, Call
from support.fake_server import Answer, Server
from support.faults import (
    Accept,
    Behaviour,
    Cut,
    Effect,
    Fail,
    Hang,
    Hold,
    NotJson,
    Predicate,
    Refuse,
    WrongLength,
)
from support.ports import free_port
from support.put_records import Entry, Put, Service, lines, put_of, service_of
from support.sigv4_verifier import SignatureError, verify
from support.waiting import wait_until

__all__ = [
    "Accept",
    "Behaviour",
    "Call",
    "Cut",
    "Effect",
    "Fail",
    "FakeFirehose",
    "Hang",
    "Hold",
    "NotJson",
    "Refuse",
    "WrongLength",
]


class FakeFirehose:
    """The stand-in; a context manager that serves while it is open.

    `session_token` is the one that each call has to carry; without it, none may.
    `streams` are those that exist; without it, every well-formed name does.
    `plan`, where there is one, says how each call goes, by the number of its records.
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
        self.plan: Callable[[int], Behaviour] | None = None
        self._streams = streams
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._signature_errors: list[SignatureError] = []
        self._accepted: dict[str, list[bytes]] = {}
        self._keys: dict[str, list[str]] = {}
        self._record_numbers = itertools.count(1)
        self._script: deque[Behaviour] = deque()
        self._fallback: Behaviour = Accept()
        self._by_stream: dict[str, Behaviour] = {}
        self._server: Server | None = None
        self._hanging = 0

    def __enter__(self) -> FakeFirehose:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serves; after a stop on the same port, with everything still in memory."""
        if self._server is None:
            self.port = self.port or free_port()
            self._server = Server(self.port, self._answer)
            serve = threading.Thread(
                target=self._server.serve_forever, args=(0.02,), daemon=True
            )
            serve.start()

    def stop(self) -> None:
        """Closes the port and every connection; calls that hang get no answer."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def wait_for_killed(self) -> None:
        """Waits until every call of a worker that was killed is behaved to, but for those that hang.

        What it sent last may still be on its way here, and would be accepted by a peer that behaves meanwhile.
        """
        server = self._server
        if server is not None:
            wait_until(
                lambda: server.open_connections() <= self._hanging,
                problem=lambda: f"{server.open_connections()} connections are open",
            )

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
        return [event for record in self.accepted(stream) for event in lines(record)]

    def accepted(self, stream: str) -> list[bytes]:
        """The records of a stream, decoded, in the order they were stored."""
        with self._lock:
            return list(self._accepted.get(stream, []))

    def keys(self, stream: str) -> list[str]:
        """The partition keys of the records of a Kinesis stream, in the same order."""
        with self._lock:
            return list(self._keys.get(stream, []))

    def script(self, *behaviours: Behaviour) -> None:
        """Queues behaviours, one for each of the next calls."""
        with self._lock:
            self._script.extend(behaviours)

    def always(self, behaviour: Behaviour, stream: str | None = None) -> None:
        """Behaves so whenever the script is empty, until changed.

        What is said of one stream goes before what is said of all.
        """
        with self._lock:
            if stream is None:
                self._fallback = behaviour
            else:
                self._by_stream[stream] = behaviour

    def behave(self) -> None:
        """Accepts all from now on: no script, no poison."""
        with self._lock:
            self._script.clear()
            self._by_stream.clear()
            self._fallback = Accept()
            self.poison = None

    def _answer(self, call: Call) -> Answer | None:
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
            answer = Answer(error.status, json.dumps(body).encode(), error.headers)
        call.status = None if answer is None else answer.status
        return answer

    def _handle(self, call: Call) -> Answer | None:
        service = service_of(call)
        verify(call, self.credentials, self.region, service.name)
        put = put_of(call)
        if self._streams is not None and put.stream not in self._streams:
            raise service.missing(put.stream)
        if self.poison and any(_matches(record, self.poison) for record in put.records):
            raise AwsError("InvalidArgumentException", "A record is not acceptable.")
        with self._lock:
            usual = self._by_stream.get(put.stream, self._fallback)
            if self.plan:
                usual = self.plan(len(put.records))
            behaviour = self._script.popleft() if self._script else usual
        return self._behave(behaviour, service, put)

    def _behave(
        self, behaviour: Behaviour, service: Service, put: Put
    ) -> Answer | None:
        if isinstance(behaviour, (Hang, Hold)):
            with self._hangs():
                ended = self._wait_out(behaviour)
            then = behaviour.then if isinstance(behaviour, Hang) else Accept()
            return self._behave(then, service, put) if ended else None
        if isinstance(behaviour, Fail):
            raise AwsError(
                behaviour.type, behaviour.message, behaviour.status, behaviour.headers
            )
        if isinstance(behaviour, (Accept, Refuse)):
            return _entries(service, self._store(service, put, behaviour))

        if behaviour.effect is Effect.DONE:
            self._store(service, put, Accept())
        if isinstance(behaviour, Cut):
            return None
        if isinstance(behaviour, NotJson):
            return Answer(200, behaviour.body)
        length = max(0, len(put.records) + behaviour.by)
        return _entries(service, [self._taken(service) for _ in range(length)])

    def _wait_out(self, behaviour: Hang | Hold) -> bool:
        """Waits as long as it says; whether the server still runs then."""
        server = self._server
        if isinstance(behaviour, Hang):
            return server is not None and not server.stopping.wait(behaviour.seconds)
        while not behaviour.until.is_set():
            if server is None or server.stopping.wait(0.05):
                return False
        return True

    @contextlib.contextmanager
    def _hangs(self) -> Iterator[None]:
        with self._lock:
            self._hanging += 1
        try:
            yield
        finally:
            with self._lock:
                self._hanging -= 1

    def _store(
        self, service: Service, put: Put, behaviour: Accept | Refuse
    ) -> list[Entry]:
        """Stores what isn't refused; one entry per record, in order."""
        entries = []
        with self._lock:
            accepted = self._accepted.setdefault(put.stream, [])
            keys = self._keys.setdefault(put.stream, [])
            for index, record in enumerate(put.records):
                if isinstance(behaviour, Refuse) and _refuses(behaviour, index, record):
                    entries.append(
                        {"ErrorCode": behaviour.code, "ErrorMessage": behaviour.message}
                    )
                else:
                    accepted.append(record)
                    keys += put.keys[index : index + 1]
                    entries.append(self._taken(service))
        return entries

    def _taken(self, service: Service) -> Entry:
        return service.taken(next(self._record_numbers))


def _refuses(refuse: Refuse, index: int, record: bytes) -> bool:
    if callable(refuse.which):
        return _matches(record, refuse.which)
    return index in refuse.which


def _matches(record: bytes, predicate: Predicate) -> bool:
    return any(predicate(event) for event in lines(record))


def _entries(service: Service, entries: list[Entry]) -> Answer:
    return Answer(200, json.dumps(service.answer(entries)).encode())
