"""scripts/deploy, from an empty account to an event in S3."""

from __future__ import annotations

import json
import re
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy import DeployError, address
from ministack_process import HOST
from smoke_test import Place, SmokeTest, SmokeTestError
from support.fake_accounts import DEPLOY, SECONDS, SECRETS, FakeAccounts
from support.waiting import wait_until
from wrangler import WorkerSettings

pytestmark = pytest.mark.usefixtures("built_check")


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeAccounts]:
    """Two empty accounts, which the tests of this file fill in their order."""
    with FakeAccounts(tmp_path_factory.mktemp("accounts")) as empty:
        yield empty


def line(output: str, start: str, middle: str = "") -> str:
    """The rest of the one line that starts so, and has this in it."""
    lines = [
        each
        for each in output.splitlines()
        if each.startswith(start) and middle in each
    ]
    (only,) = lines
    return only.removeprefix(start)


def in_s3(accounts: FakeAccounts, output: str) -> dict[str, Any]:
    """The record of the marked event, from the place that the command prints."""
    reported = [each for each in output.splitlines() if " stored at s3://" in each]
    bucket, _, key = reported[0].split("s3://")[1].partition("/")
    assert key.startswith("stream=mid/day=")
    body = accounts.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return json.loads(body)


def test_a_dry_run_shows_all_of_it_and_changes_nothing(accounts: FakeAccounts) -> None:
    result = accounts.deploy("--dry-run")
    assert (result.returncode, result.stderr) == (0, "")
    assert "  Add    AWS::KinesisFirehose::DeliveryStream streamlow\n" in result.stdout
    assert "  --dry-run: exiting now." in result.stdout
    assert line(result.stdout, "deploy: secrets to be made and stored: ") == (
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, HEADWATER_HASH_SECRET"
    )
    assert result.stdout.endswith("this was a dry run: nothing is changed\n")
    assert "deploy: its deletion would be refused\n" in result.stdout
    assert 'deploy: warning: HEADWATER.origins has "*", so pages of any site may send' in result.stdout
    assert accounts.stacks() == accounts.keys() == []
    assert all(call.startswith("GET ") for call in accounts.cloudflare.calls)


def test_a_dry_run_that_cloudflare_does_not_answer_fails(accounts: FakeAccounts) -> None:
    accounts.cloudflare.refuses = "/secrets"
    result = accounts.deploy("--dry-run")
    accounts.cloudflare.refuses = None
    assert result.returncode == 1
    assert result.stdout.endswith("this was a dry run: nothing is changed\n")
    assert result.stderr.startswith(
        "deploy: the dry run is incomplete: the secrets: "
    )
    assert "Somebody is at work here." in result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    assert "[31m" not in result.stderr


def test_a_dry_run_without_a_login_names_what_to_set(accounts: FakeAccounts) -> None:
    result = accounts.deploy("--dry-run", CLOUDFLARE_API_TOKEN="")
    assert result.returncode == 1
    assert result.stderr.endswith(
        "; set CLOUDFLARE_API_TOKEN, or run npx wrangler login\n"
    )
    assert "[31m" not in result.stderr


def test_a_run_without_credentials_names_what_to_set(accounts: FakeAccounts) -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    wanted = (
        "AWS needs credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY\n"
    )
    dry, run = accounts.deploy("--dry-run", **nobody), accounts.deploy(**nobody)
    assert (dry.returncode, run.returncode) == (1, 2)
    assert run.stderr == f"deploy: {wanted}"
    assert dry.stderr.endswith(f"the stack: {wanted}")
    assert "wrangler deploy --dry-run" in dry.stdout, "the rest is looked at all the same"


def test_a_wrong_configuration_is_not_deployed(accounts: FakeAccounts) -> None:
    result = accounts.deploy("--dry-run", "--env", "nowhere")
    assert result.returncode == 1
    assert result.stderr == (
        "wrangler.toml: there is no [env.nowhere]; there are no environments\n"
        "deploy: correct what is named above; nothing is deployed\n"
    )


def test_a_key_that_cannot_be_stored_is_deleted(accounts: FakeAccounts) -> None:
    accounts.cloudflare.refuses = "secrets-bulk"
    result = accounts.deploy()
    accounts.cloudflare.refuses = None
    assert result.returncode == 1
    assert result.stderr.startswith("deploy: wrangler secret bulk failed: ")
    assert "Somebody is at work here." in result.stderr
    assert accounts.keys() == []


