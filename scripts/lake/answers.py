"""A query's answer as text: a table, CSV, JSON or Markdown."""

from __future__ import annotations

import contextlib
import io
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from command_line import waiting
from shown_text import csv_as_text, markdown_as_text

MOST_ROWS = 1_000
WIDEST = 10_000
AT_ONCE = 10_000


def print_table(answer: duckdb.DuckDBPyRelation) -> None:
    """As DuckDB draws it."""
    # Columns are left out for lack of room only on a terminal.
    wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDEST
    # It is asked only now, so the table comes at once when it is there.
    with waiting("counting"), contextlib.redirect_stdout(io.StringIO()) as table:
        answer.show(max_rows=MOST_ROWS, max_width=wide)
    sys.stdout.write(table.getvalue())


def print_csv(answer: duckdb.DuckDBPyRelation) -> None:
    """Through a file of its own: DuckDB would begin that of `>> FILE` anew."""
    types = [str(each) for each in answer.types]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "answer.csv"
        with waiting("counting"):
            answer.to_csv(str(file), header=True)
        # As it is, with the returns in texts.
        with file.open(encoding="utf-8", newline="") as lines:
            text = lines.read()
    sys.stdout.write(csv_as_text(text, types))


def print_json(answer: duckdb.DuckDBPyRelation) -> None:
    """An array with an object on a line for each row. Times are as in the records; what is JSON stays JSON."""
    is_json = [str(each) == "JSON" for each in answer.types]
    sys.stdout.write("[")
    for number, row in enumerate(_rows(answer)):
        values = (_parsed(value) if its else value for value, its in zip(row, is_json, strict=True))
        document = dict(zip(answer.columns, map(_json, values), strict=True))
        sys.stdout.write(",\n" if number else "\n")
        sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False))
    sys.stdout.write("\n]\n")


def print_markdown(answer: duckdb.DuckDBPyRelation) -> None:
    """A table that GitHub and others render."""
    numbers = [is_number(str(each)) for each in answer.types]
    print(_line(map(markdown_as_text, answer.columns)))
    print(_line("---:" if each else "---" for each in numbers))
    for row in _rows(answer):
        print(_line("" if each is None else markdown_as_text(_text(each)) for each in row))


# By the option that asks for it.
FORMS = {"csv": print_csv, "json": print_json, "markdown": print_markdown}


def is_number(kind: str) -> bool:
    """Whether a type of DuckDB has numbers."""
    return kind.endswith("INT") or kind in ("INTEGER", "DOUBLE", "FLOAT", "BIGNUM") or kind.startswith("DECIMAL")


def _rows(answer: duckdb.DuckDBPyRelation) -> Iterator[tuple[Any, ...]]:
    with waiting("counting"):
        some = answer.fetchmany(AT_ONCE)
    while some:
        yield from some
        some = answer.fetchmany(AT_ONCE)


def _line(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _json(value: Any) -> Any:
    """A value of DuckDB as JSON has it."""
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (dict, list, tuple)):
        is_object = isinstance(value, dict)
        return {str(name): _json(each) for name, each in value.items()} if is_object else [_json(each) for each in value]
    if isinstance(value, (str, bool, int, type(None))):
        return value
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        at = value.replace(tzinfo=value.tzinfo or timezone.utc).astimezone(timezone.utc)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    return str(value)
