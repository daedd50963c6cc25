"""What an operator may ask of the stack: a key, a boundary, limits, a dashboard, an alarm of silence, a health check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import botocore.exceptions
import pytest
from moto import mock_aws

import deploy
import health_stack
import query_stack
import template
from local_aws import TEMPLATE, LocalAws, client
from local_template import LEFT_OUT
from objects import Bucket, LakeError
from stack import Stack

KEY = "arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY = "arn:aws:iam::000000000000:policy/boundary"
KINDS = ["low", "mid", "high", "failed"]


@pytest.fixture(scope="module")
def strict(aws: LocalAws) -> dict[str, str]:
    """The outputs of a stack with a key, a boundary and limits of the operator's, those of what is left out included."""
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    aws.client("iam").create_policy(PolicyName="boundary", PolicyDocument=json.dumps(document))
    parameters = {"KmsKeyArn": KEY, "PermissionsBoundary": BOUNDARY, "ScanLimitBytes": "10000000", "SilenceSeconds": "900"}
    names = {"StreamPrefix": "strict", "Database": "strict", "KinesisStream": "strict", "FailedRetentionDays": "7"}
    aws.create_stack("strict", parameters | names)
    return Stack(aws.client("cloudformation"), "strict").outputs()


@pytest.fixture(scope="module")
def plain(aws: LocalAws) -> dict[str, str]:
    """The outputs of a stack with none of them."""
    aws.create_stack("plain", {"StreamPrefix": "plain", "Database": "plain", "SilenceSeconds": "0", "ScanLimitBytes": "0"})
    return Stack(aws.client("cloudformation"), "plain").outputs()


def policy(aws: LocalAws, arn: str) -> dict[str, Any]:
    return aws.client("iam").get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]


def attached(aws: LocalAws, user: str) -> dict[str, Any]:
    (policies,) = aws.client("iam").list_attached_user_policies(UserName=user)["AttachedPolicies"]
    return policy(aws, policies["PolicyArn"])


def of_delivery(aws: LocalAws, outputs: dict[str, str]) -> list[dict[str, Any]]:
    role = outputs["DeliveryRoleArn"].rpartition("/")[2]
    return aws.client("iam").get_role_policy(RoleName=role, PolicyName="deliver")["PolicyDocument"]["Statement"]


def uses_of_a_key(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in statements if "kms:" in json.dumps(each["Action"])]


