"""The files of an export, row by row: lines, JSON documents and Parquet, gzipped or not.

A file is recognized by its first bytes, not by its name: PostHog's `.parquet.zst` is Parquet. No more of a file is in
memory than a line, or a group of Parquet's rows.
"""

from __future__ import annotations

import glob
import gzip
import io
import json
import re
import stat
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A longer line is no event: a worker takes at most 524,288 bytes (`limits.max_beacon_bytes`).
MAX_LINE_BYTES = 4_194_304
CHUNK_BYTES = 65_536
ROWS_AT_ONCE = 1_000
# How much of a JSON document may come before its events.
MAX_HEAD_BYTES = 65_536

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
# https://facebook.github.io/zstd/zstd_manual.html, https://tukaani.org/xz/xz-file-format.txt and so on.
UNREAD = {
    b"\x28\xb5\x2f\xfd": "zstd; decompress it with `zstd -d`",
    b"\xfd7zXZ": "xz; decompress it with `xz -d`",
    b"BZh": "bzip2; decompress it with `bunzip2`",
    b"PK\x03\x04": "a zip archive; unpack it",
    b"\x89LZO": "LZO; decompress it with `lzop -d`",
    b"Obj\x01": "Avro; export JSON lines or Parquet",
    b"ORC": "ORC; export JSON lines or Parquet",
}
# The member of a JSON document that has its events: of an answer of PostHog's API, a request of an SDK, an envelope of ours.
LISTS = {b"results", b"batch", b"events"}
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:\s*\[)?|[\[{]|[\]}]')
# Beside the data in a bucket.
NO_DATA = {"manifest.json", "_SUCCESS"}


class ImportProblem(Exception):
    """Why nothing can be imported, in one sentence."""


class Damaged(Exception):
    """Why a file can't be read to its end."""


@dataclass(frozen=True)
class Unreadable:
    """A row that is none, and why."""

    code: str
    message: str


@dataclass(frozen=True)
class Row:
    """A row, with its number in the file, from 1: a line's text, an object, or why it is neither."""

    number: int
    value: str | dict[str, Any] | Unreadable


@dataclass(frozen=True)
class ExportFile:
    """A file of an export, standard input, or a pipe."""

    name: str
    path: Path | None
    # What changes with its content; empty if it can be read once only.
    version: str = ""

    def rows(self) -> Iterator[Row]:
        """Its rows. Raises `Damaged` after the last one that can be read."""
        if self.path is None:
            yield from _rows(sys.stdin.buffer, self.name)  # type: ignore[arg-type]
            return
        with self.path.open("rb", buffering=MAX_HEAD_BYTES) as file:
            if file.peek(len(PARQUET)).startswith(PARQUET):  # type: ignore[attr-defined]
                yield from _parquet(self.path, self.name)
            else:
                yield from _rows(file, self.name)  # type: ignore[arg-type]

    def first(self, count: int) -> list[Row]:
        """Its first rows that can be read; none if it can be read once only."""
        if not self.version:
            return []
        found: list[Row] = []
        rows = self.rows()
        try:
            for row in rows:
                found.append(row)
                if len(found) == count:
                    break
        except Damaged:
            pass
        return found


def files(names: list[str]) -> list[ExportFile]:
    """The files, and those in the folders, that these names stand for; `-` is standard input."""
    found: list[ExportFile] = []
    for name in names:
        path = Path(name)
        if name == "-":
            found.append(ExportFile("standard input", None))
        elif path.is_dir():
            inside = [each for each in sorted(path.rglob("*")) if each.is_file() and _has_data(each, path)]
            if not inside:
                raise ImportProblem(f"{name} has no files")
            found += [_file(each, str(each)) for each in inside]
        elif path.exists():
            found.append(_file(path, name))
        else:
            raise ImportProblem(f"{name} does not exist")
    return found