def test_one_command_brings_an_event_to_s3(accounts: FakeAccounts) -> None:
    before = accounts.cloudflare.deployments
    result = accounts.deploy()
    assert (result.returncode, result.stderr) == (0, "")
    record = in_s3(accounts, result.stdout)
    assert record["name"] == "headwater_deployed"
    assert f"event {record['event_id']}: accepted" in result.stdout
    stored = accounts.cloudflare.secrets
    assert list(stored) == [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "HEADWATER_HASH_SECRET",
    ]
    assert accounts.keys() == [stored["AWS_ACCESS_KEY_ID"]]
    assert "  Uploaded headwater (" in result.stdout
    assert accounts.cloudflare.deployments == before + 1
    assert len(bytes.fromhex(stored["HEADWATER_HASH_SECRET"])) == 32


def test_the_key_that_the_operator_gives_is_stored_once(accounts: FakeAccounts) -> None:
    before = dict(accounts.cloudflare.secrets)
    short = accounts.deploy(HEADWATER_OPERATOR_KEY="short")
    assert short.returncode == 2
    assert short.stderr.startswith(
        "deploy: HEADWATER_OPERATOR_KEY must have 32 characters"
    )
    given, other = (secrets.token_hex(32) for _ in range(2))
    dry = accounts.deploy("--dry-run", "--json", HEADWATER_OPERATOR_KEY=given)
    assert json.loads(dry.stdout) == {"changes": [], "secrets": ["HEADWATER_OPERATOR_KEY"]}
    assert accounts.cloudflare.secrets == before
    for key in (given, other):
        assert accounts.deploy(HEADWATER_OPERATOR_KEY=key).returncode == 0
        stored = {**before, "HEADWATER_OPERATOR_KEY": given}
        assert accounts.cloudflare.secrets == stored, "what is stored may be in use"


def test_a_secret_is_left_in_no_log(accounts: FakeAccounts) -> None:
    logs = [file.read_text() for file in accounts.home.rglob("*.log")]
    assert len(logs) >= 3
    for name in SECRETS:
        secret = accounts.cloudflare.secrets[name]
        assert not any(secret in log for log in logs)


def test_a_new_stack_is_protected_and_has_its_queries_beside_it(accounts: FakeAccounts) -> None:
    cloudformation = accounts.client("cloudformation")

    def described(name: str) -> dict[str, Any]:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]

    assert described("headwater")["EnableTerminationProtection"] is True
    assert described("headwater-queries")["StackStatus"] == "CREATE_COMPLETE"
    result = accounts.deploy("--no-protection", "--tag", "team=web", "--tag", "cost-centre=7")
    assert result.returncode == 0, result.stderr
    assert "deploy: the deletion of the stack headwater is allowed\n" in result.stdout
    assert described("headwater")["EnableTerminationProtection"] is False
    tags = [{"Key": "team", "Value": "web"}, {"Key": "cost-centre", "Value": "7"}]
    assert described("headwater")["Tags"] == tags
    assert accounts.deploy().returncode == 0
    assert described("headwater")["EnableTerminationProtection"] is False, "it stays as it is"
    assert described("headwater")["Tags"] == tags


def test_a_second_run_makes_no_second_key(accounts: FakeAccounts) -> None:
    before = dict(accounts.cloudflare.secrets)
    result = accounts.deploy()
    assert result.returncode == 0
    assert "deploy: the stack is up to date, 0 changes\n" in result.stdout
    assert "deploy: secrets stored: none was missing\n" in result.stdout
    assert in_s3(accounts, result.stdout)
    assert accounts.cloudflare.secrets == before
    assert accounts.keys() == [before["AWS_ACCESS_KEY_ID"]]


