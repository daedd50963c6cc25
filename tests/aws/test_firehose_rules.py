"""The rules themselves: each refuses what AWS would, or what would be wrong some days."""

from typing import Any

import pytest

from support.firehose_rules import violations

GOOD = {
    "Prefix": "stream=low/day=!{timestamp:yyyy-MM-dd}/",
    "ErrorOutputPrefix": "errors/type=!{firehose:error-output-type}/day=!{timestamp:dd}/",
    "BufferingHints": {"SizeInMBs": 128, "IntervalInSeconds": 300},
}


QUERY = {
    "ParameterName": "MetadataExtractionQuery",
    "ParameterValue": "{tenant:.tenant}",
}
APART = {"Type": "RecordDeAggregation", "Parameters": []}
KEYS = {"Type": "MetadataExtraction", "Parameters": [QUERY]}
LINES = {"Type": "AppendDelimiterToRecord", "Parameters": []}
PARTITIONED = GOOD | {
    "Prefix": "by_tenant=!{partitionKeyFromQuery:tenant}/",
    "DynamicPartitioningConfiguration": {"Enabled": True},
    "ProcessingConfiguration": {"Enabled": True, "Processors": [APART, KEYS, LINES]},
}
PARQUET = GOOD | {
    "CompressionFormat": "UNCOMPRESSED",
    "DataFormatConversionConfiguration": {
        "Enabled": True,
        "SchemaConfiguration": {"DatabaseName": "d", "TableName": "t", "RoleARN": "r"},
    },
}
SMALL = {"BufferingHints": {"SizeInMBs": 63, "IntervalInSeconds": 300}}
QUICK = {"BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 59}}


def processors(*these: dict[str, Any]) -> dict[str, Any]:
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": list(these)}}


@pytest.mark.parametrize("good", [PARTITIONED, PARQUET])
def test_good_partitions_and_parquet_break_no_rule(good: dict[str, Any]) -> None:
    assert violations("events-low", good) == []


@pytest.mark.parametrize(
    ("good", "change", "broken_rule"),
    [
        (PARTITIONED, SMALL, "SizeInMBs is 63"),
        (PARTITIONED, QUICK, "IntervalInSeconds is 59"),
        (PARQUET, SMALL, "SizeInMBs is 63"),
        (PARQUET, QUICK, "IntervalInSeconds is 59"),
        (PARQUET, {"CompressionFormat": "GZIP"}, "must be UNCOMPRESSED"),
        (
            PARQUET,
            {"DataFormatConversionConfiguration": {"Enabled": True}},
            "lacks ['DatabaseName', 'RoleARN', 'TableName']",
        ),
        (PARTITIONED, {"Prefix": "a/"}, "Prefix names no key"),
        (PARTITIONED, {"ErrorOutputPrefix": ""}, "must be there with partitions"),
        (PARTITIONED, processors(KEYS, LINES), "the processors are"),
        (PARTITIONED, processors(APART, KEYS), "the processors are"),
        (
            PARTITIONED,
            {"Prefix": "!{partitionKeyFromQuery:owner}/"},
            "extracts ['tenant'], the prefix names ['owner']",
        ),
        (
            GOOD,
            {"Prefix": "!{partitionKeyFromQuery:tenant}/"},
            "names the keys ['tenant'] and nothing extracts them",
        ),
    ],
)
def test_broken_partitions_and_parquet_are_refused(
    good: dict[str, Any], change: dict[str, Any], broken_rule: str
) -> None:
    assert broken_rule in "\n".join(violations("events-low", good | change))


def test_a_good_destination_breaks_no_rule() -> None:
    assert violations("events-low", GOOD) == []


@pytest.mark.parametrize(
    ("change", "broken_rule"),
    [
        ({"Prefix": "year=!{timestamp:YYYY}/"}, "Prefix has the time 'YYYY'"),
        ({"Prefix": "month=!{timestamp:mm}/"}, "Prefix has the time 'mm'"),
        ({"Prefix": "day=!{timestamp:DD}/"}, "Prefix has the time 'DD'"),
        ({"Prefix": "day=!{timestamp:yyyy-mm-dd}/"}, "the time 'yyyy-mm-dd'"),
        ({"Prefix": "hour=!{timestamp:hh}/"}, "Prefix has the time 'hh'"),
        ({"Prefix": "year=!{timestamp:yyyy"}, "Prefix has an expression that does not"),
        ({"Prefix": "!{time:yyyy}/"}, "Prefix can't use the namespace 'time'"),
        (
            {"Prefix": "!{firehose:error-output-type}/"},
            "Prefix can't use firehose:error",
        ),
        ({"Prefix": "stream=low"}, "Prefix does not end in a slash"),
        ({"Prefix": "x" * 512 + "/"}, "Prefix has 513 characters, the limit is 512"),
        ({"ErrorOutputPrefix": ""}, "ErrorOutputPrefix must be there"),
        (
            {"ErrorOutputPrefix": "errors/!{timestamp:yyyy}/"},
            "it must contain !{firehose",
        ),
        (
            {"ErrorOutputPrefix": "!{partitionKeyFromQuery:tenant}/"},
            "ErrorOutputPrefix can't use the namespace 'partitionKeyFromQuery'",
        ),
        (
            {"ErrorOutputPrefix": "!{firehose:error-output-type}/" + "x" * 512 + "/"},
            "ErrorOutputPrefix has 543 characters",
        ),
        (
            {"BufferingHints": {"SizeInMBs": 0, "IntervalInSeconds": 60}},
            "SizeInMBs is 0",
        ),
        ({"BufferingHints": {"SizeInMBs": 129, "IntervalInSeconds": 60}}, "is 129"),
        ({"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 901}}, "is 901"),
        ({"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": -1}}, "is -1"),
        ({"BufferingHints": {"SizeInMBs": 1}}, "IntervalInSeconds is not said"),
    ],
)
def test_a_broken_destination_is_refused(
    change: dict[str, Any], broken_rule: str
) -> None:
    assert broken_rule in "\n".join(violations("events-low", GOOD | change))


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "events low", "events/low", "événements"]
)
def test_a_broken_stream_name_is_refused(name: str) -> None:
    assert violations(name, GOOD) == [f"{name!r} is not a stream's name"]
