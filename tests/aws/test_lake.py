"""What reads the events: the tables, the saved queries, Parquet; and what watches the streams."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from local_aws import LocalAws
from support import ROOT
from support.athena import ask, event, put, saved_query

SRC = ROOT / "src"
WRITTEN = re.compile(r'line\.\w+\(\s*"(\w+)"')


def columns(aws: LocalAws, table: str, database: str = "headwater") -> list[str]:
    """The columns of a table, partitions left out."""
    described = aws.client("glue").get_table(DatabaseName=database, Name=table)
    return [each["Name"] for each in described["Table"]["StorageDescriptor"]["Columns"]]


def written_by(source: str, *functions: str) -> set[str]:
    """The columns that functions of a file of src write."""
    text = (SRC / source).read_text()
    bodies = re.findall(
        rf"fn (?:{'|'.join(functions)})\(.*?\n(?: {{4}})?}}\n", text, re.S
    )
    assert len(bodies) == len(functions), functions
    return set(WRITTEN.findall("".join(bodies)))


def test_the_tables_have_the_columns_that_the_worker_writes(aws: LocalAws) -> None:
    names = (ROOT / "src/model/record/column.rs").read_text()
    events = set(re.findall(r'^    \w+ "(\w+)"$', names, re.MULTILINE))
    events |= written_by("model/record/mod.rs", "in_session", "past_its_shard")
    text = (ROOT / "src/pipeline/encode/columns.rs").read_text()
    of_variant = dict(re.findall(r'^    (\w+) "(\w+)"$', names, re.MULTILINE))
    shared = text.partition("fn received(")[2].partition("\n}\n")[0]
    head = (ROOT / "src/pipeline/encode/mod.rs").read_text()
    head = head.partition("fn failed_columns(")[2].partition("\n}\n")[0]
    failed = {of_variant[each] for each in re.findall(r"Column::(\w+)", shared + head)}
    failed -= {"date", "hour"}
    failed |= written_by("pipeline/encode/mod.rs", "failed_columns")
    failed |= written_by("model/record/failed.rs", "failure")
    for table, written in (("events", events), ("events_parquet", events), ("failed_events", failed)):
        reported = columns(aws, table)
        assert set(reported) == written
        assert len(reported) == len(set(reported))


@pytest.fixture(scope="module")
def shop(aws: LocalAws) -> LocalAws:
    """Four sessions of a shop, of which one is a program's, and some failed events."""
    aws.clear()
    bot = {"bot": True}
    repeated = event(1, "order_placed", 9)
    put(
        aws,
        "events-high",
        *[
            event(1, "product_viewed", 1),
            event(1, "cart_changed", 5),
            repeated,
            repeated,
        ],
        *[event(2, "product_viewed", 1), event(2, "cart_changed", 2)],
        *[event(3, "cart_changed", 1), event(3, "product_viewed", 2)],
        *[event(4, "product_viewed", 1, **bot), event(4, "order_placed", 2, **bot)],
    )
    put(aws, "events-low", event(3, "page_view", 4))
    unknown = {"stage": "validate", "code": "unknown_field", "name": "click"}
    json_ = {"stage": "protocol", "code": "bad_json", "name": None}
    put(
        aws,
        "events-failed",
        *[
            {"event_id": str(number), "pointer": pointer, "message": "no", **reason}
            | {"tenant": tenant, "received_at": f"2026-11-21T08:00:0{number}.000Z"}
            for tenant, number, pointer, reason in [
                ("shop", 1, "/a", unknown),
                ("shop", 2, "/a", unknown),
                ("shop", 2, "/a", unknown),
                ("blog", 2, "/a", unknown),
                ("shop", 3, "", json_),
            ]
        ],
    )
    return aws


def test_sessions_per_day_leaves_out_programs_and_repeats(shop: LocalAws) -> None:
    assert ask(shop, saved_query(shop, "Sessions per day")) == [
        ["2026-11-20", "2", "2", "5"],
        ["2026-11-21", "1", "1", "3"],
    ]


def test_the_funnel_keeps_the_order_of_its_steps(shop: LocalAws) -> None:
    assert ask(shop, saved_query(shop, "Funnel")) == [
        ["1", "product_viewed", "3"],
        ["2", "cart_changed", "2"],
        ["3", "order_placed", "1"],
    ]


def test_failed_events_are_counted_by_reason(shop: LocalAws) -> None:
    rows = ask(shop, saved_query(shop, "Failed events by reason"))
    assert [row[:6] for row in rows] == [
        ["validate", "unknown_field", "click", "/a", "3", "no"],
        ["protocol", "bad_json", None, "", "1", "no"],
    ]