def test_stream_sets_are_a_stack_that_only_grows(accounts: FakeAccounts) -> None:
    pair = ("--parameter", "StreamsPerLevel=2")
    dry = accounts.deploy("--dry-run", *pair)
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "  Add    AWS::KinesisFirehose::DeliveryStream streamlow1\n" in dry.stdout
    assert "headwater-streams" not in accounts.stacks()
    result = accounts.deploy(*pair)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^deploy: the stack headwater-streams is up to date, [1-9]\d* changes$", result.stdout, re.MULTILINE)
    assert in_s3(accounts, result.stdout)
    (members,) = accounts.client("cloudformation").describe_stacks(StackName="headwater-streams")["Stacks"]
    assert members["EnableTerminationProtection"] is True
    again = accounts.deploy("--json")
    document = json.loads(again.stdout)
    assert (document["changes"], document["event"]["outcome"]) == ([], "accepted")
    # A warning is no step.
    assert again.stderr.startswith("deploy: can't check for records") and again.stderr.count("\n") == 1
    assert document["url"] in result.stdout and document["event"]["stored_at"].startswith("s3://")
    assert accounts.deploy("--dry-run", "--quiet").stdout == ""
    fewer = accounts.deploy("--parameter", "StreamsPerLevel=1")
    assert fewer.returncode == 1
    assert "StreamsPerLevel can't go from 2 to 1: Firehose deletes a stream" in fewer.stderr
    wrong = accounts.deploy("--parameter", "StreamsPerLevel=3")
    assert (wrong.returncode, wrong.stderr) == (2, "deploy: StreamsPerLevel must be one of 1, 2, 4, 8, 16, not 3\n")


def test_streams_of_the_operators_own_are_a_stack_and_what_each_has_is_in_the_tables(accounts: FakeAccounts) -> None:
    own = ("--parameter", "FirehoseStreams=shop", "--parameter", "KinesisStreams=returns")
    dry = accounts.deploy("--dry-run", *own)
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "headwater-own" not in accounts.stacks()
    result = accounts.deploy(*own)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^deploy: the stack headwater-own is up to date, [1-9]\d* changes$", result.stdout, re.MULTILINE)
    # Each run keeps those that are there.
    more = accounts.deploy("--json", "--parameter", "KinesisStreams=returns,alerts")
    changes = json.loads(more.stdout)["changes"]
    assert {each["resource"] for each in changes if each["action"] == "Add"} == {"livealerts", "livethrottledalerts", "liveunreadalerts"}
    assert json.loads(accounts.deploy("--json").stdout)["changes"] == []
    assert accounts.client("firehose").describe_delivery_stream(DeliveryStreamName="shop")
    table = accounts.client("glue").get_table(DatabaseName="headwater", Name="events")["Table"]
    assert table["Parameters"]["projection.stream.values"] == "low,mid,high,shop"
    assert re.fullmatch(r"Events, a row each\. stream=.+", table["Description"])
    wrong = accounts.deploy("--parameter", "FirehoseStreams=other")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("deploy: FirehoseStreams can't lose shop: Firehose deletes a stream")


def test_a_lost_secret_is_made_again_alone(accounts: FakeAccounts) -> None:
    before = dict(accounts.cloudflare.secrets)
    del accounts.cloudflare.secrets["HEADWATER_HASH_SECRET"]
    assert accounts.deploy().returncode == 0
    after = dict(accounts.cloudflare.secrets)
    assert after.pop("HEADWATER_HASH_SECRET") != before.pop("HEADWATER_HASH_SECRET")
    assert after == before


def test_a_key_is_rotated_when_asked(accounts: FakeAccounts) -> None:
    before = dict(accounts.cloudflare.secrets)
    result = accounts.deploy("--rotate")
    assert result.returncode == 0, result.stderr
    old = before.pop("AWS_ACCESS_KEY_ID")
    new = accounts.cloudflare.secrets["AWS_ACCESS_KEY_ID"]
    assert accounts.keys() == [new] != [old]
    stays, deleted = "the old key is deleted in 1 s", f"deploy: the key {old} is deleted\n"
    proven, reported = result.stdout.split(": stored at s3://")
    assert stays not in proven and deleted not in proven
    assert reported.index(stays) < reported.index(deleted)
    assert in_s3(accounts, result.stdout)
    assert accounts.cloudflare.secrets["HEADWATER_HASH_SECRET"] == before["HEADWATER_HASH_SECRET"]


def test_parameters_keep_their_values_until_they_change(
    accounts: FakeAccounts,
) -> None:
    other = ("--parameter", "StaleSeconds=900")
    planned = accounts.deploy("--dry-run", *other)
    assert "  Modify AWS::CloudWatch::Alarm stalelow\n" in planned.stdout
    assert "DeliveryStream" not in planned.stdout
    assert accounts.deploy(*other).returncode == 0
    assert "eu-west-1: 0 changes\n" in accounts.deploy("--dry-run").stdout


def test_a_key_that_is_switched_off_is_replaced(accounts: FakeAccounts) -> None:
    for key in accounts.keys():
        user = accounts.client("iam").list_users()["Users"][0]["UserName"]
        accounts.client("iam").update_access_key(
            UserName=user, AccessKeyId=key, Status="Inactive"
        )
    result = accounts.deploy()
    assert result.returncode == 0, result.stderr
    assert "is minted for" in result.stdout
    assert accounts.cloudflare.secrets["AWS_ACCESS_KEY_ID"] in accounts.keys()


