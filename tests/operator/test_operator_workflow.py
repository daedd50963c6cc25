"""An operator's whole story: from two empty accounts, past a schema that refuses good events, to
numbers that are right.

Everything is done by the scripts as an operator calls them, in checkouts of their own and from
another directory. AWS is a ministack, the worker runs in workerd, wrangler is itself; only
Cloudflare's API is a stand-in.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local_aws import REGION, Delivered, LocalAws
from local_template import for_ministack, without_what_was_left_out
import query_stack
from stack import TEMPLATE, Stack
from support import ROOT, visitors
from support.cli import OPERATOR_KEY, Ended, place
from support.fake_accounts import FakeAccounts
from support.fake_cloudflare import FakeCloudflare
from support.replay_fixtures import wait_for
from support.visitors import ADA, ADA_AGAIN, BEN, CLEO, DAN, SENT, Sent
from support.worker import HOST, Answer

# What a checkout has of its own, or can do without.
OWN = (".git", ".wrangler", ".dev.vars*", "node_modules", "target", "__pycache__")
# Where nothing was compiled before, a build takes some minutes.
SECONDS = 600
# Partitions want large buffers, for which ministack does not wait.
PARAMETERS = ("PartitionByTenant=true", "BufferSizeMiB=64", "BufferIntervalSeconds=60")
# Nothing is asked here about one tenant alone.
TOGETHER = "query: 2 tenants are counted together (blog, shop); --tenant NAME asks about one"
# Firehose writes by its own clock, a little after the worker's.
LATENESS = timedelta(minutes=5)
MARKED: visitors.Reason = ("unknown_event", "headwater_deployed")
VERSION, MENDED_VERSION = "1.0.0", "1.1.0"

GOOD = [each for each in SENT if not each.reason]
REFUSED = [each for each in SENT if each.reason]
BY_WEIGHT = [each for each in SENT if each.reason == visitors.BY_WEIGHT]

# ministack takes no packed record apart, as Firehose does where tenants have partitions.
CONFIGURATION = """[vars.HEADWATER]
origins = ["*"]
unknown_events = "fail"
aggregate_bytes = false
failed_stream = "firehose:events-failed"
routes = [
  { level = "low", to = "firehose:events-low" },
  { level = "high", to = "firehose:events-high" },
  { to = "firehose:events-mid" },
]
keys = { pk_shop = { tenant = "shop" }, pk_blog = { tenant = "blog" } }
"""


class Cloudflare(FakeCloudflare):
    """The stand-in, where a worker that has its secrets starts anew with each upload."""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        uploads = self.deployments
        reported = super().answer(method, path, body)
        if self.deployments > uploads and self.secrets:
            self._stored(self.secrets)
        return reported


class Operator(FakeAccounts):
    """The two accounts, and the operator's own copies of the repository."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.cloudflare = Cloudflare(self._run_worker)
        self.worker.settings = {"delivery": "sharded"}
        # Where the operator stands, which is no checkout.
        self.desk = directory / "desk"
        self.desk.mkdir()
        self._checkouts: list[Path] = []
        self._started: list[subprocess.Popen[str]] = []
        self.lake = LocalAws(directory / "lake", REGION)
        self.lake.port = self.aws.port

    def __exit__(self, *reported: object) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        # What was compiled is a gigabyte.
        for checkout in self._checkouts:
            shutil.rmtree(checkout)
        super().__exit__(*reported)

    def checkout(self, name: str) -> Path:
        """A copy of the repository, with this shop's configuration."""
        path = self.desk.parent / name
        self._checkouts.append(path)
        shutil.copytree(ROOT, path, ignore=shutil.ignore_patterns(*OWN))
        installed = ROOT / "node_modules" / ".installed-lock.json"
        lock = (ROOT / "package-lock.json").read_bytes()
        assert lock == installed.read_bytes(), "run scripts/setup"
        (path / "node_modules").symlink_to(ROOT / "node_modules")
        # Younger than the sources, which were copied with their times.
        check = Path("target", "debug", "headwater-check")
        if (ROOT / check).exists():
            (path / check.parent).mkdir(parents=True)
            shutil.copy(ROOT / check, path / check)
        file = path / "wrangler.toml"
        # What is built already need not be built again with each deployment.
        common, _, _ = file.read_text().partition("[vars.HEADWATER]")
        common, builds = re.subn(r"(?m)^\[build\]\n(?:.+\n)+", "", common)
        assert builds == 1
        file.write_text(common + CONFIGURATION)
        return path

    def environment(self) -> dict[str, str]:
        """The operator's; what scripts/setup brought is where it was."""
        home = Path.home()
        kept = {
            "CARGO_HOME": home / ".cargo",
            "RUSTUP_HOME": home / ".rustup",
            "XDG_CACHE_HOME": home / ".cache",
        }
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            **{name: os.environ.get(name, str(path)) for name, path in kept.items()},
            "HEADWATER_CACHE": os.environ.get("HEADWATER_CACHE", ""),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": REGION,
            "HEADWATER_OPERATOR_KEY": OPERATOR_KEY,
            "CI": "1",
            **self.root,
            **self.cloudflare.environment(),
        }

    def start(self, *command: str | Path, cwd: Path) -> subprocess.Popen[str]:
        """A command, under way."""
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def call(self, *command: str | Path) -> Ended:
        """A command, to its end, from the operator's desk."""
        return ended(self.start(*command, cwd=self.desk))

    def build(self, checkout: Path) -> subprocess.Popen[str]:
        """scripts/build, under way; what others have compiled is at hand, as in any checkout."""
        compiled = ROOT / "target" / "wasm"
        (checkout / "target").mkdir(exist_ok=True)
        line = '[ ! -d "$0" ] || cp -aH "$0" target; exec scripts/build'
        return self.start("bash", "-c", line, compiled, cwd=checkout)

    def deploys(self, checkout: Path, *words: str) -> Ended:
        """scripts/deploy, with what ministack makes of the template."""
        template = self.desk / "template.json"
        template.write_text(for_ministack(TEMPLATE))
        queries = self.desk / "queries.json"
        queries.write_text(for_ministack(query_stack.TEMPLATE))
        parameters = [word for each in PARAMETERS for word in ("--parameter", each)]
        url = ("--url", f"http://{HOST}:{self.worker.port}")
        here = ("--template", template.name, "--queries-template", queries.name, "--poll", "0.1", *url)
        self.worker.root = checkout
        return self.call(checkout / "scripts/deploy", *here, *parameters, *words)

    def replays(self, checkout: Path, *words: str) -> Ended:
        """scripts/replay of the failed bucket."""
        url = ("--worker", f"http://{HOST}:{self.worker.port}")
        keys = [f"{tenant}={key}" for tenant, key in visitors.KEYS.items()]
        named = [word for each in keys for word in ("--key", each)]
        script = checkout / "scripts/replay"
        return self.call(script, place(self.lake, "failed"), *url, *named, *words)

    def asks(self, checkout: Path, name: str, *words: str) -> Ended:
        """scripts/query of both buckets."""
        places = [place(self.lake, kind) for kind in ("data", "failed")]
        sources = [word for each in places for word in ("--source", each)]
        return self.call(checkout / "scripts/query", name, *sources, *words)

    def rows(self, checkout: Path, name: str) -> list[dict[str, str]]:
        """What a query answers."""
        reported = self.asks(checkout, name, "--csv")
        assert reported.code == 0, reported.printed
        answer = reported.printed.splitlines()
        # All failed events are of one tenant.
        if name != "failed_events":
            assert answer.pop() == TOGETHER, reported.printed
        return list(csv.DictReader(answer))