@pytest.mark.parametrize("bucket", ["DataBucket", "FailedBucket"])
def test_a_key_encrypts_the_buckets(aws: LocalAws, strict: dict[str, str], bucket: str) -> None:
    encryption = aws.client("s3").get_bucket_encryption(Bucket=strict[f"{bucket}Name"])
    (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    resolved = json.loads(strict[LEFT_OUT + bucket])["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert resolved[0]["BucketKeyEnabled"] in (True, "true")


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_encrypts_the_streams(aws: LocalAws, strict: dict[str, str], plain: dict[str, str], kind: str) -> None:
    def encryption(stream: str) -> Any:
        described = aws.client("firehose").describe_delivery_stream(DeliveryStreamName=stream)["DeliveryStreamDescription"]
        return described["DeliveryStreamEncryptionConfiguration"]

    ours, theirs = encryption(f"strict-{kind}"), encryption(f"plain-{kind}")
    assert (ours["KeyType"], ours["KeyARN"]) == ("CUSTOMER_MANAGED_CMK", KEY)
    assert theirs["KeyType"] == "AWS_OWNED_CMK"


def test_a_key_encrypts_the_log_and_the_kinesis_stream(aws: LocalAws, strict: dict[str, str]) -> None:
    """Read from the template: the local AWS keeps neither."""
    resources = template.document(TEMPLATE)["Resources"]
    of_key = {"Fn::If": ["HasKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
    assert resources["DeliveryLog"]["Properties"]["KmsKeyId"] == of_key
    kinesis = resources["LiveStream"]["Properties"]["StreamEncryption"]
    assert kinesis["KeyId"] == {"Fn::If": ["HasKey", {"Ref": "KmsKeyArn"}, "alias/aws/kinesis"]}


def test_each_may_use_the_key_through_its_own_service_only(
    aws: LocalAws, strict: dict[str, str], plain: dict[str, str]
) -> None:
    data, failed = (f"arn:aws:s3:::{strict[name]}" for name in ("DataBucketName", "FailedBucketName"))
    through_s3 = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
    (delivers,) = uses_of_a_key(of_delivery(aws, strict))
    assert delivers["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert delivers["Condition"] == {
        "StringEquals": through_s3,
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [data, f"{data}/*", failed, f"{failed}/*"]},
    }
    (puts,) = uses_of_a_key(attached(aws, strict["WorkerUserName"])["Statement"])
    assert puts["Action"] == "kms:GenerateDataKey"
    assert puts["Condition"]["StringEquals"] == {
        "kms:EncryptionContext:aws:kinesis:arn": "arn:aws:kinesis:eu-west-1:000000000000:stream/strict",
        "kms:ViaService": "kinesis.eu-west-1.amazonaws.com",
    }
    for reads in ("ReaderPolicyArn", "ReplayPolicyArn"):
        (use,) = uses_of_a_key(policy(aws, strict[reads])["Statement"])
        assert (use["Action"], use["Condition"]) == ("kms:Decrypt", {"StringEquals": through_s3})
        assert uses_of_a_key(policy(aws, plain[reads])["Statement"]) == []
    assert {use["Resource"] for use in (delivers, puts)} == {KEY}
    assert uses_of_a_key(of_delivery(aws, plain)) == []
    assert uses_of_a_key(attached(aws, plain["WorkerUserName"])["Statement"]) == []


def test_a_boundary_bounds_the_user_and_the_role(aws: LocalAws, strict: dict[str, str], plain: dict[str, str]) -> None:
    def boundary(outputs: dict[str, str]) -> str | None:
        user = aws.client("iam").get_user(UserName=outputs["WorkerUserName"])["User"]
        return user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")

    assert boundary(strict) == BOUNDARY
    assert boundary(plain) is None
    # The local AWS keeps none of a role.
    role = template.document(TEMPLATE)["Resources"]["DeliveryRole"]["Properties"]
    assert role["PermissionsBoundary"] == {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}


def test_athena_stops_a_query_that_reads_too_much(aws: LocalAws, strict: dict[str, str], plain: dict[str, str]) -> None:
    def limit(workgroup: str) -> str:
        described = aws.client("athena").get_work_group(WorkGroup=workgroup)["WorkGroup"]
        return str(described["Configuration"].get("BytesScannedCutoffPerQuery"))

    assert limit("strict") == "10000000"
    assert limit("plain") == "None"


def test_what_firehose_could_not_deliver_is_kept_as_long_as_failed_events(
    aws: LocalAws, strict: dict[str, str]
) -> None:
    s3 = aws.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=strict["DataBucketName"])["Rules"]
    (expires,) = [rule for rule in rules if "Days" in rule.get("Expiration", {})]
    assert expires["Filter"] == {"Prefix": "errors/"}
    assert expires["Expiration"] == {"Days": 7}


def test_an_alarm_goes_off_in_silence(strict: dict[str, str]) -> None:
    alarm = json.loads(strict[f"{LEFT_OUT}SilenceAlarm"])
    total, *streams = alarm["Metrics"]
    assert (total["Expression"], total["ReturnData"]) in [("SUM(FILL(METRICS(), 0))", each) for each in (True, "true")]
    levels = ("low", "mid", "high")
    assert [each["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for each in streams] == [
        *(f"strict-{level}" for level in levels),
        *(f"strict-{level}-{number}" for level in levels for number in range(2)),
    ]
    assert {each["MetricStat"]["Metric"]["MetricName"] for each in streams} == {"IncomingRecords"}
    assert {str(each["MetricStat"]["Period"]) for each in streams} == {"900"}
    assert len(alarm["Metrics"]) <= 10, "an alarm takes no more"
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["ComparisonOperator"], str(alarm["Threshold"])) == ("LessThanThreshold", "1")


def test_the_alarm_of_silence_can_be_switched_off(plain: dict[str, str]) -> None:
    assert f"{LEFT_OUT}SilenceAlarm" not in plain


def test_a_kinesis_stream_has_alarms(aws: LocalAws, strict: dict[str, str]) -> None:
    described = aws.client("cloudwatch").describe_alarms(AlarmNamePrefix="strict-Live")["MetricAlarms"]
    assert {each["MetricName"] for each in described} == {
        "GetRecords.IteratorAgeMilliseconds",
        "WriteProvisionedThroughputExceeded",
    }
    assert all(each["Dimensions"] == [{"Name": "StreamName", "Value": "strict"}] for each in described)


def test_the_dashboard_shows_each_stream_and_alarm(aws: LocalAws, strict: dict[str, str]) -> None:
    body = json.loads(aws.client("cloudwatch").get_dashboard(DashboardName="strict")["DashboardBody"])
    shown, *metrics = body["widgets"]
    pages = aws.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix="strict-")
    arns = {each["AlarmArn"] for page in pages for each in page["MetricAlarms"] if each["Namespace"] == "AWS/Firehose"}
    assert set(shown["properties"]["alarms"]) == arns
    for each in metrics:
        assert [row[-1] for row in each["properties"]["metrics"]] == [f"strict-{kind}" for kind in KINDS]
        assert (each["width"], each["height"], each["properties"]["period"]) == (12, 6, 300)
        assert each["properties"]["region"] == "eu-west-1"


def somebody(aws: LocalAws, name: str, arn: str) -> dict[str, str]:
    """The environment of a user with a policy of the stack."""
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    own = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    return aws.environment() | own


def test_a_replay_reads_failed_events_and_errors_and_no_events(aws: LocalAws, plain: dict[str, str]) -> None:
    """With the calls of scripts/replay."""
    data, failed = plain["DataBucketName"], plain["FailedBucketName"]
    errors = "errors/stream=low/type=format-conversion-failed/day=2026-11-21/hr=04/x.gz"
    places = [(failed, "day=2026-11-21/hr=04/x.gz"), (data, errors), (data, "stream=low/day=2026-11-21/hr=04/x.gz")]
    for bucket, key in places:
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"{}")
        # It lets only HTTPS in, which the local AWS does not speak.
        aws.client("s3").delete_bucket_policy(Bucket=bucket)
    s3 = client("s3", somebody(aws, "replayer", plain["ReplayPolicyArn"]))
    for bucket, prefix in ((failed, ""), (data, "errors/")):
        (stored,) = Bucket(bucket, prefix, s3).stored(date(2026, 11, 20))
        assert Bucket(bucket, prefix, s3).read(stored.name) == b"{}"
    with pytest.raises(LakeError, match="can't be read: .*AccessDenied"):
        Bucket(data, "", s3).read(places[2][1])
    with pytest.raises(LakeError, match="can't be listed: .*AccessDenied"):
        list(Bucket(data, "stream=low/", s3).stored(None))


