"""What scripts/query keeps between its runs, and that no answer depends on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cache as cache_module
from local_aws import BUCKET_OUTPUTS, LocalAws
from support.cli import LAKE, environment, place
from support.lake_fixtures import DAY, Asking, deliver, event, rows

IDS = ("--sql", "SELECT event_id FROM events ORDER BY 1")


@pytest.fixture
def ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Asking:
    return Asking(tmp_path / "cache", monkeypatch, capsys)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the objects that are read."""
    names: list[str] = []
    copied = cache_module._Source._copied

    def noted(self, number, stored, raw):  # type: ignore[no-untyped-def]
        names.append(stored.name)
        return copied(self, number, stored, raw)

    monkeypatch.setattr(cache_module._Source, "_copied", noted)
    return names


def parts(ask: Asking) -> list[Path]:
    return sorted(path for path in ask.cache.rglob("*.parquet") if path.parent.name != cache_module.REPEATS)  # fmt: skip


def numbers(ask: Asking, lake: Path, *arguments: str) -> list[int]:
    """Which events of the lake there are, by their numbers."""
    found = rows(ask(lake, *IDS, *arguments))
    return sorted(int(event_id.rpartition("-")[2]) for (event_id,) in found)


def test_each_object_is_read_once(ask: Asking, tmp_path: Path, read: list[str]) -> None:
    lake = deliver(tmp_path / "lake", event(1), event(2), name="1.json")
    assert numbers(ask, lake) == [1, 2] == numbers(ask, lake)
    deliver(lake, event(3), event(1), name="2.json")
    assert numbers(ask, lake) == [1, 2, 3] == numbers(ask, lake)

    folder = f"stream=low/day={DAY}/hr=08"
    assert read == [f"{folder}/1.json", f"{folder}/2.json"]


def test_objects_that_change_or_go_are_as_they_are_now(
    ask: Asking, tmp_path: Path
) -> None:
    lake = deliver(tmp_path / "lake", event(1), name="1")
    deliver(lake, event(2), name="2")
    assert numbers(ask, lake) == [1, 2]
    folder = lake / f"stream=low/day={DAY}/hr=08"
    (folder / "1").write_text((folder / "1").read_text().replace("view-1", "view-7"))
    assert numbers(ask, lake) == [2, 7]
    (folder / "2").unlink()
    assert numbers(ask, lake) == [7]
    (folder / "1").unlink()
    assert numbers(ask, lake) == []


@pytest.mark.parametrize(
    "damage", ["cut", "garbled", "emptied", "deleted", "quietly garbled"]
)
def test_a_damaged_file_is_written_again(
    ask: Asking, tmp_path: Path, damage: str
) -> None:
    lake = deliver(tmp_path / "lake", event(1), event(2))
    assert numbers(ask, lake) == [1, 2]
    (part,) = parts(ask)
    whole, known = part.read_bytes(), part.stat()
    if damage == "deleted":
        part.unlink()
    else:
        part.write_bytes({"cut": whole[:-7], "emptied": b""}.get(damage, b"x" * len(whole)))  # fmt: skip
    if damage.startswith("quietly"):
        os.utime(part, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert numbers(ask, lake) == [1, 2]
    assert ask(lake, *IDS).complaints == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '[{"file": "x"}]', '{"a": 1}', "[1]"])
def test_a_damaged_index_is_built_again(ask: Asking, tmp_path: Path, text: str) -> None:
    lake = deliver(tmp_path / "lake", event(1), event(2))
    assert numbers(ask, lake) == [1, 2]
    (index,) = ask.cache.rglob(cache_module.INDEX)
    index.write_text(text)
    assert numbers(ask, lake) == [1, 2]
    assert len(parts(ask)) == 1


