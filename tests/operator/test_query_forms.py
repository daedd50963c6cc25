"""How scripts/query is asked, and in which forms it answers."""

from __future__ import annotations

import json
import signal
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import columns
import duckdb
import objects
import query as program
import tables
import time_args
import typed_views
from local_aws import LocalAws, LocalAwsError
from support import ROOT
from support.lake_fixtures import DAY, Asking, deliver, event, rows

# Columns of the events that the tests deliver.
GIVEN = {"event_id": "VARCHAR", "name": "VARCHAR", "country": "VARCHAR", "sample_rate": "DOUBLE", "bot": "BOOLEAN", "props": "JSON", "level": "VARCHAR"}
EVIL = "=1+1|<b>[x](http://a.example)\u202e\n"


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(tmp_path / "cache", monkeypatch, capsys)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return deliver(
        tmp_path / "lake",
        event(1, "order_placed", props={"total": 19.9, "currency": "CHF", "lines": [{"sku": "tea", "quantity": 2, "price": 9}]},
              country="CH", title=EVIL),
        event(2, "order_placed", props={"total": 0.1, "currency": "CHF"}, country="DE", sample_rate=0.5),
        event(3, "order_placed", props={"total": "much", "currency": 7}, bot=True),
        event(4, "product_viewed", props={"sku": "tea", "name": "Tea", "in_stock": True, "price": 1e400}),
        event(5, "app_sign", props={"result": "signed", "signed_at": "2026-11-20T09:00:00+01:00", "level": "simple"}),
    )  # fmt: skip