def ended(process: subprocess.Popen[str]) -> Ended:
    printed, _ = process.communicate(timeout=SECONDS)
    return Ended(process.returncode, printed)


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with Operator(tmp_path) as operator:
        yield operator


def test_events_that_a_schema_refused_are_in_the_lake_once(
    operator: Operator,
) -> None:
    checkout, corrected = operator.checkout("checkout"), operator.checkout("corrected")
    correct(corrected)
    # What is needed last takes longest.
    build = operator.build(corrected)

    shows_what_it_would_do(operator, checkout)
    marked = [deploys(operator, checkout)]
    broken = answers_tell_each_fate(operator)
    ids = Counter(each.event_id for each in REFUSED)
    ids += Counter(each.event_id for each in ADA.sent if each.reason)
    lie_once_in_their_partitions(operator, GOOD, ids + Counter(broken + marked))
    found_by_reason(operator, checkout, corrected=0, marked=1)
    counts_are_exact(operator, checkout, GOOD)

    built = ended(build)
    assert built.code == 0, built.printed
    marked.append(deploys(operator, corrected))
    assert served_version(operator) == MENDED_VERSION
    comes_through_once(operator, corrected)
    lie_once_in_their_partitions(
        operator, GOOD + BY_WEIGHT, ids + Counter(broken + marked)
    )
    has_its_own_times_and_session(operator)
    found_by_reason(operator, corrected, corrected=len(BY_WEIGHT), marked=2)
    counts_are_exact(operator, corrected, GOOD + BY_WEIGHT)
    is_drawn(operator, corrected)


