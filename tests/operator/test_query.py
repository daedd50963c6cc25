"""The saved queries answer what was sent: each number is worked out by hand here."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

from local_aws import BUCKET_OUTPUTS, LocalAws
from support.cli import LAKE, answer, place, query
from support.waiting import wait_until
from support.worker import Worker

SETTINGS: dict[str, Any] = {
    "delivery": "sharded",
    "shards": 1,
    "linger_ms": 10,
    "delivery_timeout_ms": 30_000,
    "unknown_events": "fail",
}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
# Not long ago: what is a year old has its time corrected.
MONDAY = datetime.now(timezone.utc).replace(hour=9, minute=0, second=0, microsecond=0)
MONDAY -= timedelta(days=MONDAY.weekday() + 7)
TUESDAY = MONDAY + timedelta(days=1)
TEA = "https://shop.example/tea?utm_campaign=autumn&utm_source=news&utm_medium=email"
CUPS = "https://shop.example/cups"


def at(day: datetime, minute: int, name: str, **fields: Any) -> dict[str, Any]:
    when = (day + timedelta(minutes=minute)).isoformat(timespec="milliseconds")
    return {"id": str(uuid4()), "name": name, "time": when, **fields}


VIEWED, CHANGED = {"sku": "tea"}, {"action": "add", "sku": "tea", "quantity": 1}
ORDERED = {"total": 19.9, "currency": "CHF"}

# Ada orders on Monday, and only looks on Tuesday; Ben changes his cart before he looks.
ADA = [
    at(MONDAY, 0, "page_view", url=TEA, referrer="https://www.google.com/"),
    at(MONDAY, 1, "product_viewed", props=VIEWED),
    at(MONDAY, 2, "cart_changed", props=CHANGED),
    at(MONDAY, 3, "order_placed", props=ORDERED),
    at(TUESDAY, 0, "page_view", url=CUPS),
    at(TUESDAY, 1, "product_viewed", props=VIEWED),
]
BEN = [
    at(TUESDAY, 0, "page_view", url=TEA),
    at(TUESDAY, 1, "cart_changed", props=CHANGED),
    at(TUESDAY, 2, "product_viewed", props=VIEWED),
    at(TUESDAY, 3, "page_view", url=CUPS),
]
BOT = [at(MONDAY, 0, "page_view", url=CUPS)]
FAILS = [
    {"name": "quiz_answered"},
    {"name": "quiz_answered"},
    {"name": "order_placed", "props": {"total": 1}},
]


@pytest.fixture(scope="module")
def filled(aws: LocalAws) -> Iterator[LocalAws]:
    """The local AWS with what four visitors sent, one event of it delivered twice."""
    aws.clear()
    with Worker(aws.environment(), SETTINGS) as worker:
        for device, agent, beacons in [
            ("ada", FIREFOX, ADA),
            ("ben", FIREFOX, BEN),
            ("bot", GOOGLEBOT, BOT),
        ]:
            body = {"device_id": device, "events": beacons}
            assert worker.post(body, {"user-agent": agent}).status == 204
        worker.post(FAILS)
        wait_until(lambda: len(aws.records()) >= 11, 10)
        wait_until(lambda: len(aws.records("failed")) >= 3, 10)
    twice = aws.records()[0]
    aws.client("s3").put_object(
        Bucket=aws.outputs[BUCKET_OUTPUTS["data"]],
        Key=f"{twice.key}-again",
        Body=f"{twice.line}\n".encode(),
    )
    yield aws


def rows(aws: LocalAws, *arguments: str) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in answer(aws, *arguments)]


def test_saved_queries_return_the_numbers_that_were_sent(filled: LocalAws) -> None:
    assert rows(filled, "sessions_per_day") == [
        (f"{MONDAY:%F}", "1", "1", "4"),
        (f"{TUESDAY:%F}", "2", "2", "6"),
    ]
    assert rows(filled, "funnel") == [
        ("1 product_viewed", "3", "100.0", ""),
        ("2 cart_changed", "1", "33.3", "33.3"),
        ("3 order_placed", "1", "33.3", "100.0"),
    ]
    assert rows(filled, "pages") == [
        ("shop.example/cups", "2", "2"),
        ("shop.example/tea", "2", "2"),
    ]
    assert rows(filled, "campaigns") == [("autumn", "news", "email", "2", "1")]
    assert rows(filled, "referrers") == [("direct", "", "2"), ("search", "Google", "1")]
    ((kind, name, events, _),) = rows(filled, "programs")
    assert (kind, name, events) == ("search_engine", "Googlebot", "1")
    assert (f"{TUESDAY:%F}", "page_view", "3") in rows(filled, "events_per_day")
    failed = [
        (row["code"], row["name"], row["failed"], row["replayed"])
        for row in answer(filled, "failed_events")
    ]
    assert failed == [
        ("unknown_event", "quiz_answered", "2", "0"),
        ("missing_field", "order_placed", "1", "0"),
    ]


def test_an_empty_source_is_no_mistake(
    aws: LocalAws, tmp_path: Path
) -> None:
    (tmp_path / "stream=low").mkdir()
    for path in sorted((LAKE / "queries").glob("*.sql")):
        ended = query(aws, path.stem, "--source", str(tmp_path))
        assert ended.code == 0, ended.complaints


def test_times_narrow_the_events_of_a_query(filled: LocalAws) -> None:
    count = ("--sql", "SELECT count(*) FROM events")
    assert rows(filled, *count) == [("11",)]
    assert rows(filled, *count, "--since", "2000-01-01", "--until", "2999-01-01") == [
        ("11",)
    ]
    assert rows(filled, *count, "--since", "2999-01-01") == [("0",)]
    assert rows(filled, *count, "--until", "2000-01-01") == [("0",)]


def test_web_vitals_are_those_of_three_visits_of_four(
    filled: LocalAws, tmp_path: Path
) -> None:
    lines = []
    for visitor, lcp in enumerate([1_000, 2_000, 3_000, 4_000]):
        for again, value in enumerate([99_000, lcp]):
            lines.append(
                f'{{"event_id":"{uuid4()}","name":"web_vitals","device_id":"{visitor}","url":"{CUPS}",'
                f'"url_host":"shop.example","url_path":"/cups","received_at":"2026-11-16T09:00:00Z",'
                f'"occurred_at":"2026-11-16T09:0{again}:00Z","props":{{"lcp_ms":{value},"cls":0.{visitor}}}}}'
            )
    path = tmp_path / "stream=low" / "day=2026-11-16" / "hr=09" / "1"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n")
    ended = query(filled, "web_vitals", "--source", str(tmp_path), "--csv")
    assert ended.printed.splitlines()[1] == "shop.example/cups,4,3000.0,,0.2,,"


def test_parquet_is_read_as_well(filled: LocalAws, tmp_path: Path) -> None:
    """As the template's conversion writes it: times and what is nested are texts there."""
    partition = tmp_path / "stream=low" / "day=2026-11-16" / "hr=09"
    partition.mkdir(parents=True)
    columns = f"""'{uuid4()}' AS event_id, 'web_vitals' AS name, 'ada' AS device_id,
        's' AS session_id, '2026-11-16T09:00:00.000Z' AS session_started_at,
        '2026-11-16T09:00:00.000Z' AS occurred_at, '2026-11-16T09:00:00.000Z' AS received_at,
        'shop.example' AS url_host, '/cups' AS url_path, '{{"lcp_ms":1200}}' AS props"""
    duckdb.sql(f"COPY (SELECT {columns}) TO '{partition / '1.parquet'}'")
    asked = ("--source", str(tmp_path), "--since", "2026-11-16", "--csv")
    sessions = query(filled, "sessions_per_day", *asked)
    assert sessions.printed.splitlines()[1:] == ["2026-11-16,1,1,1"]
    vitals = query(filled, "web_vitals", *asked)
    assert vitals.printed.splitlines()[1] == "shop.example/cups,1,1200.0,,,,"


