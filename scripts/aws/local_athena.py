"""ministack, with an Athena whose tables have the columns and the partitions that Glue gives them.

ministack reads all that is below a table, where AWS looks into the folders of its partitions only. And it gives a table of
JSON the columns that are in its objects, with types that it guesses, so that a query fails on a column that no event has
yet. AWS has all columns of the table, as here.

It asks DuckDB, which has other names for some of Athena's functions.
"""

from __future__ import annotations

from typing import Any

from ministack.services import athena

# By their names in Athena. DuckDB reads the time in a text by a cast.
FUNCTIONS = {
    "json_extract_scalar(": "json_extract_string(",
    "json_format(": "to_json(",
    "TRY(CAST(from_iso8601_timestamp(": "(TRY_CAST((",
}

_relation = athena._table_relation
_run = athena._run_duckdb


def _relation_of_table(table: dict[str, Any], files: list[str]) -> str:
    keys = [each["Name"] for each in table.get("PartitionKeys", [])]
    files = [each for each in files if _folders(each) == keys]
    if not files:
        return str(athena._empty_relation(table))
    relation = _relation(table, files)
    if athena._data_format(table) != "json":
        return relation
    nothing = athena._empty_relation(table)
    return f"(SELECT * FROM {nothing} UNION ALL BY NAME SELECT * FROM {relation})"


def _folders(file: str) -> list[str]:
    """The keys of the folders KEY=VALUE in a path."""
    return [part.partition("=")[0] for part in file.split("/")[:-1] if "=" in part]


async def _run_query(query: str, database: str, catalog: str | None = None) -> Any:
    for name, own in FUNCTIONS.items():
        query = query.replace(name, own)
    return await _run(query, database, catalog)


def install() -> None:
    """Has ministack ask as AWS does."""
    athena._table_relation = _relation_of_table
    athena._run_duckdb = _run_query
