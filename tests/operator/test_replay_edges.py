"""What is rare among failed events, and comes through all the same."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from uuid import uuid4

from local_aws import LocalAws
from support.cli import OPERATOR_KEY, place, query, replay
from support.replay_fixtures import BEFORE, HEADERS, ids, correct, quiz, wait_for
from support.worker import Worker


def test_a_tenant_is_replayed_with_its_own_key(lake: LocalAws, tmp_path: Path) -> None:
    env = {**lake.environment(), "HEADWATER_OPERATOR_KEY": OPERATOR_KEY}
    keys = {"pk_shop": {"tenant": "shop"}, "pk_blog": {"tenant": "blog"}}
    source, resume = place(lake, "failed"), ("--resume", str(tmp_path / "resume"))
    same = quiz(id=str(uuid4()))
    with Worker(env, {**BEFORE, "keys": keys}) as worker:
        for key in keys:
            worker.post([same], HEADERS, f"?key={key}")
        wait_for(lake, "failed", 2)
        worker.kill()
        worker.settings = {**BEFORE, "keys": keys, "unknown_events": "accept"}
        worker.restart()
        unnamed = replay(lake, worker, source, *resume, "--key", "blog=pk_blog")
        assert unnamed.code == 2 and "--key for shop" in unnamed.printed
        unknown = replay(
            lake, worker, source, *resume, "--tenant", "shop", "--key", "shop=pk"
        )
        assert unknown.code == 1 and "does not know the write key" in unknown.printed
        assert ids(lake, "data") == Counter()
        both = ("--key", "blog=pk_blog", "--key", "shop=pk_shop")
        assert replay(lake, worker, source, *resume, *both).report == {
            ("accepted", ""): 2
        }
        wait_for(lake, "data", 2)
        again = replay(lake, worker, source, *resume, *both)
        assert (again.before, again.report) == (2, Counter())
    for kind in ("failed", "data"):
        reported = [each.record for each in lake.records(kind)]
        found = sorted((each["tenant"], each["event_id"]) for each in reported)
        assert found == [("blog", same["id"]), ("shop", same["id"])]
    ended = query(lake, "failed_events", "--source", place(lake, "data"), "--source", source, "--csv")  # fmt: skip
    (reason,) = csv.DictReader(ended.printed.splitlines())
    assert (reason["failed"], reason["replayed"]) == ("2", "2")


def test_a_privacy_signal_still_applies_to_a_replay(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    worker.post(
        [quiz(url="https://shop.example/?gclid=abc")], {**HEADERS, "sec-gpc": "1"}
    )
    wait_for(lake, "failed", 1)
    correct(worker)
    replay(lake, worker, place(lake, "failed"), "--resume", str(tmp_path / "resume"))
    wait_for(lake, "data", 1)
    ((event),) = (each.record for each in lake.records())
    assert event["identifiers_removed"] == "gpc"
    assert event.keys().isdisjoint(
        {"device_id", "ip", "city", "user_agent", "click_id"}
    )


def test_an_original_in_parts_is_sent_as_one(lake: LocalAws, tmp_path: Path) -> None:
    env = {**lake.environment(), "HEADWATER_OPERATOR_KEY": OPERATOR_KEY}
    limits = {"max_body_bytes": 524_288, "max_beacon_bytes": 524_288}
    long = quiz(props={"text": "x" * 500_000})
    with Worker(env, {**BEFORE, "limits": limits}) as worker:
        assert worker.post([long], HEADERS).status == 200
        wait_for(lake, "failed", 2)
        worker.kill()
        worker.settings = {**BEFORE, "limits": limits, "unknown_events": "accept"}
        worker.restart()
        arguments = (place(lake, "failed"), "--resume", str(tmp_path / "resume"))
        assert replay(lake, worker, *arguments).report == {("accepted", ""): 1}
        wait_for(lake, "data", 1)
        parts = lake.records("failed")
        (event,) = lake.records()
        assert event.record["props"] == long["props"]
        assert {each.record["event_id"] for each in parts} == {event.record["event_id"]}
        # Without its last part it can't be sent, and that is said.
        lake.clear()
        path = tmp_path / "failed" / "day=2026-11-21" / "1"
        path.parent.mkdir(parents=True)
        path.write_text("".join(f"{each.line}\n" for each in parts[:1]))
        arguments = (str(tmp_path / "failed"), "--resume", str(tmp_path / "other"))
        partial = replay(lake, worker, *arguments)
        assert partial.code == 1 and "1 can't be sent" in partial.printed
        assert ids(lake, "data") == Counter()


def copies(cache: Path) -> dict[Path, int]:
    """When each delivered object was copied; what is derived of all of them is beside."""
    found = cache.glob("*/*/*.parquet")
    return {path: path.stat().st_mtime_ns for path in found if "repeats" not in path.parts}


def test_a_query_copies_each_object_once(
    lake: LocalAws, worker: Worker, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    count = (
        "--sql",
        "SELECT count(*) AS n FROM failed",
        "--csv",
        "--cache",
        str(cache),
    )
    for number in (1, 2):
        worker.post([quiz()])
        wait_for(lake, "failed", number)
        before = copies(cache)
        ended = query(lake, *count, "--source", place(lake, "failed"))
        assert ended.printed.splitlines()[1] == str(number)
        after = copies(cache)
        assert len(after) == number and before.items() <= after.items()