def test_a_table_is_printed_and_the_queries_are_listed(filled: LocalAws) -> None:
    ended = query(filled, "funnel", "--source", place(filled, "data"))
    assert ended.code == 0 and "3 order_placed" in ended.printed
    listed = query(filled)
    assert [line.split()[0] for line in listed.printed.splitlines()] == sorted(
        path.stem for path in (LAKE / "queries").glob("*.sql")
    )
    unknown = query(filled, "nothing", "--source", place(filled, "data"))
    assert (
        unknown.code == 2
        and "there is no query 'nothing'; there are campaigns" in unknown.complaints
    )
    misspelt = query(filled, "sesion_lengths", "--source", place(filled, "data"))
    assert "there is no query 'sesion_lengths'; did you mean session_lengths? there are" in misspelt.complaints


@pytest.mark.parametrize("name", ["sessions_per_day", "failed_events"])
def test_a_chart_is_a_picture_that_is_not_blank(
    filled: LocalAws, tmp_path: Path, name: str
) -> None:
    sources = ("--source", place(filled, "data"), "--source", place(filled, "failed"))
    ended = query(filled, name, *sources, "--plot", str(tmp_path / "chart.png"))
    assert ended.code == 0, ended.complaints
    width, height, colours = picture((tmp_path / "chart.png").read_bytes())
    # Twice the 720 x 360 of the plot, and the axes and the title around it.
    assert 1_440 < width < 2_400 and 720 < height < 1_800
    # Some of its pixels have the colour of bars and lines, Vega's blue.
    assert colours.get(bytes((0x4C, 0x78, 0xA8)), 0) > 500


