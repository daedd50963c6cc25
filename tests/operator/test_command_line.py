"""What all commands share: exit codes, one sentence for a mistake, and progress on a terminal only."""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

import command_line
import time_args
from command_line import DONE, FOUND, INTERRUPTED, WRONG_USE, Parser, WrongUse, positive, run, state_file
from support import ROOT
from support.cli import LAKE

# Takes longer than its silence twice: with a bar, and without a count.
SLOW = f"""
import sys, time, types
sys.path.append({str(LAKE)!r})
import command_line
command_line.SILENT_SECONDS = 0.2
command_line.show_progress(types.SimpleNamespace(quiet="--quiet" in sys.argv, json="--json" in sys.argv))
with command_line.bar("reading", "objects", 3) as bar:
    for _ in range(3):
        time.sleep(0.15)
        bar.update()
with command_line.waiting("counting"):
    time.sleep(0.5)
with command_line.waiting("nothing"):
    pass
print("done")
"""
SECONDS = 60


def on_terminal(*words: str, output: int | None = None) -> str:
    """What a terminal shows of the slow program, whose standard output may be elsewhere."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, "-c", SLOW, *words]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs if output is None else output, stderr=theirs, close_fds=True) as process:
        os.close(theirs)
        shown = b""
        try:
            while some := os.read(ours, 4096):
                shown += some
        except OSError:
            # The other end is closed.
            pass
        assert process.wait(SECONDS) == 0
    os.close(ours)
    return shown.decode()


def test_progress_is_shown_on_a_terminal() -> None:
    shown = on_terminal()
    assert "reading: " in shown and "2/3" in shown
    assert re.search(r"\rcounting, \d+ s ", shown) and "nothing" not in shown
    # It leaves nothing behind.
    assert shown.endswith("\r\x1b[Kdone\r\n")


@pytest.mark.parametrize("word", ["--quiet", "--json"])
def test_progress_is_not_shown_with(word: str) -> None:
    assert on_terminal(word) == "done\r\n"


def test_progress_is_not_shown_in_a_pipe(tmp_path: Path) -> None:
    piped = subprocess.run([sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert (piped.stdout, piped.stderr) == ("done\n", "")
    # What reads the pipe has the terminal too; a file does not.
    reads, writes = os.pipe()
    assert on_terminal(output=writes) == ""
    os.close(writes)
    os.close(reads)
    with (tmp_path / "out").open("w") as file:
        assert "reading: " in on_terminal(output=file.fileno())


class ServiceError(Exception):
    pass


def raising(error: type[BaseException]) -> Callable[[], int]:
    def work() -> int:
        raise error("why")

    return work


def test_exit_codes_are_those_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("a", lambda: DONE) == 0
    assert run("a", lambda: FOUND) == 1
    assert run("a", raising(ServiceError), ServiceError) == 1
    assert run("a", raising(WrongUse), ServiceError) == 2
    assert run("a", raising(KeyboardInterrupt)) == 130
    with pytest.raises(ServiceError):
        run("a", raising(ServiceError))
    assert capsys.readouterr().err == "a: why\na: why\na: stopped; run it again to go on\n"
    page = (LAKE.parents[1] / "www/docs/command-line.md").read_text()
    for code in (DONE, FOUND, WRONG_USE, INTERRUPTED):
        assert page.count(f"\n| {code} | ") == 1


@pytest.mark.parametrize("words", [["--nothing"], ["--last", "0"], ["--last", "x"], ["--last"], ["--las", "1"], ["a"]])
def test_a_wrong_option_is_a_sentence_that_names_the_script(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser("scripts/dev records")
    parser.add_argument("--last", type=positive, metavar="N")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(words)
    assert ended.value.code == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("dev: ") and complaint.endswith("; see scripts/dev --help\n") and complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("45", 45), ("2m", 120), ("1h", 3_600), ("", None), ("-1s", None), ("1.5s", None), ("1 s", None), ("9" * 12, None), ("9" * 9 + "w", None)],
)
def test_a_span_has_a_unit(text: str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(argparse.ArgumentTypeError, match="is no span"):
            time_args.seconds(text)
    else:
        assert time_args.seconds(text) == seconds


def test_a_state_is_of_a_worker(tmp_path: Path) -> None:
    assert state_file(tmp_path, "https://c.example:8443/a") == tmp_path / "c.example_8443.sqlite"
    assert state_file(tmp_path, "http://[::1]:8787", "segment") == tmp_path / "___1__8787-segment.sqlite"
    assert command_line.SILENT_SECONDS == 1


@pytest.mark.parametrize("words", [["scripts/aws/sbom.py"], ["scripts/aws/deploy.py", "--print-template"]])
def test_the_reader_of_a_long_text_may_leave(words: list[str]) -> None:
    ours, theirs = os.pipe()
    # Less than each text has, so that it must find out.
    fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, 4096)
    with subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        assert os.read(ours, 1)
        os.close(ours)
        assert process.stderr and process.stderr.read() == b""
        assert process.wait(SECONDS) == -signal.SIGPIPE
