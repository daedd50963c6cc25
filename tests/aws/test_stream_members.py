"""The stack of the stream sets' members: the same streams as those of the levels, under numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stream_members
import template
from local_aws import TEMPLATE, LocalAws
from stack import Stack
from stream_members import members

KINDS = ["low", "mid", "high"]
PREFIX = "several"


def test_cfn_lint_finds_nothing() -> None:
    command = Path(sys.executable).with_name("cfn-lint")
    result = subprocess.run(
        [command, "--include-checks", "I", "--", stream_members.TEMPLATE],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


decoded = template.document


def loops(resources: dict[str, Any]) -> dict[str, Any]:
    """What the loops over the levels make, and those over the levels and the numbers."""
    made: dict[str, Any] = {}
    for key, loop in resources.items():
        if key.startswith("Fn::ForEach::"):
            made |= {k: v for k, v in loop[2].items() if not k.startswith("Fn::")}
            made |= loops(loop[2])
    return made


# How the stack of the members refers to what the other one has.
REFERENCES = {
    "${Level}${Number}": "${Level}",
    "${Level}-${Number}": "${Level}",
    "${DataBucketName}": "${DataBucket}",
    "/aws/kinesisfirehose/${StreamPrefix}": "${DeliveryLog}",
    '{"Ref": "DeliveryRoleArn"}': '{"Fn::GetAtt": ["DeliveryRole", "Arn"]}',
    '{"Fn::Sub": "arn:${AWS::Partition}:s3:::${DataBucket}"}': '{"Fn::GetAtt": ["DataBucket", "Arn"]}',
    '{"Fn::Sub": "${DeliveryLog}"}': '{"Ref": "DeliveryLog"}',
    '"TableName": "events_parquet"': '"TableName": {"Ref": "ParquetTable"}',
}


def test_a_member_differs_from_its_levels_stream_in_its_name_only() -> None:
    text = json.dumps(loops(decoded(stream_members.TEMPLATE)["Resources"]))
    for ours, theirs in REFERENCES.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    of_levels = loops(json.loads(json.dumps(decoded(TEMPLATE)["Resources"]).replace("${Kind}", "${Level}").replace("GetAtt\": \"DeliveryRole.Arn\"", "GetAtt\": [\"DeliveryRole\", \"Arn\"]")))
    for name, member in json.loads(text).items():
        level = of_levels[name]
        assert member.pop("Condition")
        level.pop("Condition", None)
        words = [json.dumps(each).split() for each in (member, level)]
        assert words[0] == words[1], name


@pytest.mark.parametrize("parameter", stream_members.SHARED)
def test_a_shared_parameter_allows_the_same(parameter: str) -> None:
    ours, theirs = (decoded(file)["Parameters"][parameter] for file in (stream_members.TEMPLATE, TEMPLATE))
    assert ours == {key: value for key, value in theirs.items() if key != "Description"}


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("firehose:e", ["firehose:e"]),
        ("firehose:e-{0..2}", ["firehose:e-0", "firehose:e-1", "firehose:e-2"]),
        ("kinesis:e{08..10}x", ["kinesis:e08x", "kinesis:e09x", "kinesis:e10x"]),
        ("firehose:e-{2..1}", ["firehose:e-{2..1}"]),
        ("firehose:e-{0..999999999}", ["firehose:e-{0..999999999}"]),
    ],
)
def test_a_range_stands_for_each_number(stream: str, expected: list[str]) -> None:
    assert members(stream) == expected


@pytest.mark.parametrize(
    ("streams", "per_level"),
    [
        ([], None),
        (["firehose:e-low", "firehose:other-low-3"], None),
        (["firehose:e-low-0", "firehose:e-mid-1"], "2"),
        (["firehose:e-mid-2"], "4"),
        (["firehose:e-high-15", "firehose:e-high-16"], "16"),
    ],
)
def test_enough_members_are_made_for_the_streams_that_are_named(
    streams: list[str], per_level: str | None
) -> None:
    outputs = {level: f"e-{kind}" for level, kind in zip(stream_members.LEVELS, KINDS)}
    assert stream_members.needed(streams, outputs) == per_level


def test_a_local_aws_has_the_members_that_wrangler_toml_names(tmp_path: Path) -> None:
    with LocalAws(tmp_path) as aws:
        for _ in range(2):
            aws.add_members({"firehose:events-mid", "firehose:events-mid-1"})
        names = aws.client("firehose").list_delivery_streams(Limit=100)["DeliveryStreamNames"]
    numbers = [f"events-{kind}-{number}" for kind in KINDS for number in range(2)]
    assert sorted(names) == sorted([*numbers, *(f"events-{kind}" for kind in [*KINDS, "failed"])])


@pytest.fixture(scope="module")
def sets(aws: LocalAws) -> dict[str, str]:
    """The outputs of a stack whose levels have four members each."""
    outputs = aws.create_stack(PREFIX, {"StreamPrefix": PREFIX, "Database": PREFIX})
    made(aws, "4", outputs)
    return outputs


def made(aws: LocalAws, per_level: str, outputs: dict[str, str]) -> dict[str, str]:
    cloudformation = aws.client("cloudformation")
    stack = Stack(cloudformation, f"{PREFIX}-streams", poll_seconds=0.05)
    of_other = Stack(cloudformation, PREFIX).parameters()
    parameters = stream_members.parameters(per_level, outputs, of_other)
    stack.apply(template.body(stream_members.TEMPLATE), parameters)
    return stack.outputs()


def of_levels(aws: LocalAws) -> set[str]:
    names = aws.client("firehose").list_delivery_streams(Limit=200)["DeliveryStreamNames"]
    return {f"firehose:{name}" for name in names if name.startswith(f"{PREFIX}-")}


def test_each_level_has_as_many_members(aws: LocalAws, sets: dict[str, str]) -> None:
    base = {f"firehose:{PREFIX}-{kind}" for kind in [*KINDS, "failed"]}
    assert of_levels(aws) == base | stream_members.of_stack(sets, "4")
    assert made(aws, "8", sets)["StreamsPerLevel"] == "8"
    assert of_levels(aws) == base | stream_members.of_stack(sets, "8")
    assert len(of_levels(aws)) == 4 + 3 * 8


def test_the_records_of_all_members_lie_below_one_prefix(
    aws: LocalAws, sets: dict[str, str]
) -> None:
    def destination(stream: str) -> Any:
        described = aws.client("firehose").describe_delivery_stream(DeliveryStreamName=stream)
        return described["DeliveryStreamDescription"]["Destinations"][0]["ExtendedS3DestinationDescription"]

    for kind in KINDS:
        wanted = destination(f"{PREFIX}-{kind}")
        member = destination(f"{PREFIX}-{kind}-3")
        assert member["Prefix"].startswith(f"stream={kind}/day=")
        assert member == wanted


def test_the_worker_may_put_to_each_member_and_to_nothing_else(
    aws: LocalAws, sets: dict[str, str]
) -> None:
    iam = aws.client("iam")
    attached = iam.list_attached_user_policies(UserName=sets["WorkerUserName"])["AttachedPolicies"]
    statements = []
    for policy in attached:
        version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)
        statements += document["PolicyVersion"]["Document"]["Statement"]
    assert {each["Action"] for each in statements} == {"firehose:PutRecordBatch"}
    allowed = [arn.rpartition("/")[2] for each in statements for arn in each["Resource"]]
    assert {f"firehose:{name}" for name in allowed} == of_levels(aws)
    assert len(allowed) == len(set(allowed))


def test_each_member_has_the_alarms_of_its_level(aws: LocalAws, sets: dict[str, str]) -> None:
    pages = aws.client("cloudwatch").get_paginator("describe_alarms").paginate()
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
    watched: dict[str, set[str]] = {}
    for alarm in alarms:
        (dimension,) = alarm["Dimensions"]
        watched.setdefault(dimension["Value"], set()).add(alarm["MetricName"])
    usual = {"DeliveryToS3.DataFreshness", "DeliveryToS3.Success", "ThrottledRecords"}
    for stream in stream_members.of_stack(sets, "4"):
        assert watched[stream.removeprefix("firehose:")] == usual, stream
