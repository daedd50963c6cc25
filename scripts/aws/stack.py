"""The stack of headwater.yaml: planned, made or brought up to date, and read.

Every way goes through a change set, so that what a dry run shows is what a real one does.
A failure is reported with CloudFormation's own reasons, the first one first.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import botocore.exceptions

TEMPLATE = Path(__file__).with_name("headwater.yaml")
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
# CloudFormation's own words for a change set that would change nothing.
NOTHING_TO_CHANGE = ("didn't contain changes", "No updates are to be performed")
# What a first creation that failed leaves: it can be deleted and nothing else.
DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
# What a change set leaves that was not executed.
EMPTY = "REVIEW_IN_PROGRESS"
# Their data is stored only there, and their writers use their names.
HOLD_DATA = ("AWS::KinesisFirehose::DeliveryStream", "AWS::Kinesis::Stream", "AWS::S3::Bucket")  # fmt: skip
PLAN_SECONDS = 300
APPLY_SECONDS = 1800


class StackError(Exception):
    """Why the stack is not as it should be, in one sentence."""


class Change(NamedTuple):
    """One line of a plan."""

    action: str
    resource: str
    kind: str
    replaces: bool


class Stack:
    """A stack by its name, there or not yet there."""

    def __init__(
        self,
        cloudformation: Any,
        name: str,
        poll_seconds: float = 3,
        tags: Mapping[str, str] | None = None,
        role: str | None = None,
    ) -> None:
        """With `tags`, these replace the stack's; `role` is the ARN of what CloudFormation acts as."""
        self.name = name
        self._client = cloudformation
        self._poll_seconds = poll_seconds
        # The last description, in a list since it may be None; no list until it is asked for.
        self._last: list[dict[str, Any] | None] | None = None
        self._more: dict[str, Any] = {"RoleARN": role} if role else {}
        if tags:
            self._more["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]

    def outputs(self) -> dict[str, str]:
        """The description of the stack; nothing if there is none yet."""
        described = self._known()
        return {
            output["OutputKey"]: output["OutputValue"]
            for output in (described or {}).get("Outputs", [])
        }

    def parameters(self) -> dict[str, str]:
        """The values of the stack's parameters; nothing where there is none yet."""
        described = self._known() or {}
        return {
            each["ParameterKey"]: each["ParameterValue"]
            for each in described.get("Parameters", [])
        }

    @property
    def exists(self) -> bool:
        """Whether there is a stack that was made whole once."""
        return (self._known() or {}).get("StackStatus") not in (None, EMPTY, *DEAD)

    def protect(self, is_protected: bool) -> None:
        """Let CloudFormation refuse to delete the stack, or not."""
        self._last = None
        self._client.update_termination_protection(
            StackName=self.name, EnableTerminationProtection=is_protected
        )

    def plan(self, template: str, parameters: Mapping[str, str]) -> list[Change]:
        """What `apply` would change; changes nothing."""
        self._last = None
        was_there = self._status() is not None
        try:
            change_set, changes = self._change_set(template, parameters)
            if change_set:
                self._client.delete_change_set(ChangeSetName=change_set)
            return changes
        finally:
            # A change set of a stack that is not there makes an empty one to hold it.
            if not was_there and self._status() == EMPTY:
                self._client.delete_stack(StackName=self.name)

    def apply(self, template: str, parameters: Mapping[str, str]) -> list[Change]:
        """Make the stack or bring it up to date; returns what was changed.

        Parameters that are not given keep the value that they have.
        """
        self._last = None
        status = self._status()
        if status != EMPTY:
            # A run that was cut off leaves CloudFormation at work.
            status = self._until_settled(APPLY_SECONDS)
        if status in DEAD:
            self._client.delete_stack(StackName=self.name)
            self._until_settled(APPLY_SECONDS)
        change_set, changes = self._change_set(template, parameters)
        if not change_set:
            return changes
        replaced = [each.resource for each in changes if each.replaces and each.kind in HOLD_DATA]  # fmt: skip
        if replaced:
            self._client.delete_change_set(ChangeSetName=change_set)
            raise StackError(
                f"it would replace {', '.join(replaced)} of the stack {self.name}, which the worker"
                " writes to: make another stack beside it"
            )
        before = {event["EventId"] for event in self._events()}
        self._client.execute_change_set(ChangeSetName=change_set)
        status = self._until_settled(APPLY_SECONDS)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            reasons = "; ".join(self._failures(before)) or "no reason was reported"
            raise StackError(f"the stack {self.name} is {status}: {reasons}")
        return changes

    def _change_set(
        self, template: str, parameters: Mapping[str, str]
    ) -> tuple[str | None, list[Change]]:
        """A change set that can be executed, or none if nothing would change."""
        described = self._described()
        fresh = described is None or described["StackStatus"] == EMPTY
        known = [] if fresh else (described or {}).get("Parameters", [])
        kept = {each["ParameterKey"] for each in known} - set(parameters)
        created = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"headwater-{time.time_ns()}",
            ChangeSetType="CREATE" if fresh else "UPDATE",
            TemplateBody=template,
            Capabilities=CAPABILITIES,
            **self._more,
            Parameters=[
                *({"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()),
                *({"ParameterKey": k, "UsePreviousValue": True} for k in sorted(kept)),
            ],
        )["Id"]  # fmt: skip
        deadline = time.monotonic() + PLAN_SECONDS
        while True:
            described = self._client.describe_change_set(ChangeSetName=created)
            if described["Status"] in ("CREATE_COMPLETE", "FAILED"):
                break
            self._pause(deadline, "is still being planned")
        if described["Status"] == "CREATE_COMPLETE":
            return created, list(_changes(described))
        self._client.delete_change_set(ChangeSetName=created)
        reason = described.get("StatusReason", "no reason was reported")
        if any(words in reason for words in NOTHING_TO_CHANGE):
            return None, []
        raise StackError(f"the stack {self.name} can't be planned: {reason}")

    def _known(self) -> dict[str, Any] | None:
        """The description, asked for once until this changes the stack."""
        if self._last is None:
            self._last = [self._described()]
        return self._last[0]

    def _described(self) -> dict[str, Any] | None:
        try:
            return self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def _status(self) -> str | None:
        described = self._described()
        return described["StackStatus"] if described else None

    def _until_settled(self, seconds: float) -> str | None:
        deadline = time.monotonic() + seconds
        while True:
            status = self._status()
            if status is None or not status.endswith("_IN_PROGRESS"):
                return status
            self._pause(deadline, f"is still {status}")

    def _pause(self, deadline: float, state: str) -> None:
        if time.monotonic() > deadline:
            raise StackError(f"the stack {self.name} {state}; look at its events")
        time.sleep(self._poll_seconds)

    def _events(self) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("describe_stack_events")
        return [
            event
            for page in pages.paginate(StackName=self.name)
            for event in page["StackEvents"]
        ]

    def _failures(self, before: set[str]) -> Iterator[str]:
        for event in reversed(self._events()):
            if event["EventId"] not in before and event["ResourceStatus"].endswith(
                "_FAILED"
            ):
                yield (
                    f"{event['LogicalResourceId']}:"
                    f" {event.get('ResourceStatusReason', 'no reason')}"
                )


def _changes(described: dict[str, Any]) -> Iterator[Change]:
    for each in described["Changes"]:
        change = each["ResourceChange"]
        yield Change(
            change["Action"],
            change["LogicalResourceId"],
            change["ResourceType"],
            change.get("Replacement") == "True",
        )
