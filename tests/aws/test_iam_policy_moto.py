"""The worker's policy as another implementation of IAM reads it: moto's.

The policy is the one that the local CloudFormation made of the template. moto 5.2.5 does not
look up which stream a call is for, so its server is asked about actions only, with the
policy's resources widened to all; its evaluator is asked about the resources.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from local_aws import HOST, LocalAws, client
from ministack_process import hold_port
from support.worker_calls import ALLOWED, BUCKET, DENIALS, DENIED, Call, make_somebody_elses

START_SECONDS = 60
ACCOUNT = "000000000000"


@pytest.fixture(scope="module")
def worker(aws: LocalAws) -> Iterator[dict[str, str]]:
    """The environment of a worker whose AWS is moto, which checks what it asks for."""
    held = hold_port(0)
    port = held.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)],
        env={"PATH": os.environ["PATH"], "MOTO_ACCOUNT_ID": ACCOUNT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        root = {
            "AWS_REGION": aws.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        }
        wait_for(server, root)
        make_somebody_elses(lambda service: client(service, root))
        key = make_worker(root, of_any_resource(policy(aws)))
        check_every_call(root)
        yield {
            **root,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
    finally:
        server.terminate()
        server.wait()
        held.close()


def wait_for(server: subprocess.Popen[bytes], root: dict[str, str]) -> None:
    """Returns when moto answers."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client("sts", root).get_caller_identity()
            return
        except botocore.exceptions.BotoCoreError:
            assert server.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)


def policy(aws: LocalAws) -> dict[str, Any]:
    """The policy of the worker's user, as the stack has it."""
    iam = aws.client("iam")
    user = aws.outputs["WorkerUserName"]
    (attached,) = iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
    return document(aws, attached["PolicyArn"])


def document(aws: LocalAws, arn: str) -> dict[str, Any]:
    """A policy of the stack."""
    iam = aws.client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"][
        "Document"
    ]


def of_any_resource(document: dict[str, Any]) -> dict[str, Any]:
    """The same actions, of whatever resource."""
    statements = [{**each, "Resource": "*"} for each in document["Statement"]]
    return {**document, "Statement": statements}


def make_worker(root: dict[str, str], document: dict[str, Any]) -> dict[str, str]:
    """The worker's streams and its user in moto; returns the user's key."""
    for name in ("low", "mid", "high", "failed"):
        client("firehose", root).create_delivery_stream(
            DeliveryStreamName=f"events-{name}",
            ExtendedS3DestinationConfiguration={
                "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/any",
                "BucketARN": f"arn:aws:s3:::{BUCKET}",
            },
        )
    client("kinesis", root).create_stream(StreamName="orders", ShardCount=1)
    iam = client("iam", root)
    iam.create_user(UserName="worker")
    arn = iam.create_policy(PolicyName="puts", PolicyDocument=json.dumps(document))
    iam.attach_user_policy(UserName="worker", PolicyArn=arn["Policy"]["Arn"])
    return iam.create_access_key(UserName="worker")["AccessKey"]


