"""Events in a local AWS, and the questions that its Athena answers about them."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

from local_aws import LocalAws

RESULTS = "athena-results"


def put(aws: LocalAws, stream: str, *records: dict[str, Any]) -> None:
    """Put records as they are, each as a record of its own."""
    answer = aws.client("firehose").put_record_batch(
        DeliveryStreamName=stream,
        Records=[{"Data": json.dumps(record).encode() + b"\n"} for record in records],
    )
    assert answer["FailedPutCount"] == 0


def ask(
    aws: LocalAws, query: str, database: str = "headwater"
) -> list[list[str | None]]:
    """The rows that Athena answers, as texts."""
    _make_place_of_results(aws)
    athena = aws.client("athena")
    execution = athena.start_query_execution(
        QueryString=query,
        QueryExecutionContext={"Database": database},
        WorkGroup=database,
        ResultConfiguration={"OutputLocation": f"s3://{RESULTS}/"},
    )["QueryExecutionId"]
    deadline = time.monotonic() + 30
    while True:
        status = athena.get_query_execution(QueryExecutionId=execution)[
            "QueryExecution"
        ]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert status["State"] == "SUCCEEDED", status
    rows = athena.get_query_results(QueryExecutionId=execution)["ResultSet"]["Rows"]
    return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows[1:]]


def saved_query(aws: LocalAws, name: str, workgroup: str = "headwater") -> str:
    """The text of a saved query."""
    athena = aws.client("athena")
    ids = athena.list_named_queries(WorkGroup=workgroup)["NamedQueryIds"]
    queries = athena.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]
    (text,) = [each["QueryString"] for each in queries if each["Name"] == name]
    return text


def event(session: int, name: str, minute: int, **more: Any) -> dict[str, Any]:
    """An event of a session, which began at its minute 0."""
    return {
        "event_id": f"{session}-{name}-{minute}",
        "tenant": "default",
        "name": name,
        "device_id": f"device-{session}",
        "session_id": f"session-{session}",
        "session_started_at": f"2026-11-2{session // 3}T08:00:00.000Z",
        "occurred_at": f"2026-11-2{session // 3}T08:{minute:02}:00.000Z",
        "bot": None,
        **more,
    }


def _make_place_of_results(aws: LocalAws) -> None:
    """ministack wants one; AWS keeps the results of the workgroup by itself."""
    s3 = aws.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(
            Bucket=RESULTS, CreateBucketConfiguration={"LocationConstraint": aws.region}
        )
