"""What is spilled goes out at last, also when its alarm once found nothing to work with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from support.fake_firehose import Cut, Effect, Fail, FakeFirehose, Hang
from support.shards import DRAIN_SECONDS
from support.waiting import wait_until
from support.worker import Worker

SETTINGS: dict[str, Any] = {
    "delivery": "sharded",
    "shards": 1,
    "routes": [{"to": "firehose:events"}],
    # Too short for as many calls as open a breaker.
    "delivery_timeout_ms": 200,
}


def deploy(worker: Worker, settings: Mapping[str, Any]) -> None:
    """Starts another version of the worker on the same storage."""
    worker.kill()
    worker.settings = {**SETTINGS, **settings}
    worker.restart()


def until_delivered(peer: FakeFirehose, event_id: str) -> None:
    """Waits for it without a question: nothing wakes the object but its own alarm."""


    def found() -> list[str]:
        return [it["event_id"] for it in peer.events("events")]

    wait_until(
        lambda: found()[-1:] == [event_id],
        problem=lambda: f"found {found()}, not {event_id}",
    )


def test_a_spill_outlives_a_configuration_that_can_not_be_read(
    peer: FakeFirehose,
) -> None:
    event_id = str(uuid4())
    with Worker(peer.environment(), SETTINGS) as worker:
        peer.always(Fail(500, "InternalFailure"))
        assert worker.post({"name": "a", "id": event_id}).status == 204

        deploy(worker, {"linger_ms": 0})
        worker.wait_for_log("the spill was not drained")
        deploy(worker, {"linger_ms": 100})
        peer.behave()

        until_delivered(peer, event_id)


def test_a_crash_in_an_alarm_does_not_delay_the_next_one(
    peer: FakeFirehose,
) -> None:
    event_id = str(uuid4())
    with Worker(peer.environment(), SETTINGS) as worker:
        peer.always(Fail(500, "InternalFailure"))
        assert worker.post({"name": "a", "id": event_id}).status == 204

        answered = len(peer.calls)
        peer.always(Hang(30, Cut(Effect.NONE)))
        # The alarm may have called in between, and then leaves the stream alone for a while.
        wait_until(lambda: len(peer.calls) > answered, DRAIN_SECONDS)
        worker.kill()
        peer.wait_for_killed()
        peer.behave()
        worker.restart()

        until_delivered(peer, event_id)
