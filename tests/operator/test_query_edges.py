"""What visitors and operators do to scripts/query, and must not be able to break."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from chart import Chart
from local_aws import LocalAws
from support.cli import LAKE, Ended, environment, query

PARTITION = "stream=low/day=2026-11-20/hr=08"


def event(number: int, props: str = "{}", **fields: Any) -> str:
    known = {"event_id": str(number), "name": "page_view", "level": "low", **fields}
    times = dict.fromkeys(("received_at", "occurred_at"), "2026-11-20T08:00:00.000Z")
    return f'{json.dumps({**known, **times})[:-1]}, "props": {props}}}'


def lake(directory: Path, *objects: str) -> Path:
    """A copy of a bucket with these objects."""
    partition = directory / PARTITION
    partition.mkdir(parents=True)
    for number, lines in enumerate(objects):
        (partition / str(number)).write_text(lines)
    return directory


def ask(aws: LocalAws, source: Path, sql: str) -> list[str]:
    ended = query(aws, "--sql", sql, "--source", str(source), "--csv")
    assert ended.code == 0, ended.complaints
    return ended.printed.splitlines()[1:]


@pytest.mark.parametrize(
    "props",
    [
        ['{"total":1,"Total":2}'],
        ['{"total":1}', '{"Total":"2"}'],
        ['{"":1}'],
        ['{"total":1}', '{"total":{"a":[1]}}', '{"total":"x"}', "null"],
        ['{"a.b":1,"a b":2,"$":3}'],
    ],
)
def test_no_visitor_can_break_the_queries(
    aws: LocalAws, tmp_path: Path, props: list[str]
) -> None:
    apart = [event(number, each) for number, each in enumerate(props)]
    for source in (
        lake(tmp_path / "apart", *apart),
        lake(tmp_path / "together", "\n".join(apart)),
    ):
        asked = "SELECT count(*), count(props) FROM events"
        kept = len(props) - props.count("null")
        assert ask(aws, source, asked) == [f"{len(props)},{kept}"]
        named = query(aws, "events_per_day", "--source", str(source))
        assert named.code == 0, named.complaints


def test_texts_stay_as_they_are_and_numbers_count(
    aws: LocalAws, tmp_path: Path
) -> None:
    when = "2026-11-20T08:00:00Z"
    reported = event(1, '{"total":19.9}', utm_campaign=when, seq=7, metadata={"tag": "vip"})
    source = lake(tmp_path / "lake", reported)
    asked = "SELECT utm_campaign, seq + 1, metadata_tag, (props->>'$.total')::DOUBLE FROM events"
    assert ask(aws, source, asked) == [f"{when},8,vip,19.9"]


def test_lines_and_parquet_of_all_times_are_one_table(
    aws: LocalAws, tmp_path: Path
) -> None:
    source = lake(tmp_path / "lake", event(1, '{"total":1}', seq=1), event(2, seq="x"))
    first = "SELECT '3' AS event_id, '2026-11-20T09:00:00.000Z' AS received_at"
    later = f"{first.replace('3', '4')}, 7 AS seq, 'no JSON' AS props, true AS bot"
    for number, columns in enumerate((first, later)):
        file = source / PARTITION / f"{number}.parquet"
        duckdb.sql(f"COPY ({columns}) TO '{file}'")
    asked = "SELECT event_id, seq, props, bot, hour FROM events ORDER BY 1"
    assert ask(aws, source, asked) == [
        '1,1,"{""total"":1}",,8',
        "2,,{},,8",
        "3,,,,9",
        "4,7,,true,9",
    ]
    borders = ["--since", "2026-11-20T10:30+02:00", "--until", "2026-11-20T09:00:00.001Z"]  # fmt: skip
    ended = query(aws, "--sql", asked, "--source", str(source), *borders, "--csv")
    assert ended.printed.splitlines()[1:] == ["3,,,,9", "4,7,,true,9"]


@pytest.mark.parametrize("name", ["copy [old] *?", "it's", "errors"])
def test_a_copy_may_be_in_any_directory(aws: LocalAws, tmp_path: Path, name: str) -> None:
    source = lake(tmp_path / name, event(1))
    document = '{"rawData":"e30=","errorCode":"no"}'
    errors = tmp_path / name / "errors/stream=low/type=processing-failed/day=2026-11-20"
    errors.mkdir(parents=True)
    (errors / "1").write_text(document)
    assert ask(aws, source, "SELECT count(*) FROM events") == ["1"]
    within = source / "stream=low"
    assert ask(aws, within, "SELECT count(*) FROM events") == ["1"]


def test_an_answer_can_be_added_to_a_file(aws: LocalAws, tmp_path: Path) -> None:
    source = lake(tmp_path / "lake", event(1))
    file = tmp_path / "all.csv"
    file.write_text("before\n")
    command = [sys.executable, str(LAKE / "query.py"), "--source", str(source), "--csv"]
    with file.open("a") as end:
        subprocess.run(
            [*command, "--sql", "SELECT event_id FROM events"],
            env=environment(aws),
            stdout=end,
            check=True,
        )
    assert file.read_text() == "before\nevent_id\n1\n"


@pytest.mark.parametrize("how", [[], ["--csv"]])
def test_a_reader_may_close_the_pipe_early(
    aws: LocalAws, tmp_path: Path, how: list[str]
) -> None:
    source = lake(tmp_path / "lake", event(1))
    # More than a pipe holds, so that it must find out.
    sql = "SELECT repeat('x', 1_000) AS long, range FROM range(1_000)"
    command = [sys.executable, str(LAKE / "query.py"), "--source", str(source)]
    asked = subprocess.Popen(
        [*command, "--sql", sql, *how],
        env=environment(aws),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert asked.stdout and asked.stderr
    asked.stdout.readline()
    asked.stdout.close()
    assert asked.stderr.read() == b""
    assert asked.wait(60) == -signal.SIGPIPE


def test_a_source_in_which_nothing_is_found_is_named(
    aws: LocalAws, tmp_path: Path
) -> None:
    source = lake(tmp_path / "lake", event(1))
    other = tmp_path / "other"
    other.mkdir()
    (other / "events.jsonl").write_text(event(2))
    sources = ("--source", str(source), "--source", str(other), "--csv")
    reported = f"query: nothing of {other} is under a day=YYYY-MM-DD/\n"
    ended = query(aws, "--sql", "SELECT event_id FROM events", *sources)
    assert ended == Ended(0, "event_id\n1\n", reported)

    reported = (
        f"query: nothing of {source} is under a day=YYYY-MM-DD/, from 2026-11-22 on\n"
    )
    late = query(aws, "funnel", *sources[:2], "--since", "2026-11-22")
    assert (late.code, late.complaints) == (0, reported)


def test_a_table_without_events_has_all_of_its_columns(
    aws: LocalAws, tmp_path: Path
) -> None:
    source = lake(tmp_path / "lake", event(1))
    columns = ", ".join(f"repeat('{each}', 40) AS column_{each}" for each in "abcdefgh")
    sql = f"SELECT {columns} FROM events"
    printed = query(aws, "--sql", sql, "--source", str(source)).printed
    assert all(each * 40 in printed for each in "abcdefgh")


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["--sql", "CREATE TABLE a (b INT)"], "the query returns no result"),
        (["events_per_day", "--plot", "/nowhere/at/all.png"], "No such file"),
        (["--sql", "SELECT nothing FROM events"], '"nothing" not found'),
    ],
)
def test_a_mistake_is_reported_in_a_sentence(
    aws: LocalAws, tmp_path: Path, arguments: list[str], reported: str
) -> None:
    source = lake(tmp_path / "lake", event(1))
    ended = query(aws, *arguments, "--source", str(source))
    assert (ended.code, ended.complaints[:7]) == (1, "query: ")
    assert reported in ended.complaints and "Traceback" not in ended.complaints


@pytest.mark.parametrize(
    ("values", "kind", "drawn"),
    [
        ([7, 8], "nominal", [7, 8]),
        (
            [datetime(2026, 11, 20, 7), datetime(2026, 11, 20, 8)],
            "temporal",
            ["2026-11-20T07:00:00+00:00", "2026-11-20T08:00:00+00:00"],
        ),
        ([date(2026, 11, 20)], "temporal", ["2026-11-20"]),
    ],
)
def test_the_points_of_a_line_match_their_values(
    values: list[Any], kind: str, drawn: list[Any]
) -> None:
    rows = [{"at": value, "events": 1} for value in values]
    spec = Chart.parse("line at events")._spec("", rows)
    assert [each["x"] for each in spec["data"]["values"]] == drawn
    x = spec["encoding"]["x"]
    assert x["type"] == kind
    # Hours of a day are not one point.
    assert ("timeUnit" in x) == (type(values[0]) is date)
