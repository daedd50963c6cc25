"""The tables `events` and `failed` in DuckDB, over what lies in buckets or directories.

Each event is in its table once, however often it was delivered, and each failed event as
it failed last. Objects of a bucket are copied into a cache first, each once: Firehose
never changes one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import duckdb
from objects import GZIP_MAGIC, Bucket, Directory, may_hold, objects
from tqdm import tqdm

CACHE = Path(__file__).parents[2] / ".wrangler" / "lake"
AT_ONCE = 16
PARQUET_MAGIC = b"PAR1"

# What saved queries ask for, so that each has an answer where nothing of it was delivered.
TEXTS = "event_id tenant name level device_id session_id ip url url_host url_path country " \
    "browser os referrer_medium referrer_source utm_source utm_medium utm_campaign " \
    "bot_reason bot_name stage code pointer message schema_id"  # fmt: skip
TIMES = "occurred_at received_at replayed_at session_started_at"

# Parquet has times as texts.
TYPED = ", ".join(f"{name}::TIMESTAMP AS {name}" for name in TIMES.split())

# DuckDB would take `props` for a map, whose values have one type, were it not for the threshold.
OPTIONS = "union_by_name = true, map_inference_threshold = -1, sample_size = -1, " \
    "format = 'newline_delimited', maximum_object_size = 4194304"  # fmt: skip

# A long failed event has several records of one failure, of which the first stands for all.
LAST = "ORDER BY coalesce(replayed_at, received_at) DESC, part"


def connect(
    sources: Iterable[str], since: datetime | None, until: datetime | None, cache: Path
) -> duckdb.DuckDBPyConnection:
    """A database with the two tables, of what was received within a time."""
    files: dict[str, list[Path]] = {"events": [], "failed": []}
    for source in sources:
        for name, path in _local(objects(source), since, cache):
            if table := _table(name):
                files[table].append(path)
    database = duckdb.connect(config={"autoinstall_known_extensions": False})
    database.execute("SET TimeZone = 'UTC'")
    for table, paths in files.items():
        order = LAST if table == "failed" else "ORDER BY received_at"
        database.execute(f"CREATE TABLE known AS {_known()}")
        database.execute(
            f"""CREATE TABLE {table} AS
                WITH delivered AS (FROM known UNION ALL BY NAME {_all(paths)}),
                     typed AS (SELECT * REPLACE ({TYPED}) FROM delivered)
                FROM typed
                WHERE ($since IS NULL OR received_at >= $since)
                  AND ($until IS NULL OR received_at < $until)
                QUALIFY row_number() OVER (PARTITION BY event_id {order}) = 1""",
            {
                "since": since and since.replace(tzinfo=None),
                "until": until and until.replace(tzinfo=None),
            },
        )
        database.execute("DROP TABLE known")
        database.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS props JSON")
    return database


def _known() -> str:
    """A table of the known columns without a row."""
    columns = [f"NULL::VARCHAR AS {name}" for name in TEXTS.split()]
    columns += [f"NULL::TIMESTAMP AS {name}" for name in TIMES.split()]
    columns += ["NULL::BOOLEAN AS bot", "NULL::BIGINT AS part"]
    return f"SELECT {', '.join(columns)} WHERE false"


def _all(paths: list[Path]) -> str:
    """What reads all of these files, whichever of the two forms each has."""
    forms: dict[bool, list[str]] = {}
    for path in paths:
        with path.open("rb") as file:
            is_parquet = file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
        forms.setdefault(is_parquet, []).append(
            "'" + str(path).replace("'", "''") + "'"
        )
    reads = []
    for is_parquet, names in forms.items():
        listed = f"[{', '.join(names)}]"
        reads.append(
            f"FROM read_parquet({listed}, union_by_name = true)"
            if is_parquet
            else f"FROM read_json({listed}, {OPTIONS})"
        )
    return " UNION ALL BY NAME ".join(reads or ["FROM known"])


def _table(name: str) -> str | None:
    """The table that an object belongs to, by the prefixes of the template."""
    parts = name.split("/")
    if "errors" in parts or not any(part.startswith("day=") for part in parts):
        return None
    return "events" if any(part.startswith("stream=") for part in parts) else "failed"


def _local(
    source: Bucket | Directory, since: datetime | None, cache: Path
) -> list[tuple[str, Path]]:
    """The objects of a source that can hold what is asked for, as files."""
    names = [name for name in source.names() if may_hold(name, since)]
    if isinstance(source, Directory):
        root = source.path.resolve()
        return [((root / name).as_posix(), root / name) for name in names]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        copies = pool.map(lambda name: _copied(source, name, cache), names)
        bar = tqdm(
            copies, total=len(names), desc="copying", unit=" objects", disable=None
        )
        return list(zip(names, bar, strict=True))


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
