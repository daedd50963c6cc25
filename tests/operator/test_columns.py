"""One list of columns is the source of scripts/query's tables and of Glue's; test_reference.py compares the page."""

from __future__ import annotations

from pathlib import Path

import cfnlint.decode
import pytest

import columns
import compatible_views
from support import ROOT


@pytest.mark.parametrize(
    ("table", "resource"), [("events", "EventsTable"), ("failed", "FailedEventsTable")]
)
def test_glue_tables_have_the_columns_of_the_list(table: str, resource: str) -> None:
    template, _ = cfnlint.decode.decode(str(ROOT / "scripts/aws/headwater.yaml"))
    properties = template["Resources"][resource]["Properties"]["TableInput"]
    stored = properties["StorageDescriptor"]["Columns"]
    in_template = {each["Name"]: each["Type"] for each in stored}

    assert len(stored) == len(in_template)
    assert in_template == columns.glue(columns.TABLES[table])
    assert list(in_template) == list(columns.TABLES[table])


def test_lifted_columns_are_those_of_the_schemas(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x-partition": {"team": ["a"], "tag": ["b"]}}')
    (tmp_path / "b.json").write_text('{"x-partition": {"tag": ["b"]}}')
    (tmp_path / "c.json").write_text("{}")

    assert columns.lifted(tmp_path) == ["metadata_tag", "metadata_team"]
    assert columns.lifted(tmp_path / "nowhere") == []
    assert "metadata_tag" in columns.lifted()


def test_the_view_of_athena_derives_what_scripts_query_derives() -> None:
    template = (ROOT / "scripts/aws/headwater.yaml").read_text()
    _, _, text = template.partition("        - |\n          CREATE OR REPLACE VIEW")
    text, _, _ = text.partition("        - Tenant:")

    assert "          CREATE OR REPLACE VIEW" + text == columns.athena_view(" " * 10)


@pytest.mark.parametrize("name", compatible_views.VIEWS)
def test_each_compatible_view_of_athena_is_that_of_the_list(name: str) -> None:
    template = (ROOT / "scripts/aws/headwater.yaml").read_text()
    statement = compatible_views.VIEWS[name].athena(name, " " * 10)

    assert f"      Name: Create the view {name}\n" in template
    assert f"        - |\n{statement}        - {{Tenant: " in template
