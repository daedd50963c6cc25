"""The views `events`, `counted`, `failed` and `delivered` in DuckDB, over buckets or directories.

Each event is in them once, however often it was delivered, and each failed event as it failed
last. They read the parts of the cache (cache.py) column by column as a query asks; only which
rows are repeats is computed before, and kept for as long as the parts are the same. The views of
compatible_views.py are made of `events`, those of typed_views.py and identities.py of `counted`.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import columns
import compatible_views
import duckdb
import identities
import typed_views
from cache import Cache
from objects import Bucket, Directory, objects

CACHE = Path(__file__).parents[2] / ".wrangler" / "lake"
GIB = 1 << 30

# An event is delivered after it occurred, by the edge's clock; a client's may be ahead of it by
# `max_clock_skew_s`, a day at most. An object has the day of its first record, and waits for others
# for 15 minutes at most.
EARLIEST_RECEIPT = timedelta(days=1, minutes=15)

# A long failed event has several records of one failure, of which the first stands for all.
ORDER = {
    "events": "received_at",
    "failed": "coalesce(replayed_at, received_at) DESC, part",
}
# A share that is none, or more than all, can't be scaled by.
WEIGHT = "CASE WHEN sample_rate > 0 AND sample_rate < 1 THEN 1 / sample_rate ELSE 1 END"
OWN = "_key, _at, _part, file_row_number"
VIEWS = {"events", "counted", "failed", "delivered", "identities", *compatible_views.VIEWS}
TENANT = "coalesce(tenant, 'default')"


@dataclass(frozen=True)
class Question:
    """Of which events, where these are, and by which SQL: any, if it is None."""

    sources: Sequence[str]
    since: datetime | None
    until: datetime | None
    tenants: frozenset[str]
    with_bots: bool
    cache: Path | None
    cache_limit_gib: float
    steps: tuple[str, ...] = ()
    sql: str | None = None


@contextlib.contextmanager
def connect(question: Question) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the views."""
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headwater-")))
        cache = Cache(question.cache or scratch / "cache", int(question.cache_limit_gib * GIB))
        places = _places(question)
        since = question.since and question.since - EARLIEST_RECEIPT
        held = cache.hold([each for its in places.values() for each in its], since)
        stack.callback(held.close)
        for source, its in places.items():
            if not held.places.intersection(each.place for each in its):
                asked = f", from {question.since:%Y-%m-%d} on" if question.since else ""
                print(f"query: nothing of {source} is under a day=YYYY-MM-DD/{asked}", file=sys.stderr)  # fmt: skip
        database = stack.enter_context(
            duckdb.connect(config={"autoinstall_known_extensions": False})
        )
        database.execute("SET TimeZone = 'UTC'")
        database.execute("SET preserve_insertion_order = false")
        database.execute(f"SET temp_directory = {_text(scratch / 'spill')}")
        for table in ("events", "failed"):
            parts = held.of(table)
            _create_deliveries(database, table, parts)
            _create_repeats(database, table, parts, cache)
            _create_view(database, table, question)
        bots = "" if question.with_bots else "WHERE bot IS NULL"
        database.execute(f"CREATE VIEW counted AS FROM events {bots}")
        for name, time in (("since", question.since), ("until", question.until)):
            if time:
                database.execute(f"SET VARIABLE {name} = TIMESTAMP {_text(time.replace(tzinfo=None))}")
        if question.steps:
            database.execute(f"SET VARIABLE steps = [{', '.join(map(_text, question.steps))}]")
        database.execute(f"CREATE VIEW delivered AS SELECT * EXCLUDE ({OWN}) FROM _events")
        views = {name: view.duckdb() for name, view in compatible_views.VIEWS.items()}
        views |= {"identities": identities.VIEW, **typed_views.statements(VIEWS)}
        for name, statement in views.items():
            # Each takes a look at the head of each file.
            if question.sql is None or _may_read(question.sql, name):
                database.execute(f'CREATE VIEW "{name}" AS {statement}')
        yield database


def _may_read(sql: str, view: str) -> bool:
    """Whether a query names a view, or lists what there is."""
    return bool(re.search(rf"\b(?:{re.escape(view)}|show|duckdb_\w+|information_schema)\b", sql, re.IGNORECASE))


