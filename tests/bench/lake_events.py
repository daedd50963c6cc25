"""Writes events as Firehose would have stored them, to measure what reads them.

Lines of gzipped JSON with the columns of the record, an object for each stream and stretch of an
hour. Nothing is drawn: each value is computed from the event's number, so that two runs write the
same and a measurement can check its answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

FIRST = date(2026, 10, 1)
A_SESSION = 10
REPEATED = 1_000  # one event of so many is delivered twice
PROGRAM = 20  # one device of so many is a program
SAMPLED = 0.5  # what the route of scrolls takes

NAMES = "['page_view', 'scroll', 'click', 'page_view', 'page_leave', 'product_viewed', 'scroll', 'cart_changed', 'web_vitals', 'order_placed']"
LEVELS = "['low', 'low', 'low', 'low', 'low', 'high', 'low', 'high', 'low', 'high']"
PROPS = """CASE name
    WHEN 'scroll' THEN json_object('depth_percent', n % 100)
    WHEN 'product_viewed' THEN json_object('sku', 'sku-' || n % 500, 'price', n % 90 + 0.9)
    WHEN 'cart_changed' THEN json_object('action', 'add', 'sku', 'sku-' || n % 500, 'quantity', n % 3 + 1)
    WHEN 'order_placed' THEN json_object('total', n % 300 + 0.5, 'currency', 'CHF')
    WHEN 'web_vitals' THEN json_object('lcp_ms', n % 4000 + 300, 'inp_ms', n % 300, 'cls', n % 30 / 100)
    ELSE json_object('n', n % 7) END"""


@dataclass(frozen=True)
class Plan:
    """How many events, over how many days, in how many objects an hour and stream."""

    events: int
    days: int = 30
    objects_an_hour: int = 12

    @property
    def until(self) -> date:
        return FIRST + timedelta(days=self.days)


def write(plan: Plan, to: Path) -> None:
    """Writes the events of a plan below `to`, a day at a time."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute("SET preserve_insertion_order = false")
        for day in range(plan.days):
            _write_day(database, plan, day, to)


def _write_day(
    database: duckdb.DuckDBPyConnection, plan: Plan, day: int, to: Path
) -> None:
    first, end = (plan.events * each // plan.days for each in (day, day + 1))
    start = FIRST + timedelta(days=day)
    step_us = 86_400_000_000 / max(end - first, 1)
    database.execute(f"""
        CREATE OR REPLACE TEMP TABLE day AS
        WITH numbered AS (
            SELECT range AS n, range // {A_SESSION} AS session, range % {A_SESSION} AS place,
                   make_timestamp(epoch_us(TIMESTAMP '{start}') + ((range - {first}) * {step_us})::BIGINT) AS moment
            FROM range({first}, {end})
        )
        SELECT *, session * 7919 % greatest({plan.events} // 40, 1) AS device,
               ({NAMES})[place + 1] AS name, ({LEVELS})[place + 1] AS level, min(moment) OVER (PARTITION BY session) AS opened
        FROM numbered""")
    record = f"""
        1 AS v, md5('event' || n)::UUID AS event_id, 'default' AS tenant, name, level, '1.0.0' AS schema_version,
        strftime(moment, '%Y-%m-%dT%H:%M:%S.%gZ') AS occurred_at,
        strftime(moment + INTERVAL 300 MILLISECOND, '%Y-%m-%dT%H:%M:%S.%gZ') AS received_at,
        strftime(moment, '%Y-%m-%d') AS date, hour(moment) AS hour, '203.0.' || n % 250 || '.0' AS ip,
        'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15' AS user_agent,
        ['CH', 'DE', 'FR', 'US', 'IN'][device % 5 + 1] AS country, 'Zurich' AS city, 'EU' AS continent,
        'Europe/Zurich' AS timezone, 'ZRH' AS colo, 64500 + device % 40 AS asn,
        strftime(moment, '%Y-%m-%dT%H:%M:%S.%gZ') AS client_time, 60 AS utc_offset_minutes, hour(moment) AS local_hour,
        place AS event_index, n AS seq, md5('device' || device)::UUID AS device_id,
        device % 3 = 0 AS new_visitor, 'granted' AS consent, 'Safari' AS browser, '18.6' AS browser_version,
        'macOS' AS os, 'desktop' AS device_class,
        CASE WHEN device % {PROGRAM} = 0 THEN true END AS bot,
        CASE WHEN device % {PROGRAM} = 0 THEN 'search_engine' END AS bot_reason,
        CASE WHEN device % {PROGRAM} = 0 THEN 'Googlebot' END AS bot_name,
        'https://shop.example/p/' || n % 800 || '?utm_source=news' AS url, 'shop.example' AS url_host,
        '/p/' || n % 800 AS url_path, 'Tea, and what it is drunk from' AS title,
        ['search', 'social', 'direct'][session % 3 + 1] AS referrer_medium,
        ['Google', 'Mastodon', 'none'][session % 3 + 1] AS referrer_source, 'news' AS utm_source, 'email' AS utm_medium,
        'campaign-' || session % 12 AS utm_campaign, 1440 AS screen_width, 900 AS screen_height, 'en-GB' AS language,
        CASE WHEN name = 'scroll' THEN {SAMPLED} END AS sample_rate, {PROPS} AS props,
        json_object('tag', 'shop-ch') AS metadata, md5('session' || session)::UUID AS session_id,
        session // greatest({plan.events} // 40, 1) + 1 AS session_index,
        strftime(opened, '%Y-%m-%dT%H:%M:%S.%gZ') AS session_started_at,
        'timeout' AS session_trigger"""
    for slot in range(plan.objects_an_hour):
        # Only CSV is written in partitions, so that a line is the one column of it.
        database.execute(f"""
            COPY (
                WITH lines AS (
                    SELECT to_json(event) AS line, seq, level AS stream, date AS day, printf('%02d', hour) AS hr
                    FROM (SELECT {record} FROM day WHERE minute(moment) * {plan.objects_an_hour} // 60 = {slot}) AS event
                )
                SELECT line, stream, day, hr FROM lines
                UNION ALL SELECT line, stream, day, hr FROM lines WHERE seq % {REPEATED} = 0
            ) TO '{to}' (
                FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '', ESCAPE '', COMPRESSION gzip,
                PARTITION_BY (stream, day, hr), FILENAME_PATTERN 'events-{slot}-{{i}}', OVERWRITE_OR_IGNORE
            )""")
