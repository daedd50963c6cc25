"""Exports of old events, as other collectors write them, and scripts/import as an operator runs it."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from import_snowplow import COLUMNS
from support.cli import LAKE, SECONDS

SERVER_KEY = "sk_shop_of_the_import_0123456789abcdef"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
SCHEMA = "iglu:com.acme/plan_upgraded/jsonschema/2-0-1"


@dataclass(frozen=True)
class Imported:
    """How a run of scripts/import ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """What it printed with --json."""
        return json.loads(self.out)

    @property
    def counts(self) -> dict[str, int]:
        """The outcomes that there were."""
        outcomes = ("accepted", "duplicate", "dropped", "rejected")
        return {each: self.summary[each] for each in outcomes if self.summary[each]}

    def rejects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in Path(self.summary["rejects"]).read_text().splitlines()]


def start_import(form: str, port: int, state: Path, *arguments: str | Path, key: str = SERVER_KEY) -> subprocess.Popen[str]:
    """scripts/import, under way."""
    command = [sys.executable, str(LAKE / "import_events.py"), "--from", form, "--json"]
    options = ["--worker", f"http://127.0.0.1:{port}", "--resume", str(state), *map(str, arguments)]
    return subprocess.Popen(
        [*command, *options],
        env={"PATH": os.environ["PATH"], "HEADWATER_SERVER_KEY": key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def import_events(
    form: str, port: int, state: Path, *arguments: str | Path, key: str = SERVER_KEY, text: str = ""
) -> Imported:
    """scripts/import, to its end."""
    process = start_import(form, port, state, *arguments, key=key)
    out, err = process.communicate(text, timeout=SECONDS)
    return Imported(process.returncode, out, err)


def lines(path: Path, rows: list[Any], zipped: bool = False) -> Path:
    """A file with a row a line; texts are lines as they are."""
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    return path


def parquet(path: Path, rows: list[dict[str, Any]], types: dict[str, str]) -> Path:
    """A Parquet file of these columns, written by DuckDB."""
    source = lines(path.with_suffix(".json"), rows)
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    query = f"SELECT * FROM read_json('{source}', columns = {{{columns}}}, format = 'newline_delimited')"
    duckdb.sql(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    source.unlink()
    return path


def segment(number: int = 0, **more: Any) -> dict[str, Any]:
    """A message as Segment stores it in S3."""
    return {
        "anonymousId": f"a-{number}",
        "channel": "client",
        "context": {
            "ip": "203.0.113.77",
            "userAgent": AGENT,
            "locale": "de-CH",
            "timezone": "Europe/Zurich",
            "page": {"url": "https://shop.example/thanks?utm_source=news", "title": "Thanks"},
            "library": {"name": "analytics.js", "version": "next-1.84.3"},
        },
        "event": "Plan Upgraded",
        "integrations": {},
        "messageId": f"ajs-next-{uuid4()}",
        "originalTimestamp": "2024-03-01T08:00:05.000Z",
        "properties": {"plan": "team", "seats": 12345678901234567, "price": 19.9, "first": number == 0},
        "receivedAt": "2024-03-01T08:00:02.500Z",
        "sentAt": "2024-03-01T08:00:07.000Z",
        "timestamp": "2024-03-01T08:00:00.500Z",
        "type": "track",
        "userId": f"u-{number}",
        "writeKey": "the-old-write-key",
        **more,
    }


def segment_row(**more: Any) -> dict[str, Any]:
    """A row of a table of Segment's warehouse."""
    return {
        "id": str(uuid4()),
        "anonymous_id": "a-1",
        "user_id": "u-1",
        "event": "plan_upgraded",
        "event_text": "Plan Upgraded",
        "context_ip": "203.0.113.77",
        "context_user_agent": AGENT,
        "context_page_url": "https://shop.example/thanks",
        "context_library_name": "analytics.js",
        "original_timestamp": "2024-03-01 08:00:05",
        "sent_at": "2024-03-01 08:00:07",
        "received_at": "2024-03-01 08:00:02.5",
        "timestamp": "2024-03-01 08:00:00.5",
        "uuid_ts": "2024-03-01 09:00:00",
        "plan": "team",
        "price": 19.9,
        **more,
    }


def posthog(**more: Any) -> dict[str, Any]:
    """An event of a batch export, as a JSON line has it."""
    return {
        "uuid": str(uuid4()),
        "event": "plan upgraded",
        "distinct_id": "u-1",
        "person_id": "0190d1e5-1111-7000-8000-000000000001",
        "properties": {
            "$device_id": "d-1",
            "$current_url": "https://shop.example/thanks",
            "$ip": "203.0.113.77",
            "$raw_user_agent": AGENT,
            "$lib": "web",
            "$geoip_country_code": "CH",
            "plan": "team",
            "price": 19.9,
        },
        "person_properties": {"tier": "gold"},
        "elements_chain": "",
        "timestamp": "2024-03-01T08:00:00.500000+00:00",
        "created_at": "2024-03-01T08:00:02.500000+00:00",
        "_inserted_at": "2024-03-01T08:00:03.000000+00:00",
        **more,
    }


def snowplow(**more: Any) -> dict[str, Any]:
    """An enriched event: the columns that have a value."""
    event = {"schema": SCHEMA, "data": {"plan": "team", "price": 19.9}}
    unstruct = {"schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0", "data": event}
    contexts = [{"schema": "iglu:com.acme/user/jsonschema/1-0-0", "data": {"tier": "gold"}}]
    listed = {"schema": "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1", "data": contexts}
    return {
        "app_id": "shop",
        "platform": "web",
        "collector_tstamp": "2024-03-01 08:00:02.500",
        "dvce_created_tstamp": "2024-03-01 08:00:05.000",
        "dvce_sent_tstamp": "2024-03-01 08:00:07.000",
        "derived_tstamp": "2024-03-01 08:00:00.500",
        "event": "unstruct",
        "event_id": str(uuid4()),
        "name_tracker": "sp",
        "v_tracker": "js-3.1.0",
        "v_collector": "ssc-2.8.0",
        "user_id": "u-1",
        "user_ipaddress": "203.0.113.77",
        "domain_userid": "d-1",
        "domain_sessionidx": "3",
        "domain_sessionid": "s-1",
        "network_userid": "n-1",
        "geo_country": "CH",
        "page_url": "https://shop.example/thanks",
        "page_urlhost": "shop.example",
        "page_title": "Thanks",
        "useragent": AGENT,
        "br_lang": "de-CH",
        "br_viewwidth": "1200",
        "br_viewheight": "700",
        "dvce_screenwidth": "1280",
        "dvce_screenheight": "720",
        "os_timezone": "Europe/Zurich",
        "contexts": json.dumps(listed),
        "unstruct_event": json.dumps(unstruct),
        "event_vendor": "com.acme",
        "event_name": "plan_upgraded",
        "event_format": "jsonschema",
        "event_version": "2-0-1",
        **more,
    }


def tsv(event: dict[str, Any]) -> str:
    """An enriched event on a line of S3."""
    return "\t".join(str(event.get(column, "")) for column in COLUMNS)


def snowplow_json(event: dict[str, Any]) -> dict[str, Any]:
    """An enriched event as an Analytics SDK has it: times in ISO 8601, and a field for each schema."""
    shredded = {name: value for name, value in event.items() if name not in ("contexts", "unstruct_event")}
    times = {name: value.replace(" ", "T") + "Z" for name, value in event.items() if name.endswith("_tstamp")}
    return {
        **shredded,
        **times,
        "domain_sessionidx": 3,
        "contexts_com_acme_user_1": [{"tier": "gold"}],
        "unstruct_event_com_acme_plan_upgraded_2": {"plan": "team", "price": 19.9},
        "geo_location": "47.3,8.5",
    }
