"""Firehose's rules for S3 destinations that neither cfn-lint nor ministack knows.

`violations` takes an ExtendedS3 configuration, as CloudFormation, CreateDeliveryStream
and DescribeDeliveryStream spell it, with every reference resolved.
https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html
https://docs.aws.amazon.com/firehose/latest/dev/buffering-hints.html
https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html
https://docs.aws.amazon.com/firehose/latest/dev/enable-record-format-conversion.html
"""

import re
from collections.abc import Iterator
from typing import Any

import jq

EXPRESSION = re.compile(r"!\{([^:}]*):?([^}]*)\}")
ERROR_TYPE = "!{firehose:error-output-type}"
# The parts of partitions, alone or with hyphens between. YYYY is the week-based year, DD the day
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
# With conversion to another format, or dynamic partitioning.
LARGE_BUFFER_MIB = 64
LARGE_BUFFER_SECONDS = 60
PARTITION_NAMESPACE = "partitionKeyFromQuery"
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
        *large_buffer_violations(destination),
        *conversion_violations(destination),
        *partition_violations(destination),
    ]


def name_violations(name: str) -> Iterator[str]:
    """A stream's name: up to 64 letters, digits, underscores, dots and hyphens."""
    if not STREAM_NAME.fullmatch(name):
        yield f"{name!r} is not a stream's name"


def prefix_violations(field: str, prefix: str) -> Iterator[str]:
    """One prefix: its length, its end and its expressions."""
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


def large_buffer_violations(destination: dict[str, Any]) -> Iterator[str]:
    """Conversion and partitioning gather large objects, or Firehose refuses them."""
    if not (converts(destination) or partitions(destination)):
        return
    hints = destination.get("BufferingHints", {})
    for field, least in (
        ("SizeInMBs", LARGE_BUFFER_MIB),
        ("IntervalInSeconds", LARGE_BUFFER_SECONDS),
    ):
        if int(hints.get(field, least)) < least:
            yield f"{field} is {hints[field]}, with Parquet or partitions at least {least}"


def conversion_violations(destination: dict[str, Any]) -> Iterator[str]:
    """Parquet has its own compression, and needs a table with the columns."""
    if not converts(destination):
        return
    if destination.get("CompressionFormat", "UNCOMPRESSED") != "UNCOMPRESSED":
        yield "CompressionFormat must be UNCOMPRESSED where the format is converted"
    schema = destination["DataFormatConversionConfiguration"].get("SchemaConfiguration")
    missing = {"DatabaseName", "TableName", "RoleARN"} - set(schema or {})
    if missing:
        yield f"SchemaConfiguration lacks {sorted(missing)}"


def partition_violations(destination: dict[str, Any]) -> Iterator[str]:
    """Keys that are extracted and keys that the prefix names are the same.

    Packed records are taken apart first, which takes their newlines; where lines of JSON
    are written these must be put back.
    """
    prefix = destination.get("Prefix", "")
    named = [key for space, key in EXPRESSION.findall(prefix) if space == PARTITION_NAMESPACE]  # fmt: skip
    if not partitions(destination):
        if named:
            yield f"Prefix names the keys {named} and nothing extracts them"
        return
    if not named:
        yield "Prefix names no key, so there is nothing to partition by"
    if not destination.get("ErrorOutputPrefix"):
        yield "ErrorOutputPrefix must be there with partitions"
    kinds = [each["Type"] for each in processors(destination)]
    wanted = ["RecordDeAggregation", "MetadataExtraction"]
    if not converts(destination):
        wanted.append("AppendDelimiterToRecord")
    if kinds != wanted:
        yield f"the processors are {kinds}, not {wanted}"
    if sorted(extracted_keys(destination)) != sorted(named):
        yield f"the query extracts {extracted_keys(destination)}, the prefix names {named}"


def converts(destination: dict[str, Any]) -> bool:
    """Whether records become another format."""
    return bool(destination.get("DataFormatConversionConfiguration", {}).get("Enabled"))


def partitions(destination: dict[str, Any]) -> bool:
    """Whether records are parted by what is in them."""
    return bool(destination.get("DynamicPartitioningConfiguration", {}).get("Enabled"))


def processors(destination: dict[str, Any]) -> list[dict[str, Any]]:
    """What records go through, in order."""
    processing = destination.get("ProcessingConfiguration", {})
    return processing.get("Processors", []) if processing.get("Enabled") else []


def parameter(destination: dict[str, Any], name: str) -> str | None:
    """A processor's parameter."""
    for processor in processors(destination):
        for each in processor["Parameters"]:
            if each["ParameterName"] == name:
                return str(each["ParameterValue"])
    return None


def extracted_keys(destination: dict[str, Any]) -> list[str]:
    """The keys that the query makes of each record, as jq sees it."""
    query = parameter(destination, "MetadataExtractionQuery") or "{}"
    return list(jq.compile(query).input_value({}).first())
