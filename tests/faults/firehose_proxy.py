"""A Firehose that fails, between the worker and the local AWS, which does the work.

It checks each signature, forwards the call byte for byte, and fails as its plan says: before
the effect or after it. Of a call whose records it refuses in part, it forwards the others,
signed anew with the worker's key, and weaves the refusals into the answer.

    with FirehoseProxy(aws, "seed 1") as proxy:
        proxy.plan = refuse_records(0.3)
        with Worker(proxy.environment()) as worker:
            ...

It counts what it did, and how often each event went through it, so that a duplicate can be
reported from a fault of the worker.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from faults.fault_plans import AnswerLate, Plan, healthy
from faults.local_firehose import Upstream
from faults.proxy_listener import Listener, hung_up, tell
from local_aws import HOST, LocalAws
from support.aws_call import AwsError, Call
from support.fake_server import Answer
from support.faults import Accept, Behaviour, Cut, Effect, Fail, Hang, NotJson, Refuse
from support.ports import free_port
from support.put_records import FIREHOSE, Put, put_of
from support.sigv4_verifier import SignatureError
from support.waiting import wait_until

EVENT_ID = re.compile(rb'"event_id":"([0-9a-f-]{36})"')


@dataclass
class Passages:
    """How often an event went through, and how often its sender did not hear of it."""

    forwarded: int = 0
    untold: int = 0
    reported: list[int] = field(default_factory=list)
    """The calls whose answer was given, by a number of each."""


class FirehoseProxy:
    """The proxy; a context manager that serves while it is open.

    Calls draw their behaviour from the plan one after the other, with randomness that
    comes from the seed alone.
    """

    def __init__(self, aws: LocalAws, seed: str) -> None:
        self.plan: Plan = healthy
        # One that the kernel gives to no process while it is stopped.
        self.port = free_port()
        self._aws = aws
        self._upstream = Upstream(aws, self._count)
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._passages: dict[str, Passages] = {}
        self._under_way = 0
        self._forwarded_calls = 0
        self._server: Listener | None = None

    def __enter__(self) -> FirehoseProxy:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serves; after a stop on the same port."""
        if self._server is None:
            self._server = Listener(self.port, self._answer, self._unheard)
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
        wait_until(
            lambda: not self._under_way, seconds, lambda: "calls are still under way"
        )

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
        self._upstream.verify(call)
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
            return self._tell(put.records, self._upstream.forward(call))
        if isinstance(behaviour, Refuse):
            return self._forward_others(behaviour, put)
        if isinstance(behaviour, Fail):
            raise AwsError(
                behaviour.type, behaviour.message, behaviour.status, behaviour.headers
            )
        if isinstance(behaviour, Hang):
            time.sleep(behaviour.seconds)
            return self._behave(behaviour.then, call, put)
        if isinstance(behaviour, AnswerLate):
            answer = self._upstream.forward(call)
            time.sleep(behaviour.seconds)
            return self._tell(put.records, answer)

        if behaviour.effect is Effect.DONE:
            self._upstream.forward(call)
            self._pass(put.records, untold=True)
        if isinstance(behaviour, Cut):
            return None
        if isinstance(behaviour, NotJson):
            return Answer(200, behaviour.body)
        length = max(0, len(put.records) + behaviour.by)
        entries = [FIREHOSE.taken(number) for number in range(length)]
        return Answer(200, json.dumps(FIREHOSE.answer(entries)).encode())

    def _forward_others(self, refuse: Refuse, put: Put) -> Answer | None:
        """Refuses the records of its plan, and forwards the others."""
        assert isinstance(refuse.which, Collection), "records are refused by index"
        others = [
            record
            for index, record in enumerate(put.records)
            if index not in refuse.which
        ]
        self._count("records refused", len(put.records) - len(others))
        reported: list[dict[str, Any]] = []
        if others:
            answer = self._upstream.put(put.stream, others)
            if answer is None or answer.status != 200:
                return self._tell(others, answer)
            reported = json.loads(answer.body)["RequestResponses"]
        refusal = {"ErrorCode": refuse.code, "ErrorMessage": refuse.message}
        rest = iter(reported)
        entries = [
            refusal if index in refuse.which else next(rest)
            for index in range(len(put.records))
        ]
        body = json.dumps(FIREHOSE.answer(entries)).encode()
        return self._tell(others, Answer(200, body))

    def _tell(self, records: list[bytes], answer: Answer | None) -> Answer | None:
        """Gives the answer, and notes whether who called is there to hear it."""
        if answer is None or answer.status == 200:
            self._pass(records, untold=answer is None or hung_up())
        return answer

    def _pass(self, records: list[bytes], untold: bool) -> None:
        ids = [id.decode() for record in records for id in EVENT_ID.findall(record)]
        tell([] if untold else ids)
        with self._lock:
            self._counts["records forwarded"] += len(records)
            self._forwarded_calls += 1
            for id in ids:
                passages = self._passages.setdefault(id, Passages())
                passages.forwarded += 1
                if untold:
                    passages.untold += 1
                else:
                    passages.reported.append(self._forwarded_calls)

    def _unheard(self, ids: list[str]) -> None:
        with self._lock:
            for id in ids:
                self._passages[id].untold += 1
