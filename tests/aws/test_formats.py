"""A stack whose format is changed: what was stored before stays readable, beside what is stored after."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_aws import TEMPLATE, LocalAws
from local_template import for_ministack
from stack import Stack
from support.athena import ask, event, put, saved_query
from support.lake_fixtures import Asking, rows

NAME = "changed"


@pytest.fixture(scope="module")
def changed(aws: LocalAws) -> LocalAws:
    """Two steps of a session as lines of JSON, one as Parquet, and one as lines again, an event of them in both formats."""
    parameters = {"StreamPrefix": NAME, "Database": NAME}
    aws.create_stack(NAME, parameters)
    stack = Stack(aws.client("cloudformation"), NAME, poll_seconds=0.05)
    cart = event(1, "cart_changed", 5, v=3)
    put(aws, f"{NAME}-low", event(1, "product_viewed", 1, v=3), cart)
    stack.apply(for_ministack(TEMPLATE), {"Format": "parquet"})
    put(aws, f"{NAME}-low", cart, event(1, "order_placed", 9, v=3))
    stack.apply(for_ministack(TEMPLATE), {"Format": "gzip"})
    put(aws, f"{NAME}-low", event(2, "product_viewed", 2, v=3))
    return aws


def test_each_format_has_a_folder_of_its_own(changed: LocalAws) -> None:
    outputs = Stack(changed.client("cloudformation"), NAME).outputs()
    listed = changed.client("s3").list_objects_v2(Bucket=outputs["DataBucketName"])["Contents"]
    folders = {each["Key"].partition("day=")[0] for each in listed}
    assert folders == {"stream=low/", "format=parquet/stream=low/"}
    assert len(listed) == 5


def test_a_table_has_the_events_of_its_format(changed: LocalAws) -> None:
    counts = [ask(changed, f"SELECT count(*) FROM {table}", NAME) for table in ("events", "events_parquet")]
    assert counts == [[["3"]], [["2"]]]


def test_saved_queries_read_both_formats(changed: LocalAws) -> None:
    assert ask(changed, saved_query(changed, "Sessions per day", NAME), NAME) == [["2026-11-20", "2", "2", "4"]]
    assert ask(changed, saved_query(changed, "Funnel", NAME), NAME) == [
        ["1", "product_viewed", "2"],
        ["2", "cart_changed", "1"],
        ["3", "order_placed", "1"],
    ]
    names = ask(changed, saved_query(changed, "Names without a schema", NAME), NAME)
    assert [row[1:4] for row in names] == [
        ["product_viewed", "2", "2026-11-20T08:01:00"],
        ["cart_changed", "1", "2026-11-20T08:05:00"],
        ["order_placed", "1", "2026-11-20T08:09:00"],
    ]


def test_the_view_reads_both_formats_with_times_as_timestamps(changed: LocalAws) -> None:
    """The statement's query, which makes the view on AWS."""
    query = saved_query(changed, "Create the view events_full", NAME).partition(" AS ")[2]
    assert ask(changed, f"SELECT count(*), count(DISTINCT event_id), count(DISTINCT occurred_at) FROM ({query})", NAME) == [
        ["5", "4", "4"]
    ]
    latest = f"SELECT name, typeof(occurred_at) FROM ({query}) WHERE occurred_at > TIMESTAMP '2026-11-20 08:04:00' ORDER BY 1"
    assert ask(changed, latest, NAME) == [
        ["cart_changed", "TIMESTAMP"],
        ["cart_changed", "TIMESTAMP"],
        ["order_placed", "TIMESTAMP"],
    ]


def test_scripts_query_reads_both_formats(
    changed: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a copy of the bucket, as `aws s3 sync` makes one."""
    s3 = changed.client("s3")
    bucket = Stack(changed.client("cloudformation"), NAME).outputs()["DataBucketName"]
    for each in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        file = tmp_path / "copy" / each["Key"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read())
    asking = Asking(tmp_path / "cache", monkeypatch, capsys)
    sql = "SELECT name, count(*), min(occurred_at) FROM events GROUP BY 1 ORDER BY 1"
    assert rows(asking(tmp_path / "copy", "--sql", sql)) == [
        ("cart_changed", "1", "2026-11-20 08:05:00"),
        ("order_placed", "1", "2026-11-20 08:09:00"),
        ("product_viewed", "2", "2026-11-20 08:01:00"),
    ]
