"""The stack of streams of the operator's own: as those of the levels, under other names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import own_streams
import template
from local_aws import TEMPLATE, LocalAws
from own_streams import OwnStreamsError, checked, names, notes, of_stack, options_for
from stack import Stack

PREFIX = "owned"
LISTS = {"FirehoseStreams": "shop.orders,audit_1", "KinesisStreams": "returns,shop.orders"}


def test_cfn_lint_finds_nothing() -> None:
    command = Path(sys.executable).with_name("cfn-lint")
    arguments = [command, "--include-checks", "I", "--", own_streams.TEMPLATE]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# How this template says what the other one does.
REFERENCES = {
    "${DataBucketName}": "${DataBucket}",
    "/aws/kinesisfirehose/${StreamPrefix}": "${DeliveryLog}",
    '{"Ref": "DeliveryRoleArn"}': '{"Fn::GetAtt": ["DeliveryRole", "Arn"]}',
    '{"Fn::Sub": "arn:${AWS::Partition}:s3:::${DataBucket}"}': '{"Fn::GetAtt": ["DataBucket", "Arn"]}',
    '{"Fn::Sub": "${DeliveryLog}"}': '{"Ref": "DeliveryLog"}',
    '"TableName": "events_parquet"': '"TableName": {"Ref": "ParquetTable"}',
}


def loops(resources: dict[str, Any]) -> dict[str, Any]:
    """What the loops make."""
    made: dict[str, Any] = {}
    for key, loop in resources.items():
        if key.startswith("Fn::ForEach::"):
            made |= loop[2]
    return made


def test_a_stream_differs_from_those_of_the_stack_in_its_name_only() -> None:
    text = json.dumps(loops(template.document(own_streams.TEMPLATE)["Resources"]))
    for ours, theirs in REFERENCES.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    text = text.replace("&{Stream}", "").replace("${Stream}", "NAME").replace('{"Ref": "Stream"}', '"NAME"')
    stack = template.document(TEMPLATE)["Resources"]
    others = json.dumps(loops(stack) | {name: stack[name] for name in ("LiveStream", "LiveThrottled", "LiveUnread")})
    for theirs, name in {
        '{"Fn::Sub": "${StreamPrefix}-${Level}"}': '"NAME"', '{"Fn::Sub": "${StreamPrefix}-${Kind}"}': '"NAME"',
        "${StreamPrefix}-${Level}": "NAME", "${StreamPrefix}-${Kind}": "NAME", "stream=${Level}": "stream=NAME",
        '{"Ref": "Level"}': '"NAME"', '{"Ref": "KinesisStream"}': '"NAME"', '{"Ref": "LiveStream"}': '"NAME"',
        "${KinesisStream}": "NAME", "${Level}": "", "${Kind}": "",
    }.items():  # fmt: skip
        others = others.replace(theirs, name)
    expected = json.loads(others)
    of_kinesis = {"live": "LiveStream", "livethrottled": "LiveThrottled", "liveunread": "LiveUnread"}
    made = json.loads(text)
    assert len(made) == 10
    for name, resource in made.items():
        other = expected[of_kinesis.get(name, name)]
        assert resource.pop("Condition")
        other.pop("Condition", None)
        assert [json.dumps(each).split() for each in (resource,)] == [json.dumps(each).split() for each in (other,)], name


@pytest.mark.parametrize("parameter", [*own_streams.stream_members.SHARED])
def test_a_shared_parameter_allows_the_same(parameter: str) -> None:
    ours, theirs = (template.document(file)["Parameters"][parameter] for file in (own_streams.TEMPLATE, TEMPLATE))
    assert ours == {key: value for key, value in theirs.items() if key != "Description"}


@pytest.mark.parametrize(
    ("lists", "problem"),
    [
        ({"FirehoseStreams": "a,b c"}, "FirehoseStreams has the name 'b c'; a name has 1 to 64 of a-z A-Z 0-9 _ . -"),
        ({"KinesisStreams": "a,"}, "KinesisStreams has the name ''; a name has 1 to 128 of"),
        ({"KinesisStreams": "a-b,ab"}, "KinesisStreams has two names like a-b: names must differ in a letter or digit"),
        ({"FirehoseStreams": "low"}, "FirehoseStreams must have none of low, mid, high"),
        ({"FirehoseStreams": "kept,e-low"}, "firehose:e-low is a stream of another stack of this deployment"),
        ({"FirehoseStreams": "new"}, "FirehoseStreams can't lose kept: Firehose deletes a stream with all"),
        ({"FirehoseStreams": ",".join(f"s{n}" for n in range(21))}, "FirehoseStreams has 21 names, limit 20"),
    ],
)
def test_names_that_can_t_be_made_are_reported(lists: dict[str, str], problem: str) -> None:
    with pytest.raises(OwnStreamsError, match=f"^{problem}".replace("(", r"\(")):
        checked(lists, {"FirehoseStreams": "kept"}, {"firehose:e-low", "kinesis:None"})


def test_kinesis_streams_may_go_and_stay_in_aws() -> None:
    before = {"FirehoseStreams": "kept", "KinesisStreams": "gone"}
    assert checked({"FirehoseStreams": "kept", "KinesisStreams": ""}, before, ()) == {
        "FirehoseStreams": "kept", "KinesisStreams": "",
    }  # fmt: skip
    live = loops(template.document(own_streams.TEMPLATE)["Resources"])["live&{Stream}"]
    assert live["DeletionPolicy"] == "RetainExceptOnCreate"
    with pytest.raises(OwnStreamsError, match="KinesisStreams can't become empty"):
        checked({"KinesisStreams": ""}, {"KinesisStreams": "gone"}, ())


def test_the_options_for_streams_name_those_that_are_there_too() -> None:
    strange = {"kinesis:b", "kinesis:a", "firehose:c"}
    wanted = "--parameter FirehoseStreams=c --parameter KinesisStreams=x,a,b"
    assert options_for(strange, {"KinesisStreams": "x"}) == wanted


def test_the_notes_say_what_each_stream_has() -> None:
    table = {
        "routes": [
            {"name": "order_*", "to": ["firehose:events-high", "kinesis:orders"]},
            {"name": "alert_*", "bot": False, "to": "kinesis:alerts"},
            {"level": "low", "sample": 0.1, "to": "firehose:events-low-{0..3}"},
            {"metadata": {"tag": "vip"}, "to": ["firehose:my-high"]},
            {"to": "firehose:events-mid"},
        ],
        "keys": {"pk": {"tenant": "acme", "routes": [{"to": "firehose:events-mid"}]}},
    }
    assert notes(table, ["my-high"]) == (
        "stream=high: name order_*. stream=low: level low, a share of 0.1 of the devices. stream=my-high: metadata tag=vip."
        " stream=mid: all else; tenant acme, all else. Also in kinesis:orders: name order_*."
        " Only in kinesis:alerts: name alert_*, bot false."
    )
    many = {"routes": [{"name": f"name_{n}", "to": f"firehose:stream_{n}"} for n in range(200)]}
    assert 1_900 < len(notes(many, [])) <= 2_000


@pytest.fixture(scope="module")
def own(aws: LocalAws) -> dict[str, str]:
    """The outputs of a stack with streams of its own beside it."""
    said = "stream=high: name order_*."
    given = {"FirehoseStreams": LISTS["FirehoseStreams"], "StreamNotes": said}
    outputs = aws.create_stack(PREFIX, {"StreamPrefix": PREFIX, "Database": PREFIX, **given})
    cloudformation = aws.client("cloudformation")
    stack = Stack(cloudformation, f"{PREFIX}-own", poll_seconds=0.05)
    parameters = own_streams.parameters(LISTS, outputs, Stack(cloudformation, PREFIX).parameters())
    stack.apply(template.body(own_streams.TEMPLATE), parameters)
    assert of_stack(stack.outputs()) == of_stack(LISTS)
    return outputs


def test_the_streams_are_made_and_their_events_are_in_the_tables(aws: LocalAws, own: dict[str, str]) -> None:
    firehose = aws.client("firehose")
    for name in names(LISTS["FirehoseStreams"]):
        described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        to = described["Destinations"][0]["ExtendedS3DestinationDescription"]
        assert to["Prefix"].startswith(f"stream={name}/day=")
        assert to["BucketARN"] == f"arn:aws:s3:::{own['DataBucketName']}"
    there = aws.client("kinesis").list_streams()["StreamNames"]
    assert set(names(LISTS["KinesisStreams"])) <= set(there)
    for table in ("events", "events_parquet"):
        found = aws.client("glue").get_table(DatabaseName=PREFIX, Name=table)["Table"]
        assert found["Parameters"]["projection.stream.values"] == "low,mid,high,shop.orders,audit_1"
        assert found["Description"] == "Events, a row each. stream=high: name order_*."


def test_the_worker_may_put_to_each_and_to_nothing_else(aws: LocalAws, own: dict[str, str]) -> None:
    iam = aws.client("iam")
    attached = iam.list_attached_user_policies(UserName=own["WorkerUserName"])["AttachedPolicies"]
    allowed: set[tuple[str, str]] = set()
    for policy in attached:
        version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)
        for each in document["PolicyVersion"]["Document"]["Statement"]:
            allowed |= {(each["Action"], arn) for arn in each["Resource"]}
    arn = "arn:aws:{}:eu-west-1:000000000000:{}/{}"
    levels = [f"{PREFIX}-{kind}" for kind in ("low", "mid", "high", "failed")]
    assert allowed == {
        *(("firehose:PutRecordBatch", arn.format("firehose", "deliverystream", name)) for name in [*levels, *names(LISTS["FirehoseStreams"])]),
        *(("kinesis:PutRecords", arn.format("kinesis", "stream", name)) for name in names(LISTS["KinesisStreams"])),
    }  # fmt: skip


def test_each_has_the_alarms_of_its_kind(aws: LocalAws, own: dict[str, str]) -> None:
    pages = aws.client("cloudwatch").get_paginator("describe_alarms").paginate()
    watched: dict[tuple[str, str], set[str]] = {}
    for alarm in (alarm for page in pages for alarm in page["MetricAlarms"]):
        (dimension,) = alarm["Dimensions"]
        watched.setdefault((alarm["Namespace"], dimension["Value"]), set()).add(alarm["MetricName"])
    of_firehose = {"DeliveryToS3.DataFreshness", "DeliveryToS3.Success", "ThrottledRecords"}
    of_kinesis = {"WriteProvisionedThroughputExceeded", "GetRecords.IteratorAgeMilliseconds"}
    assert all(watched["AWS/Firehose", name] == of_firehose for name in names(LISTS["FirehoseStreams"]))
    assert all(watched["AWS/Kinesis", name] == of_kinesis for name in names(LISTS["KinesisStreams"]))


def test_a_local_aws_has_the_streams_that_wrangler_toml_names(tmp_path: Path) -> None:
    named = {"firehose:events-mid", "firehose:mine", "kinesis:orders", "kinesis:returns"}
    with LocalAws(tmp_path) as aws:
        for more in ({"firehose:events-low-1"}, {"kinesis:more"}):
            named |= more
            aws.add_own(named)
        names = aws.client("firehose").list_delivery_streams(Limit=100)["DeliveryStreamNames"]
        there = aws.client("kinesis").list_streams()["StreamNames"]
    levels = [f"events-{kind}" for kind in ("low", "mid", "high", "failed")]
    assert (sorted(names), sorted(there)) == (sorted([*levels, "mine"]), ["more", "orders", "returns"])
