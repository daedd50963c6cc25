"""Firehose's rules for S3 destinations that neither cfn-lint nor ministack knows.

`violations` takes an ExtendedS3 configuration, as CloudFormation, CreateDeliveryStream
and DescribeDeliveryStream spell it, with every reference resolved.
https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html
"""

import re
from collections.abc import Iterator
from typing import Any

EXPRESSION = re.compile(r"!\{([^:}]*):?([^}]*)\}")
ERROR_TYPE = "!{firehose:error-output-type}"
# What partitions are made of, by itself or with hyphens between. YYYY is the week-based year, DD the day
# of the year, mm the minute and hh the hour of half a day: each is right on some days.
TIMES = {"yyyy", "MM", "dd", "HH"}
NAMESPACES = {
    "Prefix": {
        "timestamp",
        "firehose",
        "partitionKeyFromQuery",
        "partitionKeyFromLambda",
    },
    "ErrorOutputPrefix": {"timestamp", "firehose"},
}
FIREHOSE_VALUES = {
    "Prefix": {"random-string"},
    "ErrorOutputPrefix": {"random-string", "error-output-type"},
}
PREFIX_CHARACTERS = 512
BUFFER_MIB = range(1, 128 + 1)
BUFFER_SECONDS = range(0, 900 + 1)
STREAM_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def violations(name: str, destination: dict[str, Any]) -> list[str]:
    """Each rule that a stream breaks, as a sentence; none when AWS would take it."""
    return [
        *name_violations(name),
        *prefix_violations("Prefix", destination.get("Prefix", "")),
        *prefix_violations(
            "ErrorOutputPrefix", destination.get("ErrorOutputPrefix", "")
        ),
        *error_prefix_violations(destination),
        *buffer_violations(destination.get("BufferingHints", {})),
    ]


def name_violations(name: str) -> Iterator[str]:
    """A stream's name: up to 64 letters, digits, underscores, dots and hyphens."""
    if not STREAM_NAME.fullmatch(name):
        yield f"{name!r} is not a stream's name"


def prefix_violations(field: str, prefix: str) -> Iterator[str]:
    """One prefix by itself: its length, its end and its expressions."""
    if len(prefix) > PREFIX_CHARACTERS:
        yield f"{field} has {len(prefix)} characters, the limit is {PREFIX_CHARACTERS}"
    if prefix and not prefix.endswith("/"):
        yield f"{field} does not end in a slash, so objects' names stick to it"
    if "!{" in EXPRESSION.sub("", prefix):
        yield f"{field} has an expression that does not end"
    for namespace, value in EXPRESSION.findall(prefix):
        if namespace not in NAMESPACES[field]:
            yield f"{field} can't use the namespace {namespace!r}"
        elif namespace == "timestamp" and not TIMES.issuperset(value.split("-")):
            yield f"{field} has the time {value!r}, known are {sorted(TIMES)}"
        elif namespace == "firehose" and value not in FIREHOSE_VALUES[field]:
            yield f"{field} can't use firehose:{value}"


def error_prefix_violations(destination: dict[str, Any]) -> Iterator[str]:
    """The two prefixes together: when an error prefix must be there and what it says."""
    prefix = destination.get("Prefix", "")
    error_prefix = destination.get("ErrorOutputPrefix", "")
    if EXPRESSION.search(prefix) and not error_prefix:
        yield "Prefix has an expression, so ErrorOutputPrefix must be there"
    if EXPRESSION.search(error_prefix) and ERROR_TYPE not in error_prefix:
        yield f"ErrorOutputPrefix has an expression, so it must contain {ERROR_TYPE}"


def buffer_violations(hints: dict[str, Any]) -> Iterator[str]:
    """Buffers: 1 to 128 MiB, 0 to 900 seconds, and both said."""
    for field, allowed in (
        ("SizeInMBs", BUFFER_MIB),
        ("IntervalInSeconds", BUFFER_SECONDS),
    ):
        if field not in hints:
            yield f"{field} is not said, so Firehose chooses it"
        elif int(hints[field]) not in allowed:
            yield f"{field} is {hints[field]}, outside {allowed[0]} to {allowed[-1]}"
