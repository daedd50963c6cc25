"""What the inspector knows outlasts its object, and a check knows whether it does."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from support import ROOT
from support.evictable_worker import EvictableWorker
from support.fake_firehose import FakeFirehose
from support.inspected_worker import BEARER, SETTINGS, TOKEN, Inspected, event
from support.worker import Answer
from support.worker_with_bindings import WorkerWithBindings

BAD = {"seq": "x"}
# What the inspector keeps of each kind, and of one request.
KEPT, OF_A_REQUEST = 500, 100


class Epochal(Inspected):
    """A worker with an inspector, whose epoch a test knows."""

    def begin(self) -> str:
        """The epoch that a reset begins."""
        answer = self.reset()
        assert answer.status == 200, answer
        assert answer.headers["x-headwater-epoch"] == answer.json()["epoch"]
        return answer.json()["epoch"]

    def check(self, what: str, epoch: str, query: str = "") -> Answer:
        """What is answered about an epoch."""
        return self.get(f"/_/inspect/{what}?epoch={epoch}{query}", BEARER)

    def refused(self, what: str, epoch: str, query: str = "") -> str:
        """Why nothing is answered about an epoch, in one word."""
        answer = self.check(what, epoch, query)
        assert answer.status == 409, answer
        assert set(answer.json()) == {"code", "message"}
        return answer.json()["code"]

    def answers(self) -> list[Any]:
        """All that it answers, but for what the time changes."""
        answers = [self.ask(what) for what in ("all", "ok", "failed", "live")]
        del answers[-1]["now"], answers[-1]["seconds"]
        return answers


class Evictable(EvictableWorker, Epochal):
    """The same, whose inspector can be evicted."""

    evicted = "Inspector"


@pytest.fixture(scope="module")
def environment(peer: FakeFirehose) -> dict[str, str]:
    return {**peer.environment(), "HEADWATER_INSPECT_TOKEN": TOKEN}


@pytest.fixture(scope="module")
def evictable(environment: dict[str, str]) -> Iterator[Evictable]:
    with Evictable(environment, SETTINGS) as worker:
        yield worker


@pytest.fixture(scope="module")
def direct(environment: dict[str, str]) -> Iterator[Epochal]:
    with Epochal(environment, {**SETTINGS, "delivery": "direct"}) as worker:
        yield worker


def test_an_evicted_inspector_answers_as_before(evictable: Evictable) -> None:
    epoch = evictable.begin()
    evictable.post([event(), event(**BAD)])
    evictable.post("{", {"content-type": "image/png"})
    before = evictable.answers()

    assert evictable.evict() == 1

    assert evictable.answers() == before
    assert len(evictable.check("failed", epoch).json()) == 2
    evictable.post(event(name="later"))
    assert evictable.ask("live")["last"] == 4
    assert evictable.evict() == 1
    assert [entry["name"] for entry in evictable.ask("ok")] == ["later", "seen"]


def test_an_evicted_inspector_keeps_its_epoch(evictable: Evictable) -> None:
    epoch = evictable.begin()
    assert evictable.evict() == 1
    assert evictable.check("all", epoch).json()["epoch"] == epoch


def test_a_crash_and_an_upgrade_keep_the_entries(environment: dict[str, str]) -> None:
    with Epochal(environment, SETTINGS) as worker:
        epoch = worker.begin()
        worker.post([event(), event(**BAD)])
        before = worker.answers()
        worker.kill()
        worker.restart()
        assert worker.answers() == before

        # What an object has stored that never had the table.
        worker.kill()
        for database in worker.all_databases():
            with closing(sqlite3.connect(database)) as connection, connection:
                connection.execute("DROP TABLE IF EXISTS entry_rows")
        worker.restart()
        assert worker.refused("failed", epoch) == "epoch_gone"
        worker.post(event())
        assert worker.counted()["total"] == 1

        # What another version has stored.
        worker.kill()
        for database in worker.all_databases():
            with closing(sqlite3.connect(database)) as connection, connection:
                tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
                if ("entry_rows",) in tables:
                    connection.execute("UPDATE entry_rows SET value = x'00'")
        worker.restart()
        assert worker.counted()["total"] == 0
        worker.post(event())
        assert worker.counted()["total"] == 1


def test_only_the_last_of_resets_at_once_is_answered_about(direct: Epochal) -> None:
    with ThreadPoolExecutor(8) as pool:
        epochs = list(pool.map(lambda _: direct.begin(), range(8)))
    assert len(set(epochs)) == 8
    direct.post(event())
    answers = {epoch: direct.check("failed", epoch) for epoch in epochs}
    (last,) = [epoch for epoch in epochs if answers[epoch].status == 200]
    assert last == direct.ask("all")["epoch"]
    for epoch in set(epochs) - {last}:
        assert answers[epoch].json()["code"] == "epoch_gone"
        for what in ("all", "ok", "live"):
            assert direct.refused(what, epoch) == "epoch_gone"
    # Nor does it end what somebody else has begun.
    gone = f"/_/inspect/reset?epoch={(set(epochs) - {last}).pop()}"
    assert direct.request("POST", gone, b"", BEARER).status == 409
    assert direct.check("failed", last).json() == []


def test_an_epoch_without_a_beacon_proves_nothing(direct: Epochal) -> None:
    epoch = direct.begin()
    assert direct.refused("failed", epoch) == "nothing_came"
    assert direct.check("ok", epoch).json() == []
    assert direct.check("all", epoch).json()["total"] == 0
    direct.post(event())
    assert direct.check("failed", epoch).json() == []


def test_an_empty_epoch_is_a_mistake(direct: Epochal) -> None:
    answer = direct.check("failed", "")
    assert (answer.status, answer.json()["code"]) == (400, "bad_filter")
    assert "epoch is empty" in answer.json()["message"]


def test_pushed_out_entries_are_no_proof(direct: Epochal) -> None:
    epoch = direct.begin()
    direct.post(event(name="first"))
    for _ in range(KEPT // OF_A_REQUEST):
        direct.post([event() for _ in range(OF_A_REQUEST)])

    assert direct.refused("ok", epoch, "&name=first") == "entries_missing"
    found = direct.check("ok", epoch, "&name=seen&limit=1")
    assert (found.status, found.headers["x-headwater-missing"]) == (200, "1")
    assert direct.ask("ok", "?name=first") == []
    bad = direct.check("failed", epoch)
    assert (bad.json(), bad.headers["x-headwater-missing"]) == ([], "0")

    # There is no entry of the last one.
    direct.post([*(event() for _ in range(OF_A_REQUEST)), event(**BAD)])
    assert direct.refused("failed", epoch) == "entries_missing"
    assert direct.check("all", epoch).json()["failed"] == 1


def test_a_gap_in_the_inspector_is_no_proof(
    environment: dict[str, str],
) -> None:
    class Deaf(WorkerWithBindings, Epochal):
        """The inspector is away whenever it is reported for a beacon with that header."""

        bindings = """INSPECTOR: {
          idFromName: (name) => env.INSPECTOR.idFromName(name),
          get: (id) => ({
            call: (method, body) => {
              if (new TextDecoder().decode(body).includes("unheard")) throw new Error("gone");
              return env.INSPECTOR.get(id).call(method, body);
            },
          }),
        }"""

    with Deaf(environment, SETTINGS) as worker:
        epoch = worker.begin()
        worker.post(event())
        assert worker.check("failed", epoch).json() == []
        worker.post(event(name="unheard", **BAD))

        for what in ("all", "failed"):
            assert worker.refused(what, epoch) == "entries_missing"
        assert worker.ask("all")["not_kept"] == 1
        epoch = worker.begin()
        assert worker.ask("all")["not_kept"] == 0


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is missing")
@pytest.mark.parametrize(
    ("happens", "passes", "complaint"),
    [
        ("sends the order", True, ""),
        ("sends nothing", False, ""),
        ("sends the order and a bad event", False, "seq"),
        ("sends the order, and somebody else resets", False, "is gone"),
        ("sends bad events only, and waits for an eviction", False, ""),
    ],
)
def test_the_check_of_the_documentation_is_as_good_as_its_word(
    evictable: Evictable, happens: str, passes: bool, complaint: str
) -> None:
    page = (ROOT / "www/docs/test-in-ci.md").read_text()
    found = re.search(r"```bash\n(set -.+?inspect\(\).+?)```", page, re.S)
    assert found, "test-in-ci.md has no check for CI"
    script, playwright = found[1], "npx playwright test"
    assert playwright in script
    script = script.replace("https://staging.example", f"http://127.0.0.1:{evictable.port}")
    before, after = script.split(playwright)
    # The shell waits where the site's tests would run.
    script = f"{before}echo sending; read -r _ #{after}"
    process = subprocess.Popen(
        ["bash", "-c", script],
        env={"PATH": "/usr/bin:/bin", "HEADWATER_INSPECT_TOKEN": TOKEN},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "sending\n"
    props = {"order": "A-1", "total": 19.9, "currency": "CHF"}
    if "the order" in happens:
        assert evictable.post(event(name="order_placed", props=props)).status == 204
    if "bad event" in happens:
        evictable.post(event(**BAD))
    if "resets" in happens:
        evictable.begin()
    if "eviction" in happens:
        evictable.evict()

    printed, _ = process.communicate("\n", timeout=60)

    assert (process.returncode == 0) == passes, printed
    assert complaint in printed
