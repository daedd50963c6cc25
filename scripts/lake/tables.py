"""The tables `events` and `failed` in DuckDB, over what lies in buckets or directories.

Each event is in its table once, however often it was delivered, and each failed event as
it failed last. Objects of a bucket are copied into a cache first, each once: Firehose
never changes one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import duckdb
from objects import GZIP_MAGIC, Bucket, Directory, may_hold, objects
from tqdm import tqdm

CACHE = Path(__file__).parents[2] / ".wrangler" / "lake"
AT_ONCE = 16
PARQUET_MAGIC = b"PAR1"

# The columns of which something is known, so that each question has an answer where nothing of
# it was delivered; any other is a text. What a client nests stays JSON: no type holds all of it.
COLUMNS = {
    "VARCHAR": "event_id tenant name level device_id session_id ip url url_host url_path country "
    "browser os referrer_medium referrer_source utm_source utm_medium utm_campaign "
    "bot_reason bot_name stage code pointer message schema_id",
    "TIMESTAMP": "occurred_at received_at replayed_at session_started_at client_time sent_at",
    "BIGINT": "v hour part parts original_bytes asn clock_skew_ms utc_offset_minutes local_hour "
    "event_index seq session_index screen_width screen_height viewport_width viewport_height",
    "DOUBLE": "sample_rate",
    "BOOLEAN": "bot new_visitor original_withheld",
    "DATE": "date",
    "JSON": "props metadata repairs violations",
}
TYPES = {name: kind for kind, names in COLUMNS.items() for name in names.split()}

OPTIONS = "format = 'newline_delimited', maximum_object_size = 4194304"
# All is read as texts, and Parquet has times and what is nested as such; what is no value of its
# column's type is nothing, so that it spoils no other.
TYPED = ", ".join(f"TRY_CAST({name} AS {kind}) AS {name}" for name, kind in TYPES.items())  # fmt: skip
NOTHING = ", ".join(f"NULL::VARCHAR AS {name}" for name in TYPES)

# A long failed event has several records of one failure, of which the first stands for all.
LAST = "ORDER BY coalesce(replayed_at, received_at) DESC, part"


def connect(
    sources: Iterable[str], since: datetime | None, until: datetime | None, cache: Path
) -> duckdb.DuckDBPyConnection:
    """A database with the two tables, of what was received within a time."""
    files: dict[str, list[Path]] = {"events": [], "failed": []}
    for source in sources:
        found = False
        for place in objects(source, (("data", ""), ("failed", ""))):
            for table, path in _files(place, since, cache):
                files[table].append(path)
                found = True
        if not found:
            asked = f", from {since:%Y-%m-%d} on" if since else ""
            print(f"query: nothing of {source} is under a day=YYYY-MM-DD/{asked}", file=sys.stderr)  # fmt: skip
    database = duckdb.connect(config={"autoinstall_known_extensions": False})
    database.execute("SET TimeZone = 'UTC'")
    for table, paths in files.items():
        order = LAST if table == "failed" else "ORDER BY received_at"
        database.execute(f"CREATE TABLE known AS SELECT {NOTHING} WHERE false")
        database.execute(
            f"""CREATE TABLE {table} AS
                WITH delivered AS (FROM known UNION ALL BY NAME {_all(database, paths)}),
                     typed AS (SELECT * REPLACE ({TYPED}) FROM delivered)
                FROM typed
                -- Two plain comparisons of a text that is cast are an internal error of DuckDB's.
                WHERE coalesce(received_at >= $since, $since IS NULL)
                  AND coalesce(received_at < $until, $until IS NULL)
                QUALIFY row_number() OVER (PARTITION BY tenant, event_id {order}) = 1""",
            {
                "since": since and since.replace(tzinfo=None),
                "until": until and until.replace(tzinfo=None),
            },
        )
        database.execute("DROP TABLE known")
    return database


def _all(database: duckdb.DuckDBPyConnection, paths: list[Path]) -> str:
    """What reads all of these files, whichever of the two forms each has."""
    parquet, lines = [], []
    for path in paths:
        with path.open("rb") as file:
            is_parquet = file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
        quoted = "'" + str(path).replace("'", "''") + "'"
        (parquet if is_parquet else lines).append(quoted)
    reads = []
    if parquet:
        reads.append(f"FROM read_parquet([{', '.join(parquet)}], union_by_name = true)")
    if lines:
        reads.append(_read_lines(database, f"[{', '.join(lines)}], {OPTIONS}"))
    return " UNION ALL BY NAME ".join(reads or ["FROM known"])


def _read_lines(database: duckdb.DuckDBPyConnection, files: str) -> str:
    """What reads lines of JSON by the names that are in them."""
    told = database.sql(
        f"""FROM read_json({files}, union_by_name = true, sample_size = -1,
        maximum_depth = 1, hive_partitioning = false)"""
    ).columns
    types = dict.fromkeys(told, "VARCHAR")
    return f"FROM read_json({files}, columns = {types})"


def _table(name: str) -> str | None:
    """The table that an object belongs to, by the prefixes of the template."""
    keys = {part.partition("=")[0] for part in name.split("/") if "=" in part}
    # Firehose's errors lie by their type.
    if "day" not in keys or "type" in keys:
        return None
    return "events" if "stream" in keys else "failed"


def _files(
    source: Bucket | Directory, since: datetime | None, cache: Path
) -> Iterator[tuple[str, Path]]:
    """The objects of a source that can hold what is asked for, as files, each with its table."""
    root = f"{source.path.resolve()}/" if isinstance(source, Directory) else ""
    tables = {
        name: table
        for name in source.names()
        if may_hold(name, since) and (table := _table(root + name))
    }
    if isinstance(source, Directory):
        yield from ((table, Path(root + name)) for name, table in tables.items())
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        copies = pool.map(lambda name: _copied(source, name, cache), tables)
        yield from zip(
            tables.values(),
            tqdm(copies, "copying", len(tables), unit=" objects", disable=None),
            strict=True,
        )


def _copied(bucket: Bucket, name: str, cache: Path) -> Path:
    """The copy of an object, which is whole if it is there."""
    path = cache / bucket.bucket / name
    zipped = path.with_name(path.name.removesuffix(".gz") + ".gz")
    for known in (zipped, path):
        if known.exists():
            return known
    body = bucket.read(name)
    to = zipped if body.startswith(GZIP_MAGIC) else path
    to.parent.mkdir(parents=True, exist_ok=True)
    begun = to.with_name(f"{to.name}.{os.getpid()}")
    begun.write_bytes(body)
    begun.replace(to)
    return to
