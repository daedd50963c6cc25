"""The columns of the records: what the tables of scripts/query and of Glue have, in one list.

`tests/operator/test_columns.py` compares it with the template's tables.
"""

from __future__ import annotations

import json
from pathlib import Path

SCHEMAS = Path(__file__).parents[2] / "www" / "schemas"

# Name and type, in the order of the record. Glue has no type for what its SerDe gives as text:
# a `timestamp`, a `date` and `json` are strings there.
_RECEIVED = """
    received_at timestamp, replayed_at timestamp, date date, hour int, ip string, user_agent string,
    country string, region string, city string, continent string, timezone string, colo string,
    asn bigint, as_organization string"""

_EVENTS = f"""
    v int, event_id string, tenant string, name string, level string, schema_version string,
    occurred_at timestamp, {_RECEIVED}, client_time timestamp, sent_at timestamp,
    clock_skew_ms bigint, utc_offset_minutes int, local_hour int, day_part string, event_index int,
    seq bigint, device_id string, previous_device_id string, new_visitor boolean,
    client_session_id string, user_id string, consent string, identifiers_removed string, browser string,
    browser_version string, os string, os_version string, device_class string, device_model string,
    bot boolean, bot_reason string, bot_name string, build string, url string, url_host string,
    url_path string, title string, referrer string, referrer_host string, referrer_medium string,
    referrer_source string, referrer_term string, utm_source string, utm_medium string,
    utm_campaign string, utm_term string, utm_content string, utm_id string, click_id string,
    click_id_network string, screen_width int, screen_height int, viewport_width int,
    viewport_height int, language string, repairs json, sample_rate double, props json,
    metadata json, session_id string, session_index bigint, session_started_at timestamp,
    session_trigger string, delivered_via string"""

_FAILED = f"""
    v int, event_id string, tenant string, name string, {_RECEIVED}, sent_at timestamp,
    device_id string, identifiers_removed string, schema_id string, schema_version string, stage string,
    code string, pointer string, message string, violations json, repairs json,
    original_format string, original_bytes bigint, original_withheld boolean, original string,
    original_base64 string, part int, parts int"""

_GLUE = {"timestamp": "string", "date": "string", "json": "string"}
_DUCKDB = {"string": "VARCHAR", "int": "BIGINT"}


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
        for key in json.loads(path.read_text()).get("x-partition", [])
    }
    return [f"metadata_{key}" for key in sorted(keys)]