def check_every_call(root: dict[str, str]) -> None:
    """From now on moto looks at the key and the policies of each call."""
    request = urllib.request.Request(
        root["AWS_ENDPOINT_URL"] + "/moto-api/reset-auth",
        data=b"0",
        headers={"content-type": "text/plain"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("call", ALLOWED, ids=str)
def test_moto_allows_the_two_puts(worker: dict[str, str], call: Call) -> None:
    call.make(client(call.service, worker))


OTHER_ACTIONS = [call for call in DENIED if call.operation not in {each.operation for each in ALLOWED}]  # fmt: skip


@pytest.mark.parametrize("call", OTHER_ACTIONS, ids=str)
def test_moto_denies_every_other_action(worker: dict[str, str], call: Call) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        call.make(client(call.service, worker))
    # To JSON protocols, too, moto answers in XML, of which botocore reads the status.
    assert refusal.value.response["Error"]["Code"] in DENIALS | {"403"}
    assert "SignatureDoesNotMatch" not in str(refusal.value)


FIREHOSE = f"arn:aws:firehose:eu-west-1:{ACCOUNT}:deliverystream"
KINESIS = f"arn:aws:kinesis:eu-west-1:{ACCOUNT}:stream"


@pytest.mark.parametrize(
    ("action", "resource", "permitted"),
    [
        ("firehose:PutRecordBatch", f"{FIREHOSE}/events-low", True),
        ("firehose:PutRecordBatch", f"{FIREHOSE}/events-mid", True),
        ("firehose:PutRecordBatch", f"{FIREHOSE}/events-high", True),
        ("firehose:PutRecordBatch", f"{FIREHOSE}/events-failed", True),
        ("firehose:PutRecordBatch", f"{FIREHOSE}/events-lowest", False),
        ("firehose:PutRecordBatch", f"{FIREHOSE}/events", False),
        ("firehose:PutRecordBatch", f"{FIREHOSE}/events-low".replace("west", "east"), False),
        ("firehose:PutRecordBatch", f"{FIREHOSE}/events-low".replace(ACCOUNT, "1" * 12), False),
        ("firehose:PutRecordBatch", "*", False),
        ("firehose:PutRecord", f"{FIREHOSE}/events-low", False),
        ("firehose:DeleteDeliveryStream", f"{FIREHOSE}/events-low", False),
        ("kinesis:PutRecords", f"{KINESIS}/orders", True),
        ("kinesis:PutRecords", f"{KINESIS}/orders-2", False),
        ("kinesis:GetRecords", f"{KINESIS}/orders", False),
        ("s3:GetObject", "arn:aws:s3:::headwater-databucket/x", False),
    ],
)  # fmt: skip
def test_moto_reads_the_policy_stream_by_stream(
    aws: LocalAws, action: str, resource: str, permitted: bool
) -> None:
    evaluator = IAMPolicy(json.dumps(policy(aws)))
    result = evaluator.is_action_permitted(action, resource)
    assert (result is PermissionResult.PERMITTED) == permitted


def test_moto_refuses_a_wrong_secret(worker: dict[str, str]) -> None:
    impostor = {**worker, "AWS_SECRET_ACCESS_KEY": "wrong"}
    with pytest.raises(botocore.exceptions.ClientError, match="signature"):
        ALLOWED[0].make(client("firehose", impostor))


GLUE = f"arn:aws:glue:eu-west-1:{ACCOUNT}"
ATHENA = f"arn:aws:athena:eu-west-1:{ACCOUNT}:workgroup"


@pytest.mark.parametrize(
    ("action", "resource", "reader", "replay"),
    [
        ("s3:ListBucket", "DATA", True, True),
        ("s3:ListBucket", "FAILED", True, True),
        ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", False, False),
        ("s3:GetObject", "DATA/stream=low/day=2026-11-21/hr=04/x.gz", True, False),
        ("s3:GetObject", "DATA/format=parquet/stream=low/x.parquet", True, False),
        ("s3:GetObject", "DATA/errors/stream=low/x.gz", True, True),
        ("s3:GetObject", "FAILED/day=2026-11-21/hr=04/x.gz", True, True),
        ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/x", False, False),
        ("s3:GetObjectVersion", "DATA/x.gz", False, False),
        ("s3:PutObject", "DATA/x.gz", False, False),
        ("s3:DeleteObject", "FAILED/x.gz", False, False),
        ("s3:GetBucketLocation", "DATA", True, False),
        ("s3:PutBucketPolicy", "DATA", False, False),
        ("athena:StartQueryExecution", f"{ATHENA}/headwater", True, False),
        ("athena:GetQueryResults", f"{ATHENA}/headwater", True, False),
        ("athena:GetQueryResults", f"{ATHENA}/primary", False, False),
        ("athena:UpdateWorkGroup", f"{ATHENA}/headwater", False, False),
        ("athena:DeleteNamedQuery", f"{ATHENA}/headwater", False, False),
        ("glue:GetTable", f"{GLUE}:table/headwater/events_parquet", True, False),
        ("glue:GetTable", f"{GLUE}:table/payroll/events", False, False),
        ("glue:GetDatabase", f"{GLUE}:database/headwater", True, False),
        ("glue:CreateTable", f"{GLUE}:table/headwater/mine", False, False),
        ("glue:UpdateTable", f"{GLUE}:table/headwater/events", False, False),
        ("firehose:PutRecordBatch", f"{FIREHOSE}/events-low", False, False),
        ("kinesis:GetRecords", f"{KINESIS}/orders", False, False),
        ("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/worker", False, False),
        ("kms:Decrypt", f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1", False, False),
    ],
)  # fmt: skip
def test_readers_and_replays_may_do_what_they_need_and_no_more(
    aws: LocalAws, action: str, resource: str, reader: bool, replay: bool
) -> None:
    for word, output in (("DATA", "DataBucketName"), ("FAILED", "FailedBucketName")):
        resource = resource.replace(word, f"arn:aws:s3:::{aws.outputs[output]}")
    for output, permitted in (("ReaderPolicyArn", reader), ("ReplayPolicyArn", replay)):
        evaluator = IAMPolicy(json.dumps(document(aws, aws.outputs[output])))
        result = evaluator.is_action_permitted(action, resource)
        assert (result is PermissionResult.PERMITTED) == permitted, output


def test_a_replay_lists_errors_of_the_data_bucket_only(aws: LocalAws) -> None:
    """moto reads no conditions."""
    (limited,) = [each for each in document(aws, aws.outputs["ReplayPolicyArn"])["Statement"] if "Condition" in each]
    assert limited["Action"] == "s3:ListBucket"
    assert limited["Resource"].endswith(aws.outputs["DataBucketName"])
    assert limited["Condition"] == {"StringLike": {"s3:prefix": "errors/*"}}


def test_nobody_has_the_policies_of_readers_and_replays(aws: LocalAws) -> None:
    for output in ("ReaderPolicyArn", "ReplayPolicyArn"):
        entities = aws.client("iam").list_entities_for_policy(PolicyArn=aws.outputs[output])
        assert entities["PolicyUsers"] == entities["PolicyRoles"] == entities["PolicyGroups"] == []