def run(lake: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    source = ["--source", str(lake)] if lake else []
    monkeypatch.setattr(sys, "argv", ["query", *words, *source, "--cache", str(tmp_path / "cache")])
    try:
        code = program.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    return (code, *capsys.readouterr())


def test_json_has_an_object_for_each_row(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = """SELECT event_id, title, total, currency, weight, lines, occurred_at, occurred_at::DATE AS day, props, 'nan'::DOUBLE AS nan,
        {'a': [1, NULL]} AS nested, true AS yes FROM order_placed ORDER BY 1"""
    code, printed, complaints = run(lake, tmp_path, monkeypatch, capsys, "--sql", sql, "--json")
    assert (code, complaints) == (0, "query: 1 event of bots is left out; --bots includes them\n")
    first, second = json.loads(printed)
    assert first == {
        "event_id": "order_placed-1", "title": EVIL, "total": 19.9, "currency": "CHF", "weight": 1.0,
        "lines": [{"sku": "tea", "quantity": 2, "price": 9}], "occurred_at": f"{DAY}T08:00:01.000Z", "day": DAY,
        "props": {"total": 19.9, "currency": "CHF", "lines": [{"sku": "tea", "quantity": 2, "price": 9}]}, "nan": None,
        "nested": {"a": [1, None]}, "yes": True,
    }  # fmt: skip
    assert (second["weight"], second["lines"]) == (2.0, None)
    assert len(printed.splitlines()) == 4 and "\u202e" not in printed
    assert json.loads(run(lake, tmp_path, monkeypatch, capsys, "--sql", "SELECT 1 AS a WHERE false", "--json")[1]) == []


def test_markdown_renders_texts_as_they_are(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT title, total AS \"a|b\" FROM order_placed ORDER BY total DESC"
    code, printed, _ = run(lake, tmp_path, monkeypatch, capsys, "--sql", sql, "--markdown")
    assert code == 0
    assert printed.splitlines() == [
        r"| title | a\|b |",
        "| --- | ---: |",
        r"| =1+1\|\<b\>\[x\]\(http\://a.example\)\\u202e\\u000a | 19.9000 |",
        "|  | 0.1000 |",
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT sum(total), typeof(any_value(total)), typeof(any_value(lines)) FROM order_placed", [("20.0000", "DECIMAL(18,4)", "JSON")]),
        ("SELECT lines->>'$[0].sku', country FROM order_placed WHERE lines IS NOT NULL", [("tea", "CH")]),
        # `name` is a column of the record; no number of JSON is too long to be read.
        ("SELECT name, props_name, in_stock, price, typeof(in_stock) FROM product_viewed", [("product_viewed", "Tea", "true", "", "BOOLEAN")]),
        ("SELECT signed_at, result, props_level, level FROM app_sign", [("2026-11-20 08:00:00", "signed", "simple", "")]),
        ("SELECT count(*), typeof(any_value(percent)), typeof(any_value(watched_s)) FROM video_progress", [("0", "BIGINT", "DOUBLE")]),
    ],
)  # fmt: skip
def test_a_view_of_an_event_has_the_types_of_its_schema(
    ask: Asking, lake: Path, sql: str, expected: list[tuple[str, ...]]
) -> None:
    assert rows(ask(lake, "--sql", sql)) == expected


def test_each_schema_has_a_view(tmp_path: Path) -> None:
    names = {path.stem for path in (ROOT / "www/schemas").glob("*.json")}
    assert set(typed_views.statements(())) == names
    props = {"at": {"type": "string", "format": "date"}, "both": {"type": ["integer", "null"]}, "kind": {"enum": ["a", "b"]},
             "any": {}, "mixed": {"enum": ["a", 1]}, "a'b\"c": {"$ref": "#/$defs/flag"}, "loop": {"$ref": "#/$defs/loop"}}  # fmt: skip
    schema = {"properties": {"props": {"properties": props}}, "$defs": {"flag": {"type": "boolean"}, "loop": {"$ref": "#/$defs/loop"}}}
    (tmp_path / "failed.json").write_text(json.dumps(schema))
    (tmp_path / "empty.json").write_text("{}")
    assert typed_views.types(schema) == {
        "at": "DATE", "both": "BIGINT", "kind": "VARCHAR", "any": "JSON", "mixed": "JSON", "a'b\"c": "BOOLEAN", "loop": "JSON",
    }  # fmt: skip
    assert set(typed_views.statements({"failed"}, tmp_path)) == {"empty", "event_failed"}


def test_athena_gets_the_same_views(ask: Asking, lake: Path, tmp_path: Path) -> None:
    """In DuckDB, with the functions of Trino that they use."""
    statements = typed_views.athena(tables.VIEWS)
    assert set(statements) == set(typed_views.statements(tables.VIEWS))
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        scalar, iso = "json_extract_scalar(a, b) AS json_extract_string(a, b)", "from_iso8601_timestamp(a) AS a::TIMESTAMPTZ"
        for macro in (scalar, iso, "json_format(a) AS a"):
            database.execute(f"CREATE MACRO {macro}")
        types = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns.duckdb(columns.TABLES["events"]).items())
        partitions = "NULL::VARCHAR AS day, NULL::VARCHAR AS hr, NULL::VARCHAR AS stream"
        given = ", ".join(f"{name}: '{kind}'" for name, kind in GIVEN.items())
        read = f"read_json('{lake}/**/1', format = 'newline_delimited', hive_partitioning = false, columns = {{{given}}})"
        database.execute(f"CREATE TABLE events_full AS SELECT {types}, {partitions} WHERE false")
        database.execute(f"INSERT INTO events_full BY NAME FROM {read}")
        for statement in statements.values():
            database.execute(statement)
        for name, asked in {
            "order_placed": "total, typeof(total), currency, lines->>'$[0].sku', country, weight",
            "product_viewed": "props_name, in_stock, price, sku",
            "app_sign": "signed_at, result, props_level",
        }.items():
            sql = f"SELECT {asked} FROM {name} ORDER BY ALL"
            found = [tuple("" if each is None else str(each) for each in row) for row in database.sql(sql).fetchall()]
            assert [tuple(each.replace("True", "true") for each in row) for row in found] == rows(ask(lake, "--sql", sql))
    assert typed_views._athena_value("a'b", "JSON") == """json_format(json_extract(props, '$["a''b"]'))"""


NOW = datetime(2026, 11, 21, 12, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("7d", "2026-11-14T12:30", None),
        ("today", "2026-11-21T00:00", "2026-11-22T00:00"),
        ("yesterday", "2026-11-20T00:00", "2026-11-21T00:00"),
        ("2026-11-03", "2026-11-03T00:00", "2026-11-04T00:00"),
        ("2026-11-03T08:00", "2026-11-03T08:00", None),
        ("2026-11-03..2026-11-05", "2026-11-03T00:00", "2026-11-05T00:00"),
        ("2w..7d", "2026-11-07T12:30", "2026-11-14T12:30"),
        ("2026-11-03..", "2026-11-03T00:00", None),
    ],
)
def test_ranges_have_a_begin_and_perhaps_an_end(text: str, since: str, until: str | None) -> None:
    assert time_args.parse_range(text, NOW) == (time_args.utc(since), until and time_args.utc(until))


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["pages", "soon"], "'soon' is no range; write 7d"),
        (["pages", "7d..8d"], "'7d..8d' is no range"),
        (["pages", "7d", "8d"], "'8d' is one word too many"),
        (["pages", "7d", "--since", "8d"], "either a range, or --since and --until"),
        (["pages", "--json", "--csv"], "not allowed with"),
        (["pages", "--by", "ip"], "invalid choice: 'ip'"),
        (["tenants", "--by", "country"], "--by can't split this query; it splits campaigns, "),
        (["devices", "--by", "os"], "the answer has a column os already"),
        (["pages", "--steps", "a,b"], "--steps is only for the query funnel"),
        (["funnel", "--steps", "a"], "--steps names 1 events; a funnel has 2 to 20"),
        (["funnel", "--steps", "a,b,a"], "--steps names a twice"),
        (["funnel", "--steps", "a,'b"], "which is no event"),
    ],
)
def test_a_wrong_option_is_named(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], reported: str,
) -> None:  # fmt: skip
    code, printed, complaints = run(lake, tmp_path, monkeypatch, capsys, *words)
    assert (code, printed) == (2, "")
    assert reported in complaints and len(complaints.splitlines()) == 1


