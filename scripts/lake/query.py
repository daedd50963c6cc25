"""Answers a question about what is stored in S3, or in a copy of it: a saved one by its name, or SQL.

The tables are `events`, each event once; `counted`, those of them that saved queries count, which
leaves bots out unless --bots is given; and `failed`, each failed event as it failed last. A
column `weight` says for how many events one stands, as its route takes a share (`sample_rate`).
`segment_tracks`, `snowplow_events`, `posthog_events` and others have the events of a protocol, with the
columns that queries for those collectors use.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import answers
import prompt
import report
import time_args
import typed_views
from chart import Chart
from command_line import DONE, FOUND, INTERRUPTED, WRONG_USE, Parser, WrongUse, amount, bar, let_reader_leave, show_progress, waiting
from objects import LakeError, default_sources
from private_files import private_files, write_private
from saved_queries import DIMENSIONS, Query, names, steps
from shown_text import shown_output
from tables import CACHE, TENANT, VIEWS, Question, connect, counted_views, forget

REPORT = "report"
ATHENA_VIEWS = "athena_views"
MOST_TENANTS = 5
LIMIT_GIB = 20.0


def main() -> int:
    words = sys.argv[1:]
    arguments = _arguments(words)
    show_progress(arguments)
    with private_files(), shown_output():
        if arguments.name or arguments.sql:
            return _run(arguments)
        if sys.stdin.isatty() and sys.stdout.isatty() and not (arguments.form or arguments.quiet):
            return prompt.answer_lines(lambda line: _answer_line(words, line), _list, arguments.cache.parent, prompt_words())
        _list(as_json=arguments.json)
        return DONE


def prompt_words() -> prompt.Words:
    """What the prompt takes: the same as the command."""
    return prompt.Words([*names(), REPORT, ATHENA_VIEWS], _parser().options())


def _answer_line(words: list[str], line: list[str]) -> None:
    """Answers what was typed at the prompt, with the options that the command had."""
    arguments = _arguments([*words, *line])
    if arguments.name or arguments.sql:
        _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    works = {REPORT: _report, ATHENA_VIEWS: _athena_views}
    try:
        works.get(arguments.name, _answer)(arguments)
    except WrongUse as error:
        print(f"query: {error}", file=sys.stderr)
        return WRONG_USE
    except (LakeError, duckdb.Error, OSError) as error:
        print(f"query: {error}", file=sys.stderr)
        return FOUND
    except KeyboardInterrupt:
        print("query: stopped", file=sys.stderr)
        return INTERRUPTED
    return DONE


def _list(*, as_json: bool = False) -> None:
    titles = {name: Query.saved(name).title for name in names()}
    if as_json:
        print(json.dumps([{"name": name, "title": title} for name, title in titles.items()]))
        return
    width = max(map(len, titles))
    for name, title in titles.items():
        print(f"{name:<{width}}  {title}")


def _answer(arguments: argparse.Namespace) -> None:
    now = datetime.now(timezone.utc)
    if arguments.sql:
        query = Query("", arguments.sql, None, is_saved=False)
    else:
        query = Query.saved(arguments.name)
    query = query.asked(arguments.by, steps(arguments.steps) if arguments.steps else ())
    chart = Chart.parse(arguments.chart) if arguments.chart else query.chart
    if arguments.plot and chart is None:
        raise WrongUse('say how to draw it: --chart "bar X Y [COLOR]"')
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
        # From here on nothing is asked of S3.
        let_reader_leave()
        answer = database.sql(query.statement())
        if answer is None:
            raise LakeError("the query returns no result")
        if len(set(answer.columns)) < len(answer.columns) and query.by:
            raise WrongUse(f"the answer has a column {query.by} already")
        if arguments.plot and chart:
            with waiting("counting"):
                rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.fetchall()]
            chart.write(arguments.plot, query.title.removesuffix("."), rows, _footer(question, query, now))
            if not arguments.quiet:
                print(f"{arguments.plot} shows {amount(len(rows), 'row')}")
        else:
            answers.FORMS.get(arguments.form, answers.print_table)(answer)
        sys.stdout.flush()
        if not arguments.quiet:
            for line in _remarks(database, query, question):
                print(f"query: {line}", file=sys.stderr)


def _report(arguments: argparse.Namespace) -> None:
    """Writes all answers to one page."""
    now = datetime.now(timezone.utc)
    path = arguments.plot or Path("report.html")
    if path.suffix != ".html" or arguments.form or arguments.by or arguments.chart:
        raise WrongUse("a report is one page; --plot FILE.html says where it is written")
    since, until = arguments.since, arguments.until
    if arguments.week:
        since, until = now - timedelta(days=7), now
    funnel = Query.saved("funnel").asked(None, steps(arguments.steps) if arguments.steps else ())
    question = _question(arguments, since, until, funnel.steps, " identities ")

    def write() -> None:
        with connect(question) as database, bar("counting", "answers", len(report.ORDER)) as counting:
            found = []
            for name in report.ORDER:
                query = Query.saved(name)
                answer = database.sql(query.statement())
                found.append(report.Answered(name, query.title, query.chart, answer.columns, answer.fetchall()))
                counting.update()
            text = report.page("Headwater: all answers", _footer(question, Query.saved("visitors"), now), found, _asked(arguments))
        write_private(path, text.encode())
        if not arguments.quiet:
            print(f"{path} has {len(found)} answers, {len(text.encode()) / 1000:.0f} kB")

    _again_if_damaged(question, write)


def _asked(arguments: argparse.Namespace) -> str:
    """The range and the options that ask another query about the same events."""
    times = {"--since": arguments.since, "--until": arguments.until}
    words = [arguments.range] if arguments.range else [f"{option}={at.isoformat(timespec='seconds')}" for option, at in times.items() if at]
    for option, given in (("--source", arguments.source), ("--tenant", arguments.tenant)):
        words += [word for each in given for word in (option, each)]
    return shlex.join([*words, "--bots"] if arguments.bots else words)


def _athena_views(arguments: argparse.Namespace) -> None:
    """Prints the statements of the views of events, of which Athena runs one at a time."""
    found = typed_views.athena(VIEWS)
    if arguments.json:
        print(json.dumps([{"name": name, "sql": sql} for name, sql in found.items()]))
    else:
        print("\n\n".join(f"{sql};" for sql in found.values()))


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


def _parser() -> Parser:
    parser = Parser("scripts/query")
    add = parser.add_argument
    add("words", nargs="*", metavar="NAME [RANGE]")
    add("--sql", metavar="SQL")
    add("--by", choices=DIMENSIONS, metavar="COLUMN")
    add("--steps", metavar="A,B,C")
    add("--source", action="append", default=[], metavar="PLACE")
    add("--since", type=time_args.argument, metavar="TIME")
    add("--until", type=time_args.argument, metavar="TIME")
    add("--week", action="store_true")
    add("--tenant", action="append", default=[], metavar="NAME")
    add("--bots", action="store_true")
    add("--plot", type=Path, metavar="FILE")
    add("--chart", metavar='"MARK X Y [COLOR]"')
    form = parser.add_mutually_exclusive_group()
    for each in answers.FORMS:
        form.add_argument(f"--{each}", action="store_const", const=each, dest="form")
    add("--quiet", action="store_true")
    add("--cache", type=Path, default=CACHE, metavar="DIR")
    add("--cache-limit", type=_gib, default=LIMIT_GIB, metavar="GIB")
    add("--no-cache", action="store_true")
    return parser


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = _parser()
    arguments = parser.parse_args(words)
    arguments.json = arguments.form == "json"
    given = list(arguments.words)
    arguments.name = given.pop(0) if given and not arguments.sql else None
    if len(given) > 1:
        parser.error(f"{given[1]!r} is one word too many; a query has a name and a range")
    if arguments.week and (arguments.name != REPORT or given or arguments.since or arguments.until):
        parser.error("--week is for `report`, without another range")
    arguments.range = given[0] if given else "7d" if arguments.week else ""
    if given:
        if arguments.since or arguments.until:
            parser.error("give either a range, or --since and --until")
        try:
            arguments.since, arguments.until = time_args.range_argument(given[0])
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
