"""What visitors sent can't command a terminal, a spreadsheet or a browser of the operator's."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

import local_records
from local_aws import Delivered, LocalAws
from shown_text import UNSAFE, csv_as_text, shown
from support.cli import LAKE
from support.lake_fixtures import deliver, event

# What a terminal would obey, show in another order, or not show.
CONTROLS = ["\x1b[31m", "\x9b31m", "\x07", "\x7f", "\u202ecod.exe", "\u2066a\u2069", "\u200e", "\u200f", "\u061c", "\u2028", "\u2029", "\x85", "\U000e0041", "\ufeff"]  # fmt: skip
FORMULAS = ['=HYPERLINK("https://evil.example","x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1+1)", "\t=1", "\r=1", "\n=1", "＝1"]  # fmt: skip
# Format characters that can be seen, or that words need.
NEEDED = "\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"


def asked(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """scripts/query over the events of `folder / "lake"`."""
    command = [sys.executable, str(LAKE / "query.py"), "--source", str(folder / "lake"), "--cache", str(folder / "cache")]  # fmt: skip
    return subprocess.run([*command, *arguments], capture_output=True, timeout=120)


def is_obeyed(text: str) -> list[str]:
    return [each for each in text if each != "\n" and re.match(f"[{UNSAFE}]", each)]


def test_every_control_and_format_character_is_shown() -> None:
    classes = {"Cc", "Cs", "Zl", "Zp", "Cf"}
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if unicodedata.category(character) in classes and character not in NEEDED:
            # As JSON writes it.
            assert json.loads(f'"{shown(character)}"') == character and shown(character).isascii()
    for kept in ("Zoë", "日本語", "👩‍🚀", "\u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645", 'a\\b"c', NEEDED):
        assert shown(kept) == kept


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `lake` has an event of each text."""
    folder = tmp_path_factory.mktemp("shown")
    events = [
        event(number, utm_campaign=text, metadata_tag=f"a{text}b", seq=-7)
        for number, text in enumerate([*CONTROLS, *FORMULAS])
    ]
    deliver(folder / "lake", *events)
    return folder


@pytest.mark.parametrize("form", [[], ["--csv"]])
def test_no_output_of_a_query_controls_a_terminal(lake: Path, form: list[str]) -> None:
    sql = "SELECT metadata_tag, [utm_campaign] AS tags, {'k': utm_campaign} AS own FROM events"
    for each in (sql, "PIVOT (SELECT utm_campaign FROM events) ON utm_campaign USING count(*)"):
        ended = asked(lake, "--sql", each, *form)
        assert ended.returncode == 0, ended.stderr
        assert is_obeyed(ended.stdout.decode()) == []
        assert b"\\u202ecod.exe" in ended.stdout and b"\\u009b31m" in ended.stdout


@pytest.mark.parametrize("text", ["\x9b31m", "\u202ecod.exe", "\x1b[31m"])
def test_an_error_that_quotes_a_text_shows_it(lake: Path, text: str) -> None:
    sql = f"SELECT utm_campaign::INT FROM events WHERE utm_campaign = '{text}'"
    ended = asked(lake, "--sql", sql)
    assert ended.returncode == 1 and is_obeyed(ended.stderr.decode()) == []
    assert b"Could not convert" in ended.stderr


def test_a_row_of_csv_is_a_line(lake: Path) -> None:
    text = "'one' || chr(13) || chr(10) || '\"two\",' || chr(11)"
    ended = asked(lake, "--csv", "--sql", f"SELECT {text} AS a, 1 AS b")
    assert ended.stdout.decode() == 'a,b\n"one\\u000d\\u000a""two"",\\u000b",1\n'


def test_a_spreadsheet_computes_no_text(lake: Path) -> None:
    columns = "utm_campaign AS a, seq, -1.5::DOUBLE AS d, -2::DECIMAL(9,2) AS e, '-3'::JSON AS j"
    ended = asked(lake, "--csv", "--sql", f"SELECT {columns}, utm_campaign AS b FROM events")
    assert ended.returncode == 0, ended.stderr
    rows = list(csv.reader(io.StringIO(ended.stdout.decode())))[1:]
    assert all(row[1:5] == ["-7", "-1.5", "-2.00", "-3"] and row[0] == row[5] for row in rows)
    guarded = {f"'{shown(text)}" for text in FORMULAS}
    assert {row[0] for row in rows} == guarded | {shown(text) for text in CONTROLS}
    pivot = "PIVOT (SELECT utm_campaign FROM events) ON utm_campaign USING count(*)"
    pivoted = asked(lake, "--csv", "--sql", pivot).stdout.decode()
    assert guarded <= set(next(csv.reader(io.StringIO(pivoted))))


def test_ordinary_csv_is_as_it_was() -> None:
    for kept in ("a,b\n1,2\n", 'a,b\n"x,y",\n,""\n', "a,b\n2026-11-20 08:00:00,x=1\n", ""):
        assert csv_as_text(kept, ["VARCHAR", "VARCHAR"]) == kept


def replayed(folder: Path, **columns: str) -> subprocess.CompletedProcess[bytes]:
    """scripts/replay of one failed event with these columns, without sending it."""
    document = {"event_id": "1", "received_at": "2026-11-20T08:00:00Z", "code": "wrong_type", "original": "{}", "original_format": "json", **columns}  # fmt: skip
    source = folder / "failed" / "day=2026-11-20"
    source.mkdir(parents=True)
    (source / "1").write_text(json.dumps(document))
    command = [sys.executable, str(LAKE / "replay.py"), str(folder / "failed"), "--worker", "http://127.0.0.1:1"]  # fmt: skip
    return subprocess.run(
        [*command, "--dry-run", "--resume", str(folder / "state" / "of.sqlite")],
        capture_output=True,
        umask=0,
        timeout=120,
    )


def test_a_replay_shows_texts_and_keeps_its_state_private(tmp_path: Path) -> None:
    texts = {"code": "a\x9b31m", "schema_id": "/schemas/b\u202e.json"}
    ended = replayed(tmp_path, **texts)
    assert ended.returncode == 0, ended.stderr
    assert is_obeyed(ended.stdout.decode()) == []
    assert b"a\\u009b31m" in ended.stdout and b"b\\u202e" in ended.stdout
    state = [tmp_path / "state", *(tmp_path / "state").iterdir()]
    assert len(state) > 1 and {path.stat().st_mode & 0o077 for path in state} == {0}


def test_records_are_the_same_documents_when_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = {"utm_campaign": "".join(CONTROLS), "text": "Zoë", "props": {"k\x1b": "\n"}}
    line = json.dumps(record, ensure_ascii=False)

    class Running:
        def keys(self, kind: str) -> list[str]:
            return ["key"]

        def read(self, kind: str, key: str) -> list[Delivered]:
            return [Delivered(key, line, record)]

        answering = contextlib.nullcontext

    monkeypatch.setattr(LocalAws, "running", lambda *_: Running())
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["records"])
    assert local_records.main() == 0
    printed = capsys.readouterr().out
    assert is_obeyed(printed) == [] and json.loads(printed) == record and "Zoë" in printed
