"""Answers a question about what lies in S3, or in a copy of it: a saved one by its name, or SQL.

The tables are `events` and `failed`: each event once, and each failed event as it failed last.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
import times
from chart import Chart
from objects import LakeError
from tables import CACHE, connect

QUERIES = Path(__file__).with_name("queries")
MOST_ROWS = 1_000
WIDEST = 10_000


@dataclass(frozen=True)
class Query:
    """A question, how to ask it, and how to draw its answer."""

    title: str
    sql: str
    chart: Chart | None

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
        Query("", arguments.sql, None) if arguments.sql else Query.saved(arguments.name)
    )
    chart = Chart.parse(arguments.chart) if arguments.chart else query.chart
    if arguments.plot and chart is None:
        raise LakeError('say how to draw it: --chart "bar X Y [COLOR]"')
    if not arguments.source:
        raise LakeError("name at least one --source")
    with connect(
        arguments.source, arguments.since, arguments.until, arguments.cache
    ) as database:
        # Who reads may leave off, as `head` does; nothing is asked of S3 any more.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        answer = database.sql(query.sql)
        if answer is None:
            raise LakeError("that is no question: it has no answer")
        if arguments.plot and chart:
            rows = [
                dict(zip(answer.columns, row, strict=True)) for row in answer.fetchall()
            ]
            chart.write(arguments.plot, query.title, rows)
            print(f"{arguments.plot} shows {len(rows)} rows")
        elif arguments.csv:
            _print_csv(answer)
        else:
            # Columns are left out for want of room only where somebody looks.
            wide = {} if sys.stdout.isatty() else {"max_width": WIDEST}
            answer.show(max_rows=MOST_ROWS, **wide)


def _print_csv(answer: duckdb.DuckDBPyRelation) -> None:
    """Through a file of its own: DuckDB would begin that of `>> FILE` anew."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "answer.csv"
        answer.to_csv(str(file), header=True)
        sys.stdout.write(file.read_text(encoding="utf-8"))


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
    parser.add_argument("--since", type=times.argument, metavar="TIME", help="received at or after this time (UTC)")  # fmt: skip
    parser.add_argument("--until", type=times.argument, metavar="TIME", help="received before this time (UTC)")  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it: a .png, or an .html that needs no network")  # fmt: skip
    parser.add_argument("--chart", metavar='"MARK X Y [COLOR]"', help="what to draw of your own query: bar or line")  # fmt: skip
    parser.add_argument("--csv", action="store_true", help="CSV in place of a table")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where copies of a bucket's objects are kept; by default .wrangler/lake")  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