def correct(checkout: Path) -> None:
    """Goods are sold by weight, too: a new version of the schema says so."""
    file = checkout / "www" / "schemas" / "cart_changed.json"
    schema = json.loads(file.read_text())
    quantity = schema["properties"]["props"]["properties"]["quantity"]
    assert (schema["x-version"], quantity["type"]) == (VERSION, "integer")
    schema["x-version"], quantity["type"] = MENDED_VERSION, "number"
    file.write_text(json.dumps(schema, indent=2))


def served_version(operator: Operator) -> str:
    return operator.worker.get("/schemas/cart_changed.json").json()["x-version"]


def shows_what_it_would_do(operator: Operator, checkout: Path) -> None:
    reported = operator.deploys(checkout, "--dry-run")
    assert reported.code == 0, reported.printed
    for line in (
        "  Add    AWS::KinesisFirehose::DeliveryStream streamfailed\n",
        "  --dry-run: exiting now.\n",
        "deploy: secrets to be made and stored: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, HEADWATER_HASH_SECRET, HEADWATER_OPERATOR_KEY\n",
    ):
        assert line in reported.printed
    assert reported.printed.endswith("deploy: this was a dry run: nothing is changed\n")
    assert operator.stacks() == operator.keys() == []
    assert all(call.startswith("GET ") for call in operator.cloudflare.calls)


def deploys(operator: Operator, checkout: Path) -> str:
    """Deploys a checkout; returns the id of the event that proved it, which fails, as every
    event does here that is in no catalogue."""
    reported = operator.deploys(checkout)
    assert reported.code == 0, reported.printed
    wasm = (checkout / "build" / "index_bg.wasm").read_bytes()
    assert wasm in operator.cloudflare.script
    stack = Stack(operator.client("cloudformation"), "headwater")
    operator.lake.outputs = without_what_was_left_out(stack.outputs())
    lies = re.search(r"event (\S+): stored at s3://([^/]+)/", reported.printed)
    assert lies and lies[2] == operator.lake.outputs["FailedBucketName"], reported.printed
    return lies[1]


def answers_tell_each_fate(operator: Operator) -> list[str]:
    """Sends it all; returns the ids of what can't be read."""
    worker = operator.worker
    assert fates(visitors.post(worker, ADA, ADA_AGAIN)) == [
        *visitors.outcomes(ADA),
        *visitors.outcomes(ADA_AGAIN),
    ]
    # Ada's browser did not hear the answer.
    again = visitors.post(worker, ADA)
    assert fates(again) == visitors.outcomes(ADA, "duplicate")
    lines = visitors.post_lines(worker, BEN, '{"name":')
    assert fates(lines) == [*visitors.outcomes(BEN), ("failed", "bad_json")]
    assert fates(visitors.post_gzip(worker, CLEO)) == visitors.outcomes(CLEO)
    for answer in visitors.get_pixels(worker, DAN):
        assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    body = worker.post('{"name":', {"x-write-key": "pk_shop"})
    assert (body.status, body.json()["code"]) == (400, "bad_json")
    return [lines.verdicts[-1]["event_id"], body.json()["event_id"]]


def fates(answer: Answer) -> list[tuple[str, str]]:
    assert answer.status == 200, answer
    return [(each["outcome"], each.get("code", "")) for each in answer.verdicts]


