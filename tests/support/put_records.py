"""Calls that put records: read and answered as Firehose and Kinesis do, limits included.

https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from support.aws_call import AwsError, Call

CONTENT_TYPE = "application/x-amz-json-1.1"
MAX_RECORDS = 500


@dataclass(frozen=True)
class Put:
    """What a call asks for."""

    stream: str
    """As the worker's configuration names it, but for Firehose's: those have no prefix."""
    records: list[bytes]
    keys: list[str]
    """The partition key of each record; none where the service has no shards."""


Entry = dict[str, str]


class Firehose:
    """PutRecordBatch of Amazon Data Firehose."""

    name = "firehose"
    target = "Firehose_20150804.PutRecordBatch"
    # The documentation counts the "entire request", so the bytes of the body count here.
    max_call_bytes = 4 * 1024 * 1024
    max_record_bytes = 1_024_000
    stream_name = re.compile(r"[a-zA-Z0-9_.-]{1,64}")

    def put(self, call: Call) -> Put:
        """The stream and the decoded records of a call that is inside the limits."""
        body = _body(call)
        stream, records = _parts(body, "DeliveryStreamName")
        _check_name(stream, "deliveryStreamName", self.stream_name)
        _check_count(records)
        data = [_data(record) for record in records]
        for index, record in enumerate(data, start=1):
            if len(record) > self.max_record_bytes:
                raise _constraint(
                    f"records.{index}.member.data",
                    f"Member must have length less than or equal to {self.max_record_bytes}",
                )
        if len(call.body) > self.max_call_bytes:
            raise AwsError(
                "InvalidArgumentException", "Records size exceeds 4 MB limit"
            )
        return Put(stream, data, [])

    def missing(self, stream: str) -> AwsError:
        """The refusal of a stream that is not there."""
        return AwsError(
            "ResourceNotFoundException",
            f"Firehose {stream} not found under account 000000000000.",
        )

    def taken(self, number: int) -> Entry:
        """The entry of a record that was stored."""
        return {"RecordId": f"{number:0>224}"}

    def answer(self, entries: list[Entry]) -> dict[str, Any]:
        """The answer with these entries."""
        return {
            "FailedPutCount": sum("ErrorCode" in entry for entry in entries),
            "Encrypted": False,
            "RequestResponses": entries,
        }


class Kinesis:
    """PutRecords of Amazon Kinesis Data Streams."""

    name = "kinesis"
    target = "Kinesis_20131202.PutRecords"
    # Before base64, keys included; what every stream takes, though some now take more.
    max_call_bytes = 5 * 1024 * 1024
    max_record_bytes = 1024 * 1024
    max_key_characters = 256
    stream_name = re.compile(r"[a-zA-Z0-9_.-]{1,128}")

    def put(self, call: Call) -> Put:
        """The stream, the decoded records and the keys of a call inside the limits."""
        body = _body(call)
        stream, records = _parts(body, "StreamName")
        _check_name(stream, "streamName", self.stream_name)
        _check_count(records)
        data = [_data(record) for record in records]
        keys = [record.get("PartitionKey") for record in records]
        for index, (record, key) in enumerate(zip(data, keys, strict=True), start=1):
            member = f"records.{index}.member"
            if not isinstance(key, str) or not 1 <= len(key) <= self.max_key_characters:
                raise _constraint(
                    f"{member}.partitionKey", "Member must have 1 to 256 characters"
                )
            if len(record) + len(key.encode()) > self.max_record_bytes:
                raise _constraint(
                    f"{member}.data",
                    f"Member must have length less than or equal to {self.max_record_bytes}",
                )
        size = sum(len(record) for record in data) + sum(len(k.encode()) for k in keys)
        if size > self.max_call_bytes:
            raise AwsError(
                "InvalidArgumentException",
                "Records total payload size exceeds 5 MB limit",
            )
        return Put(f"kinesis:{stream}", data, keys)

    def missing(self, stream: str) -> AwsError:
        """The refusal of a stream that is not there."""
        name = stream.removeprefix("kinesis:")
        return AwsError(
            "ResourceNotFoundException",
            f"Stream {name} under account 000000000000 not found.",
        )

    def taken(self, number: int) -> Entry:
        """The entry of a record that was stored."""
        return {
            "SequenceNumber": f"495{number:0>53}",
            "ShardId": "shardId-000000000000",
        }

    def answer(self, entries: list[Entry]) -> dict[str, Any]:
        """The answer with these entries."""
        return {
            "EncryptionType": "NONE",
            "FailedRecordCount": sum("ErrorCode" in entry for entry in entries),
            "Records": entries,
        }


FIREHOSE = Firehose()
KINESIS = Kinesis()
Service = Firehose | Kinesis


def service_of(call: Call) -> Service:
    """The service that a call is for; Firehose where it does not say."""
    target = call.header("x-amz-target") or ""
    return KINESIS if target.startswith("Kinesis_") else FIREHOSE


def put_of(call: Call) -> Put:
    """What a call asks its service for."""
    service = service_of(call)
    if (
        call.method != "POST"
        or call.path != "/"
        or call.header("x-amz-target") != service.target
        or call.header("content-type") != CONTENT_TYPE
    ):
        raise AwsError(
            "UnknownOperationException", f"Not a {service.target} in {CONTENT_TYPE}"
        )
    return service.put(call)


def lines(record: bytes) -> list[Any]:
    """The events of a record; a line that isn't JSON is none."""
    events = []
    for line in record.splitlines():
        try:
            events.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return events


def _body(call: Call) -> Any:
    try:
        return json.loads(call.body)
    except ValueError as error:
        raise AwsError("SerializationException", str(error)) from error


def _parts(body: Any, stream: str) -> tuple[str, list[dict[str, Any]]]:
    try:
        name, records = body[stream], body["Records"]
        if not all(isinstance(record, dict) for record in records):
            raise TypeError("Records are structures")
        return name, records
    except (KeyError, TypeError) as error:
        raise AwsError("SerializationException", str(error)) from error


def _data(record: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(record["Data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise AwsError("SerializationException", str(error)) from error


def _check_name(name: Any, member: str, form: re.Pattern[str]) -> None:
    if not isinstance(name, str) or not form.fullmatch(name):
        raise _constraint(member, "Member must satisfy [a-zA-Z0-9_.-]+")


def _check_count(records: list[dict[str, Any]]) -> None:
    if not records:
        raise _constraint("records", "Member must have length greater than 0")
    if len(records) > MAX_RECORDS:
        raise _constraint(
            "records", f"Member must have length less than or equal to {MAX_RECORDS}"
        )


def _constraint(member: str, constraint: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"1 validation error detected: Value at '{member}' failed to satisfy "
        f"constraint: {constraint}",
    )
