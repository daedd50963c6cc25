"""Objects of a source as typed Parquet, kept between runs so that each object is read once.

A part holds the rows of some objects of one table and day. The index of a source names its parts
and, of each, the objects with the versions that they had. An object that changed or is gone takes
its part with it, and so does a file that is not as it was written; what is missing is read again.

The rows are the records, personal data included, so that only their owner may read the files.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO
from uuid import uuid4

import columns
import duckdb
from command_line import bar
from objects import GZIP_MAGIC, Bucket, Directory, Gone, LakeError, Stored, day_of
from private_files import private_files

# What a part looks like; another form of it is another directory.
LAYOUT = f"2-duckdb-{duckdb.__version__}"
INDEX = "index.json"
REPEATS = "repeats"
MOST_REPEATS = 64
UNUSED_DAYS = 30
AT_ONCE = 16
TRIES = 20
# Objects become a part together up to this size, as stored; it bounds what is on the disk twice.
PART_BYTES = 256 << 20
# A day with more parts than this has them made into one.
MOST_PARTS = 8

HOUR = re.compile(r"(?:^|/)hr=(\d{1,2})/")
PARQUET_MAGIC = b"PAR1"
OPTIONS = "format = 'newline_delimited', maximum_object_size = 4194304"

# By what time an event is meant, which failed events do not know.
TIME = {"events": "coalesce(occurred_at, received_at)", "failed": "received_at"}


@dataclass(frozen=True)
class Part:
    """A file of the cache, and the objects whose rows it has."""

    file: str
    table: str
    day: str
    stamp: list[int]
    objects: dict[str, str]
    used: int = 0


@dataclass
class Held:
    """The parts that a run reads, and the places of the sources in which there was something.

    No file of it is deleted before it is closed.
    """

    parts: list[tuple[str, Path]] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    locks: list[IO[str]] = field(default_factory=list)

    def of(self, table: str) -> list[Path]:
        return [path for each, path in self.parts if each == table]

    def close(self) -> None:
        for lock in self.locks:
            lock.close()


class Cache:
    """The directory below which the parts of all sources are stored."""

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self.root, self.limit_bytes = root / LAYOUT, limit_bytes

    def hold(
        self, sources: Iterable[Bucket | Directory], since: datetime | None
    ) -> Held:
        """What the sources have in the partitions of the day of `since` and later, as parts."""
        held = Held()
        try:
            with private_files():
                for source in sources:
                    directory = self._directory(source)
                    for _ in range(TRIES):
                        if _Source(source, directory, since).hold(held, self.limit_bytes):
                            break
                    else:
                        raise LakeError(f"{directory} can't be written to; name another --cache, or --no-cache")  # fmt: skip
                self._forget(held)
        except BaseException:
            held.close()
            raise
        return held

    def clear(self, sources: Iterable[Bucket | Directory]) -> None:
        """Forgets the parts of the sources: one of them can't be read."""
        for source in sources:
            with contextlib.suppress(FileNotFoundError):
                (self._directory(source) / INDEX).unlink()

    def repeats(self, table: str, parts: list[Path]) -> Path:
        """Where it is kept which rows of these parts are repeats."""
        names = repr((table, sorted(str(path) for path in parts)))
        return self.root / REPEATS / f"{sha256(names.encode()).hexdigest()[:32]}.parquet"

    def write(
        self, database: duckdb.DuckDBPyConnection, rows: str, to: Path
    ) -> None:
        """Writes what `rows` names to a file of its own; of those beside it the newest stay."""
        begun = to.with_name(f"{uuid4().hex}.new")
        with private_files(), contextlib.suppress(OSError):
            to.parent.mkdir(parents=True, exist_ok=True)
            database.execute(f"COPY (FROM {rows}) TO {_text(begun)} (FORMAT parquet)")
            begun.replace(to)
            kept = sorted(to.parent.iterdir(), key=_used_at, reverse=True)
            for path in kept[MOST_REPEATS:]:
                path.unlink(missing_ok=True)

    def _directory(self, source: Bucket | Directory) -> Path:
        return self.root / sha256(source.place.encode()).hexdigest()[:24]

    def _forget(self, held: Held) -> None:
        """Deletes what no run has used for long, then what was used longest ago, until the rest
        is within the limit. What this run reads stays.
        """
        mine = {path.parent for _, path in held.parts}
        used = {path: _used_at(path) for path in self.root.iterdir() if path.name != REPEATS}
        size = sum(_size(path) for path in used)
        for path in sorted(used.keys() - mine, key=lambda path: used[path]):
            if _is_old(used[path]) or size > self.limit_bytes or _is_orphan(path):
                own = _size(path)
                size -= own if _deleted(path) else 0
        for path in self.root.parent.glob("*-duckdb-*"):
            if path != self.root and _is_old(max(map(_used_at, [path, *path.iterdir()]))):  # fmt: skip
                shutil.rmtree(path, ignore_errors=True)
        if size > self.limit_bytes:
            print(f"query: the cache needs {size / 2**30:.1f} GiB for this; --cache-limit is {self.limit_bytes / 2**30:.1f}", file=sys.stderr)  # fmt: skip