def test_a_third_key_needs_the_rotate_option(accounts: FakeAccounts) -> None:
    assert len(accounts.keys()) == 2
    del accounts.cloudflare.secrets["AWS_SECRET_ACCESS_KEY"]
    result = accounts.deploy()
    assert result.returncode == 1
    assert "has two keys already, and none of them is stored" in result.stderr
    result = accounts.deploy("--rotate")
    assert result.returncode == 0, result.stderr
    assert accounts.keys() == [accounts.cloudflare.secrets["AWS_ACCESS_KEY_ID"]]


def test_a_missing_template_is_reported(accounts: FakeAccounts) -> None:
    result = accounts.deploy("--template", "nowhere.yaml")
    assert result.returncode == 1
    assert result.stderr.startswith("deploy: the template can't be read: ")
    assert "nowhere.yaml" in result.stderr


def test_streams_that_the_stack_does_not_have_are_named(accounts: FakeAccounts) -> None:
    result = accounts.deploy(
        *("--stack", "other"),
        *("--parameter", "StreamPrefix=other", "--parameter", "Database=other"),
    )
    assert result.returncode == 1
    assert (
        "wrangler.toml sends events to firehose:events-failed, firehose:events-high"
        in result.stderr
    )
    assert "which is not of the stack other" in result.stderr


def test_a_failed_stack_reports_its_reason_and_can_be_retried(
    accounts: FakeAccounts,
) -> None:
    taken = ("--stack", "taken", "--parameter", "Database=taken")
    result = accounts.deploy(*taken, "--parameter", "StreamPrefix=events")
    assert result.returncode == 1
    assert "the stack taken is ROLLBACK_COMPLETE: " in result.stderr
    assert "Delivery stream events-" in result.stderr
    again = accounts.deploy(*taken, "--parameter", "StreamPrefix=another")
    assert "which is not of the stack taken" in again.stderr


def test_parquet_and_partitions_are_read_as_well(accounts: FakeAccounts) -> None:
    large = ["BufferSizeMiB=64", "BufferIntervalSeconds=60", "Format=parquet"]
    words = [*large, "PartitionByTenant=true"]
    result = accounts.deploy(*(word for each in words for word in ("--parameter", each)))
    assert (result.returncode, result.stderr) == (0, "")
    assert "/by_tenant=default/stream=mid/day=" in result.stdout
    assert ".parquet\n" in result.stdout
    assert "/format=parquet/by_tenant=default/" in result.stdout
    changes = "deploy: Format changes from "
    assert line(result.stdout, changes).startswith("gzip to parquet: new events get a prefix and a table of their own")
    back = ("--parameter", "Format=gzip", "--parameter", "PartitionByTenant=false")
    result = accounts.deploy(*back)
    assert result.returncode == 0
    assert line(result.stdout, changes).startswith("parquet to gzip: ")
    assert changes not in accounts.deploy("--dry-run", "--parameter", "Format=gzip").stdout


def test_a_workers_refusal_is_reported_in_its_own_words(accounts: FakeAccounts) -> None:
    iam = accounts.client("iam")
    user = iam.list_users()["Users"][0]["UserName"]
    # One of each stack.
    policies = iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
    for policy in policies:
        iam.detach_user_policy(UserName=user, PolicyArn=policy["PolicyArn"])
    # A summary of /readyz is kept for 5 s.
    result = accounts.deploy("--wait", "10")
    for policy in policies:
        iam.attach_user_policy(UserName=user, PolicyArn=policy["PolicyArn"])
    assert result.returncode == 1
    assert "did not accept an event within 10 s: it answered 503" in result.stderr
    assert "/readyz answers 503" in result.stderr
    assert "AccessDenied" in result.stderr


def test_an_address_of_another_server_is_reported(accounts: FakeAccounts) -> None:
    elsewhere = SmokeTest(accounts.root["AWS_ENDPOINT_URL"], WorkerSettings(None))
    with pytest.raises(SmokeTestError, match="did not accept an event within 0 s"):
        elsewhere.send(0)