def test_a_reader_asks_athena_in_its_workgroup_only(aws: LocalAws, plain: dict[str, str]) -> None:
    athena = client("athena", somebody(aws, "reader", plain["ReaderPolicyArn"]))
    place = {"OutputLocation": f"s3://{plain['DataBucketName']}/results/"}
    assert athena.start_query_execution(QueryString="SELECT 1", WorkGroup="plain", ResultConfiguration=place)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        athena.start_query_execution(QueryString="SELECT 1", WorkGroup="headwater", ResultConfiguration=place)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        athena.delete_work_group(WorkGroup="plain")


@pytest.mark.parametrize("parameter", query_stack.SHARED)
def test_a_parameter_of_the_queries_allows_the_same(parameter: str) -> None:
    ours, theirs = (template.document(file)["Parameters"][parameter] for file in (query_stack.TEMPLATE, TEMPLATE))
    assert ours == {key: value for key, value in theirs.items() if key != "Description"}


# The health check: ministack has none, and moto has.


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


def deployment(*parameters: tuple[str, str]) -> deploy.Deployment:
    words = [word for each in parameters for word in ("--parameter", "=".join(each))]
    return deploy.Deployment(deploy.options().parse_args(["--poll", "0", *words]))


@pytest.mark.filterwarnings("ignore:Tried to parse AWS..CloudWatch..Alarm")
@pytest.mark.usefixtures("cloud")
def test_the_health_check_is_where_its_metrics_are() -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:night-shift"
    run = deployment((health_stack.HOST, "events.shop.example"), (health_stack.TOPIC, topic))
    assert run.parameters == {}, "the other stack does not know them"
    run.make_health_check()
    (check,) = run.client("route53").list_health_checks()["HealthChecks"]
    asked = check["HealthCheckConfig"]
    assert (asked["Type"], asked["FullyQualifiedDomainName"], asked["ResourcePath"]) == ("HTTPS", "events.shop.example", "/readyz")
    stacks = {region: run.client("cloudformation", region=region).describe_stacks()["Stacks"] for region in ("us-east-1", "eu-west-1")}
    assert [each["StackName"] for each in stacks["us-east-1"]] == ["headwater-health"]
    assert stacks["eu-west-1"] == []