def test_a_chart_is_a_page_without_scripts_or_addresses(
    filled: LocalAws, tmp_path: Path
) -> None:
    page = tmp_path / "chart.html"
    ended = query(
        filled, "--sql", "SELECT name, count(*) AS events FROM events GROUP BY ALL", "--chart", "bar name events",
        "--source", place(filled, "data"), "--plot", str(page),
    )  # fmt: skip
    assert ended.code == 0, ended.complaints
    text = page.read_text()
    assert "<td>product_viewed</td>" in text
    assert not re.search(r"<script|https?:", text)
    assert page.stat().st_mode & 0o777 == 0o600
    refused = query(
        filled,
        "funnel",
        "--source",
        place(filled, "data"),
        "--plot",
        str(tmp_path / "chart.gif"),
    )
    assert refused.code == 2 and "must end in .png, .svg or .html" in refused.complaints


def picture(png: bytes) -> tuple[int, int, dict[bytes, int]]:
    """The size of a PNG of 8-bit RGBA, and how many pixels it has of each colour."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (depth, kind) == (8, 6)
    data, offset = b"", 8
    while offset < len(png):
        (length,) = struct.unpack(">I", png[offset : offset + 4])
        if png[offset + 4 : offset + 8] == b"IDAT":
            data += png[offset + 8 : offset + 8 + length]
        offset += length + 12
    raw, stride = zlib.decompress(data), width * 4
    colours: dict[bytes, int] = {}
    above = bytearray(stride)
    for row in range(height):
        start = row * (stride + 1)
        line = unfiltered(
            raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above
        )
        for pixel in range(0, stride, 4):
            colour = bytes(line[pixel : pixel + 3])
            colours[colour] = colours.get(colour, 0) + 1
        above = line
    return width, height, colours


def unfiltered(kind: int, line: bytearray, above: bytearray) -> bytearray:
    """A row of a PNG: https://www.w3.org/TR/png-3/#9Filters"""
    for index in range(len(line)):
        left = line[index - 4] if index >= 4 else 0
        corner = above[index - 4] if index >= 4 else 0
        up = above[index]
        estimate = left + up - corner
        nearest = min((left, up, corner), key=lambda each: abs(estimate - each))
        line[index] = (
            line[index] + (0, left, up, (left + up) // 2, nearest)[kind]
        ) & 0xFF
    return line
