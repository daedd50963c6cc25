"""ministack, with an Athena whose tables have the columns that Glue gives them.

ministack gives a table of JSON the columns that are in its objects, with types that it guesses, so
that a query fails on a column that no event has yet. AWS has all columns of the table, as here.
"""

from __future__ import annotations

from typing import Any

from ministack.app import main
from ministack.services import athena

_relation = athena._table_relation


def _relation_of_table(table: dict[str, Any], files: list[str]) -> str:
    relation = _relation(table, files)
    if athena._data_format(table) != "json":
        return relation
    nothing = athena._empty_relation(table)
    return f"(SELECT * FROM {nothing} UNION ALL BY NAME SELECT * FROM {relation})"


athena._table_relation = _relation_of_table

if __name__ == "__main__":
    main()
