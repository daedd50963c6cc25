"""The stand-in keeps Kinesis's limits, and keeps its streams apart from Firehose's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.fake_firehose import FakeFirehose, Refuse
from support.fake_firehose_client import client, code, put
from support.put_records import KINESIS

MIB = 1024 * 1024


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer


def put_records(
    peer: FakeFirehose, *records: tuple[bytes, str], stream: str = "orders"
) -> dict[str, Any]:
    return client(peer, service="kinesis").put_records(
        StreamName=stream,
        Records=[{"Data": data, "PartitionKey": key} for data, key in records],
    )


def refusal(peer: FakeFirehose, *records: tuple[bytes, str], **how: str) -> ClientError:
    with pytest.raises(ClientError) as refused:
        put_records(peer, *records, **how)
    return refused.value


def test_accepts_what_boto3_signs_and_keeps_the_keys(peer: FakeFirehose) -> None:
    answer = put_records(peer, (b"1\n", "a"), (b"2\n", 'ä "b"'))

    assert answer["FailedRecordCount"] == 0
    assert len({entry["SequenceNumber"] for entry in answer["Records"]}) == 2
    assert all(entry["ShardId"] for entry in answer["Records"])
    assert peer.accepted("kinesis:orders") == [b"1\n", b"2\n"]
    assert peer.keys("kinesis:orders") == ["a", 'ä "b"']
    assert peer.signature_errors == []


def test_streams_of_one_name_are_two(peer: FakeFirehose) -> None:
    put_records(peer, (b"1\n", "a"))
    put(peer, b"2\n", stream="orders")

    assert peer.accepted("kinesis:orders") == [b"1\n"]
    assert peer.accepted("orders") == [b"2\n"]
    assert peer.keys("orders") == []


def test_refuses_records_in_their_entries(peer: FakeFirehose) -> None:
    peer.script(Refuse({0}, "ProvisionedThroughputExceededException", "Rate exceeded"))

    answer = put_records(peer, (b"1\n", "a"), (b"2\n", "b"))

    assert answer["FailedRecordCount"] == 1
    assert answer["Records"][0] == {
        "ErrorCode": "ProvisionedThroughputExceededException",
        "ErrorMessage": "Rate exceeded",
    }
    assert peer.accepted("kinesis:orders") == [b"2\n"]
    assert peer.keys("kinesis:orders") == ["b"]


def test_accepts_500_records_and_no_more(peer: FakeFirehose) -> None:
    assert len(put_records(peer, *[(b"1", "a")] * 500)["Records"]) == 500
    assert code(refusal(peer, *[(b"1", "a")] * 501)) == "ValidationException"
    assert code(refusal(peer)) == "ValidationException"


def test_accepts_a_record_of_1_mib_with_its_key_and_no_larger(peer: FakeFirehose) -> None:
    put_records(peer, (b"x" * (KINESIS.max_record_bytes - 2), "ä"))

    error = refusal(peer, (b"x" * (KINESIS.max_record_bytes - 1), "ä"))

    assert code(error) == "ValidationException"


def test_accepts_a_call_of_5_mib_with_its_keys_and_no_larger(peer: FakeFirehose) -> None:
    four = [(b"x" * (MIB - 1), "k")] * 4

    assert len(put_records(peer, *four, (b"x" * (MIB - 1), "k"))["Records"]) == 5
    error = refusal(peer, *four, (b"x" * (MIB - 2), "k"), (b"", "k"), (b"", "k"))

    assert code(error) == "InvalidArgumentException"


@pytest.mark.parametrize(("key", "good"), [("", 0), ("ä" * 256, 1), ("k" * 257, 0)])
def test_accepts_keys_of_1_to_256_characters(
    peer: FakeFirehose, key: str, good: bool
) -> None:
    if good:
        assert put_records(peer, (b"1", key))["FailedRecordCount"] == 0
    else:
        assert code(refusal(peer, (b"1", key))) == "ValidationException"


@pytest.mark.parametrize("stream", ["a" * 129, "a b", "a/b"])
def test_refuses_a_stream_name_that_can_not_be(peer: FakeFirehose, stream: str) -> None:
    assert code(refusal(peer, (b"1", "a"), stream=stream)) == "ValidationException"


def test_has_only_the_streams_of_its_configuration() -> None:
    with FakeFirehose(streams={"orders", "kinesis:carts"}) as peer:
        put_records(peer, (b"1", "a"), stream="carts")

        error = refusal(peer, (b"1", "a"), stream="orders")

        assert code(error) == "ResourceNotFoundException"
