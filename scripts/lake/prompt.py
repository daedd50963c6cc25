"""The prompt of scripts/query on a terminal: saved queries by their names, with all options, and SQL.

A line that begins with a saved query's name is answered as `scripts/query` would answer it, and so is another word that begins
no SQL: it may be misspelt. Anything else is SQL, which may have several lines and ends with `;` or an empty line. Tab completes
names and options.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import columns
import typed_views
from command_line import DONE
from saved_queries import DIMENSIONS
from tables import VIEWS

HISTORY = "query-history"
MOST_HISTORY = 1_000
PROMPT, MORE = "query> ", "  ...> "
ENDS = {"exit", "quit", "\\q"}
LISTS = {"help", "list", "?", "\\d"}
# What SQL of several lines begins with.
SQL = {"call", "desc", "describe", "explain", "from", "pivot", "pragma", "select", "show", "summarize", "table", "unpivot", "values", "with"}
RANGES = ["7d", "4w", "today", "yesterday"]


class Words(NamedTuple):
    """What a line may have beside SQL."""

    # All that a line may begin with.
    names: list[str]
    options: list[str]


def answer_lines(answer: Callable[[list[str]], None], list_queries: Callable[[], None], folder: Path, words: Words) -> int:
    """Asks for lines until Ctrl-D, and has each answered; the history is kept in `folder`."""
    print("A saved query (`list` prints them, Tab completes), or SQL that ends with `;`. Ctrl-D ends.")
    with _editing(folder, words):
        while True:
            try:
                line = _read(words)
            except EOFError:
                print()
                return DONE
            except KeyboardInterrupt:
                # As a shell: the line is given up.
                print()
                continue
            if line in ENDS:
                return DONE
            if line in LISTS:
                list_queries()
            elif line:
                _answer(answer, line, words)


def _read(words: Words) -> str:
    """A line, or the lines of SQL."""
    line = input(PROMPT).strip()
    if not line or line in ENDS | LISTS or _is_name(line, words):
        return line
    lines = [line]
    while not lines[-1].endswith(";") and (more := input(MORE).strip()):
        lines.append(more)
    return "\n".join(lines)


def _is_name(line: str, words: Words) -> bool:
    """Whether a line names a query, or means to."""
    first = line.split(maxsplit=1)[0]
    return first in words.names or (first.isidentifier() and first.lower() not in SQL and not line.endswith(";"))


def _answer(answer: Callable[[list[str]], None], line: str, words: Words) -> None:
    try:
        its = shlex.split(line) if _is_name(line.split("\n", 1)[0], words) else ["--sql", line.rstrip(";")]
    except ValueError as error:
        print(f"query: {str(error).lower()}", file=sys.stderr)
        return
    # A wrong option ends the command, and not the prompt.
    with contextlib.suppress(SystemExit):
        answer(its)


def candidates(line: str, word: str, words: Words) -> list[str]:
    """What may stand where `word` begins, at the end of `line`."""
    before = line[: len(line) - len(word)].split()
    if not before:
        its = [*words.names, "list", "exit", "SELECT", "FROM"]
    elif before[0] in words.names:
        its = DIMENSIONS if before[-1] == "--by" else [*words.options, *(RANGES if len(before) == 1 else [])]
    else:
        its = [*sorted(VIEWS), *typed_views.statements(VIEWS), *columns.TABLES["events"]]
    return sorted({each for each in its if each.startswith(word)})


@contextlib.contextmanager
def _editing(folder: Path, words: Words) -> Iterator[None]:
    """Editing of the line, with completion and the history of earlier prompts, where Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return

    def complete(word: str, index: int) -> str | None:
        found = candidates(readline.get_line_buffer()[: readline.get_endidx()], word, words)
        return f"{found[index]} " if index < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n,()=;'\"")
    readline.parse_and_bind("bind ^I rl_complete" if "libedit" in (readline.__doc__ or "") else "tab: complete")
    file = folder / HISTORY
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(MOST_HISTORY)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(file)
            file.chmod(0o600)