def counted_views() -> set[str]:
    """The views that leave bots out."""
    return {"counted", "identities", *typed_views.statements(VIEWS)}


def forget(question: Question) -> None:
    """Takes what the cache has of the sources out of it: it can't be read."""
    if question.cache:
        its = [each for places in _places(question).values() for each in places]
        Cache(question.cache, 0).clear(its)


def _places(question: Question) -> dict[str, list[Bucket] | list[Directory]]:
    """The buckets and directories of each source."""
    local = (("data", ""), ("failed", ""))
    return {each: objects(each, local) for each in question.sources}


def _create_deliveries(
    database: duckdb.DuckDBPyConnection, table: str, parts: list[Path]
) -> None:
    """The view of all rows, repeats included, each with its place."""
    types = columns.duckdb(columns.TABLES[table])
    lifted = columns.lifted() if table == "events" else []
    source, given = "(SELECT 1) WHERE false", set[str]()
    if parts:
        files = f"[{', '.join(_text(path) for path in parts)}]"
        source = f"""read_parquet({files}, union_by_name = true, hive_partitioning = false,
            filename = '_part', file_row_number = true)"""
        given = {each.lower() for each in database.sql(f"FROM {source}").columns}
    else:
        types |= {"_key": "UBIGINT", "_at": "TIMESTAMP", "_part": "VARCHAR", "file_row_number": "BIGINT"}  # fmt: skip
    more = [f'NULL::{kind} AS "{name}"' for name, kind in types.items() if name.lower() not in given]  # fmt: skip
    # A record has what its schema lifts out of `metadata` a second time only if the operator wants it so.
    for name in lifted:
        member = f"""json_extract_string(metadata, '$."{name.removeprefix("metadata_")}"')"""
        own = f'coalesce("{name}", {member})' if name.lower() in given else member
        more.append(f'{own if parts else "NULL::VARCHAR"} AS "{name}"')
    written = [f'"{name}"' for name in lifted if name.lower() in given]
    every = f"* EXCLUDE ({', '.join(written)})" if written else "*"
    selected = ", ".join([*([every] if parts else []), *more])
    database.execute(f"CREATE VIEW _{table} AS SELECT {selected} FROM {source}")


def _create_repeats(
    database: duckdb.DuckDBPyConnection, table: str, parts: list[Path], cache: Cache
) -> None:
    """The places of the rows in whose stead another row of the same event is counted.

    Finding them takes a look at the ids of all rows. Parts never change, so that what was
    found of the same parts before is right.
    """
    known = cache.repeats(table, parts)
    if known.exists():
        with contextlib.suppress(duckdb.Error):
            database.execute(f"CREATE TEMP TABLE {table}_repeats AS FROM {_text(known)}")  # fmt: skip
            return
    database.execute(
        f"""CREATE TEMP TABLE {table}_repeats AS
            WITH several AS (SELECT _key FROM _{table} GROUP BY _key HAVING count(*) > 1)
            SELECT _part, file_row_number FROM _{table} SEMI JOIN several USING (_key)
            QUALIFY row_number() OVER (PARTITION BY tenant, event_id ORDER BY {ORDER[table]}) > 1"""
    )
    cache.write(database, f"{table}_repeats", known)


def _create_view(
    database: duckdb.DuckDBPyConnection, table: str, question: Question
) -> None:
    """The view of what was asked of, each event once."""
    weight = f", {WEIGHT} AS weight" if table == "events" else ""
    conditions = ["true"]
    for time, sign in ((question.since, ">="), (question.until, "<")):
        if time:
            conditions.append(f"_at {sign} TIMESTAMP {_text(time.replace(tzinfo=None))}")
    if question.tenants:
        tenants = ", ".join(_text(each) for each in sorted(question.tenants))
        conditions.append(f"{TENANT} IN ({tenants})")
    (repeats,) = database.sql(f"SELECT count(*) FROM {table}_repeats").fetchall()[0]
    once = f"ANTI JOIN {table}_repeats USING (_part, file_row_number)" if repeats else ""
    database.execute(
        f"""CREATE VIEW {table} AS
            SELECT * EXCLUDE ({OWN}){weight}
            FROM _{table} {once} WHERE {" AND ".join(conditions)}"""
    )


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
