"""A Firehose that fails, between the worker and the local AWS, which does the work.

It checks each signature, forwards the call byte for byte, and fails as its plan says: before
the effect or after it. Of a call whose records it refuses in part, it forwards the others,
signed anew with the worker's key, and weaves the refusals into the answer.

    with FirehoseProxy(aws, "seed 1") as proxy:
        proxy.plan = refuse_records(0.3)
        with Worker(proxy.environment()) as worker:
            ...

It counts what it did, and how often each event went through it, so that a duplicate can be
told from a fault of the worker.
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import re
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from aws_call import AwsError, Call
from behaviours import Accept, Behaviour, Cut, Effect, Fail, Hang, NotJson, Refuse
from fault_plans import AnswerLate, Plan, healthy
from local import HOST, LocalAws
from peer_server import Answer, Server
from put_calls import CONTENT_TYPE, FIREHOSE, Put, put_of
from sigv4_verifier import SignatureError, verify

UPSTREAM_SECONDS = 60
# Hops end at a proxy: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
HOP_HEADERS = ("connection", "keep-alive", "content-length")
EVENT_ID = re.compile(rb'"event_id":"([0-9a-f-]{36})"')


@dataclass
class Passages:
    """How often an event went through, and how often its sender was not told so."""

    forwarded: int = 0
    untold: int = 0


class FirehoseProxy:
    """The proxy; a context manager that serves while it is open.

    Calls draw their behaviour from the plan one after the other, with randomness that
    comes from the seed alone.
    """

    def __init__(self, aws: LocalAws, seed: str) -> None:
        key = aws.environment()
        self.plan: Plan = healthy
        self.port = 0
        self._aws = aws
        self._credentials = Credentials(
            key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"]
        )
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._passages: dict[str, Passages] = {}
        self._under_way = 0
        self._server: _Port | None = None

    def __enter__(self) -> FirehoseProxy:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serves; after a stop on the same port."""
        if self._server is None:
            self._server = _Port(self.port, self._answer)
            self.port = self._server.server_port
            threading.Thread(
                target=self._server.serve_forever, args=(0.02,), daemon=True
            ).start()

    def stop(self) -> None:
        """Closes the port and every connection: who calls now is refused."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def environment(self) -> dict[str, str]:
        """What the worker needs to reach it, by the names that the AWS SDKs use."""
        url = f"http://{HOST}:{self.port}"
        return {**self._aws.environment(), "AWS_ENDPOINT_URL": url}

    @property
    def counts(self) -> Counter[str]:
        """Calls, records forwarded and refused, and each kind of fault, so far."""
        with self._lock:
            return self._counts.copy()

    def passages(self, event_id: str) -> Passages:
        """How often an event went through."""
        with self._lock:
            return self._passages.get(event_id, Passages())

    def wait_until_idle(self, seconds: float) -> None:
        """Waits until no call is under way: a late effect is an effect too."""
        deadline = time.monotonic() + seconds
        while self._under_way:
            assert time.monotonic() < deadline, "calls are still under way"
            time.sleep(0.05)

    def _count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self._counts[what] += number

    def _answer(self, call: Call) -> Answer | None:
        """Handles a call; None cuts its connection."""
        with self._lock:
            self._counts["calls"] += 1
            self._under_way += 1
        try:
            return self._handle(call)
        except AwsError as error:
            if isinstance(error, SignatureError):
                self._count("wrong signatures")
            body = {"__type": error.type, "message": error.message}
            return Answer(error.status, json.dumps(body).encode(), error.headers)
        finally:
            with self._lock:
                self._under_way -= 1

    def _handle(self, call: Call) -> Answer | None:
        verify(call, self._credentials, self._aws.region, FIREHOSE.name)
        put = put_of(call)
        with self._lock:
            behaviour = self.plan(self._chance, len(put.records))
        if not isinstance(behaviour, Accept):
            self._count(type(behaviour).__name__)
        return self._behave(behaviour, call, put)

    def _behave(
        self, behaviour: Behaviour | AnswerLate, call: Call, put: Put
    ) -> Answer | None:
        if isinstance(behaviour, Accept):
            return self._tell(put.records, self._forward(call, put.records))
        if isinstance(behaviour, Refuse):
            return self._forward_others(behaviour, put)
        if isinstance(behaviour, Fail):
            raise AwsError(
                behaviour.type, behaviour.message, behaviour.status, behaviour.headers
            )
        if isinstance(behaviour, Hang):
            self._sleep(behaviour.seconds)
            return self._behave(behaviour.then, call, put)
        if isinstance(behaviour, AnswerLate):
            answer = self._forward(call, put.records)
            self._sleep(behaviour.seconds)
            return self._tell(put.records, answer)

        if behaviour.effect is Effect.DONE:
            self._forward(call, put.records)
            self._pass(put.records, untold=True)
        if isinstance(behaviour, Cut):
            return None
        if isinstance(behaviour, NotJson):
            return Answer(200, behaviour.body)
        length = max(0, len(put.records) + behaviour.by)
        entries = [FIREHOSE.taken(number) for number in range(length)]
        return Answer(200, json.dumps(FIREHOSE.answer(entries)).encode())

    def _forward_others(self, refuse: Refuse, put: Put) -> Answer | None:
        """Refuses the records that it is told to, and forwards the others."""
        assert isinstance(refuse.which, Collection), "records are refused by index"
        others = [
            record
            for index, record in enumerate(put.records)
            if index not in refuse.which
        ]
        self._count("records refused", len(put.records) - len(others))
        told: list[dict[str, Any]] = []
        if others:
            answer = self._send(*self._signed(put.stream, others))
            if answer is None or answer.status != 200:
                return self._tell(others, answer)
            told = json.loads(answer.body)["RequestResponses"]
        refusal = {"ErrorCode": refuse.code, "ErrorMessage": refuse.message}
        rest = iter(told)
        entries = [
            refusal if index in refuse.which else next(rest)
            for index in range(len(put.records))
        ]
        body = json.dumps(FIREHOSE.answer(entries)).encode()
        return self._tell(others, Answer(200, body))

    def _tell(self, records: list[bytes], answer: Answer | None) -> Answer | None:
        """Gives the answer, and notes whether the caller is still there to hear it."""
        if answer is None or answer.status == 200:
            self._pass(records, untold=answer is None or self._hung_up())
        return answer

    def _pass(self, records: list[bytes], untold: bool) -> None:
        ids = [id.decode() for record in records for id in EVENT_ID.findall(record)]
        with self._lock:
            self._counts["records forwarded"] += len(records)
            self._counts["untold"] += len(records) if untold else 0
            for id in ids:
                passages = self._passages.setdefault(id, Passages())
                passages.forwarded += 1
                passages.untold += untold

    def _sleep(self, seconds: float) -> None:
        """Sleeps; an outage does not wake it, since the effect would come all the same."""
        time.sleep(seconds)

    def _hung_up(self) -> bool:
        server = self._server
        return server is None or server.stopping.is_set() or _hung_up(_thread.socket)

    def _forward(self, call: Call, records: list[bytes]) -> Answer | None:
        """Sends a call as it came, its `Host` included, since that is signed."""
        headers = {
            name: value for name, value in call.headers if name not in HOP_HEADERS
        }
        return self._send(headers, call.body)

    def _signed(
        self, stream: str, records: list[bytes]
    ) -> tuple[dict[str, str], bytes]:
        """The headers and the body of a call of our own."""
        data = [{"Data": base64.b64encode(record).decode()} for record in records]
        body = json.dumps({"DeliveryStreamName": stream, "Records": data}).encode()
        headers = {"content-type": CONTENT_TYPE, "x-amz-target": FIREHOSE.target}
        request = AWSRequest("POST", self._aws.endpoint + "/", headers, body)
        SigV4Auth(self._credentials, FIREHOSE.name, self._aws.region).add_auth(request)
        signed = {name.lower(): value for name, value in request.headers.items()}
        return {"host": f"{HOST}:{self._aws.port}", **signed}, body

    def _send(self, headers: dict[str, str], body: bytes) -> Answer | None:
        """Sends a call to the local AWS; None where it did not answer."""
        connection = http.client.HTTPConnection(
            HOST, self._aws.port, timeout=UPSTREAM_SECONDS
        )
        try:
            connection.putrequest(
                "POST", "/", skip_host=True, skip_accept_encoding=True
            )
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except (OSError, http.client.HTTPException):
            self._count("local AWS silent")
            return None
        finally:
            connection.close()
        if answer.status != 200:
            self._count(f"local AWS {answer.status}")
        return answer


class _Thread(threading.local):
    """The connection that a thread serves."""

    socket: socket.socket


_thread = _Thread()


class _Port(Server):
    """The port, which tells each call's thread its connection."""

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        _thread.socket = request
        super().process_request_thread(request, client_address)


def _hung_up(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    try:
        return bool(poll.poll(0)) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