class _Source:
    """A source and its directory in the cache."""

    def __init__(
        self, source: Bucket | Directory, directory: Path, since: datetime | None
    ) -> None:
        self.source, self.directory = source, directory
        self.since, self.first_day = since, since and since.date()
        self.root = f"{source.path.resolve()}/" if isinstance(source, Directory) else ""

    def hold(self, held: Held, limit_bytes: int) -> bool:
        """Adds the parts of what the source has now; false if another run deleted the directory
        meanwhile, so that it has to be tried again.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with _locked(self.directory / "write.lock", fcntl.LOCK_EX) as lock:
            if not lock or not _is_at(lock, self.directory / "write.lock"):
                return False
            (self.directory / "place").write_text(self.source.place)
            wanted, parts = self._listed(), self._known()
            others = [part for part in parts if not self._is_wanted(part)]
            kept = [
                replace(part, used=_today())
                for part in parts
                if self._is_wanted(part) and _is_fresh(part, wanted)
            ]
            known = {name for part in kept for name in part.objects}
            missing = [each for name, each in wanted.items() if name not in known]
            for part in self._read(missing):
                kept.append(part)
                self._write_index(kept + others)
            kept = self._merged(kept)
            self._write_index(kept + _affordable(others, kept, limit_bytes))
            held.locks.append(self._delete_others())
            held.parts += [(part.table, self.directory / part.file) for part in kept]
            if any(self._may_hold(name) for name in wanted):
                held.places.add(self.source.place)
            return True

    def _may_hold(self, name: str) -> bool:
        """Whether an object's partition is of the hour of `since` or later."""
        day, hour = day_of(self.root + name), HOUR.search(name)
        if not self.since or not day:
            return True
        last = int(hour[1]) if hour else 23
        return (day, last) >= (self.since.date(), self.since.hour)

    def _is_wanted(self, part: Part) -> bool:
        return not self.first_day or date.fromisoformat(part.day) >= self.first_day

    def _listed(self) -> dict[str, Stored]:
        """The objects that belong to a table, by name."""
        return {
            each.name: each
            for each in self.source.stored(self.first_day)
            if table_of(self.root + each.name) and day_of(self.root + each.name)
        }

    def _known(self) -> list[Part]:
        """The parts whose files are as they were written."""
        try:
            stored = json.loads((self.directory / INDEX).read_text())
            parts = [Part(**each) for each in stored]
        except (OSError, ValueError, TypeError):
            return []
        return [part for part in parts if _stamp(self.directory / part.file) == part.stamp]  # fmt: skip

    def _read(self, missing: list[Stored]) -> Iterator[Part]:
        """Parts of the objects that no part has."""
        groups: dict[tuple[str, str], list[Stored]] = defaultdict(list)
        for each in missing:
            name = self.root + each.name
            groups[table_of(name) or "", str(day_of(name))].append(each)
        copying = bar("reading", "objects", len(missing))
        with copying, ThreadPoolExecutor(AT_ONCE) as pool:
            for (table, day), stored in sorted(groups.items()):
                for batch in _batches(stored):
                    yield from self._parts_of(table, day, batch, pool)
                    copying.update(len(batch))

    def _parts_of(
        self, table: str, day: str, batch: list[Stored], pool: ThreadPoolExecutor
    ) -> Iterator[Part]:
        """One part of lines, one of Parquet, or neither, if all is gone again."""
        with tempfile.TemporaryDirectory(dir=self.directory, prefix="raw-") as raw:
            copies = zip(batch, pool.map(lambda pair: self._copied(*pair, Path(raw)), enumerate(batch)), strict=True)  # fmt: skip
            forms: dict[str, list[tuple[Stored, Path]]] = defaultdict(list)
            for each, path in copies:
                if path:
                    forms[path.suffix].append((each, path))
            for lines in (False, True):
                pairs = [pair for suffix, pairs in forms.items() if (suffix != ".parquet") == lines for pair in pairs]  # fmt: skip
                if pairs:
                    objects = {each.name: each.version for each, _ in pairs}
                    file = self._converted(table, pairs, lines)
                    yield self._part(file, table, day, objects)

    def _copied(self, number: int, stored: Stored, raw: Path) -> Path | None:
        """The object as a file whose ending names its form; nothing if it is gone."""
        is_local = isinstance(self.source, Directory)
        try:
            body = _begins(self.source.path / stored.name) if is_local else self.source.read(stored.name)
        except (Gone, FileNotFoundError):
            return None
        form = "parquet" if body.startswith(PARQUET_MAGIC) else "json.gz" if body.startswith(GZIP_MAGIC) else "json"  # fmt: skip
        path = raw / f"{number}.{form}"
        if is_local:
            path.symlink_to((self.source.path / stored.name).resolve())
        else:
            path.write_bytes(body)
        return path

    def _converted(
        self, table: str, pairs: list[tuple[Stored, Path]], lines: bool
    ) -> str:
        """A new file with the rows of these files, each column with its type."""
        paths = [path for _, path in pairs]
        with _database() as database:
            try:
                source = _lines(database, paths) if lines else _parquet(paths)
                return self._stored(database, table, source)
            except duckdb.Error as error:
                raise LakeError(_named(error, pairs)) from None

    def _stored(
        self, database: duckdb.DuckDBPyConnection, table: str, source: str
    ) -> str:
        given = {each.lower(): each for each in database.sql(f"FROM {source}").columns}
        typed = []
        for name, kind in columns.duckdb(columns.TABLES[table]).items():
            own = given.pop(name, None)
            value = f"TRY_CAST({_quoted(own)} AS {kind})" if own else f"NULL::{kind}"
            typed.append(f"{value} AS {name}")
        typed += [f"{_quoted(own)}::VARCHAR AS {_quoted(own)}" for lower, own in given.items() if not lower.startswith("_") and lower != "weight"]  # fmt: skip
        every = f"* REPLACE ({columns.complete()})" if table == "events" else "*"
        return self._write(
            database,
            f"""SELECT {every}, hash(tenant, event_id) AS _key, {TIME[table]} AS _at
                FROM (SELECT {", ".join(typed)} FROM {source})""",
        )

    def _write(self, database: duckdb.DuckDBPyConnection, rows: str) -> str:
        file = f"{uuid4().hex}.parquet"
        database.execute(f"COPY ({rows}) TO {_text(self.directory / file)} (FORMAT parquet, COMPRESSION zstd)")  # fmt: skip
        return file

    def _merged(self, parts: list[Part]) -> list[Part]:
        """The same rows in fewer files, if a day has many: each run adds one."""
        by_day: dict[tuple[str, str], list[Part]] = defaultdict(list)
        for part in parts:
            by_day[part.table, part.day].append(part)
        merged = []
        for (table, day), its in by_day.items():
            if len(its) <= MOST_PARTS or sum(part.stamp[0] for part in its) > PART_BYTES:
                merged += its
                continue
            with _database() as database:
                rows = f"FROM {_parquet([self.directory / part.file for part in its])}"
                file = self._write(database, rows)
            objects = {name: version for part in its for name, version in part.objects.items()}  # fmt: skip
            merged.append(self._part(file, table, day, objects))
        return merged

    def _part(self, file: str, table: str, day: str, objects: dict[str, str]) -> Part:
        stamp = _stamp(self.directory / file)
        if stamp is None:
            raise LakeError(f"{self.directory} lost a file that was just written")
        return Part(file, table, day, stamp, objects, _today())

    def _write_index(self, parts: list[Part]) -> None:
        begun = self.directory / f"{INDEX}.new"
        begun.write_text(json.dumps([vars(part) for part in parts]))
        begun.replace(self.directory / INDEX)

    def _delete_others(self) -> IO[str]:
        """Deletes the files of no part, unless another run reads; then locks what is left."""
        lock = (self.directory / "read.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            known = {part.file for part in self._known()}
            for path in self.directory.iterdir():
                if path.suffix == ".parquet" and path.name not in known:
                    path.unlink()
                elif path.name.startswith("raw-"):
                    shutil.rmtree(path, ignore_errors=True)
        # No other run changes the index meanwhile: that takes the lock of who writes.
        fcntl.flock(lock, fcntl.LOCK_SH)
        os.utime(self.directory)
        return lock


def table_of(name: str) -> str | None:
    """The table that an object belongs to, by the prefixes of the template."""
    keys = {part.partition("=")[0] for part in name.split("/") if "=" in part}
    # Firehose's own errors are stored by their type.
    if "day" not in keys or "type" in keys:
        return None
    return "events" if "stream" in keys else "failed"


def _batches(stored: list[Stored]) -> Iterator[list[Stored]]:
    batch, size = list[Stored](), 0
    for each in stored:
        if batch and size + each.size > PART_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.size
    if batch:
        yield batch


def _lines(database: duckdb.DuckDBPyConnection, paths: list[Path]) -> str:
    """What reads lines of JSON, each value as a text, by the names that are in them."""
    files = _list(paths)
    objects = f"read_ndjson_objects({files}, maximum_object_size = 4194304)"
    names = database.sql(f"SELECT DISTINCT unnest(json_keys(json)) FROM {objects}").fetchall()  # fmt: skip
    # Two names that differ in case only are one column.
    spelled = {name.lower(): name for (name,) in sorted(names, reverse=True)}
    given = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in spelled.values() or ["event_id"])  # fmt: skip
    return f"read_json({files}, columns = {{{given}}}, {OPTIONS})"


