"""The stand-in's streams: those that the repository configures, and one for each test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count, islice
from typing import Any
from uuid import uuid4

from support.fake_firehose import Call, FakeFirehose
from support.put_records import lines, put_of
from support.worker import Answer, Worker

DATA = ("events-low", "events-mid", "events-high")
FAILED = "events-failed"

# How many one worker has, and their numbers: workers of one stand-in share none.
STREAMS = 60
NUMBERS = count()


def data(peer: FakeFirehose) -> dict[str, Any]:
    """Every event, by id."""
    return {
        event["event_id"]: event for stream in DATA for event in peer.events(stream)
    }


def kept(peer: FakeFirehose) -> dict[str, Any]:
    """Every failed event, by id."""
    return {event["event_id"]: event for event in peer.events(FAILED)}


def ids(beacons: list[dict[str, Any]]) -> list[str]:
    """The ids of beacons, in order."""
    return [beacon["id"] for beacon in beacons]


class Stream:
    """A stream that no other test uses, with what it was sent.

    `name` is the name of its events; `to` is the stream as the configuration has it, which
    is Firehose's of that name unless it is said.
    """

    def __init__(
        self, name: str, worker: Worker, peer: FakeFirehose, to: str | None = None
    ) -> None:
        self.name = name
        self.worker = worker
        self.peer = peer
        self.to = to or f"firehose:{name}"
        self.at_peer = self.to.removeprefix("firehose:")

    def beacons(self, count: int) -> list[dict[str, Any]]:
        """Beacons that the worker routes to it."""
        return [{"name": self.name, "id": str(uuid4())} for _ in range(count)]

    def post(self, beacons: list[dict[str, Any]]) -> Answer:
        """Posts, and believes a 2xx only when every event is where it should be."""
        answer = self.worker.post(beacons)
        if answer.status < 300:
            assert set(self.ids()) | kept(self.peer).keys() >= set(ids(beacons))
        else:
            assert answer.status == 503
            assert answer.retry_after >= 1
            reported = answer.json()
            assert reported["code"] == "not_durable"
            assert reported["message"].startswith(("firehose:", "kinesis:"))
        return answer

    def ids(self) -> list[str]:
        """The ids of the accepted events, in order."""
        return [event["event_id"] for event in self.peer.events(self.at_peer)]

    @property
    def calls(self) -> list[Call]:
        """The calls to it so far."""
        service, name = self.to.split(":")
        key = "DeliveryStreamName" if service == "firehose" else "StreamName"
        start = f'{{"{key}":"{name}",'.encode()
        return [call for call in self.peer.calls if call.body.startswith(start)]

    def packs(self) -> list[list[list[str]]]:
        """The ids of the events of each record of each call."""
        return [
            [[event["event_id"] for event in lines(record)] for record in put.records]
            for put in map(put_of, self.calls)
        ]

    def sent(self) -> list[list[str]]:
        """The ids of the events of each call."""
        return [[id for pack in call for id in pack] for call in self.packs()]

    def state(self) -> dict[str, Any]:
        """What /readyz reports of it."""
        (state,) = [
            each
            for each in self.worker.ready().json()["streams"]
            if each["stream"] == self.to
        ]
        return state


@contextmanager
def streams(
    peer: FakeFirehose,
    settings: dict[str, Any],
    service: str = "firehose",
    env: Mapping[str, str] = {},  # noqa: B006 (never changed)
) -> Iterator[Iterator[Stream]]:
    """Streams of one service that no test has used, behind a worker of their own.

    `env` is what that has besides the peer's address and credentials.
    """
    names = [f"stream_{number}" for number in islice(NUMBERS, STREAMS)]
    to = {name: f"{service}:{name}" for name in names}
    routes = [{"name": name, "to": stream} for name, stream in to.items()]
    routes.append({"to": "firehose:others"})
    env = {**peer.environment(), **env}
    with Worker(env, {"routes": routes, **settings}) as worker:
        yield (Stream(name, worker, peer, stream) for name, stream in to.items())
