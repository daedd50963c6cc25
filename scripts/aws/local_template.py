"""The parts of the templates that ministack can't make, and how they are made instead.

ministack 1.5.33 has no provisioner for Athena's saved queries and for an alarm on several metrics, and refuses a template
that has one; a bucket's lifecycle rules and encryption it reads past in silence. So the first two are taken out of the copy
of the template that it gets. Its CloudFormation still resolves all of these: each comes back as an output, from which it is
made by its own API, but for the alarm, which that does not know either.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import template as template_file

SAVED_QUERY = "AWS::Athena::NamedQuery"
ALARM = "AWS::CloudWatch::Alarm"
BUCKET = "AWS::S3::Bucket"
LEFT_OUT = "LeftOut"


@cache
def for_ministack(template: Path) -> str:
    """The template as ministack takes it, with what it leaves out among the outputs."""
    document = template_file.document(template)
    resources, outputs = document["Resources"], document.setdefault("Outputs", {})
    for name, resource in list(resources.items()):
        kind = resource["Type"] if isinstance(resource, dict) else None
        is_made = kind == BUCKET
        if is_made or kind == SAVED_QUERY or (kind == ALARM and "Metrics" in resource["Properties"]):
            properties = {"Type": kind, "Bucket": {"Ref": name}, **resource["Properties"]}
            if not is_made:
                del resources[name], properties["Bucket"]
            condition = {"Condition": resource["Condition"]} if "Condition" in resource else {}
            outputs[LEFT_OUT + name] = {**condition, "Value": {"Fn::ToJsonString": properties}}
    if not resources:
        resources["Nothing"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
        document["Transform"] = "AWS::LanguageExtensions"
    return json.dumps(document)


def make_the_rest(
    outputs: dict[str, str], client: Callable[[str], Any]
) -> dict[str, str]:
    """Make what `for_ministack` left out; returns the outputs that the template has."""
    client = cache(client)
    template_has = without_what_was_left_out(outputs)
    for name in outputs.keys() - template_has.keys():
        properties = json.loads(outputs[name])
        kind = properties.pop("Type")
        if kind == SAVED_QUERY:
            client("athena").create_named_query(**properties)
        elif kind == BUCKET:
            _keep_bucket_rules(client("s3"), properties)
    return template_has


def without_what_was_left_out(outputs: dict[str, str]) -> dict[str, str]:
    """The outputs that the template itself has."""
    return {k: v for k, v in outputs.items() if not k.startswith(LEFT_OUT)}


def _keep_bucket_rules(s3: Any, bucket: dict[str, Any]) -> None:
    rules = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    s3.put_bucket_encryption(
        Bucket=bucket["Bucket"],
        ServerSideEncryptionConfiguration={
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": rule[
                        "ServerSideEncryptionByDefault"
                    ]
                }
                for rule in rules
            ]
        },
    )
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket["Bucket"],
        LifecycleConfiguration={
            "Rules": [
                _lifecycle_rule(rule)
                for rule in bucket["LifecycleConfiguration"]["Rules"]
            ]
        },
    )


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of CloudFormation as S3's API spells it."""
    spelled: dict[str, Any] = {
        "ID": rule.pop("Id"),
        "Status": rule.pop("Status"),
        "Filter": {"Prefix": ""},
    }
    for name, value in rule.items():
        if name == "ExpirationInDays":
            spelled["Expiration"] = {"Days": int(value)}
        elif name == "Prefix":
            spelled["Filter"] = {name: value}
        elif name == "ExpiredObjectDeleteMarker":
            spelled["Expiration"] = {name: value in (True, "true")}
        elif name == "Transitions":
            spelled[name] = [
                {
                    "StorageClass": each["StorageClass"],
                    "Days": int(each["TransitionInDays"]),
                }
                for each in value
            ]
        else:
            spelled[name] = {key: int(number) for key, number in value.items()}
    return spelled
