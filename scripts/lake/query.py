"""Answers a question about what is stored in S3, or in a copy of it: a saved one by its name, or SQL.

The tables are `events`, each event once; `counted`, those of them that saved queries count, which
leaves bots out unless --bots is given; and `failed`, each failed event as it failed last. A
column `weight` says for how many events one stands, as its route takes a share (`sample_rate`).
`segment_tracks`, `snowplow_events`, `posthog_events` and others have the events of a protocol, with the
columns that queries for those collectors use.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import answers
import report
import time_args
from chart import Chart
from objects import SOURCE_VARIABLE, LakeError, default_sources
from private_files import private_files, write_private
from saved_queries import DIMENSIONS, Query, names, steps
from shown_text import shown_output
from tables import CACHE, TENANT, Question, connect, counted_views, forget

REPORT = "report"
MOST_TENANTS = 5
LIMIT_GIB = 20.0


def main() -> int:
    arguments = _arguments()
    with private_files(), shown_output():
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.name and not arguments.sql:
        _list()
        return 0
    try:
        (_report if arguments.name == REPORT else _answer)(arguments)
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
    now = datetime.now(timezone.utc)
    if arguments.sql:
        query = Query("", arguments.sql, None, is_saved=False)
    else:
        query = Query.saved(arguments.name)
    query = query.asked(arguments.by, steps(arguments.steps) if arguments.steps else ())
    chart = Chart.parse(arguments.chart) if arguments.chart else query.chart
    if arguments.plot and chart is None:
        raise LakeError('say how to draw it: --chart "bar X Y [COLOR]"')
    since, until = query.range(arguments.since, arguments.until, now)
    question = _question(arguments, since, until, query.steps, query.statement())
    _again_if_damaged(question, lambda: _print(arguments, query, chart, question, now))


def _question(
    arguments: argparse.Namespace, since: datetime | None, until: datetime | None, its_steps: tuple[str, ...], sql: str
) -> Question:
    return Question(
        arguments.source or default_sources(),
        since,
        until,
        frozenset(arguments.tenant),
        arguments.bots,
        None if arguments.no_cache else arguments.cache.resolve(),
        arguments.cache_limit,
        its_steps,
        sql,
    )


def _again_if_damaged(question: Question, answer: Callable[[], None]) -> None:
    """Answers, and once more if a file of the cache can't be read."""
    try:
        answer()
    except duckdb.Error as error:
        if not question.cache or str(question.cache) not in str(error):
            raise
        print("query: a file of the cache is damaged; all is read again", file=sys.stderr)  # fmt: skip
        forget(question)
        answer()


def _print(
    arguments: argparse.Namespace,
    query: Query,
    chart: Chart | None,
    question: Question,
    now: datetime,
) -> None:
    with connect(question) as database:
        # Who reads may leave off, as `head` does; nothing is asked of S3 any more.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        answer = database.sql(query.statement())
        if answer is None:
            raise LakeError("the query returns no result")
        if len(set(answer.columns)) < len(answer.columns) and query.by:
            raise LakeError(f"the answer has a column {query.by} already")
        if arguments.plot and chart:
            rows = [
                dict(zip(answer.columns, row, strict=True)) for row in answer.fetchall()
            ]
            chart.write(arguments.plot, query.title.removesuffix("."), rows, _footer(question, query, now))
            print(f"{arguments.plot} shows {len(rows)} rows")
        else:
            answers.FORMS.get(arguments.form, answers.print_table)(answer)
        sys.stdout.flush()
        for line in _remarks(database, query, question):
            print(f"query: {line}", file=sys.stderr)


def _report(arguments: argparse.Namespace) -> None:
    """Writes all answers to one page."""
    now = datetime.now(timezone.utc)
    path = arguments.plot or Path("report.html")
    if path.suffix != ".html" or arguments.form or arguments.by or arguments.chart:
        raise LakeError("a report is one page; --plot FILE.html says where it is written")
    since, until = arguments.since, arguments.until
    if arguments.week:
        since, until = now - timedelta(days=7), now
    funnel = Query.saved("funnel").asked(None, steps(arguments.steps) if arguments.steps else ())
    question = _question(arguments, since, until, funnel.steps, " identities ")

    def write() -> None:
        with connect(question) as database:
            found = []
            for name in report.ORDER:
                query = Query.saved(name)
                answer = database.sql(query.statement())
                found.append(report.Answered(name, query.title, query.chart, answer.columns, answer.fetchall()))
            text = report.page("Headwater: all answers", _footer(question, Query.saved("visitors"), now), found)
        write_private(path, text.encode())
        print(f"{path} has {len(found)} answers, {len(text.encode()) / 1000:.0f} kB")

    _again_if_damaged(question, write)


def _footer(question: Question, query: Query, now: datetime) -> str:
    """Which events an answer is about."""
    begin, end = (each and f"{each:%Y-%m-%d %H:%M}" for each in (question.since, question.until))
    times = f"{begin or 'the beginning'} to {end or f'{now:%Y-%m-%d %H:%M}'} UTC"
    tenants = f"tenant {', '.join(sorted(question.tenants))}" if question.tenants else "all tenants"
    leaves_out = not question.with_bots and query.tables() & counted_views()
    bots = "bots left out" if leaves_out else "bots included"
    return f"{times} · {tenants} · {bots}"