def lie_once_in_their_partitions(
    operator: Operator, events: list[Sent], failed: Counter[str]
) -> None:
    assert wait_for(operator.lake, "data", len(events)) == Counter(
        each.event_id for each in events
    )
    assert wait_for(operator.lake, "failed", failed.total()) == failed
    sent = {each.event_id: each for each in events}
    for each in operator.lake.records("data"):
        folder, event = each.key.rpartition("/")[0], sent[each.record["event_id"]]
        within = f"by_tenant={event.tenant}/stream={event.level}"
        assert folder in [f"{within}/{hour}" for hour in hours(each)]
    for each in operator.lake.records("failed"):
        assert each.key.rpartition("/")[0] in hours(each)


def hours(delivered: Delivered) -> list[str]:
    """The partitions of the hours in which a record may have reached Firehose."""
    record = delivered.record
    at = datetime.fromisoformat(record.get("replayed_at", record["received_at"]))
    return [f"day={each:%Y-%m-%d}/hr={each:%H}" for each in (at, at + LATENESS)]


def found_by_reason(
    operator: Operator, checkout: Path, *, corrected: int, marked: int
) -> None:
    expected = Counter(each.reason for each in REFUSED if each.reason)
    expected += Counter({MARKED: marked, visitors.BROKEN: 2})
    assert sorted(
        (row["code"], row["name"], int(row["failed"]), int(row["replayed"]))
        for row in operator.rows(checkout, "failed_events")
    ) == sorted(
        (*reason, count, corrected if reason == visitors.BY_WEIGHT else 0)
        for reason, count in expected.items()
    )


def comes_through_once(operator: Operator, checkout: Path) -> None:
    meant = ("--code", "wrong_type", "--schema", "cart_changed")
    shown = operator.replays(checkout, *meant, "--dry-run")
    assert shown.code == 0
    assert f"{len(BY_WEIGHT)} failed events to send\n" in shown.printed
    first = operator.replays(checkout, *meant)
    assert (first.code, first.report) == (0, {("accepted", ""): len(BY_WEIGHT)}), first
    second = operator.replays(checkout, *meant)
    assert (second.code, second.before, second.report) == (0, len(BY_WEIGHT), {})
    # Without the file that remembers what became of each, the worker still does.
    (resume,) = (checkout / ".wrangler" / "replay").glob("*.sqlite")
    resume.unlink()
    third = operator.replays(checkout, *meant)
    assert (third.code, third.report) == (0, {("duplicate", ""): len(BY_WEIGHT)}), third


def has_its_own_times_and_session(operator: Operator) -> None:
    events = {each.record["event_id"]: each.record for each in operator.lake.records()}
    failed = {
        each.record["event_id"]: each.record for each in operator.lake.records("failed")
    }
    for sent in GOOD:
        assert "replayed_at" not in events[sent.event_id]
    for sent in BY_WEIGHT:
        event, before = events[sent.event_id], failed[sent.event_id]
        assert event["occurred_at"] == sent.beacon["time"]
        assert event["received_at"] == before["received_at"] < event["replayed_at"]
        assert (before["schema_version"], event["schema_version"]) == (
            VERSION,
            MENDED_VERSION,
        )
        assert event["props"]["quantity"] == 0.5
        visit = next(each for each in visitors.VISITS if sent in each.sent)
        its = [events[each.event_id] for each in visit.sent if each not in REFUSED]
        assert {event["session_id"]} == {each["session_id"] for each in its}


def counts_are_exact(operator: Operator, checkout: Path, events: list[Sent]) -> None:
    def rows(name: str) -> list[tuple[str, ...]]:
        return [tuple(row.values()) for row in operator.rows(checkout, name)]

    assert rows("sessions_per_day") == visitors.sessions_per_day(events)
    assert rows("funnel") == visitors.funnel(events)
    assert sorted(rows("events_per_day")) == visitors.events_per_day(events)


def is_drawn(operator: Operator, checkout: Path) -> None:
    reported = operator.asks(checkout, "sessions_per_day", "--plot", "sessions.png")
    assert (reported.code, reported.printed) == (0, f"sessions.png shows 2 rows\n{TOGETHER}\n")
    assert (operator.desk / "sessions.png").read_bytes().startswith(b"\x89PNG\r\n")