def test_runs_at_once_answer_alike(ask: Asking, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    for number in range(40):
        deliver(lake, event(number), event(number), name=str(number))
    words = ["--source", str(lake), "--csv", "--cache", str(ask.cache)]
    count = ["--sql", "SELECT count(*) FROM events"]
    runs = [
        subprocess.Popen(
            [sys.executable, str(LAKE / "query.py"), *count, *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [run.communicate()[0].split() for run in runs] == [["count_star()", "40"]] * 3


def test_only_its_owner_may_read_the_cache_and_charts(ask: Asking, tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        lake = deliver(tmp_path / "lake", event(1), event(1))
        ask(lake, *IDS)
        charts = [tmp_path / name for name in ("chart.html", "chart.png", "there.html")]
        # A file that others may read is replaced.
        charts[2].touch()
        for chart in charts:
            ask(lake, "events_per_day", "--plot", str(chart))
    finally:
        os.umask(mask)
    stored = [ask.cache, *ask.cache.rglob("*")]
    assert len(stored) > 5
    assert {path.stat().st_mode & 0o077 for path in stored} == {0}
    assert {chart.stat().st_mode & 0o777 for chart in charts} == {0o600}


def test_no_cache_stores_no_files(
    ask: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    lake = deliver(tmp_path / "lake", event(1), event(1))
    assert numbers(ask, lake, "--no-cache") == [1]
    assert not ask.cache.exists() and not list(scratch.iterdir())


def test_a_day_of_many_runs_has_few_files(ask: Asking, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    for number in range(2 * cache_module.MOST_PARTS):
        deliver(lake, event(number), name=f"{number}.json")
        assert numbers(ask, lake) == list(range(number + 1))
        assert len(parts(ask)) <= cache_module.MOST_PARTS


def test_least_recently_used_files_are_deleted_first(
    ask: Asking, tmp_path: Path
) -> None:
    first, second, third = (
        deliver(tmp_path / name, event(number)) for number, name in enumerate("abc")
    )
    ask(first, *IDS)
    ask(second, *IDS)
    assert len(parts(ask)) == 2
    reported = ask(third, *IDS, "--cache-limit", "0.000001")
    assert len(parts(ask)) == 1 and "--cache-limit is 0.0" in reported.complaints
    assert numbers(ask, first) == [0]

    # Copies of a directory that is gone serve no question.
    for path in sorted(third.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    third.rmdir()
    ask(first, *IDS)
    assert len(parts(ask)) == 1


def test_files_unused_for_long_are_deleted(ask: Asking, tmp_path: Path) -> None:
    first, second = (
        deliver(tmp_path / name, event(number)) for number, name in enumerate("ab")
    )
    ask(first, *IDS)
    (part,) = parts(ask)
    old = ask.cache / "0-duckdb-1.0.0"
    (old / "source").mkdir(parents=True)
    for path in (part.parent, old / "source", old):
        os.utime(path, (0, 0))
    ask(second, *IDS)
    assert not part.exists() and not old.exists()
    assert len(parts(ask)) == 1


def test_days_before_the_time_asked_about_are_not_read(
    ask: Asking, tmp_path: Path, read: list[str]
) -> None:
    lake = tmp_path / "lake"
    for day in (10, 17, 20, 21):
        deliver(lake, event(day, at=f"2026-11-{day}T08:00:00.000Z"))
    assert numbers(ask, lake, "--since", "2026-11-20") == [20, 21]
    assert [name.split("/")[1] for name in read] == ["day=2026-11-20", "day=2026-11-21"]
    assert numbers(ask, lake) == [10, 17, 20, 21]
    assert numbers(ask, lake, "--since", "2026-11-21") == [21]
    assert len(read) == 4


def test_a_bucket_is_listed_from_the_day_asked_about(
    aws: LocalAws,
    ask: Asking,
    monkeypatch: pytest.MonkeyPatch,
    read: list[str],
) -> None:
    aws.clear()
    bucket, s3 = aws.outputs[BUCKET_OUTPUTS["data"]], aws.client("s3")
    for number, (above, day) in enumerate(
        [
            ("stream=low/", 10),
            ("stream=low/", 20),
            ("by_tenant=acme/stream=mid/", 9),
            ("by_tenant=acme/stream=mid/", 21),
            ("errors/stream=low/type=processing-failed/", 21),
        ]
    ):
        line = json.dumps(event(number, at=f"2026-11-{day:02}T08:00:00.000Z"))
        key = f"{above}day=2026-11-{day:02}/hr=08/1"
        s3.put_object(Bucket=bucket, Key=key, Body=line.encode())
    for name, value in environment(aws).items():
        monkeypatch.setenv(name, value)
    since = ("--since", "2026-11-20")

    for source, found in [
        (place(aws, "data"), [1, 3]),
        (place(aws, "data", "stream=low"), [1]),
        (place(aws, "data", "by_tenant=acme/stream=mid/day=2026-11-2"), [3]),
        (place(aws, "data", "stream=low/day=2026-11-20/"), [1]),
    ]:
        read.clear()
        assert numbers(ask, source, *since) == found  # type: ignore[arg-type]
        assert len(read) == len(found)
    assert numbers(ask, place(aws, "data")) == [0, 1, 2, 3]  # type: ignore[arg-type]
    s3.delete_object(Bucket=bucket, Key="stream=low/day=2026-11-20/hr=08/1")
    assert numbers(ask, place(aws, "data")) == [0, 2, 3]  # type: ignore[arg-type]
    aws.clear()


def test_a_cache_that_cannot_be_written_to_is_named(
    ask: Asking, tmp_path: Path
) -> None:
    lake = deliver(tmp_path / "lake", event(1))
    assert numbers(ask, lake) == [1]
    (lock,) = ask.cache.rglob("write.lock")
    lock.unlink()
    lock.mkdir()
    with pytest.raises(AssertionError, match="can't be written to; name another"):
        ask(lake, *IDS)