def test_the_health_alarm_goes_off_if_the_check_fails_or_is_silent() -> None:
    """Read from the template: moto makes no alarm of one, and does not know SNI, which Cloudflare needs."""
    resources = template.document(health_stack.TEMPLATE)["Resources"]
    assert resources["HealthCheck"]["Properties"]["HealthCheckConfig"]["EnableSNI"] is True
    alarm = resources["HealthAlarm"]["Properties"]
    assert alarm["Dimensions"] == [{"Name": "HealthCheckId", "Value": {"Ref": "HealthCheck"}}]
    assert (alarm["Threshold"], alarm["ComparisonOperator"], alarm["TreatMissingData"]) == (1, "LessThanThreshold", "breaching")
    notified = {"Fn::If": ["HasTopic", [{"Ref": "HealthAlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    assert alarm["AlarmActions"] == alarm["OKActions"] == notified


@pytest.mark.usefixtures("cloud")
def test_without_a_host_there_is_no_health_check() -> None:
    run = deployment()
    run.make_health_check()
    assert run.client("cloudformation", region="us-east-1").describe_stacks()["Stacks"] == []
    with pytest.raises(deploy.WrongUse, match="HealthAlarmTopic needs ReadyzHost"):
        deployment((health_stack.TOPIC, "arn:aws:sns:us-east-1:123456789012:night-shift"))


@pytest.mark.parametrize(
    ("before", "outputs", "asked", "words"),
    [
        ("gzip", ["LowStream"], "parquet", ["Format changes from gzip to parquet"]),
        ("parquet", ["LowStream"], "parquet", ["warning: the Parquet objects that are there are not below format=parquet/"]),
        ("parquet", ["LowStream", "ReaderPolicyArn"], "parquet", []),
        ("parquet", ["LowStream", "ReaderPolicyArn"], "gzip", ["Format changes from parquet to gzip"]),
        (None, [], "parquet", []),
    ],
)
@pytest.mark.usefixtures("cloud")
def test_an_operator_learns_where_events_of_a_format_are(
    capsys: pytest.CaptureFixture[str], before: str | None, outputs: list[str], asked: str, words: list[str]
) -> None:
    class Described:
        def parameters(self) -> dict[str, str]:
            return {"Format": before} if before else {}

        def outputs(self) -> dict[str, str]:
            return dict.fromkeys(outputs, "")

    run = deployment(("Format", asked))
    run.stack = Described()  # type: ignore[assignment]
    run.say_what_a_format_changes()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(words)
    assert all(line.startswith(f"deploy: {word}") for line, word in zip(lines, words, strict=True))