def test_an_event_that_does_not_arrive_is_reported(
    accounts: FakeAccounts,
) -> None:
    url = f"http://{HOST}:{accounts.worker.port}"
    event = SmokeTest(url, WorkerSettings(None))
    s3 = accounts.client("s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    nowhere = Place(
        bucket, "nowhere/day=!{timestamp:yyyy-MM-dd}/hr=!{timestamp:HH}/", 0
    )
    with pytest.raises(
        SmokeTestError, match=f"event {event.id} was accepted and is not in S3"
    ):
        event.find(s3, [nowhere], 0.5)


def test_a_refused_event_is_looked_for_among_the_failed(accounts: FakeAccounts) -> None:
    accounts.worker.kill()
    accounts.worker.settings = {"unknown_events": "fail"}
    accounts.worker.restart()
    result = accounts.deploy()
    assert (result.returncode, result.stderr) == (0, "")
    assert ": failed; Firehose" in result.stdout
    assert "failedbucket" in line(result.stdout, "deploy: event ", "stored at")


def test_deploy_warns_of_records_for_a_dropped_stream(accounts: FakeAccounts) -> None:
    assert accounts.deploy(HEADWATER_OPERATOR_KEY="k" * 32).returncode == 0
    key = accounts.cloudflare.secrets["HEADWATER_OPERATOR_KEY"]
    worker = accounts.worker

    def spilled() -> int:
        answer = worker.get("/readyz", {"authorization": f"Bearer {key}"})
        return answer.json()["spill"]["records"]

    def start(settings: dict[str, Any]) -> None:
        worker.kill()
        worker.settings = {"delivery": "sharded", "shards": 1, **settings}
        worker.restart()

    # It is deployed with a name that AWS does not have; the checkout has the right one.
    start({"routes": [{"to": "firehose:events-old"}]})
    beacons = [{"name": "a", "device_id": str(number)} for number in range(3)]
    assert worker.post(beacons).status == 204
    assert spilled() == 3
    warned = accounts.deploy("--dry-run", HEADWATER_OPERATOR_KEY=key)
    assert (warned.returncode, warned.stderr) == (0, "")
    warning = line(warned.stdout, "deploy: warning: records wait for streams that wrangler.toml does not name: ")
    assert warning.startswith('3 for firehose:events-old; if a stream was renamed, add renamed_streams = { "firehose:events-old" = ')
    asked = accounts.deploy("--dry-run")
    assert "no longer named: set HEADWATER_OPERATOR_KEY in the environment" in asked.stdout

    # With the right name they are routed again, and nothing is warned of.
    start({})
    wait_until(lambda: not spilled(), SECONDS)
    quiet = accounts.deploy("--dry-run", HEADWATER_OPERATOR_KEY=key)
    assert quiet.returncode == 0
    assert "records wait" not in quiet.stdout


def test_the_worker_sends_as_its_tenant_may(tmp_path: Path) -> None:
    file = tmp_path / "wrangler.toml"
    file.write_text("""
        [env.shop.vars]
        AWS_REGION = "eu-central-1"
        [env.shop.vars.HEADWATER]
        origins = ["*"]
        failed_stream = "firehose:f"
        routes = [{ bot = true, to = "kinesis:k" }, { to = "firehose:e" }]
        renamed_streams = { "firehose:old" = "firehose:e" }
        [env.shop.vars.HEADWATER.keys.pk_acme]
        tenant = "acme"
        origins = ["https://acme.example"]
        routes = [{ to = "firehose:acme" }]
        """)
    settings = WorkerSettings("shop", file)
    assert settings.region == "eu-central-1"
    assert (settings.write_key, settings.tenant) == ("pk_acme", "acme")
    assert settings.origin == "https://acme.example"
    assert settings.takes_any_site, "without a key"
    assert settings.streams == {
        "firehose:f",
        "kinesis:k",
        "firehose:e",
        "firehose:acme",
    }


def test_a_run_can_be_stopped() -> None:
    key = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with socket.create_server((HOST, 0)) as silent:
        endpoint = f"http://{HOST}:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, DEPLOY],
            env={
                "PATH": os.environ["PATH"],
                "HOME": os.environ["HOME"],
                "AWS_ENDPOINT_URL": endpoint,
                **key,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(120)
        connection, _ = silent.accept()
        with connection:
            # It waits for an answer; on its way there, Python may hear of a signal only after that wait.
            connection.recv(65_536)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert complaint == "deploy: stopped; run it again to go on\n"


def test_an_address_is_one_that_can_be_called() -> None:
    targets = ["events.example/t/*", "https://headwater.acme.workers.dev"]
    assert address(targets) == targets[1]
    with pytest.raises(DeployError, match="name it with --url"):
        address(targets[:1])
