"""The columns of the records: what the tables of scripts/query and of Glue have, in one list.

`tests/operator/test_columns.py` compares it with the template's tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

SCHEMAS = Path(__file__).parents[2] / "www" / "schemas"
# Characters of a line in the template; a longer column has its own.
LINE = 120

# Name and type, in the order of the record. Glue has no type for what its SerDe gives as text:
# a `timestamp`, a `date` and `json` are strings there.
_RECEIVED = """
    ip string, user_agent string,
    country string, region string, city string, continent string, timezone string, colo string,
    asn bigint, as_organization string"""

_EVENTS = f"""
    v int, event_id string, tenant string, name string, level string, schema_version string,
    occurred_at timestamp, received_at timestamp, replayed_at timestamp, date date, hour int,
    {_RECEIVED}, client_time timestamp, sent_at timestamp,
    clock_skew_ms bigint, utc_offset_minutes int, local_hour int, day_part string, event_index int,
    seq bigint, device_id string, previous_device_id string, new_visitor boolean,
    client_session_id string, user_id string, user_verified boolean, consent string, identifiers_removed string, browser string,
    browser_version string, os string, os_version string, device_class string, device_model string,
    bot boolean, bot_reason string, bot_name string, build string, url string, url_host string,
    url_path string, title string, referrer string, referrer_host string, referrer_medium string,
    referrer_source string, referrer_term string, utm_source string, utm_medium string,
    utm_campaign string, utm_term string, utm_content string, utm_id string, click_id string,
    click_id_network string, screen_width int, screen_height int, viewport_width int,
    viewport_height int, language string, protocol string, source_name string, source_event_id string,
    verified boolean, historical boolean, repairs json, sample_rate double, props json,
    metadata json, session_id string, session_index bigint, session_started_at timestamp,
    session_trigger string, delivered_via string"""

_FAILED = f"""
    v int, event_id string, tenant string, name string, received_at timestamp,
    replayed_at timestamp, {_RECEIVED}, sent_at timestamp,
    device_id string, identifiers_removed string, verified boolean, schema_id string, schema_version string, stage string,
    code string, pointer string, message string, violations json, repairs json,
    original_format string, original_bytes bigint, original_withheld boolean, original string,
    original_base64 string, part int, parts int"""

_GLUE = {"timestamp": "string", "date": "string", "json": "string"}
_DUCKDB = {"string": "VARCHAR", "int": "BIGINT"}


# What the worker leaves out of a record since version 3, if these expressions find the same; they
# mean the same in DuckDB and in Athena, and read a time as a text of either.
_MINUTE = """mod(CAST(substr(CAST(occurred_at AS varchar), 12, 2) AS integer) * 60
    + CAST(substr(CAST(occurred_at AS varchar), 15, 2) AS integer) + utc_offset_minutes + 1440, 1440)"""
_AUTHORITY = "^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+"
_DAY_PARTS = ("night", "morning", "afternoon", "evening")


def _host(column: str, url: str) -> str:
    """An empty host stands for none, where the URL seems to have one."""
    found = f"regexp_extract({url}, '{_AUTHORITY.replace('[^/?#]+', '([^/?#]+)')}', 1)"
    return f"nullif(coalesce({column}, CASE WHEN v >= 3 THEN {found} END), '')"


# Of an event, by name.
DERIVED = {
    "date": "coalesce(CAST(date AS varchar), substr(CAST(received_at AS varchar), 1, 10))",
    "hour": "coalesce(hour, CAST(substr(CAST(received_at AS varchar), 12, 2) AS integer))",
    "client_time": """coalesce(client_time, CASE WHEN v >= 3 AND occurred_at <> received_at
        AND clock_skew_ms IS NULL THEN occurred_at END)""",
    "local_hour": f"coalesce(local_hour, CAST(floor({_MINUTE} / 60.0) AS integer))",
    "day_part": f"coalesce(day_part, CASE CAST(floor({_MINUTE} / 360.0) AS integer) "
    + " ".join(f"WHEN {place} THEN '{name}'" for place, name in enumerate(_DAY_PARTS))
    + " END)",
    "url_host": _host("url_host", "url"),
    "url_path": f"""coalesce(url_path, CASE WHEN v >= 3 AND {_host("url_host", "url")} IS NOT NULL
        THEN regexp_extract(url, '{_AUTHORITY}([^?#]*)', 1) END)""",
    "referrer_host": _host("referrer_host", "referrer"),
}


def _parsed(text: str) -> dict[str, str]:
    pairs = (each.split() for each in text.split(","))
    return {name: kind for name, kind in pairs}


# By the names of scripts/query's tables.
TABLES = {"events": _parsed(_EVENTS), "failed": _parsed(_FAILED)}


def glue(table: dict[str, str]) -> dict[str, str]:
    """The columns with their types in Glue."""
    return {name: _GLUE.get(kind, kind) for name, kind in table.items()}


def duckdb(table: dict[str, str]) -> dict[str, str]:
    """The columns with their types in DuckDB; an `int` may be any whole number there."""
    return {name: _DUCKDB.get(kind, kind.upper()) for name, kind in table.items()}


def lifted(schemas: Path = SCHEMAS) -> list[str]:
    """The columns of events that the schemas lift out of `metadata`, by their `x-partition`."""
    keys = {
        key
        for path in schemas.glob("*.json")
        for key in json.loads(path.read_text()).get("x-partition", {})
    }
    return [f"metadata_{key}" for key in sorted(keys)]


def complete() -> str:
    """What replaces the derived columns of events in DuckDB, each with its type."""
    types = duckdb(TABLES["events"])
    return ", ".join(
        f"TRY_CAST({value} AS {types[name]}) AS {name}" for name, value in DERIVED.items()
    )


def athena_view(indent: str) -> str:
    """The query of the template that makes the view `events_full` in Athena, over the tables of both formats.

    Parquet has times as timestamps, and lines of JSON have them as texts. What the two have alike is named once.
    """
    times = [name for name, kind in TABLES["events"].items() if kind == "timestamp"]
    alike = [f"{name}," for name in TABLES["events"] if name not in times]
    parsed = [f"TRY(CAST(from_iso8601_timestamp({name}) AS timestamp)) AS {name}," for name in times]
    derived = {name: " ".join(value.split()) for name, value in DERIVED.items()}
    selected = [
        f"{derived[name]} AS {name}," if name in derived else f"{name},"
        for name in TABLES["events"]
    ]
    partitions = "${Tenant}${Key}stream, day, hr"
    text = [
        "- |",
        "  CREATE OR REPLACE VIEW events_full AS WITH delivered AS (",
        "  SELECT ${Alike}",
        *(f"  {line}" for line in packed(parsed)),
        f"  {partitions} FROM events",
        "  UNION ALL SELECT ${Alike}",
        *(f"  {line}" for line in packed(f"{name}," for name in times)),
        f"  {partitions} FROM events_parquet)",
        "  SELECT",
        *(f"  {line}" for line in packed(selected)),
        f"  {partitions}",
        "  FROM delivered",
        "- Alike: >-",
        *(f"    {line}" for line in packed(alike)),
    ]
    return "".join(f"{indent}{line}\n" for line in text)


def packed(columns: Iterable[str]) -> list[str]:
    """Columns, a comma after each, on as few lines as are readable."""
    lines = [""]
    for column in columns:
        if len(lines[-1]) + len(column) > LINE:
            lines.append("")
        lines[-1] += f" {column}" if lines[-1] else column
    return lines
