"""The worker's key in the local AWS: it may put to its own streams and nothing else."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import botocore.exceptions
import pytest

from local import Kind, LocalAws, client

DENIED = {"AccessDenied", "AccessDeniedException"}


def put(aws: LocalAws, stream: str, *records: dict[str, Any]) -> Any:
    """Put records to a stream with the worker's own key."""
    return client("firehose", aws.environment()).put_record_batch(
        DeliveryStreamName=stream,
        Records=[{"Data": json.dumps(record).encode() + b"\n"} for record in records],
    )


def partition() -> str:
    """The part of a key that tells the time, for now."""
    return datetime.now(timezone.utc).strftime("day=%Y-%m-%d/hr=%H/")


@pytest.mark.parametrize(
    ("stream", "kind", "prefix"),
    [
        ("events-low", "data", "stream=low/"),
        ("events-mid", "data", "stream=mid/"),
        ("events-high", "data", "stream=high/"),
        ("events-failed", "failed", ""),
    ],
)
def test_a_record_lands_under_its_prefix(
    aws: LocalAws, stream: str, kind: Kind, prefix: str
) -> None:
    record = {"event_id": str(uuid4()), "props": {"name": "Zoë"}}
    before = partition()
    assert put(aws, stream, record)["FailedPutCount"] == 0
    after = partition()
    keys = [each.key for each in aws.records(kind) if each.record == record]
    assert len(keys) == 1
    assert keys[0].startswith(
        (f"{prefix}{before}{stream}-", f"{prefix}{after}{stream}-")
    )


def test_the_worker_may_put_batches_to_its_streams_and_nothing_else(
    aws: LocalAws,
) -> None:
    iam = aws.client("iam")
    user = aws.outputs["WorkerUserName"]
    assert iam.list_user_policies(UserName=user)["PolicyNames"] == []
    assert iam.list_groups_for_user(UserName=user)["Groups"] == []
    (attached,) = iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
    arn = attached["PolicyArn"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)[
        "PolicyVersion"
    ]["Document"]
    streams = f"arn:aws:firehose:{aws.region}:000000000000:deliverystream"
    assert document["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "firehose:PutRecordBatch",
            "Resource": [
                f"{streams}/events-{kind}" for kind in ("low", "mid", "high", "failed")
            ],
        },
        {
            "Effect": "Allow",
            "Action": "kinesis:PutRecords",
            "Resource": f"arn:aws:kinesis:{aws.region}:000000000000:stream/orders",
        },
    ]


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        (
            "firehose",
            "put_record",
            {"DeliveryStreamName": "events-low", "Record": {"Data": b"{}"}},
        ),
        ("firehose", "describe_delivery_stream", {"DeliveryStreamName": "events-low"}),
        ("firehose", "list_delivery_streams", {}),
        ("firehose", "delete_delivery_stream", {"DeliveryStreamName": "events-low"}),
        (
            "kinesis",
            "put_record",
            {"StreamName": "orders", "Data": b"{}", "PartitionKey": "a"},
        ),
        ("kinesis", "list_streams", {}),
        ("kinesis", "describe_stream_summary", {"StreamName": "orders"}),
        (
            "kinesis",
            "get_shard_iterator",
            {
                "StreamName": "orders",
                "ShardId": "shardId-000000000000",
                "ShardIteratorType": "TRIM_HORIZON",
            },
        ),
        ("s3", "list_buckets", {}),
        ("s3", "create_bucket", {"Bucket": "mine"}),
        ("iam", "list_users", {}),
        ("iam", "get_user", {}),
        ("iam", "create_access_key", {}),
        ("cloudformation", "describe_stacks", {}),
    ],
)
def test_other_actions_are_denied(
    aws: LocalAws, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    worker = client(service, aws.environment())
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        getattr(worker, operation)(**arguments)
    assert refusal.value.response["Error"]["Code"] in DENIED


def test_a_stream_of_somebody_else_is_denied(aws: LocalAws) -> None:
    firehose = aws.client("firehose")
    firehose.create_delivery_stream(DeliveryStreamName="events-lowest")
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        put(aws, "events-lowest", {"event_id": "1"})
    firehose.delete_delivery_stream(DeliveryStreamName="events-lowest")
    assert refusal.value.response["Error"]["Code"] in DENIED


def test_a_kinesis_stream_of_somebody_else_is_denied(aws: LocalAws) -> None:
    kinesis = aws.client("kinesis")
    kinesis.create_stream(StreamName="orders-2", ShardCount=1)
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        client("kinesis", aws.environment()).put_records(
            StreamName="orders-2", Records=[{"Data": b"{}", "PartitionKey": "a"}]
        )
    kinesis.delete_stream(StreamName="orders-2")
    assert refusal.value.response["Error"]["Code"] in DENIED


@pytest.fixture(params=["DataBucketName", "FailedBucketName"])
def bucket(aws: LocalAws, request: pytest.FixtureRequest) -> str:
    """Each of the two buckets."""
    return aws.outputs[request.param]


@pytest.fixture
def without_tls_policy(aws: LocalAws, bucket: str) -> Iterator[str]:
    """A bucket without its policy, which alone would deny all that comes over http."""
    s3 = aws.client("s3")
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    yield bucket
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_object", {"Key": "x"}),
        ("put_object", {"Key": "x", "Body": b""}),
        ("delete_object", {"Key": "x"}),
        ("list_objects_v2", {}),
    ],
)
def test_the_buckets_are_closed_to_the_worker(
    aws: LocalAws, without_tls_policy: str, operation: str, arguments: dict[str, Any]
) -> None:
    worker = client("s3", aws.environment())
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        getattr(worker, operation)(Bucket=without_tls_policy, **arguments)
    assert refusal.value.response["Error"]["Code"] in DENIED


def test_the_buckets_refuse_plain_http(aws: LocalAws, bucket: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="explicit deny"):
        client("s3", aws.environment()).get_object(Bucket=bucket, Key="x")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "InvalidSignatureException"),
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, "UnrecognizedClientException"),
    ],
)
def test_a_wrong_key_is_refused(
    aws: LocalAws, change: dict[str, str], code: str
) -> None:
    impostor = client("firehose", aws.environment() | change)
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        impostor.put_record_batch(
            DeliveryStreamName="events-low", Records=[{"Data": b"{}\n"}]
        )
    assert refusal.value.response["Error"]["Code"] == code
