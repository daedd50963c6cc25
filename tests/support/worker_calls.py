"""What the worker's key may do, both calls of it, and a table of what it may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

DENIALS = {"AccessDenied", "AccessDeniedException"}
LINE = b"{}\n"
BATCH = [{"Data": LINE}]
KEYED = [{"Data": LINE, "PartitionKey": "a"}]
BUCKET = "of-somebody-else"
SHARD = {"StreamName": "orders", "ShardId": "shardId-000000000000"}


class Call(NamedTuple):
    """A call of an AWS API."""

    service: str
    operation: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        reported = [str(value) for value in self.arguments.values() if type(value) is str]
        return "-".join([self.service, self.operation, *reported])

    def make(self, client: Any) -> Any:
        """Make it, with a client of its service."""
        return getattr(client, self.operation)(**self.arguments)


ALLOWED = [
    *(
        Call(
            "firehose",
            "put_record_batch",
            {"DeliveryStreamName": f"events-{kind}", "Records": BATCH},
        )
        for kind in ("low", "mid", "high", "failed")
    ),
    Call("kinesis", "put_records", {"StreamName": "orders", "Records": KEYED}),
]

DENIED = [
    Call(*each)
    for each in [
        # Streams of others, near in name.
        ("firehose", "put_record_batch", {"DeliveryStreamName": "events-lowest", "Records": BATCH}),
        ("firehose", "put_record_batch", {"DeliveryStreamName": "events", "Records": BATCH}),
        ("kinesis", "put_records", {"StreamName": "orders-2", "Records": KEYED}),
        # Its own streams, but not to put batches to them.
        ("firehose", "put_record", {"DeliveryStreamName": "events-low", "Record": {"Data": LINE}}),
        ("firehose", "describe_delivery_stream", {"DeliveryStreamName": "events-low"}),
        ("firehose", "list_delivery_streams", {}),
        ("firehose", "list_tags_for_delivery_stream", {"DeliveryStreamName": "events-low"}),
        ("firehose", "create_delivery_stream", {"DeliveryStreamName": "events-new"}),
        ("firehose", "delete_delivery_stream", {"DeliveryStreamName": "events-low"}),
        ("kinesis", "put_record", {"StreamName": "orders", "Data": LINE, "PartitionKey": "a"}),
        ("kinesis", "list_streams", {}),
        ("kinesis", "describe_stream_summary", {"StreamName": "orders"}),
        ("kinesis", "get_shard_iterator", {**SHARD, "ShardIteratorType": "TRIM_HORIZON"}),
        ("kinesis", "delete_stream", {"StreamName": "orders"}),
        # Everything else.
        ("s3", "list_buckets", {}),
        ("s3", "create_bucket", {"Bucket": "mine", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}),
        ("s3", "list_objects_v2", {"Bucket": BUCKET}),
        ("s3", "get_object", {"Bucket": BUCKET, "Key": "x"}),
        ("s3", "put_object", {"Bucket": BUCKET, "Key": "x", "Body": b""}),
        ("s3", "delete_object", {"Bucket": BUCKET, "Key": "x"}),
        ("iam", "list_users", {}),
        ("iam", "get_user", {}),
        ("iam", "create_user", {"UserName": "accomplice"}),
        ("iam", "create_access_key", {}),
        ("iam", "attach_user_policy", {"UserName": "worker", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("sts", "assume_role", {"RoleArn": "arn:aws:iam::000000000000:role/any", "RoleSessionName": "any"}),
        ("cloudformation", "describe_stacks", {}),
        ("cloudformation", "delete_stack", {"StackName": "headwater"}),
        ("logs", "describe_log_groups", {}),
        ("cloudwatch", "describe_alarms", {}),
        ("glue", "get_databases", {}),
        ("athena", "list_named_queries", {}),
    ]
]  # fmt: skip


def make_somebody_elses(root: Callable[[str], Any]) -> None:
    """Streams and a bucket that are there and not the worker's; `root` makes clients."""
    firehose, s3 = root("firehose"), root("s3")
    region = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
    s3.put_object(Bucket=BUCKET, Key="x", Body=b"")
    destination = {"RoleARN": "arn:aws:iam::000000000000:role/any", "BucketARN": f"arn:aws:s3:::{BUCKET}"}  # fmt: skip
    for name in ("events-lowest", "events"):
        firehose.create_delivery_stream(
            DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination
        )
    root("kinesis").create_stream(StreamName="orders-2", ShardCount=1)


def remove_somebody_elses(root: Callable[[str], Any]) -> None:
    """Remove them again."""
    firehose, s3 = root("firehose"), root("s3")
    for name in ("events-lowest", "events"):
        firehose.delete_delivery_stream(DeliveryStreamName=name)
    root("kinesis").delete_stream(StreamName="orders-2")
    s3.delete_object(Bucket=BUCKET, Key="x")
    s3.delete_bucket(Bucket=BUCKET)
