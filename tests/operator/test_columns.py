"""One list of columns is the source of scripts/query's tables and of Glue's; test_reference.py compares the page."""

from __future__ import annotations

from pathlib import Path

import pytest

import columns
import compatible_views
import template
from support import ROOT


@pytest.mark.parametrize(
    ("table", "resource", "time"),
    [("events", "EventsTable", "string"), ("events", "ParquetTable", "timestamp"), ("failed", "FailedEventsTable", "string")],
)
def test_glue_tables_have_the_columns_of_the_list(table: str, resource: str, time: str) -> None:
    document = template.document(ROOT / "scripts/aws/headwater.yaml")
    loop = document["Resources"]["Fn::ForEach::EventTables"]
    assert loop[1] == ["EventsTable", "ParquetTable"]
    found = loop[2]["${Table}"] if resource in loop[1] else document["Resources"][resource]
    stored = found["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
    of_table = {"Fn::FindInMap": ["Events", "Time", {"Ref": "Table"}]}
    in_template = {
        each["Name"]: document["Mappings"]["Events"]["Time"][resource] if each["Type"] == of_table else each["Type"]
        for each in stored
    }
    times = {name: time for name, kind in columns.TABLES[table].items() if kind == "timestamp"}

    assert len(stored) == len(in_template)
    assert in_template == columns.glue(columns.TABLES[table]) | times
    assert list(in_template) == list(columns.TABLES[table])


def test_lifted_columns_are_those_of_the_schemas(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x-partition": {"team": ["a"], "tag": ["b"]}}')
    (tmp_path / "b.json").write_text('{"x-partition": {"tag": ["b"]}}')
    (tmp_path / "c.json").write_text("{}")

    assert columns.lifted(tmp_path) == ["metadata_tag", "metadata_team"]
    assert columns.lifted(tmp_path / "nowhere") == []
    assert "metadata_tag" in columns.lifted()


def test_the_view_of_athena_derives_what_scripts_query_derives() -> None:
    text = (ROOT / "scripts/aws/queries.yaml").read_text()

    assert f"      QueryString: !Sub\n{columns.athena_view(' ' * 8)}          Tenant: !If" in text


@pytest.mark.parametrize("name", compatible_views.VIEWS)
def test_each_compatible_view_of_athena_is_that_of_the_list(name: str) -> None:
    text = (ROOT / "scripts/aws/queries.yaml").read_text()
    statement = compatible_views.VIEWS[name].athena(name, " " * 10)

    assert f"      Name: Create the view {name}\n" in text
    assert f"        - |\n{statement}        - {{Tenant: " in text
