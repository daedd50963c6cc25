"""Answers a question about what is stored in S3, or in a copy of it: a saved one by its name, or SQL.

The tables are `events`, each event once; `counted`, those of them that saved queries count, which
leaves bots out unless --bots is given; and `failed`, each failed event as it failed last. A
column `weight` says for how many events one stands, as its route takes a share (`sample_rate`).
`segment_tracks`, `snowplow_events`, `posthog_events` and others have the events of a protocol, with the
columns that queries for those collectors use.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import time_args
from chart import Chart
from objects import LakeError
from private_files import private_files
from shown_text import csv_as_text, shown_output
from tables import CACHE, TENANT, Question, connect, forget

QUERIES = Path(__file__).with_name("queries")
MOST_ROWS = 1_000
MOST_TENANTS = 5
LIMIT_GIB = 20.0
WIDEST = 10_000


@dataclass(frozen=True)
class Query:
    """A question, how to ask it, and how to draw its answer."""

    title: str
    sql: str
    chart: Chart | None
    is_saved: bool = True

    @classmethod
    def saved(cls, name: str) -> Query:
        """The saved one of this name."""
        path = QUERIES / f"{name}.sql"
        if path.parent != QUERIES or not path.is_file():
            raise LakeError(
                f"there is no query {name!r}; there are {', '.join(names())}"
            )
        title, chart, sql = path.read_text().split("\n", 2)
        return cls(
            title.removeprefix("-- "),
            sql,
            Chart.parse(chart.removeprefix("-- chart: ")),
        )


def names() -> list[str]:
    """The names of the saved queries."""
    return sorted(path.stem for path in QUERIES.glob("*.sql"))


def main() -> int:
    arguments = _arguments()
    with private_files(), shown_output():
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.name and not arguments.sql:
        _list()
        return 0
    try:
        _answer(arguments)
    except (LakeError, duckdb.Error, OSError) as error:
        print(f"query: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("query: stopped", file=sys.stderr)
        return 1
    return 0


def _list() -> None:
    width = max(len(name) for name in names())
    for name in names():
        print(f"{name:<{width}}  {Query.saved(name).title}")


def _answer(arguments: argparse.Namespace) -> None:
    query = (
        Query("", arguments.sql, None, is_saved=False) if arguments.sql else Query.saved(arguments.name)
    )
    chart = Chart.parse(arguments.chart) if arguments.chart else query.chart
    if arguments.plot and chart is None:
        raise LakeError('say how to draw it: --chart "bar X Y [COLOR]"')
    if not arguments.source:
        raise LakeError("name at least one --source")
    question = Question(
        arguments.source,
        arguments.since,
        arguments.until,
        frozenset(arguments.tenant),
        arguments.bots,
        None if arguments.no_cache else arguments.cache.resolve(),
        arguments.cache_limit,
    )
    try:
        _print(arguments, query, chart, question)
    except duckdb.Error as error:
        if not question.cache or str(question.cache) not in str(error):
            raise
        print("query: a file of the cache is damaged; all is read again", file=sys.stderr)  # fmt: skip
        forget(question)
        _print(arguments, query, chart, question)


def _print(
    arguments: argparse.Namespace,
    query: Query,
    chart: Chart | None,
    question: Question,
) -> None:
    with connect(question) as database:
        # Who reads may leave off, as `head` does; nothing is asked of S3 any more.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        answer = database.sql(query.sql)
        if answer is None:
            raise LakeError("the query returns no result")
        if arguments.plot and chart:
            rows = [
                dict(zip(answer.columns, row, strict=True)) for row in answer.fetchall()
            ]
            chart.write(arguments.plot, query.title, rows)
            print(f"{arguments.plot} shows {len(rows)} rows")
        elif arguments.csv:
            _print_csv(answer)
        else:
            # Columns are left out for lack of room only on a terminal.
            wide = {} if sys.stdout.isatty() else {"max_width": WIDEST}
            answer.show(max_rows=MOST_ROWS, **wide)
        sys.stdout.flush()
        for line in _remarks(database, query, question):
            print(f"query: {line}", file=sys.stderr)


def _remarks(
    database: duckdb.DuckDBPyConnection, query: Query, question: Question
) -> Iterator[str]:
    """What the answer does not show of what it counts."""
    leaves_bots_out = not question.with_bots and _names(query, "counted")
    counts = f"""SELECT {TENANT}, round(sum(weight) FILTER (bot))::BIGINT FROM events
                 GROUP BY ALL ORDER BY ALL"""
    failed = f"SELECT DISTINCT {TENANT} FROM failed"
    bots, tenants = 0, set[str]()
    if _names(query, "counted") or _names(query, "events"):
        for tenant, count in database.sql(counts).fetchall():
            tenants.add(tenant)
            bots += count or 0
    if _names(query, "failed"):
        tenants.update(tenant for (tenant,) in database.sql(failed).fetchall())
    if question.tenants and not tenants:
        yield f"there is nothing of tenant {', '.join(sorted(question.tenants))}"
    # Who names the column knows of them.
    if len(tenants) > 1 and (query.is_saved or not _names(query, "tenant")):
        names = ", ".join(sorted(tenants)[:MOST_TENANTS])
        more = ", …" if len(tenants) > MOST_TENANTS else ""
        yield f"{len(tenants)} tenants are counted together ({names}{more}); --tenant NAME asks about one"
    if leaves_bots_out and bots:
        yield f"{bots:,} event{'s' * (bots != 1)} of bots {'are' if bots != 1 else 'is'} left out; --bots includes them"


def _names(query: Query, word: str) -> bool:
    """Whether a query names a table or a column."""
    return bool(re.search(rf"\b{word}\b", query.sql, re.IGNORECASE))


def _print_csv(answer: duckdb.DuckDBPyRelation) -> None:
    """Through a file of its own: DuckDB would begin that of `>> FILE` anew."""
    types = [str(each) for each in answer.types]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "answer.csv"
        answer.to_csv(str(file), header=True)
        # As it is, with the returns in texts.
        with file.open(encoding="utf-8", newline="") as lines:
            text = lines.read()
    sys.stdout.write(csv_as_text(text, types))


def _arguments() -> argparse.Namespace:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="scripts/query",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Without a name it lists the saved queries, which are scripts/lake/queries/*.sql.",
    )
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("name", nargs="?", help="a saved query")
    asked.add_argument("--sql", help="a query of your own, in DuckDB's SQL")
    parser.add_argument("--source", action="append", default=[], metavar="PLACE", help="s3://BUCKET/PREFIX, or a directory into which one was copied; the buckets of events and of failed events can both be named; `local` is both of scripts/dev")  # fmt: skip
    parser.add_argument("--since", type=time_args.argument, metavar="TIME", help="events that occurred, and failed events that were received, at or after this time, such as 2026-11-21, 7d or yesterday")  # fmt: skip
    parser.add_argument("--until", type=time_args.argument, metavar="TIME", help="those before this time")  # fmt: skip
    parser.add_argument("--tenant", action="append", default=[], metavar="NAME", help="only this tenant's; several times for several")  # fmt: skip
    parser.add_argument("--bots", action="store_true", help="count bots too, which saved queries exclude")  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a chart: a .png, or an .html without scripts, with the table below it")  # fmt: skip
    parser.add_argument("--chart", metavar='"MARK X Y [COLOR]"', help="the chart of your own query: bar or line")  # fmt: skip
    parser.add_argument("--csv", action="store_true", help="CSV in place of a table; a text that begins as a formula has a ' before it")  # fmt: skip
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="the directory that stores what was read, as Parquet; by default .wrangler/lake")  # fmt: skip
    parser.add_argument("--cache-limit", type=_gib, default=LIMIT_GIB, metavar="GIB", help=f"delete the least recently used files above this size; by default {LIMIT_GIB}")  # fmt: skip
    parser.add_argument("--no-cache", action="store_true", help="read everything again, and store nothing")  # fmt: skip
    return parser.parse_args()


def _gib(text: str) -> float:
    size = float(text)
    if not 0 < size < 1e6:
        raise argparse.ArgumentTypeError("must be a size in GiB, above 0")
    return size


if __name__ == "__main__":
    sys.exit(main())
