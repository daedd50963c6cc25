"""The local AWS goes away and comes back: no 2xx in between, and nothing lost after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from local_aws import LocalAws
from support.delivered_records import event, failed_event
from support.worker import Worker


@pytest.fixture
def outage(aws: LocalAws) -> Iterator[LocalAws]:
    """The local AWS, running again when the test ends."""
    yield aws
    if aws.pid is None:
        aws.start()


def test_an_outage_is_503_until_it_is_over(outage: LocalAws) -> None:
    before, during, bad = (str(uuid4()) for _ in range(3))
    with Worker(outage.environment()) as worker:
        assert worker.post({"name": "a", "id": before}).status == 204
        outage.stop()

        waits = []
        for _ in range(8):
            answers = [
                worker.post({"name": "a", "id": during}),
                worker.post({"id": bad}),
                worker.get("/v1/pixel.gif?name=a"),
            ]
            assert [answer.status for answer in answers] == [503, 503, 503]
            waits += [answer.retry_after for answer in answers]
        assert min(waits) >= 1
        assert worker.get("/healthz").status == 200

        outage.start()
        deadline = time.monotonic() + 60
        while worker.post({"name": "a", "id": during}).status == 503:
            assert time.monotonic() < deadline, "it never recovered"
            time.sleep(1)
        while (answer := worker.post({"id": bad})).status == 503:
            assert time.monotonic() < deadline, "its failed stream never recovered"
            time.sleep(1)
        assert answer.status == 200

    assert event(outage, before)["name"] == "a"
    assert event(outage, during)["name"] == "a"
    assert failed_event(outage, bad)["code"] == "missing_field"
