"""An analyst's questions about a day's mix of events, put to the delivered objects by DuckDB.

Every event of the catalogue, sent by several visitors of two countries, goes through the
worker and the local AWS into S3. What is counted there is held to what was sent.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

from local_aws import BUCKET_OUTPUTS, Kind, LocalAws
from support.catalogue import NAMES, invalid, schema, valid
from support.delivered_records import now_ms
from support.worker import PATIENT, Worker

TODAY = datetime.now(timezone.utc).date()


@dataclass(frozen=True)
class Visitor:
    """Who sends each valid sample once, in one request, and what is to be read of it."""

    country: str
    days_ago: int
    agent: str
    browser: str | None = None
    bot: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    campaign: str | None = None
    referrer: str | None = None
    medium: str | None = None

    @property
    def day(self) -> date:
        return TODAY - timedelta(days=self.days_ago)

    def beacons(self) -> list[dict[str, Any]]:
        start = datetime.combine(self.day, time(8), timezone.utc)
        device_id = str(uuid4())
        return [
            {
                **beacon,
                "id": str(uuid4()),
                "device_id": device_id,
                "seq": seq,
                "time": int((start + timedelta(minutes=seq)).timestamp() * 1_000),
                "url": f"https://shop.example/tea{self.query}",
                "referrer": self.referrer,
                "screen": "1920x1080",
            }
            for seq, beacon in enumerate(SAMPLES)
        ]


CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PIXEL = {"sec-ch-ua-platform": '"Android"', "sec-ch-ua-mobile": "?1", "sec-ch-ua-model": '"Pixel 8"'}  # fmt: skip
NEWSLETTER = "?utm_source=newsletter&utm_medium=email&utm_campaign=autumn"
ADVERT = "?utm_source=google&utm_medium=cpc&utm_campaign=cups&gclid=Cj0abc"

VISITORS = [
    Visitor("CH", 1, CHROME, "Chrome", referrer="https://www.google.ch/", medium="search"),
    Visitor("CH", 1, FIREFOX, "Firefox", query=NEWSLETTER, campaign="autumn"),
    Visitor("CH", 2, CHROME.replace("131", "130"), "Chrome", headers=PIXEL),
    Visitor("CH", 1, GOOGLEBOT, bot="search_engine"),
    Visitor("US", 1, SAFARI, "Safari", query=NEWSLETTER, campaign="autumn", referrer="https://mail.google.com/", medium="email"),
    Visitor("US", 2, CHROME, "Chrome", query=ADVERT, campaign="cups", referrer="https://shop.example/", medium="internal"),
    Visitor("US", 2, "curl/8.5.0", bot="http_library"),
]  # fmt: skip

SAMPLES = [beacon for name in NAMES for beacon in valid(name)]
INVALID = [each for name in NAMES for each in invalid(name) if each[1]]
LEVELS = Counter(
    beacon.get("level", schema(beacon["name"])["x-level"]) for beacon in SAMPLES
)


@pytest.fixture(scope="module")
def codes(aws: LocalAws) -> Counter[tuple[str, str]]:
    """The names and codes of the failed verdicts; the day's mix is delivered."""
    aws.clear()
    reported: Counter[tuple[str, str]] = Counter()
    for country in ("CH", "US"):
        with Worker(aws.environment(), PATIENT, {"country": country}) as worker:
            for visitor in VISITORS:
                if visitor.country != country:
                    continue
                body = {"sent_at": now_ms(), "events": visitor.beacons()}
                headers = {"user-agent": visitor.agent, **visitor.headers}
                assert worker.post(body, headers).status == 204
            answer = worker.post([beacon for beacon, _ in INVALID])
            for verdict, (beacon, _) in zip(answer.verdicts, INVALID, strict=True):
                reported[beacon["name"], verdict["code"]] += 1
    return reported


