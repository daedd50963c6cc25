"""Texts of visitors as a person may read them: on a terminal, in a spreadsheet, on a page.

A terminal obeys control characters, and shows a text in another order if it has bidirectional
controls. A spreadsheet computes a cell that begins as a formula. Each such character is written as
JSON writes it, such as `\\u001b`, so that a line of JSON is still the same document.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

# Controls (C0, DEL, C1), surrogates, the separators of lines and paragraphs, noncharacters, and what
# Unicode calls format characters: bidirectional controls and those that can't be seen. Two of those
# stay, U+200C and U+200D, which Persian and emoji are written with, and so do U+0600 and its like,
# which can be seen.
UNSAFE = (
    r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef"
    r"\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e007f"
    + "".join(rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(1, 17))
)
_UNSAFE = re.compile(f"[{UNSAFE}]")
_UNSAFE_IN_LINES = re.compile(rf"(?!\n)[{UNSAFE}]")

# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile("[=+\\-@\t\r\n＝＋－＠]")
_FIELD = re.compile(r'("(?:[^"]|"")*"|[^,"\n]*)([,\n])')
_NUMBER = re.compile(r"-?[0-9.]+([eE][+-]?[0-9]+)?")
# What could begin a link, an image, HTML or another cell. https://spec.commonmark.org/0.31.2/#backslash-escapes
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>()#!|&~$@:]")
# The types whose values no visitor can make a formula of.
_PLAIN_TYPE = re.compile(
    r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|BIGNUM|FLOAT|DOUBLE|DECIMAL\(.*\)|BOOLEAN|DATE|TIME.*|INTERVAL|UUID"
)


def shown(text: str) -> str:
    """`text` in one line, without a character that anything obeys."""
    return _UNSAFE.sub(_escaped, text)


def csv_as_text(csv: str, types: list[str]) -> str:
    """DuckDB's CSV of columns of these types, so that a spreadsheet computes none of its texts.

    A text that begins as a formula has a `'` before it; each row is one line.
    """
    column, names = 0, True

    def field(match: re.Match[str]) -> str:
        nonlocal column, names
        value, end = match.groups()
        kind = "VARCHAR" if names else types[column]
        column, names = (column + 1, names) if end == "," else (0, False)
        return value + end if _PLAIN_TYPE.fullmatch(kind) else _cell(value, kind) + end

    return _FIELD.sub(field, csv)


def markdown_as_text(text: str) -> str:
    """`text` in one cell of a table in Markdown, which renders it as it is."""
    return _MARKDOWN.sub(r"\\\g<0>", shown(text))


@contextlib.contextmanager
def shown_output() -> Iterator[None]:
    """Everything that is printed meanwhile is shown, line by line."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_Shown, streams)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = streams


class _Shown:
    """A stream that shows what is written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(_UNSAFE_IN_LINES.sub(_escaped, text))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def progress_stream() -> TextIO:
    """Where a progress bar, which controls the terminal, writes its own characters."""
    return getattr(sys.stderr, "_stream", sys.stderr)


def _cell(value: str, kind: str) -> str:
    is_quoted = value.startswith('"')
    text = value[1:-1] if is_quoted else value
    if _FORMULA.match(text) and not (kind == "JSON" and _NUMBER.fullmatch(text)):
        text = f"'{text}"
    return f'"{shown(text)}"' if is_quoted else shown(text)


def _escaped(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x10000:
        return f"\\u{number:04x}"
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
