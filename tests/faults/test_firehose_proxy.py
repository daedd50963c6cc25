"""The proxy does to a call what its plan says, and nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import botocore.exceptions
import pytest

from faults.buckets import Bucket
from faults.fault_plans import Plan, refuse_records, sometimes
from faults.firehose_proxy import FirehoseProxy, Passages
from local_aws import LocalAws, client
from support.faults import Accept, Cut, Effect, Fail, NotJson, Refuse, WrongLength

Put = Callable[[list[str]], dict[str, Any]]


@pytest.fixture
def proxy(aws: LocalAws) -> Iterator[FirehoseProxy]:
    with FirehoseProxy(aws, "a seed") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def data(aws: LocalAws) -> Bucket:
    return Bucket(aws, "data")


@pytest.fixture
def put(proxy: FirehoseProxy) -> Put:
    """Puts a record for each id, with the worker's key, on a connection that is kept."""
    firehose = client("firehose", proxy.environment())

    def put(ids: list[str]) -> dict[str, Any]:
        records = [{"Data": f'{{"v":3,"event_id":"{id}"}}\n'.encode()} for id in ids]
        return firehose.put_record_batch(
            DeliveryStreamName="events-mid", Records=records
        )

    return put


def ids(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


def test_a_call_without_a_fault_goes_through(
    proxy: FirehoseProxy, put: Put, data: Bucket
) -> None:
    sent = ids(3)
    answer = put(sent)
    assert answer["FailedPutCount"] == 0
    assert [data.copies()[id].number for id in sent] == [1, 1, 1]
    assert proxy.passages(sent[0]) == Passages(forwarded=1, reported=[1])
    assert proxy.counts == {"calls": 1, "records forwarded": 3}


def test_refused_records_alone_stay_behind(
    proxy: FirehoseProxy, put: Put, data: Bucket
) -> None:
    proxy.plan = sometimes(1, Refuse({0, 2}))
    sent = ids(4)
    answer = put(sent)
    entries = answer["RequestResponses"]
    assert answer["FailedPutCount"] == 2
    assert ["ErrorCode" in entry for entry in entries] == [True, False, True, False]
    assert [id in data.copies() for id in sent] == [False, True, False, True]


def test_a_call_of_which_all_is_refused_is_not_forwarded(
    proxy: FirehoseProxy, put: Put
) -> None:
    proxy.plan = refuse_records(1)
    assert put(ids(2))["FailedPutCount"] == 2
    assert proxy.counts["records forwarded"] == 0


@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize("kind", [Cut, NotJson, lambda effect: WrongLength(1, effect)])
def test_an_unanswered_call_has_its_effect_or_none(
    proxy: FirehoseProxy, put: Put, data: Bucket, kind: Any, effect: Effect
) -> None:
    proxy.plan = sometimes(1, kind(effect))
    sent = ids(2)
    try:
        put(sent)
    except (botocore.exceptions.HTTPClientError, botocore.parsers.ResponseParserError):
        pass
    done = effect is Effect.DONE
    assert [id in data.copies() for id in sent] == [done, done]
    assert proxy.passages(sent[0]) == Passages(forwarded=done, untold=done)


def test_a_failed_call_says_how_it_failed(proxy: FirehoseProxy, put: Put) -> None:
    proxy.plan = sometimes(1, Fail(400, "ExpiredTokenException", "expired"))
    with pytest.raises(botocore.exceptions.ClientError, match="ExpiredToken"):
        put(ids(1))


def test_a_wrong_signature_is_not_forwarded(proxy: FirehoseProxy) -> None:
    wrong = {**proxy.environment(), "AWS_SECRET_ACCESS_KEY": "another"}
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidSignature"):
        client("firehose", wrong).put_record_batch(
            DeliveryStreamName="events-mid", Records=[{"Data": b"{}\n"}]
        )
    assert proxy.counts == {"calls": 1, "wrong signatures": 1}


def test_a_stopped_proxy_refuses_connections_and_comes_back(
    proxy: FirehoseProxy,
    put: Put,
) -> None:
    proxy.stop()
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        put(ids(1))
    proxy.start()
    assert put(ids(1))["FailedPutCount"] == 0


def test_a_plan_does_the_same_again_from_the_same_seed() -> None:
    def drawn(plan: Plan) -> str:
        chance = random.Random("a seed")
        return json.dumps([repr(plan(chance, 10)) for _ in range(50)])

    plan = refuse_records(0.3)
    assert drawn(plan) == drawn(plan)
    assert drawn(plan) != drawn(sometimes(0.5, Accept(), Cut(Effect.DONE)))
