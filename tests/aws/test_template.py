"""The CloudFormation template: what a linter can check, and what only a stack can."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import cfnlint.decode
import pytest

import health_stack
import query_stack
from local_aws import TEMPLATE, LocalAws

KINDS = ["low", "mid", "high", "failed"]
PRODUCTION = "production-defaults"


def lint(template: Path) -> subprocess.CompletedProcess[str]:
    """cfn-lint with everything on that it has, informational rules included."""
    command = Path(sys.executable).with_name("cfn-lint")
    return subprocess.run(
        [command, "--include-checks", "I", "--", template],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("template", [TEMPLATE, query_stack.TEMPLATE, health_stack.TEMPLATE], ids=lambda file: file.stem)
def test_cfn_lint_finds_nothing(template: Path) -> None:
    result = lint(template)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_cfn_lint_finds_a_misspelled_property_in_a_loop(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    text = TEMPLATE.read_text()
    broken.write_text(text.replace("CompressionFormat:", "CompressionFormt:", 1))
    assert "CompressionFormt" in lint(broken).stdout


def destination(aws: LocalAws, stream: str) -> Any:
    """The S3 destination of a stream, as it was created."""
    described = aws.client("firehose").describe_delivery_stream(
        DeliveryStreamName=stream
    )["DeliveryStreamDescription"]
    return described["Destinations"][0]["ExtendedS3DestinationDescription"]


@pytest.fixture(scope="module")
def production(aws: LocalAws) -> str:
    """The prefix of the streams of a second stack, made with the default parameters."""
    aws.create_stack(PRODUCTION, {"StreamPrefix": PRODUCTION, "Database": "production"})
    return PRODUCTION


def test_each_stream_has_a_prefix_of_its_own(aws: LocalAws, production: str) -> None:
    hours = "day=!{timestamp:yyyy-MM-dd}/hr=!{timestamp:HH}/"
    assert {
        kind: destination(aws, f"{production}-{kind}")["Prefix"] for kind in KINDS
    } == {
        "low": f"stream=low/{hours}",
        "mid": f"stream=mid/{hours}",
        "high": f"stream=high/{hours}",
        "failed": hours,
    }


@pytest.mark.parametrize(
    ("bucket", "retention"),
    [("DataBucket", "DataRetentionDays"), ("FailedBucket", "FailedRetentionDays")],
)
def test_buckets_are_retained_encrypted_and_private(bucket: str, retention: str) -> None:
    """Read from the template: in a stack, AWS's defaults would hide what is missing."""
    template, _ = cfnlint.decode.decode(str(TEMPLATE))
    assert template
    resource = template["Resources"][bucket]
    properties = resource["Properties"]
    encryption = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    key, none = encryption[0]["ServerSideEncryptionByDefault"]["Fn::If"][1:]
    assert key == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "KmsKeyArn"}}
    assert none == {"SSEAlgorithm": "AES256"}
    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert properties["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "BucketOwnerEnforced"}
    ]
    assert rules[-1]["Fn::If"][1]["ExpirationInDays"] == {"Ref": retention}
    assert rules[-1]["Fn::If"][2] == {"Ref": "AWS::NoValue"}


def test_firehose_may_write_to_its_two_buckets_and_its_log_only(aws: LocalAws) -> None:
    role = destination(aws, aws.outputs["LowStream"])["RoleARN"].split("/")[-1]
    iam = aws.client("iam")
    policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    statements = [
        statement
        for policy in policies
        for statement in iam.get_role_policy(RoleName=role, PolicyName=policy)[
            "PolicyDocument"
        ]["Statement"]
    ]
    buckets = [aws.outputs["DataBucketName"], aws.outputs["FailedBucketName"]]
    arns = [f"arn:aws:s3:::{name}" for name in buckets]
    s3, objects, log = statements
    assert s3["Resource"] == arns
    assert objects["Resource"] == [f"{arn}/*" for arn in arns]
    assert log["Action"] == "logs:PutLogEvents"
    assert log["Resource"].split(":")[6] == "/aws/kinesisfirehose/events"


def test_a_kinesis_stream_exists_only_on_request(
    aws: LocalAws, production: str
) -> None:
    kinesis = aws.client("kinesis")
    streams = kinesis.list_streams()["StreamNames"]
    assert "orders" in streams
    assert not [name for name in streams if PRODUCTION in name]
    described = kinesis.describe_stream_summary(StreamName="orders")
    summary = described["StreamDescriptionSummary"]
    assert summary["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    assert aws.outputs["KinesisStreamName"] == "orders"
    cloudformation = aws.client("cloudformation")
    (stack,) = cloudformation.describe_stacks(StackName=production)["Stacks"]
    reported = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert "KinesisStreamName" not in reported
    iam = aws.client("iam")
    user = reported["WorkerUserName"]
    (attached,) = iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
    version = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId="v1")[
        "PolicyVersion"
    ]
    assert [each["Action"] for each in version["Document"]["Statement"]] == [
        "firehose:PutRecordBatch"
    ]


def test_a_replaced_stream_is_not_deleted_with_its_data() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_DeleteDeliveryStream.html"""
    template, _ = cfnlint.decode.decode(str(TEMPLATE))
    assert template
    resources = template["Resources"]
    loop = resources["Fn::ForEach::Levels"][2]
    for stream in (resources["streamfailed"], loop["stream${Level}"]):
        assert stream["Type"] == "AWS::KinesisFirehose::DeliveryStream"
        assert stream["UpdateReplacePolicy"] == "Retain"


def test_the_kinesis_stream_is_retained_and_encrypted() -> None:
    template, _ = cfnlint.decode.decode(str(TEMPLATE))
    assert template
    resource = template["Resources"]["LiveStream"]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"
    assert resource["Properties"]["StreamEncryption"]["EncryptionType"] == "KMS"
