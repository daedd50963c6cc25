"""The prompt of scripts/query, on a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import prompt
import query
from support.cli import LAKE
from support.lake_fixtures import DAY, deliver, event

SECONDS = 120
# The state of a process that waits, in /proc.
SLEEPS = "S"


class Terminal:
    """scripts/query on a terminal."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        command = [sys.executable, str(LAKE / "query.py"), *words, "--cache", str(folder / "state" / "lake")]
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "dumb"},
            # A runner in the background ignores Ctrl-C, and what it starts would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)

    def until(self, text: str) -> str:
        """What it shows, up to this text."""
        shown, deadline = "", time.monotonic() + SECONDS
        while text not in shown:
            assert time.monotonic() < deadline, shown
            if select.select([self._ours], [], [], 0.1)[0]:
                shown += os.read(self._ours, 4096).decode(errors="replace")
        return shown

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, while it waits for a key: Python notices an earlier one only with the next key."""
        status = Path(f"/proc/{self.process.pid}/stat")
        while status.read_text().rpartition(")")[2].split()[0] != SLEEPS:
            time.sleep(0.01)
        self.process.send_signal(signal.SIGINT)

    def ask(self, line: str) -> str:
        self.type(f"{line}\n")
        return self.until("query> ")


def test_names_and_sql_are_answered_until_ctrl_d(tmp_path: Path) -> None:
    lake = deliver(tmp_path / "lake", event(1, country="CH"), event(2, country="DE"), event(3, "order_placed", country="CH"))
    terminal = Terminal(tmp_path, "--source", str(lake))
    assert "Ctrl-D ends" in terminal.until("query> ")
    assert "CH,2,2,2" in terminal.ask(f"visitors {DAY} --csv")
    # A name is completed, and SQL may have several lines.
    terminal.type("visi\t")
    assert "DE" in terminal.ask("--csv")
    terminal.type("SELECT country,\n")
    terminal.until("...> ")
    assert re.search(r"CH +│ +2", terminal.ask("count(*) FROM events GROUP BY ALL ORDER BY ALL;"))
    # A mistake does not end it, nor does an empty line or Ctrl-C.
    assert "query: Parser Error" in terminal.ask("no sql;")
    assert "query: argument --by: invalid choice: 'ip'" in terminal.ask("visitors --by ip")
    assert "query: no closing quotation" in terminal.ask("visitors 'a")
    # A misspelt name is no SQL that goes on.
    assert "query: there is no query 'vistors'; did you mean visitors? there are campaigns" in terminal.ask("vistors 7d")
    assert "downloads " in terminal.ask("list")
    terminal.ask("")
    terminal.type("half")
    terminal.until("half")
    terminal.interrupt()
    terminal.until("query> ")
    terminal.type("\x04")
    assert terminal.process.wait(SECONDS) == 0

    history = tmp_path / "state" / prompt.HISTORY
    assert f"visitors {DAY} --csv" in history.read_text() and history.stat().st_mode & 0o777 == 0o600


def test_without_a_terminal_it_lists(tmp_path: Path) -> None:
    command = [sys.executable, str(LAKE / "query.py"), "--source", str(tmp_path)]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert listed.stdout.startswith("campaigns ") and listed.stderr == ""


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        ("fun", "fun", ["funnel"]),
        ("rep", "rep", ["report"]),
        ("ath", "ath", ["athena_views"]),
        ("report --we", "--we", ["--week"]),
        ("pages --no-", "--no-", ["--no-cache"]),
        ("funnel 7d --st", "--st", ["--steps"]),
        ("funnel to", "to", ["today"]),
        ("funnel 7d to", "to", []),
        ("pages --by cou", "cou", ["country"]),
        ("SELECT tot", "tot", []),
        ("SELECT total FROM order_p", "order_p", ["order_placed"]),
        ("SELECT utm_cam", "utm_cam", ["utm_campaign"]),
        ("FROM coun", "coun", ["counted", "country"]),
    ],
)
def test_tab_completes(line: str, word: str, expected: list[str]) -> None:
    assert prompt.candidates(line, word, query.prompt_words()) == expected
