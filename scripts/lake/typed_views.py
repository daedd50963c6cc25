"""A view for each event with a schema, whose props are columns with the schema's types: `SELECT sum(total) FROM order_placed`.

They are made from `www/schemas` at each start, so that a schema that was changed needs nothing else. A value
that is not of the type, as an older version may have had it, is NULL. Athena gets the same views by statements, which an
operator runs once and after a change of the schemas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import columns

# Numbers beside a `currency` are amounts: the smallest unit of any is a thousandth (KWD), prices of one piece have less.
AMOUNT = "DECIMAL(18, 4)"
_SCALARS = {"integer": "BIGINT", "boolean": "BOOLEAN", "string": "VARCHAR", "number": "DOUBLE"}
_FORMATS = {"date-time": "TIMESTAMP", "date": "DATE"}
_DEPTH = 8
# Of Athena's table: what is no column of a record.
_PARTITIONS = {"day", "hr", "stream", "by_tenant", "by_key"}
_ATHENA_WEIGHT = "CASE WHEN sample_rate > 0 AND sample_rate < 1 THEN 1 / sample_rate ELSE 1E0 END"


def statements(taken: Collection[str], schemas: Path = columns.SCHEMAS) -> dict[str, str]:
    """The view of each event as a query over `counted`, by its name: the event's, or `event_NAME` if that is `taken`."""
    found = {}
    for path in sorted(schemas.glob("*.json")):
        name = path.stem
        found[f"event_{name}" if name in taken else name] = _query(name, json.loads(path.read_text(encoding="utf-8")))
    return found


def athena(taken: Collection[str], schemas: Path = columns.SCHEMAS) -> dict[str, str]:
    """The statement that makes each view in Athena, over `events_full`; what was delivered twice is in it twice."""
    found = {}
    for path in sorted(schemas.glob("*.json")):
        name = f"event_{path.stem}" if path.stem in taken else path.stem
        selected = [
            f"{_athena_value(prop, kind)} AS {_quoted(column)}"
            for prop, kind, column in _columns(json.loads(path.read_text(encoding="utf-8")), _PARTITIONS)
        ]
        lines = ",\n".join(f"  {each}" for each in [*selected, f"{_ATHENA_WEIGHT} AS weight", "events_full.*"])
        found[name] = (
            f"CREATE OR REPLACE VIEW {_quoted(name)} AS SELECT\n{lines}\n"
            f"FROM events_full WHERE name = {_text(path.stem)} AND bot IS NULL"
        )
    return found


def types(schema: dict[str, Any]) -> dict[str, str]:
    """The props of a schema, each with its type in DuckDB."""
    props = _resolved(schema.get("properties", {}).get("props", {}), schema).get("properties", {})
    has_currency = "currency" in props
    return {name: _type(_resolved(its, schema), has_currency) for name, its in props.items()}


def _query(name: str, schema: dict[str, Any]) -> str:
    selected = [f"{_value(prop, kind)} AS {_quoted(column)}" for prop, kind, column in _columns(schema)]
    return f"SELECT {', '.join([*selected, '*'])} FROM counted WHERE name = {_text(name)}"


def _columns(schema: dict[str, Any], more: Collection[str] = ()) -> Iterator[tuple[str, str, str]]:
    """The props with their types and the names of their columns, which are no column's of a record, and none of `more`."""
    own = {each.lower() for each in [*columns.TABLES["events"], *columns.lifted(), "weight", *more]}
    for prop, kind in types(schema).items():
        column = f"props_{prop}" if prop.lower() in own else prop
        own.add(column.lower())
        yield prop, kind, column


def _athena_value(prop: str, kind: str) -> str:
    path = _text(f"$.{prop}" if re.fullmatch(r"\w+", prop) else f"$[{json.dumps(prop, ensure_ascii=False)}]")
    if kind == "JSON":
        return f"json_format(json_extract(props, {path}))"
    member = f"json_extract_scalar(props, {path})"
    if kind == "TIMESTAMP":
        return f"CAST(TRY(from_iso8601_timestamp({member})) AT TIME ZONE 'UTC' AS timestamp)"
    return member if kind == "VARCHAR" else f"TRY_CAST({member} AS {kind})"


def _value(prop: str, kind: str) -> str:
    path = _text(f'$.{_quoted(prop)}')
    if kind == "JSON":
        return f"json_extract(props, {path})"
    member = f"json_extract_string(props, {path})"
    if kind == "TIMESTAMP":
        # A cast to a time without a zone would leave the offset out.
        return f"TRY_CAST({member} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    return member if kind == "VARCHAR" else f"TRY_CAST({member} AS {kind})"


def _type(its: dict[str, Any], has_currency: bool) -> str:
    given = its.get("type")
    kinds = {given} if isinstance(given, str) else set(given or ())
    kinds -= {"null"}
    if not kinds:
        values = its.get("enum", [its["const"]] if "const" in its else [])
        kinds = {"string"} if values and all(isinstance(each, str) for each in values) else set()
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if len(kinds) != 1 or not kinds <= set(_SCALARS):
        return "JSON"
    (kind,) = kinds
    if kind == "number" and has_currency:
        return AMOUNT
    if kind == "string":
        return _FORMATS.get(its.get("format", ""), "VARCHAR")
    return _SCALARS[kind]


def _resolved(its: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` within the schema names."""
    for _ in range(_DEPTH):
        if not isinstance(its, dict) or not str(its.get("$ref", "")).startswith("#/"):
            break
        place: Any = schema
        for part in its["$ref"][2:].split("/"):
            place = place.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(place, dict) else {}
        its = place
    return its if isinstance(its, dict) else {}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