def _remarks(
    database: duckdb.DuckDBPyConnection, query: Query, question: Question
) -> Iterator[str]:
    """What the answer does not show of what it counts."""
    views = database.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    read = query.tables() & {name for (name,) in views}
    counts = f"""SELECT {TENANT}, round(sum(weight) FILTER (bot))::BIGINT FROM events
                 GROUP BY ALL ORDER BY ALL"""
    failed = f"SELECT DISTINCT {TENANT} FROM failed"
    bots, tenants = 0, set[str]()
    if read - {"failed", "delivered"}:
        for tenant, count in database.sql(counts).fetchall():
            tenants.add(tenant)
            bots += count or 0
    if "failed" in read:
        tenants.update(tenant for (tenant,) in database.sql(failed).fetchall())
    if question.tenants and not tenants:
        yield f"there is nothing of tenant {', '.join(sorted(question.tenants))}"
    # Who names the column knows of them.
    if len(tenants) > 1 and not query.shows("tenant"):
        names = ", ".join(sorted(tenants)[:MOST_TENANTS])
        more = ", …" if len(tenants) > MOST_TENANTS else ""
        yield f"{len(tenants)} tenants are counted together ({names}{more}); --tenant NAME asks about one"
    if bots and not question.with_bots and read & counted_views():
        yield f"{bots:,} event{'s' * (bots != 1)} of bots {'are' if bots != 1 else 'is'} left out; --bots includes them"


def _arguments() -> argparse.Namespace:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="scripts/query",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Without a name it lists the saved queries, which are scripts/lake/queries/*.sql.",
    )
    parser.add_argument("words", nargs="*", metavar="NAME [RANGE]", help=f"a saved query, or `report` for a page of all, and the range to ask about: {time_args.RANGES}")  # fmt: skip
    parser.add_argument("--sql", help="a query of your own, in DuckDB's SQL")
    parser.add_argument("--by", choices=DIMENSIONS, metavar="COLUMN", help=f"split a saved query by {', '.join(DIMENSIONS)}")  # fmt: skip
    parser.add_argument("--steps", metavar="A,B,C", help="the events that are the steps of `funnel`, in their order")  # fmt: skip
    parser.add_argument("--source", action="append", default=[], metavar="PLACE", help=f"s3://BUCKET/PREFIX, or a directory into which one was copied; the buckets of events and of failed events can both be named; `local` is both of scripts/dev; by default what {SOURCE_VARIABLE} names, or else `local`")  # fmt: skip
    parser.add_argument("--since", type=time_args.argument, metavar="TIME", help="events that occurred, and failed events that were received, at or after this time, such as 2026-11-21, 7d or yesterday")  # fmt: skip
    parser.add_argument("--until", type=time_args.argument, metavar="TIME", help="those before this time")  # fmt: skip
    parser.add_argument("--week", action="store_true", help="of `report`: the last seven days")  # fmt: skip
    parser.add_argument("--tenant", action="append", default=[], metavar="NAME", help="only this tenant's; several times for several")  # fmt: skip
    parser.add_argument("--bots", action="store_true", help="count bots too, which saved queries exclude")  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a chart: a .png, or an .html without scripts, with the table below it; or the report, by default report.html")  # fmt: skip
    parser.add_argument("--chart", metavar='"MARK X Y [COLOR]"', help="the chart of your own query: bar or line; at the end perhaps label:COLUMN, a percentage at each bar")  # fmt: skip
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_const", const="csv", dest="form", help="CSV in place of a table; a text that begins as a formula has a ' before it")  # fmt: skip
    form.add_argument("--json", action="store_const", const="json", dest="form", help="an array with an object for each row")  # fmt: skip
    form.add_argument("--markdown", action="store_const", const="markdown", dest="form", help="a table in Markdown")  # fmt: skip
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="the directory that stores what was read, as Parquet; by default .wrangler/lake")  # fmt: skip
    parser.add_argument("--cache-limit", type=_gib, default=LIMIT_GIB, metavar="GIB", help=f"delete the least recently used files above this size; by default {LIMIT_GIB}")  # fmt: skip
    parser.add_argument("--no-cache", action="store_true", help="read everything again, and store nothing")  # fmt: skip
    arguments = parser.parse_args()
    words = list(arguments.words)
    arguments.name = words.pop(0) if words and not arguments.sql else None
    if len(words) > 1:
        parser.error(f"{words[1]!r} is one word too many; a query has a name and a range")
    if arguments.week and (arguments.name != REPORT or words or arguments.since or arguments.until):
        parser.error("--week is for `report`, without another range")
    if words:
        if arguments.since or arguments.until:
            parser.error("give either a range, or --since and --until")
        try:
            arguments.since, arguments.until = time_args.range_argument(words[0])
        except argparse.ArgumentTypeError as error:
            parser.error(str(error))
    return arguments


def _gib(text: str) -> float:
    size = float(text)
    if not 0 < size < 1e6:
        raise argparse.ArgumentTypeError("must be a size in GiB, above 0")
    return size


if __name__ == "__main__":
    sys.exit(main())
