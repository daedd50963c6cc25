"""Stream sets: the streams that a name with a range stands for, and the stack that has them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

TEMPLATE = Path(__file__).with_name("streams.yaml")
PER_LEVEL = "StreamsPerLevel"
ALLOWED = ("1", "2", "4", "8", "16")
# The most members of a set: src/model/stream_set.rs.
MOST = 256
LEVELS = ("LowStream", "MidStream", "HighStream")
RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}", re.ASCII)
# What the stack has of the other one's parameters and outputs.
SHARED = (
    "StreamPrefix", "Format", "PartitionByTenant", "PartitionByKey", "BufferSizeMiB", "BufferIntervalSeconds",
    "Database", "AlarmTopic", "StaleSeconds", "KmsKeyArn",
)  # fmt: skip
OUTPUTS = ("DataBucketName", "DeliveryRoleArn", "WorkerUserName")


def members(stream: str) -> list[str]:
    """The streams that `stream` stands for; itself if its range is none that scripts/check allows."""
    found = RANGE.search(stream)
    if not found:
        return [stream]
    first, last = found.groups()
    if not 0 <= int(last) - int(first) < MOST:
        return [stream]
    width = len(first) if first.startswith("0") and len(first) > 1 else 1
    before, after = stream[: found.start()], stream[found.end() :]
    return [f"{before}{number:0{width}}{after}" for number in range(int(first), int(last) + 1)]


def of_stack(outputs: Mapping[str, str], per_level: str | None) -> set[str]:
    """The members that the stack has, as routes name them."""
    count = int(per_level or 1)
    numbers = range(count if count > 1 else 0)
    return {f"firehose:{outputs[level]}-{number}" for level in LEVELS for number in numbers}


def needed(streams: Collection[str], outputs: Mapping[str, str]) -> str | None:
    """The smallest number of members a level that has all members among `streams`, if there are any."""
    wanted = set(streams) & of_stack(outputs, ALLOWED[-1])
    enough = (each for each in ALLOWED if wanted <= of_stack(outputs, each))
    return next(enough) if wanted else None


def parameters(
    per_level: str, outputs: Mapping[str, str], of_other: Mapping[str, str]
) -> dict[str, str]:
    """The parameters of the stack of the members, from the other stack."""
    shared = {name: of_other[name] for name in SHARED if name in of_other}
    return {PER_LEVEL: per_level, **shared, **{name: outputs[name] for name in OUTPUTS}}
