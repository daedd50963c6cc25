"""What CloudFormation does and the local one does not: it pages, and it is at work for minutes."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from stack import Stack, StackError

WHEN = datetime(2026, 11, 21, tzinfo=timezone.utc)
STACK = {"StackName": "s"}
CHANGE_SET = "arn:aws:cloudformation:eu-west-1:000000000000:changeSet/c/1"


def stack(status: str) -> dict[str, Any]:
    return {"Stacks": [{**STACK, "CreationTime": WHEN, "StackStatus": status}]}


def event(number: int, status: str, reason: str = "") -> dict[str, Any]:
    names = {"StackId": "s", "EventId": str(number), "LogicalResourceId": f"r{number}"}
    return {**STACK, **names, "Timestamp": WHEN, "ResourceStatus": status, "ResourceStatusReason": reason}  # fmt: skip


class Script:
    """CloudFormation, in what it is asked and answers, in this order."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "cloudformation",
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.stub = Stubber(self.client)

    def status(self, *statuses: str) -> Script:
        for each in statuses:
            self.stub.add_response("describe_stacks", stack(each), STACK)
        return self

    def planned(self, change: dict[str, str] | None = None) -> Script:
        self.stub.add_response("create_change_set", {"Id": CHANGE_SET})
        changes = [{"Type": "Resource", "ResourceChange": change}] if change else []
        reported = {"Status": "CREATE_COMPLETE", "Changes": changes}
        self.stub.add_response("describe_change_set", reported)
        return self

    def apply(self) -> None:
        with self.stub:
            Stack(self.client, "s", poll_seconds=0).apply("{}", {})
            self.stub.assert_no_pending_responses()


def test_the_reason_is_found_however_much_happened_after_it() -> None:
    script = Script().status("CREATE_COMPLETE", "CREATE_COMPLETE", "CREATE_COMPLETE")
    script.planned()
    script.stub.add_response("describe_stack_events", {"StackEvents": []})
    script.stub.add_response("execute_change_set", {})
    script.status("UPDATE_ROLLBACK_COMPLETE")
    pages = [
        {"StackEvents": [event(2, "DELETE_COMPLETE")], "NextToken": "more"},
        {"StackEvents": [event(1, "CREATE_FAILED", "the name is taken")]},
    ]
    for page in pages:
        script.stub.add_response("describe_stack_events", page)
    with pytest.raises(StackError, match="ROLLBACK_COMPLETE: r1: the name is taken"):
        script.apply()


def test_a_run_after_an_aborted_one_waits_for_the_stack() -> None:
    script = Script().status("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS")
    script.status("CREATE_COMPLETE", "CREATE_COMPLETE")
    script.stub.add_response("create_change_set", {"Id": CHANGE_SET})
    nothing = {"Status": "FAILED", "StatusReason": "No updates are to be performed."}
    script.stub.add_response("describe_change_set", nothing)
    script.stub.add_response("delete_change_set", {})
    script.apply()


@pytest.mark.parametrize(
    "kind", ["KinesisFirehose::DeliveryStream", "Kinesis::Stream", "S3::Bucket"]
)
def test_resources_with_data_are_not_replaced(kind: str) -> None:
    script = Script().status("CREATE_COMPLETE", "CREATE_COMPLETE", "CREATE_COMPLETE")
    change = {"Action": "Modify", "LogicalResourceId": "held", "ResourceType": f"AWS::{kind}", "Replacement": "True"}  # fmt: skip
    script.planned(change)
    script.stub.add_response("delete_change_set", {})
    with pytest.raises(StackError, match="it would replace held of the stack s"):
        script.apply()