def _has_data(path: Path, folder: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not is_hidden and path.name not in NO_DATA


def _file(path: Path, name: str) -> ExportFile:
    try:
        known = path.stat()
        if not stat.S_ISREG(known.st_mode):
            return ExportFile(name, path)
        with path.open("rb"):
            pass
    except OSError as error:
        raise ImportProblem(f"{name} can't be read: {error.strerror}") from None
    return ExportFile(name, path, f"{known.st_size} {known.st_mtime_ns}")


def _rows(file: io.BufferedReader, name: str) -> Iterator[Row]:
    """The rows of a file that is not Parquet, or of a stream. A pipe may give its first bytes in small pieces, too few to
    know the form by.
    """
    file = io.BufferedReader(file, MAX_HEAD_BYTES)  # type: ignore[type-var]
    is_gzip = file.peek(len(GZIP)).startswith(GZIP)
    stream = io.BufferedReader(gzip.GzipFile(fileobj=file), MAX_HEAD_BYTES) if is_gzip else file  # type: ignore[arg-type]
    try:
        yield from _unpacked(stream, name)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        why = "is not whole gzip" if is_gzip else f"can't be read: {error}"
        raise Damaged(f"{name} {why}") from None


def _unpacked(stream: io.BufferedReader, name: str) -> Iterator[Row]:
    head = stream.peek(MAX_HEAD_BYTES)
    if head.startswith(PARQUET):
        raise ImportProblem(f"{name} is Parquet; name the file itself, not gzipped and not as standard input")
    for magic, what in UNREAD.items():
        if head.startswith(magic):
            raise ImportProblem(f"{name} is {what}")
    if b"\x00" in head[:MAX_HEAD_BYTES]:
        raise ImportProblem(f"{name} is neither lines of text nor Parquet")
    start = _start_of_list(head)
    if start is None:
        yield from _lines(stream)
    else:
        before = stream.read(start)
        yield from _items(stream, name, "{" if b"{" in before else "[")


def _start_of_list(head: bytes) -> int | None:
    """How many bytes come before the events of a document: an array, or an object with one list of them. Lines have
    none.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    skipped = len(head) - len(text)
    if text.startswith(b"["):
        return skipped + 1
    if not text.startswith(b"{"):
        return None
    depth = 0
    for token in _TOKEN.finditer(text):
        name, opens = token[1], token[2]
        if opens and depth == 1 and name in LISTS:
            return skipped + token.end()
        last = token[0][-1:]
        depth += 1 if (name is None or opens) and last in b"[{" else -1 if name is None else 0
        if depth == 0:
            return None
    return None


def _lines(stream: io.BufferedReader) -> Iterator[Row]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE_BYTES)
            yield Row(number, Unreadable("too_large", f"the line has more than {MAX_LINE_BYTES} bytes"))
            continue
        # An empty line is none, but tabs may be an event of empty columns.
        text = line.strip(b"\r\n")
        if number == 1:
            text = text.removeprefix(b"\xef\xbb\xbf")
        if not text.strip():
            continue
        try:
            yield Row(number, text.decode())
        except UnicodeDecodeError:
            yield Row(number, Unreadable("bad_utf8", "the line is not UTF-8"))


def _items(stream: io.BufferedReader, name: str, begins: str) -> Iterator[Row]:
    """The items of a JSON array, after its `[`. It is the document, or a member of one that begins with `{`."""
    decoder = json.JSONDecoder(object_pairs_hook=object_of, parse_constant=_constant)
    reader = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape")
    text, number = "", 0
    while True:
        text = text.lstrip(" \t\r\n,")
        if text.startswith("]"):
            if not _ends_document(text[1:] + reader.read(MAX_LINE_BYTES), begins):
                raise Damaged(f"{name} has more after the list of its events; make each document a file")
            return
        try:
            item, end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            # It may go on. Twice as much each time, so that an item is read at most twice over.
            more = reader.read(max(CHUNK_BYTES, len(text)))
            if not more or len(text) > MAX_LINE_BYTES:
                raise Damaged(f"{name} is broken JSON after its item {number}") from None
            text += more
            continue
        # What only begins like a number or a word would end at the end of a chunk.
        number += 1
        text = text[end:]
        yield Row(number, item if isinstance(item, dict) else Unreadable("wrong_type", "the item is no object"))


def _ends_document(rest: str, begins: str) -> bool:
    """Whether this is only the rest of a document after its list."""
    if begins == "[":
        return not rest.strip()
    try:
        json.loads('{"": []' + rest)
    except (ValueError, RecursionError):
        return False
    return True


class DuplicateKey(ValueError):
    """A key comes twice in an object."""


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members. Which of two values of a key is right can't be known."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise DuplicateKey(next(name for name in names if names.count(name) > 1))
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def json_object(text: str) -> dict[str, Any] | Unreadable:
    """The JSON object of a line."""
    try:
        value = json.loads(text, object_pairs_hook=object_of, parse_constant=_constant)
    except DuplicateKey:
        return Unreadable("duplicate_field", "a key comes twice in an object")
    except RecursionError:
        return Unreadable("too_deep", "the line is nested too deep")
    except ValueError:
        return Unreadable("bad_json", "the line is not JSON")
    return value if isinstance(value, dict) else Unreadable("wrong_type", "the line is no JSON object")


def _parquet(path: Path, name: str) -> Iterator[Row]:
    # It takes longer to load than all else together.
    import duckdb

    # A file of an export must not make DuckDB load anything else.
    settings: dict[str, Any] = {
        "threads": 1,
        "memory_limit": "512MB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    number = 0
    with duckdb.connect(config=settings) as database:
        try:
            found = database.execute(
                "SELECT * FROM read_parquet($1, hive_partitioning = false)", [glob.escape(str(path))]
            )
            columns = [each[0] for each in found.description or []]
            if all(name.isupper() for name in columns):
                # Snowflake writes them so.
                columns = [name.lower() for name in columns]
            while rows := found.fetchmany(ROWS_AT_ONCE):
                for row in rows:
                    number += 1
                    # An absent value is none.
                    yield Row(number, {key: value for key, value in zip(columns, row, strict=True) if value is not None})
        except duckdb.Error as error:
            why = str(error).splitlines()[0]
            raise Damaged(f"{name} can't be read as Parquet after its row {number}: {why}") from None
