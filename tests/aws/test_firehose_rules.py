"""The rules themselves: each refuses what AWS would, or what would be wrong some days."""

from typing import Any

import pytest

from firehose_rules import violations

GOOD = {
    "Prefix": "stream=low/day=!{timestamp:yyyy-MM-dd}/",
    "ErrorOutputPrefix": "errors/type=!{firehose:error-output-type}/day=!{timestamp:dd}/",
    "BufferingHints": {"SizeInMBs": 128, "IntervalInSeconds": 300},
}


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