def test_a_range_is_that_of_since_and_until(ask: Asking, lake: Path) -> None:
    count = ("--sql", "SELECT count(*) FROM events")
    assert rows(ask(lake, DAY, *count)) == [("5",)]
    assert rows(ask(lake, "2026-11-19", *count)) == [("0",)]
    assert rows(ask(lake, "visitors", f"{DAY}T08:00:02..{DAY}T08:00:03")) == [("DE", "2", "2", "2")]


def test_the_source_is_the_one_that_is_there(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none_runs(**_: Any) -> LocalAws:
        raise LocalAwsError("no local AWS answers")

    monkeypatch.setattr(LocalAws, "running", none_runs)
    monkeypatch.delenv(objects.SOURCE_VARIABLE, raising=False)
    code, _, complaints = run(None, tmp_path, monkeypatch, capsys, "pages")
    assert (code, complaints) == (1, "query: name at least one --source, or set HEADWATER_SOURCE; `local` is none now: no local AWS answers\n")
    monkeypatch.setattr(LocalAws, "running", lambda **_: None)
    assert objects.default_sources() == ["local"]
    monkeypatch.setenv(objects.SOURCE_VARIABLE, f" {lake}  {tmp_path / 'other'}")
    assert objects.default_sources() == [str(lake), str(tmp_path / "other")]
    monkeypatch.setenv(objects.SOURCE_VARIABLE, str(lake))
    code, printed, _ = run(None, tmp_path, monkeypatch, capsys, "visitors", "--csv")
    assert (code, printed.splitlines()[1]) == (0, "DE,2,2,2")