def _parquet(paths: list[Path]) -> str:
    return f"read_parquet({_list(paths)}, union_by_name = true, hive_partitioning = false)"


def _list(paths: list[Path]) -> str:
    return f"[{', '.join(_text(path) for path in paths)}]"


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _named(error: duckdb.Error, pairs: list[tuple[Stored, Path]]) -> str:
    """DuckDB's reason with the object's name in the place of its copy's."""
    text = str(error)
    for stored, path in pairs:
        text = text.replace(str(path), stored.name)
    return text


@contextlib.contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute("SET temp_directory = ''")
        yield database


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[IO[str] | None]:
    """A file that is locked, or nothing, if another run has it and `how` does not wait."""
    try:
        lock = path.open("w")
    except OSError:
        yield None
        return
    with lock:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if how & fcntl.LOCK_NB:
                yield None
                return
            print("query: waits for another run that fills the cache", file=sys.stderr)
            fcntl.flock(lock, how)
        yield lock


def _stamp(path: Path) -> list[int] | None:
    """What changes if a file is written to, cut or replaced."""
    try:
        known = path.stat()
    except OSError:
        return None
    return [known.st_size, known.st_mtime_ns]


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(PARQUET_MAGIC))


def _is_fresh(part: Part, wanted: dict[str, Stored]) -> bool:
    """Whether each of its objects is still there, unchanged."""
    return all(
        name in wanted and wanted[name].version == version
        for name, version in part.objects.items()
    )


