"""The times that scripts accept: one parser for all."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

import time_args
from support import ROOT
from support.cli import LAKE

NOW = datetime(2026, 11, 29, 10, 30, 15, 250, tzinfo=timezone.utc)
SECONDS = 120


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28", "2026-11-28T00:00:00+00:00"),
        ("2026-11-28T08:30", "2026-11-28T08:30:00+00:00"),
        ("2026-11-28T08:30Z", "2026-11-28T08:30:00+00:00"),
        ("2026-11-28 08:30:01.5", "2026-11-28T08:30:01.500000+00:00"),
        ("2026-11-28T00:30+01:00", "2026-11-27T23:30:00+00:00"),
        ("now", NOW.isoformat()),
        ("today", "2026-11-29T00:00:00+00:00"),
        ("Yesterday", "2026-11-28T00:00:00+00:00"),
        ("90s", (NOW - timedelta(seconds=90)).isoformat()),
        ("30m", (NOW - timedelta(minutes=30)).isoformat()),
        ("2h", (NOW - timedelta(hours=2)).isoformat()),
        (" 7d ", (NOW - timedelta(days=7)).isoformat()),
        ("4w", (NOW - timedelta(weeks=4)).isoformat()),
        ("0d", NOW.isoformat()),
    ],
)
def test_a_time_is_a_day_a_moment_or_how_long_ago(text: str, expected: str) -> None:
    assert time_args.parse(text, NOW).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    ["", "7", "d", "-7d", "1.5h", "7D", "7 d", "2mo", "tomorrow", "2026-13-01", "999999999w", "٧d"],
)
def test_what_is_no_time_is_refused_with_all_forms(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        time_args.argument(text)
    assert str(refused.value) == f"{text!r} is no time; write {time_args.FORMS}"


def test_each_form_that_is_listed_is_a_time() -> None:
    listed = re.findall(r"\d{4}-[-T:+\d]*\d|\b\d+[smhdw]\b|now|today|yesterday", time_args.FORMS)
    assert len(listed) == 11, listed
    for form in listed:
        time_args.argument(form)


@pytest.mark.parametrize("script", ["query", "replay"])
def test_each_script_takes_the_same_forms(script: str) -> None:
    words = {"query": ["funnel"], "replay": ["local", "--worker", "http://127.0.0.1:9"]}[script]
    for option in ("--since", "--until"):
        ended = subprocess.run(
            [sys.executable, LAKE / f"{script}.py", *words, option, "tomorrow"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert ended.returncode == 2
        sentence = f"argument {option}: 'tomorrow' is no time; write {time_args.FORMS}"
        assert sentence in " ".join(ended.stderr.split())


def test_the_page_lists_the_forms() -> None:
    text = (ROOT / "www" / "docs" / "command-line.md").read_text(encoding="utf-8")
    for form in ("2026-11-21", "2026-11-21T08:00+01:00", "today", "yesterday", "90s", "30m", "2h", "7d", "4w"):
        assert f"`{form}`" in text, form