def test_saved_queries_scale_sampled_events(aws: LocalAws) -> None:
    """A tenth of the devices, and of them a half of what is ordered: shares take the same first."""
    aws.create_stack("sampled", {"StreamPrefix": "sampled", "Database": "sampled"})
    once = event(1, "order_placed", 9, sample_rate=0.5, schema_version="1.0.0")
    put(
        aws,
        "sampled-low",
        event(1, "product_viewed", 1, sample_rate=0.1),
        event(1, "cart_changed", 5, sample_rate=0.1),
        *[once, once],
        event(2, "product_viewed", 1),
    )
    assert ask(aws, saved_query(aws, "Sessions per day", "sampled"), "sampled") == [
        ["2026-11-20", "3", "3", "23"]
    ]
    assert ask(aws, saved_query(aws, "Funnel", "sampled"), "sampled") == [
        ["1", "product_viewed", "11"],
        ["2", "cart_changed", "10"],
        ["3", "order_placed", "10"],
    ]
    unknown = saved_query(aws, "Names without a schema", "sampled")
    assert [row[:3] for row in ask(aws, unknown, "sampled")] == [
        ["default", "product_viewed", "11"],
        ["default", "cart_changed", "10"],
    ]


def test_queries_of_partitioned_tables_name_their_partitions(aws: LocalAws) -> None:
    """Athena refuses a query that names no value of an injected partition."""
    parameters = {"PartitionByTenant": "true", "PartitionByKey": "tag"}
    aws.create_stack(
        "queries", {"StreamPrefix": "queries", "Database": "queries"} | parameters
    )
    for name in ("Sessions per day", "Funnel", "Names without a schema"):
        query = saved_query(aws, name, "queries")
        assert "AND by_tenant IN ('default')" in query
        assert "AND by_key IN ('none')" in query
        ask(aws, query, "queries")


@pytest.mark.parametrize(
    ("partitions", "folders"),
    [
        ({}, []),
        ({"PartitionByTenant": "true"}, ["by_tenant"]),
        ({"PartitionByKey": "tag"}, ["by_key"]),
        (
            {"PartitionByTenant": "true", "PartitionByKey": "tag"},
            ["by_tenant", "by_key"],
        ),
    ],
)
def test_projected_partitions_match_the_prefixes_of_the_streams(
    aws: LocalAws, partitions: dict[str, str], folders: list[str]
) -> None:
    """Without a template of theirs, Athena looks below the table for KEY=VALUE/ in the keys' order."""
    name = "_".join(["projected", *folders])
    outputs = aws.create_stack(
        name.replace("_", "-"), {"StreamPrefix": name, "Database": name} | partitions
    )
    for table, stream, bucket, folder in (
        ("events", "low", "DataBucketName", ""),
        ("events_parquet", "low", "DataBucketName", "format=parquet/"),
        ("failed_events", "failed", "FailedBucketName", ""),
    ):
        reported = aws.client("glue").get_table(DatabaseName=name, Name=table)["Table"]
        keys = [each["Name"] for each in reported["PartitionKeys"]]
        assert reported["StorageDescriptor"]["Location"] == f"s3://{outputs[bucket]}/{folder}"
        assert "storage.location.template" not in reported["Parameters"]
        assert reported["Parameters"]["projection.hr.digits"] == "2"
        assert all(f"projection.{key}.type" in reported["Parameters"] for key in keys)
        assert not set(keys) & set(columns(aws, table, name))
        destination = aws.client("firehose").describe_delivery_stream(
            DeliveryStreamName=f"{name}-{stream}"
        )["DeliveryStreamDescription"]["Destinations"][0]
        prefix = destination["ExtendedS3DestinationDescription"]["Prefix"]
        assert [part.partition("=")[0] for part in prefix.split("/") if part] == keys
        if table != "failed_events":
            assert keys == [*folders, "stream", "day", "hr"]


def test_keys_of_visitors_keep_their_case(aws: LocalAws) -> None:
    """OpenX would lower them, and refuse a line with both `total` and `Total`.

    https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html
    """
    for table in ("events", "events_parquet", "failed_events"):
        reported = aws.client("glue").get_table(DatabaseName="headwater", Name=table)
        serde = reported["Table"]["StorageDescriptor"]["SerdeInfo"]
        assert serde["Parameters"] == {"case.insensitive": "FALSE"}
        assert all(name == name.lower() for name in columns(aws, table))
    name = "cased"
    aws.create_stack(
        name, {"StreamPrefix": name, "Database": name, "Format": "parquet"}
    )
    stream = aws.client("firehose").describe_delivery_stream(
        DeliveryStreamName=f"{name}-low"
    )["DeliveryStreamDescription"]["Destinations"][0]
    conversion = stream["ExtendedS3DestinationDescription"][
        "DataFormatConversionConfiguration"
    ]
    serde = conversion["InputFormatConfiguration"]["Deserializer"]["OpenXJsonSerDe"]
    assert str(serde["CaseInsensitive"]).lower() == "false"


