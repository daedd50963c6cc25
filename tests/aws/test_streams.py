"""The streams of every way to fill in the template, held to Firehose's own rules."""

import itertools
from typing import Any

import jq
import pytest

from local_aws import LocalAws, LocalAwsError
from support.firehose_rules import extracted_keys, parameter, violations

KINDS = ["low", "mid", "high", "failed"]
CHOICES: dict[str, list[str]] = {
    "Format": ["gzip", "parquet"],
    "PartitionByTenant": ["false", "true"],
    "PartitionByKey": ["", "tag"],
    "BufferSizeMiB": ["50", "64"],
    "BufferIntervalSeconds": ["30", "60"],
}
COMBINATIONS = [
    dict(zip(CHOICES, values, strict=True))
    for values in itertools.product(*CHOICES.values())
]


def destination(aws: LocalAws, stream: str) -> Any:
    """The S3 destination of a stream, as it was created."""
    described = aws.client("firehose").describe_delivery_stream(
        DeliveryStreamName=stream
    )["DeliveryStreamDescription"]
    return described["Destinations"][0]["ExtendedS3DestinationDescription"]


def needs_large_buffers(parameters: dict[str, str]) -> bool:
    """Whether Firehose would refuse small buffers with these parameters."""
    return (
        parameters["Format"] == "parquet"
        or parameters["PartitionByTenant"] == "true"
        or parameters["PartitionByKey"] != ""
    )


def has_small_buffers(parameters: dict[str, str]) -> bool:
    """Whether the buffers are smaller than what conversion and partitions want."""
    return (
        int(parameters["BufferSizeMiB"]) < 64
        or int(parameters["BufferIntervalSeconds"]) < 60
    )


def test_every_combination_keeps_the_rules_or_is_refused(aws: LocalAws) -> None:
    made = 0
    for number, parameters in enumerate(COMBINATIONS):
        name = f"combination-{number}"
        names = {"StreamPrefix": name, "Database": f"combination_{number}"}
        if needs_large_buffers(parameters) and has_small_buffers(parameters):
            with pytest.raises(Exception, match="must be 6[04] or more with parquet"):
                aws.create_stack(name, parameters | names)
            continue
        aws.create_stack(name, parameters | names)
        made += 1
        for kind in KINDS:
            stream = f"{name}-{kind}"
            assert violations(stream, destination(aws, stream)) == [], parameters
        aws.client("cloudformation").delete_stack(StackName=name)
    assert made == 4 + 7


def test_streams_disable_conversion_explicitly(aws: LocalAws) -> None:
    """UpdateDestination merges: a stream of Parquet would go on with it where nothing is said.

    https://docs.aws.amazon.com/firehose/latest/APIReference/API_UpdateDestination.html
    """
    for kind in ("low", "mid", "high"):
        reported = destination(aws, aws.outputs[f"{kind.title()}Stream"])
        assert reported["DataFormatConversionConfiguration"] == {"Enabled": False}


@pytest.fixture(scope="module")
def partitioned(aws: LocalAws) -> dict[str, str]:
    """The outputs of a stack whose events are partitioned by tenant and by the metadata's `tag`."""
    return aws.create_stack(
        "partitioned",
        {
            "StreamPrefix": "partitioned",
            "Database": "partitioned",
            "PartitionByTenant": "true",
            "PartitionByKey": "tag",
        },
    )


def test_partitions_come_before_stream_and_time(
    aws: LocalAws, partitioned: dict[str, str]
) -> None:
    assert destination(aws, partitioned["LowStream"])["Prefix"] == (
        "by_tenant=!{partitionKeyFromQuery:tenant}/by_key=!{partitionKeyFromQuery:key}/"
        "stream=low/day=!{timestamp:yyyy-MM-dd}/hr=!{timestamp:HH}/"
    )
    assert destination(aws, partitioned["FailedStream"])["Prefix"] == (
        "day=!{timestamp:yyyy-MM-dd}/hr=!{timestamp:HH}/"
    )


@pytest.mark.parametrize(
    ("columns", "folder"),
    [
        ({"metadata_tag": "vip", "metadata": {"tag": "vip"}}, "vip"),
        ({"metadata_tag": "other", "metadata": {"tag": "anything"}}, "other"),
        ({"metadata_tag": "a/b=c d"}, "a%2Fb%3Dc%20d"),
        ({"metadata_tag": "é" * 65}, "%C3%A9" * 64),
        ({"metadata": {"tag": "a value that no schema lists"}}, "none"),
        ({}, "none"),
    ],
)
def test_only_listed_values_make_folders(
    aws: LocalAws, partitioned: dict[str, str], columns: dict[str, Any], folder: str
) -> None:
    """jq itself is asked, since ministack knows only a little of its language."""
    query = parameter(
        destination(aws, partitioned["HighStream"]), "MetadataExtractionQuery"
    )
    record = {"tenant": "acme"} | columns
    assert jq.compile(query).input_value(record).first() == {
        "tenant": "acme",
        "key": folder,
    }


def test_one_kind_of_partition_extracts_one_key(aws: LocalAws) -> None:
    for parameters, key in (
        ({"PartitionByTenant": "true"}, "tenant"),
        ({"PartitionByKey": "tag"}, "key"),
    ):
        name = f"only-{key}"
        aws.create_stack(
            name, {"StreamPrefix": name, "Database": f"only_{key}"} | parameters
        )
        assert extracted_keys(destination(aws, f"{name}-low")) == [key]


def test_a_tenants_record_is_stored_under_its_name(aws: LocalAws) -> None:
    outputs = aws.create_stack(
        "tenants",
        {"StreamPrefix": "tenants", "Database": "tenants", "PartitionByTenant": "true"},
    )
    aws.client("firehose").put_record_batch(
        DeliveryStreamName="tenants-mid",
        Records=[{"Data": b'{"tenant":"acme","event_id":"1"}\n'}],
    )
    (stored,) = aws.client("s3").list_objects_v2(Bucket=outputs["DataBucketName"])[
        "Contents"
    ]
    assert stored["Key"].startswith("by_tenant=acme/stream=mid/day=")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BufferSizeMiB", "0"),
        ("BufferSizeMiB", "129"),
        ("BufferIntervalSeconds", "901"),
        ("FailedBufferSizeMiB", "129"),
        ("FailedBufferIntervalSeconds", "-1"),
        ("Format", "GZIP"),
        ("PartitionByTenant", "yes"),
        ("PartitionByKey", "two words"),
        ("PartitionByKey", "7"),
        ("Database", "has-hyphen"),
        ("AlarmTopic", "somebody@example.com"),
        ("StreamPrefix", "x" * 58),
        ("StreamPrefix", "two words"),
        ("KinesisStream", "x" * 129),
        ("KinesisStream", "two words"),
    ],
)
def test_parameters_that_aws_would_refuse_are_refused_first(
    aws: LocalAws, name: str, value: str
) -> None:
    with pytest.raises(Exception, match=name):
        aws.create_stack("refused", {name: value})


def test_the_longest_stream_prefix_makes_valid_names(aws: LocalAws) -> None:
    prefix = "x" * 57
    aws.create_stack("longest", {"StreamPrefix": prefix, "Database": "longest"})
    name = f"{prefix}-failed"
    assert violations(name, destination(aws, name)) == []


def test_a_taken_name_is_reported_with_its_reason(aws: LocalAws) -> None:
    with pytest.raises(LocalAwsError, match="Delivery stream events-.* already exists"):
        aws.create_stack("taken", {"StreamPrefix": "events", "Database": "taken"})
