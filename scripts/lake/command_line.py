"""What all commands share: exit codes, options that several have, an error in one sentence, and how far something is.

The comment of the script that a person calls is its help, so that it can be read before anything is installed. The parsers
here have none of their own, and name it in each error.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from private_files import private_files
from shown_text import progress_stream, shown_output

if TYPE_CHECKING:
    from tqdm import tqdm

# Exit codes, the same of every command.
DONE, FOUND, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

# The hosts of this machine.
LOOPBACK = ("127.0.0.1", "::1", "localhost")

# What takes less than this time needs no progress.
SILENT_SECONDS = 1.0


class WrongUse(Exception):
    """An option or a variable that is missing or wrong: nothing was begun."""


class Parser(argparse.ArgumentParser):
    """The options of a script, which `prog` names."""

    def __init__(self, prog: str) -> None:
        # `--dry` must not be taken for `--dry-run` today, and for another option tomorrow.
        super().__init__(prog=prog, add_help=False, allow_abbrev=False)

    def options(self) -> list[str]:
        """The names of all options."""
        return sorted(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        script, *_ = self.prog.split()
        self.exit(WRONG_USE, f"{script.rpartition('/')[2]}: {message}; see {script} --help\n")


def add_output(parser: argparse.ArgumentParser) -> None:
    """Adds --json and --quiet, which `show_progress` reads too."""
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true")


def add_worker(parser: argparse.ArgumentParser, *former: str, required: bool = True) -> None:
    """Adds --worker; `former` are names that it had."""
    parser.add_argument("--worker", *former, type=worker_address, required=required, metavar="URL")


def worker_address(text: str) -> str:
    """An address that keeps the key private on its way."""
    url = urlsplit(text)
    is_here = url.hostname in LOOPBACK
    if not url.hostname or url.scheme not in (("http", "https") if is_here else ("https",)):
        raise argparse.ArgumentTypeError(f"{text!r} is not https://HOST")
    return text


def positive(text: str) -> int:
    """A whole number above 0."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text!r}")
    return int(text)


def at_most(most: int) -> Callable[[str], int]:
    """Whole numbers from 1 to `most`."""

    def integer(text: str) -> int:
        if re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"must be an integer from 1 to {most:,}, not {text!r}")

    return integer


def state_file(folder: Path, worker: str, *more: str) -> Path:
    """Where a command keeps how far it is with a worker."""
    host = re.sub(r"[^\w.-]", "_", urlsplit(worker).netloc)
    return folder / f"{'-'.join([host, *more])}.sqlite"


def amount(number: int, unit: str) -> str:
    """A number and its unit: 1 row, 2 rows."""
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def let_reader_leave() -> None:
    """Ends the program without a word if the reader of its output leaves, as `head` does."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


GO_ON = "stopped; run it again to go on"


def run(program: str, work: Callable[[], int], *reasons: type[Exception], stopped: str = GO_ON) -> int:
    """What `work` ends with; `reasons` are what it may fail with, each a sentence. `stopped` is what Ctrl-C prints.

    What it writes only its owner can read, and what it prints no terminal obeys.
    """
    with private_files(), shown_output():
        try:
            return work()
        except WrongUse as error:
            complain(program, error)
            return WRONG_USE
        except reasons as error:
            complain(program, error)
            return FOUND
        except KeyboardInterrupt:
            complain(program, stopped)
            return INTERRUPTED


def complain(program: str, what: object) -> None:
    """Prints a problem; each line names the program."""
    for line in str(what).splitlines():
        print(f"{program}: {line}", file=sys.stderr)


_shows = True


def show_progress(arguments: argparse.Namespace) -> None:
    """Decides whether progress is shown from now on: not with --quiet or --json."""
    global _shows  # noqa: PLW0603 (a program has one terminal)
    _shows = not (getattr(arguments, "quiet", False) or getattr(arguments, "json", False))


def _may_show() -> bool:
    if not _shows or not progress_stream().isatty():
        return False
    try:
        # What reads a pipe shares the terminal.
        return not stat.S_ISFIFO(os.fstat(1).st_mode)
    except OSError:
        return True


def bar(what: str, unit: str, total: int | None = None) -> tqdm:
    """A bar on a terminal, once it takes longer than a second."""
    # Some commands run before any package is installed.
    from tqdm import tqdm

    is_shown = _may_show() and total != 0
    return tqdm(desc=what, total=total, unit=f" {unit}", file=progress_stream(), delay=SILENT_SECONDS, leave=False, disable=not is_shown)


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Shows on a terminal what is waited for, and since when, once it takes longer than a second."""
    if not _may_show():
        yield
        return
    over, began, stream = threading.Event(), time.monotonic(), progress_stream()

    def show() -> None:
        while not over.wait(SILENT_SECONDS):
            stream.write(f"\r{what}, {time.monotonic() - began:.0f} s ")
            stream.flush()

    shower = threading.Thread(target=show, daemon=True)
    shower.start()
    try:
        yield
    finally:
        over.set()
        shower.join()
        if time.monotonic() - began >= SILENT_SECONDS:
            stream.write("\r\x1b[K")
            stream.flush()