def test_parquet_has_the_columns_of_the_table(aws: LocalAws, tmp_path: Path) -> None:
    outputs = aws.create_stack(
        "parquet",
        {"StreamPrefix": "parquet", "Database": "parquet", "Format": "parquet"},
    )
    put(
        aws, "parquet-low", event(1, "click", 3, seq=7, sample_rate=0.5, unheard_of="x")
    )
    s3 = aws.client("s3")
    bucket = outputs["DataBucketName"]
    (stored,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert stored["Key"].startswith("format=parquet/stream=low/day=")
    file = tmp_path / "low.parquet"
    file.write_bytes(s3.get_object(Bucket=bucket, Key=stored["Key"])["Body"].read())
    relation = duckdb.read_parquet(str(file))
    assert relation.columns == columns(aws, "events_parquet", "parquet")
    assert relation.select("name, seq, sample_rate, bot, occurred_at").fetchall() == [
        ("click", 7, 0.5, None, datetime(2026, 11, 20, 8, 3))
    ]
    assert ask(aws, "SELECT name, seq FROM events_parquet", "parquet") == [["click", "7"]]


def test_firehose_may_read_its_table_only_if_it_converts(aws: LocalAws) -> None:
    iam = aws.client("iam")
    for name, format_, allowed in (
        ("reads", "parquet", True),
        ("never", "gzip", False),
    ):
        aws.create_stack(
            name, {"StreamPrefix": name, "Database": name, "Format": format_}
        )
        stream = aws.client("firehose").describe_delivery_stream(
            DeliveryStreamName=f"{name}-low"
        )["DeliveryStreamDescription"]["Destinations"][0]
        role = stream["ExtendedS3DestinationDescription"]["RoleARN"].split("/")[-1]
        (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)[
            "PolicyDocument"
        ]
        actions = [
            action for each in document["Statement"] for action in each["Action"]
        ]
        assert ("glue:GetTableVersions" in actions) is allowed


def alarms(
    aws: LocalAws, name: str, **parameters: str
) -> dict[tuple[str, str], dict[str, Any]]:
    """The alarms of a new stack, by stream and metric."""
    aws.create_stack(name, {"StreamPrefix": name, "Database": name} | parameters)
    described = aws.client("cloudwatch").describe_alarms(AlarmNamePrefix=name)
    return {
        (
            each["Dimensions"][0]["Value"].removeprefix(f"{name}-"),
            each["MetricName"],
        ): each
        for each in described["MetricAlarms"]
    }


def test_each_stream_is_watched(aws: LocalAws) -> None:
    topic = "arn:aws:sns:eu-west-1:000000000000:night-shift"
    limits = {"StaleSeconds": "900", "FailedRecordsTolerated": "7"}
    reported = alarms(aws, "watched", AlarmTopic=topic, **limits)
    thresholds = {key: alarm["Threshold"] for key, alarm in reported.items()}
    streams = ["low", "mid", "high", "failed"]
    assert thresholds == {
        **{(stream, "DeliveryToS3.DataFreshness"): 900 for stream in streams},
        **{(stream, "DeliveryToS3.Success"): 1 for stream in streams},
        **{(stream, "ThrottledRecords"): 0 for stream in streams},
        ("failed", "IncomingRecords"): 7,
    }
    for alarm in reported.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]
        assert alarm["Namespace"] == "AWS/Firehose"
        assert alarm["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize(
    ("parameter", "value", "metric"),
    [
        ("Format", "parquet", "FailedConversion.Records"),
        ("PartitionByTenant", "true", "PartitionCountExceeded"),
        ("PartitionByKey", "tag", "PartitionCountExceeded"),
    ],
)
def test_firehose_errors_have_an_alarm_if_they_can_happen(
    aws: LocalAws, parameter: str, value: str, metric: str
) -> None:
    detours = {"FailedConversion.Records", "PartitionCountExceeded"}
    watched = alarms(aws, f"detour{parameter}".lower(), **{parameter: value})
    reported = [key for key in watched if key[1] in detours]
    assert sorted(reported) == [(level, metric) for level in ("high", "low", "mid")]


def test_alarms_without_a_topic_have_no_action(aws: LocalAws) -> None:
    assert all(alarm["AlarmActions"] == [] for alarm in alarms(aws, "silent").values())