def _affordable(others: list[Part], kept: list[Part], limit_bytes: int) -> list[Part]:
    """Those of the parts that this run does not read which were used lately and for which,
    beside those that it reads, there is room; the last used first.
    """
    room, afforded = limit_bytes - sum(part.stamp[0] for part in kept), list[Part]()
    for part in sorted(others, key=lambda part: part.used, reverse=True):
        room -= part.stamp[0]
        if room >= 0 and _today() - part.used <= UNUSED_DAYS:
            afforded.append(part)
    return afforded


def _is_at(lock: IO[str], path: Path) -> bool:
    """Whether an open file is the one that is at this path now."""
    try:
        return os.fstat(lock.fileno()).st_ino == path.stat().st_ino
    except OSError:
        return False


def _used_at(directory: Path) -> float:
    with contextlib.suppress(OSError):
        return directory.stat().st_mtime
    return 0.0


def _is_old(used_at: float) -> bool:
    return time.time() - used_at > UNUSED_DAYS * 86_400


def _deleted(directory: Path) -> bool:
    """Deletes the directory of a source, unless another run uses it."""
    now = fcntl.LOCK_EX | fcntl.LOCK_NB
    with _locked(directory / "write.lock", now) as writes, _locked(directory / "read.lock", now) as reads:  # fmt: skip
        if writes and reads:
            shutil.rmtree(directory, ignore_errors=True)
            return True
    return False


def _size(directory: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in directory.rglob("*"))
    return 0


def _is_orphan(directory: Path) -> bool:
    """Whether the local directory that it has copies of is no longer there."""
    with contextlib.suppress(OSError):
        place = (directory / "place").read_text()
        return place.startswith("/") and not Path(place).is_dir()
    return False


def _today() -> int:
    return int(time.time() // 86_400)