@pytest.fixture(scope="module")
def lake(
    aws: LocalAws, codes: Counter[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:  # fmt: skip
    """The tables `events` and `failed`, over copies of the objects in S3.

    Events of many names have many props, of which each has a few. DuckDB would take
    these for a map, whose values have one type; the threshold keeps it from that.
    """
    directory = tmp_path_factory.mktemp("lake")
    for kind in BUCKET_OUTPUTS:
        copy(aws, kind, directory / kind)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table, files in [
            ("events", directory / "data" / "stream=*" / "**" / "*.gz"),
            ("failed", directory / "failed" / "day=*" / "**" / "*.gz"),
        ]:
            connection.execute(f"""CREATE TABLE {table} AS FROM read_json('{files}',
                    format = 'newline_delimited', hive_partitioning = true,
                    union_by_name = true, map_inference_threshold = -1)""")
        yield connection


def copy(aws: LocalAws, kind: Kind, to: Path) -> None:
    """Copies a bucket, gzipped as Firehose would have done it."""
    s3 = aws.client("s3")
    bucket = aws.outputs[BUCKET_OUTPUTS[kind]]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for each in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
            path = to / f"{each['Key']}.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(body))


def counts(lake: duckdb.DuckDBPyConnection, what: str, table: str = "events") -> Any:
    """How many rows there are of each `what`."""
    rows = lake.execute(f"SELECT {what}, count(*) FROM {table} GROUP BY ALL").fetchall()
    return {row[0] if len(row) == 2 else row[:-1]: row[-1] for row in rows}


def sent(of: Any) -> Any:
    """How many events were sent of each value that `of` gives for their visitor."""
    visitors = Counter(of(visitor) for visitor in VISITORS)
    return {value: count * len(SAMPLES) for value, count in visitors.items()}


@pytest.mark.parametrize(
    ("what", "of"),
    [
        ("occurred_at::DATE", lambda visitor: visitor.day),
        ("country", lambda visitor: visitor.country),
        ("utm_campaign", lambda visitor: visitor.campaign),
        ("browser", lambda visitor: visitor.browser),
        ("bot_reason", lambda visitor: visitor.bot),
        ("coalesce(bot, false)", lambda visitor: visitor.bot is not None),
        ("referrer_medium", lambda visitor: visitor.medium),
        ("tenant", lambda _: "default"),
        (
            "occurred_at::DATE, country, utm_campaign, browser",
            lambda visitor: (visitor.day, visitor.country, visitor.campaign, visitor.browser),
        ),
    ],
    ids=lambda what: what if isinstance(what, str) else "",
)  # fmt: skip
def test_events_are_counted_by_kind_of_visitor(
    lake: duckdb.DuckDBPyConnection, what: str, of: Any
) -> None:
    assert counts(lake, what) == sent(of)


def test_events_are_counted_by_name_level_and_tag(lake: duckdb.DuckDBPyConnection) -> None:
    visitors = len(VISITORS)
    names = Counter(beacon["name"] for beacon in SAMPLES)

    assert counts(lake, "name") == {name: n * visitors for name, n in names.items()}
    assert counts(lake, "level") == {level: n * visitors for level, n in LEVELS.items()}
    assert counts(lake, "metadata.tag") == {
        "shop-ch": visitors,
        None: (len(SAMPLES) - 1) * visitors,
    }


def test_repeats_and_the_order_of_events_can_be_seen(
    lake: duckdb.DuckDBPyConnection,
) -> None:
    ((events, ids, devices),) = lake.execute(
        "SELECT count(*), count(DISTINCT event_id), count(DISTINCT device_id) FROM events"
    ).fetchall()
    assert events == ids == len(VISITORS) * len(SAMPLES)
    assert devices == len(VISITORS)
    assert counts(lake, "seq = event_index") == {True: events}


@pytest.mark.parametrize("table", ["events", "failed"])
def test_the_partitions_are_columns_of_their_own(
    lake: duckdb.DuckDBPyConnection, table: str
) -> None:
    """A partition that had the name of a column would hide it, or be refused."""
    columns = [row[0] for row in lake.execute(f"DESCRIBE {table}").fetchall()]

    assert len(columns) == len(set(columns))
    assert set(columns) >= {"day", "hr"}
    # By Firehose's clock and by the worker's, which may be on two sides of a full hour.
    near = "abs(epoch(day + to_hours(hr::BIGINT) - date_trunc('hour', received_at))) <= 3600"
    assert set(counts(lake, near, table)) == {True}
    if table == "events":
        assert counts(lake, "stream = level") == {True: len(VISITORS) * len(SAMPLES)}


def test_numbers_times_and_props_have_their_types(
    lake: duckdb.DuckDBPyConnection,
) -> None:
    types = {row[0]: row[1] for row in lake.execute("DESCRIBE events").fetchall()}

    for name, expected in {
        "event_id": "UUID",
        "day": "DATE",
        "received_at": "TIMESTAMP",
        "occurred_at": "TIMESTAMP",
        "sent_at": "TIMESTAMP",
        "asn": "BIGINT",
        "event_index": "BIGINT",
        "seq": "BIGINT",
        "screen_width": "BIGINT",
        "utc_offset_minutes": "BIGINT",
        "bot": "BOOLEAN",
        "browser_version": "VARCHAR",
        "schema_version": "VARCHAR",
        "ip": "VARCHAR",
    }.items():
        assert types[name] == expected, name
    assert types["props"].startswith("STRUCT("), types["props"]
    assert types["metadata"].startswith("STRUCT(")


def test_sales_add_up(lake: duckdb.DuckDBPyConnection) -> None:
    sold: Counter[str] = Counter()
    pieces = 0
    for props in (each["props"] for each in SAMPLES if each["name"] == "order_placed"):
        sold[props["currency"]] += round(props["total"] * 100) * len(VISITORS)
        pieces += sum(line["quantity"] for line in props.get("lines", []))

    rows = lake.execute(
        """SELECT props.currency, sum(round(props.total * 100)) FROM events
           WHERE name = 'order_placed' GROUP BY ALL"""
    ).fetchall()
    assert dict(rows) == sold
    ((found,),) = lake.execute(
        "SELECT sum(line.quantity) FROM (SELECT unnest(props.lines) AS line FROM events)"
    ).fetchall()
    assert found == pieces * len(VISITORS)


def test_failed_events_are_counted_by_code_and_schema(
    lake: duckdb.DuckDBPyConnection, codes: Counter[tuple[str, str]]
) -> None:
    by_schema = Counter(f"/schemas/{beacon['name']}.json" for beacon, _ in INVALID)
    rules = Counter(
        (beacon["name"], pointer, rule)
        for beacon, violations in INVALID
        for pointer, rule in violations
    )

    assert counts(lake, "schema_id", "failed") == {
        name: count * 2 for name, count in by_schema.items()
    }
    assert counts(lake, "name, code", "failed") == codes
    unnested = "(SELECT name, unnest(violations) AS v FROM failed)"
    assert counts(lake, "name, v.pointer, v.rule", unnested) == {
        rule: count * 2 for rule, count in rules.items()
    }
    assert counts(lake, "stage, original_format", "failed") == {
        ("validate", "beacon"): len(INVALID) * 2
    }


def test_a_failed_event_can_be_read_back(lake: duckdb.DuckDBPyConnection) -> None:
    """To fix a schema, an operator needs what was sent, and then sends it again."""
    rows = lake.execute(
        """SELECT json_extract_string(original, '$.props.currency') FROM failed
           WHERE name = 'order_placed' AND pointer = '/props/currency'
           AND list_contains(list_transform(violations, lambda v: v.rule), 'pattern')"""
    ).fetchall()
    assert rows == [("euro",)] * 2