@pytest.mark.parametrize("bucket", ["DataBucketName", "FailedBucketName"])
def test_the_local_buckets_keep_the_rules_that_were_left_out(
    aws: LocalAws, bucket: str
) -> None:
    s3 = aws.client("s3")
    name = aws.outputs[bucket]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    reported = {rule["ID"]: rule for rule in rules}
    forget = reported["forget-what-was-deleted"]
    assert forget["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert ("expire" in reported) == (bucket == "FailedBucketName")
    if "expire" in reported:
        assert reported["expire"]["Expiration"] == {"Days": 90}
    encryption = s3.get_bucket_encryption(Bucket=name)
    (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"


def test_the_view_has_what_records_leave_out(aws: LocalAws) -> None:
    """The statement's query, which makes the view on AWS; ministack has no views, and reads times as such."""
    aws.clear()
    lean = {"v": 3, "tenant": "default", "name": "page_view", "received_at": "2026-11-20T23:07:40.123Z"}  # fmt: skip
    put(
        aws,
        "events-low",
        {**lean, "event_id": "1", "occurred_at": "2026-11-20T23:07:40.000Z", "utc_offset_minutes": 60,
         "url": "https://shop.example/tea/sencha?a=/b", "referrer": "android-app://com.example/x"},
        {**lean, "event_id": "2", "occurred_at": lean["received_at"], "utc_offset_minutes": -720,
         "url": "https://b\u00fccher.example:8443", "url_host": "xn--bcher-kva.example", "referrer": "x?u=https://a/"},
        {**lean, "event_id": "3", "occurred_at": "2026-11-20T22:00:00.000Z", "clock_skew_ms": 9,
         "client_time": "2026-11-20T22:00:00.009Z", "url": "https://..../x", "url_host": ""},
        {**lean, "event_id": "4", "v": 2, "occurred_at": "2026-11-20T22:00:00.000Z", "url": "https://a.example/"},
    )  # fmt: skip
    statement = saved_query(aws, "Create the view events_full")
    head, _, query = statement.partition(" AS ")
    assert head == "CREATE OR REPLACE VIEW events_full"
    names = "event_id, date, hour, client_time, local_hour, day_part, url_host, url_path, referrer_host"
    assert ask(aws, f"SELECT {names}, stream FROM ({query}) ORDER BY event_id") == [
        ["1", "2026-11-20", "23", "2026-11-20 23:07:40", "0", "night", "shop.example", "/tea/sencha", "com.example", "low"],
        ["2", "2026-11-20", "23", None, "11", "morning", "xn--bcher-kva.example", "", None, "low"],
        ["3", "2026-11-20", "23", "2026-11-20 22:00:00.009000", None, None, None, None, None, "low"],
        ["4", "2026-11-20", "23", None, None, None, None, None, None, "low"],
    ]  # fmt: skip


def test_the_views_for_other_collectors_queries(aws: LocalAws) -> None:
    """As the test above: the view that they read is put into them as a query."""
    aws.clear()
    fields = {"v": 3, "tenant": "default", "received_at": "2026-11-20T23:07:40.123Z", "occurred_at": "2026-11-20T23:07:40.000Z"}  # fmt: skip
    library = {"context": {"library": {"name": "analytics-node"}}}
    put(
        aws,
        "events-low",
        {**fields, "event_id": "1", "protocol": "segment", "name": "page_view", "source_name": "page",
         "url": "https://shop.example/tea", "props": {"page_name": "Tea"}, "metadata": library},
        {**fields, "event_id": "2", "protocol": "segment", "name": "order_placed", "source_name": "Order Completed",
         "source_event_id": "node-next-1", "props": {"total": 19.9}, "metadata": library},
        {**fields, "event_id": "3", "protocol": "segment", "name": "identify", "user_id": "u-7", "props": {"plan": "team"}},
        {**fields, "event_id": "4", "protocol": "snowplow", "name": "struct_event", "source_name": "se",
         "props": {"category": "coupon", "value": 10}, "metadata": {"snowplow": {"aid": "shop"}, "session_index": 3}},
        {**fields, "event_id": "5", "protocol": "posthog", "name": "page_view", "source_name": "$pageview",
         "device_id": "d-1", "metadata": {"posthog": {"lib": "web"}}},
    )  # fmt: skip
    full = saved_query(aws, "Create the view events_full").partition(" AS ")[2]
    for name, columns, expected in [
        ("segment_tracks", "id, event, event_text, context_library_name", ["node-next-1", "order_placed", "Order Completed", "analytics-node"]),
        ("segment_pages", "id, name, path, tenant", ["1", "Tea", "/tea", "default"]),
        ("segment_identifies", "id, user_id", ["3", "u-7"]),
        ("snowplow_events", "app_id, event, se_category, se_value, domain_sessionidx", ["shop", "struct", "coupon", "10.0", "3"]),
        ("posthog_events", "event, distinct_id, lib", ["$pageview", "d-1", "web"]),
    ]:  # fmt: skip
        head, _, query = saved_query(aws, f"Create the view {name}").partition(" AS ")
        assert head == f"CREATE OR REPLACE VIEW {name}"
        query = query.replace("FROM events_full", f"FROM ({full}) AS events_full")
        assert ask(aws, f"SELECT {columns} FROM ({query})") == [expected], name
