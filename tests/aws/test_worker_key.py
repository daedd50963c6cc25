"""The worker's key in the local AWS: it may put to its own streams and nothing else."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import botocore.exceptions
import pytest

from local_aws import Kind, LocalAws, client
from support.worker_calls import (
    ALLOWED,
    DENIALS,
    DENIED,
    Call,
    make_somebody_elses,
    remove_somebody_elses,
)


def put(aws: LocalAws, stream: str, *records: dict[str, Any]) -> Any:
    """Put records to a stream with the worker's own key."""
    return client("firehose", aws.environment()).put_record_batch(
        DeliveryStreamName=stream,
        Records=[{"Data": json.dumps(record).encode() + b"\n"} for record in records],
    )


def partition() -> str:
    """The part of a key with the time, for now."""
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


def test_the_worker_may_only_put_batches_to_its_streams(
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


@pytest.mark.parametrize("call", ALLOWED, ids=str)
def test_the_two_puts_are_allowed(aws: LocalAws, call: Call) -> None:
    call.make(client(call.service, aws.environment()))


@pytest.fixture(scope="module")
def others(aws: LocalAws) -> Iterator[None]:
    """Streams and a bucket of another owner, so that a denial is not because they are missing."""
    make_somebody_elses(aws.client)
    yield
    remove_somebody_elses(aws.client)


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("call", DENIED, ids=str)
def test_every_other_action_is_denied(aws: LocalAws, call: Call) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        call.make(client(call.service, aws.environment()))
    assert refusal.value.response["Error"]["Code"] in DENIALS


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
    assert refusal.value.response["Error"]["Code"] in DENIALS


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
