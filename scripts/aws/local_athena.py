"""ministack, with an Athena whose tables have the columns that Glue gives them.

ministack gives a table of JSON the columns that are in its objects, with types that it guesses, so
that a query fails on a column that no event has yet. AWS has all columns of the table, as here.

It asks DuckDB, which has other names for Athena's functions of JSON.
"""

from __future__ import annotations

from typing import Any

from ministack.services import athena

# By their names in Athena.
JSON_FUNCTIONS = {"json_extract_scalar(": "json_extract_string(", "json_format(": "to_json("}

_relation = athena._table_relation
_run = athena._run_duckdb


def _relation_of_table(table: dict[str, Any], files: list[str]) -> str:
    relation = _relation(table, files)
    if athena._data_format(table) != "json":
        return relation
    nothing = athena._empty_relation(table)
    return f"(SELECT * FROM {nothing} UNION ALL BY NAME SELECT * FROM {relation})"


async def _run_query(query: str, database: str, catalog: str | None = None) -> Any:
    for name, own in JSON_FUNCTIONS.items():
        query = query.replace(name, own)
    return await _run(query, database, catalog)


def install() -> None:
    """Has ministack ask as AWS does."""
    athena._table_relation = _relation_of_table
    athena._run_duckdb = _run_query
