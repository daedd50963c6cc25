"""Streams of the operator's own, beside those of the levels: their stack, and what each stream has."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import stream_members

TEMPLATE = Path(__file__).with_name("own_streams.yaml")
FIREHOSE, KINESIS, NOTES = "FirehoseStreams", "KinesisStreams", "StreamNotes"
SERVICES = {"firehose": FIREHOSE, "kinesis": KINESIS}
# As src/model/stream.rs.
MOST_CHARS = {FIREHOSE: 64, KINESIS: 128}
# CloudFormation takes 500 resources, of which a stream with its alarms is up to seven, and a policy of 6,144 characters.
MOST = 20
# What the tables already have for the values of `stream`.
PARTITIONS = ("low", "mid", "high")
ARN_PREFIXES = {"FirehoseArns": (FIREHOSE, "FirehoseArnPrefix"), "KinesisArns": (KINESIS, "KinesisArnPrefix")}
OUTPUTS = (*stream_members.OUTPUTS, *(prefix for _, prefix in ARN_PREFIXES.values()))
# As headwater.yaml allows it.
MOST_NOTES = 2_000
CONDITIONS = ("level", "name", "tenant", "bot", "historical", "metadata")


class OwnStreamsError(Exception):
    """Why there can be no such streams, in one sentence."""


def names(text: str | None) -> list[str]:
    """The names in the value of a parameter."""
    return [name for name in (text or "").split(",") if name]


def of_stack(lists: Mapping[str, str]) -> set[str]:
    """The streams of these parameters or outputs, as routes name them."""
    return {f"{service}:{name}" for service, parameter in SERVICES.items() for name in names(lists.get(parameter))}


def checked(lists: Mapping[str, str], before: Mapping[str, str], taken: Collection[str]) -> dict[str, str]:
    """The parameters of the streams that are wanted. `taken` are the streams of the other stacks."""
    for parameter, text in lists.items():
        most, listed = MOST_CHARS[parameter], text.split(",") if text else []
        for name in listed:
            if not re.fullmatch(rf"[a-zA-Z0-9_.-]{{1,{most}}}", name):
                raise OwnStreamsError(f"{parameter} has the name {name!r}; a name has 1 to {most} of a-z A-Z 0-9 _ . -")
        if len(listed) > MOST:
            raise OwnStreamsError(f"{parameter} has {len(listed)} names, limit {MOST}")
        # CloudFormation calls a resource by the letters and digits of its stream's name.
        called = [re.sub(r"[^a-zA-Z0-9]", "", name) for name in listed]
        for name, called_so in zip(listed, called):
            if called.count(called_so) > 1:
                raise OwnStreamsError(f"{parameter} has two names like {name}: names must differ in a letter or digit")
        if parameter == FIREHOSE and set(listed) & set(PARTITIONS):
            raise OwnStreamsError(f"{parameter} must have none of {', '.join(PARTITIONS)}: the tables have the levels' events there")
    for stream in sorted(of_stack(lists) & set(taken)):
        raise OwnStreamsError(f"{stream} is a stream of another stack of this deployment: leave it out")
    gone = set(names(before.get(FIREHOSE))) - set(names(lists.get(FIREHOSE)))
    if gone:
        raise OwnStreamsError(
            f"{FIREHOSE} can't lose {', '.join(sorted(gone))}: Firehose deletes a stream with all that it has not delivered. A"
            " stream without records costs nothing: let no route name it"
        )
    if of_stack(before) and not of_stack(lists):
        raise OwnStreamsError(f"{KINESIS} can't become empty: delete the stack of these streams yourself, which keeps the streams")
    return dict(lists)


def parameters(lists: Mapping[str, str], outputs: Mapping[str, str], of_other: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the stack of own streams, from the other stack."""
    shared = {name: of_other[name] for name in stream_members.SHARED if name in of_other}
    own = {parameter: lists.get(parameter, "") for parameter in SERVICES.values()}
    arns = {
        name: ",".join(outputs[prefix] + each for each in names(own[parameter]))
        for name, (parameter, prefix) in ARN_PREFIXES.items()
    }
    return {**shared, **own, **arns, **{name: outputs[name] for name in stream_members.OUTPUTS}}


def needed(streams: Collection[str], known: Collection[str], before: Mapping[str, str]) -> dict[str, str]:
    """The parameters with those of `streams` that are not `known`, and with all that are there."""
    wanted = (set(streams) - set(known)) | of_stack(before)
    lists: dict[str, str] = {}
    for service, parameter in SERVICES.items():
        found = sorted(stream.partition(":")[2] for stream in wanted if stream.startswith(f"{service}:"))
        lists[parameter] = ",".join(found)
    return checked(lists, before, ())


def options_for(streams: Collection[str], lists: Mapping[str, str]) -> str:
    """The options of scripts/deploy that make these streams, too."""
    options = []
    for service, parameter in SERVICES.items():
        new = sorted(stream.removeprefix(f"{service}:") for stream in streams if stream.startswith(f"{service}:"))
        if new:
            options.append(f"--parameter {parameter}={','.join([*names(lists.get(parameter)), *new])}")
    return " ".join(options)


def notes(table: Mapping[str, Any], own: Collection[str]) -> str:
    """What each stream has, by the routes of a table HEADWATER: for those who query the tables of events.

    `own` are the names of the operator's own Firehose streams; others are of a level.
    """
    by_stream: dict[str, list[str]] = {}
    alone: dict[str, bool] = {}
    tables = [table, *table.get("keys", {}).values()]
    for each in tables:
        tenant = f"tenant {each['tenant']}, " if "tenant" in each and "routes" in each else ""
        for route in each.get("routes", []):
            to = [route["to"]] if isinstance(route["to"], str) else list(route["to"])
            is_stored = any(stream.startswith("firehose:") for stream in to)
            for stream in to:
                by_stream.setdefault(stream, []).append(tenant + _conditions(route))
                alone[stream] = alone.get(stream, False) or not is_stored
    said = [
        f"stream={_partition(stream.removeprefix('firehose:'), own)}: {'; '.join(dict.fromkeys(conditions))}."
        for stream, conditions in by_stream.items()
        if stream.startswith("firehose:")
    ]
    said += [
        f"{'Only' if alone[stream] else 'Also'} in {stream}: {'; '.join(dict.fromkeys(conditions))}."
        for stream, conditions in by_stream.items()
        if stream.startswith("kinesis:")
    ]
    text = " ".join(said)
    return text if len(text) <= MOST_NOTES else text[: MOST_NOTES - 1].rsplit(" ", 1)[0] + " \u2026"


def _conditions(route: Mapping[str, Any]) -> str:
    """The conditions of a route in words."""
    words = [f"{key} {_value(route[key])}" for key in CONDITIONS if key in route]
    share = f", a share of {route['sample']} of the devices" if "sample" in route else ""
    return (", ".join(words) or "all else") + share


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={each}" for key, each in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _partition(name: str, own: Collection[str]) -> str:
    """The value of the column `stream` in the events of a Firehose stream."""
    level = re.fullmatch(r".*-(low|mid|high)(?:-(?:\{\d+\.\.\d+\}|\d+))?", name)
    return level[1] if level and name not in own else name
