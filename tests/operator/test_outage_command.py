"""scripts/outage: the local AWS fails for a time, what the worker accepts meanwhile waits in its spill, and all of it comes out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import outage as program
from local_aws import LocalAws
from local_outage import FILE, KINDS, Outage, failing
from support import ROOT
from support.ports import free_port
from support.worker import KEY, Worker

COMMAND = ROOT / "scripts" / "aws" / "outage.py"
SECONDS = 240
MID = "firehose:events-mid"


def run(aws: LocalAws, port: int, *words: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    where = ["--dir", str(aws.directory), "--worker", f"http://127.0.0.1:{port}"]
    return subprocess.run(
        [sys.executable, str(COMMAND), *where, *words],
        env={"PATH": os.environ["PATH"], "HEADWATER_OPERATOR_KEY": key},
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


def test_an_outage_fills_the_spill_and_loses_nothing(aws: LocalAws) -> None:
    with Worker(aws.environment(), {"delivery": "sharded", "shards": 1, "linger_ms": 10}) as worker:
        shown = run(aws, worker.port, "throttle", "--stream", MID, "--for", "3s", "--rate", "6", "--json")
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert shown.stderr == "" and not (aws.directory / FILE).exists()
        # A machine that is busy sends later, and no more than that.
        found = json.loads(shown.stdout)
        assert found["sent"] == found["accepted"] == found["delivered"] >= 6
        assert (found["lost"], found["twice"], found["still_spilled"], found["refused"]) == (0, 0, 0, {})
        # Of three levels, one waited.
        assert 0 < found["most_spilled"] <= found["sent"] / 3
        assert {each["phase"] for each in found["series"]} == {"throttle", "up"}
        probes = [each.record for each in aws.records() if each.record["name"] == "outage_probe"]
        assert len(probes) == found["sent"]

        wrong = run(aws, worker.port, key="another-key-of-32-characters-or-so")
        assert wrong.returncode == 1 and "HEADWATER_OPERATOR_KEY is not the worker's" in wrong.stderr
    gone = run(aws, free_port())
    assert gone.returncode == 1 and "is scripts/dev running?" in gone.stderr


def test_ctrl_c_ends_an_outage_that_hangs(aws: LocalAws) -> None:
    with Worker(aws.environment(), {"delivery": "sharded", "shards": 1}) as worker:
        where = ["--dir", str(aws.directory), "--worker", f"http://127.0.0.1:{worker.port}"]
        process = subprocess.Popen(
            [sys.executable, str(COMMAND), "hang", "--for", "1h", "--rate", "2", *where],
            env={"PATH": os.environ["PATH"], "HEADWATER_OPERATOR_KEY": KEY},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout
        # The announcement, the head, and the first look: events are under way.
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, problems = process.communicate(timeout=SECONDS)
        assert (process.returncode, problems) == (130, "outage: stopped; the outage is over\n"), lines
        assert not (aws.directory / FILE).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["melt"], "invalid choice: 'melt' (choose from 'refuse', 'hang', 'throttle', 'deny')"),
        (["--for", "soon"], "'soon' is no span; write 30s, 2m or 1h"),
        (["--for", "2h"], "--for must be up to 3600 s"),
        (["--rate", "201"], "--rate must be up to 200"),
        (["--stream", "events-mid"], "'events-mid' is not firehose:NAME or kinesis:NAME"),
        (["--worker", "http://worker.example"], "is not https://HOST"),
    ],
)
def test_a_wrong_word_begins_nothing(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["outage", *words])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def asked(file: Path, target: str, stream: str) -> tuple[int, dict[str, Any]]:
    """The answer to a call that puts records of `stream`; 200 if it gets to the app, which sees the whole body."""
    member = "StreamName" if target.startswith("Kinesis") else "DeliveryStreamName"
    body = json.dumps({member: stream, "Records": []}).encode()
    messages = iter([{"body": body[:9], "more_body": True}, {"body": body[9:], "more_body": False}])
    sent: list[dict[str, Any]] = []

    async def app(_: Any, receive: Any, send: Any) -> None:
        text, more = b"", True
        while more:
            message = await receive()
            text, more = text + message["body"], message["more_body"]
        assert text == body
        await send({"status": 200})
        await send({"body": b"{}"})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", **next(messages)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(b"x-amz-target", target.encode())]}
    asyncio.run(failing(app, file)(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


FIREHOSE, KINESIS = "Firehose_20150804.PutRecordBatch", "Kinesis_20131202.PutRecords"


def test_only_calls_that_put_records_of_its_streams_fail(tmp_path: Path) -> None:
    file = tmp_path / FILE
    for kind, status in (("refuse", 500), ("throttle", 400), ("deny", 400)):
        Outage(kind, time.time() + 60, ("firehose:a", "kinesis:b")).begin(file)
        assert asked(file, FIREHOSE, "a")[0] == asked(file, KINESIS, "b")[0] == status
        for target, stream in ((FIREHOSE, "b"), (KINESIS, "a"), ("Firehose_20150804.DescribeDeliveryStream", "a")):
            assert asked(file, target, stream) == (200, {}), (kind, target, stream)
    Outage("deny", time.time() + 60).begin(file)
    assert asked(file, FIREHOSE, "any")[1]["__type"] == "AccessDeniedException"


def test_an_outage_is_over_at_its_time_or_without_its_file(tmp_path: Path) -> None:
    file = tmp_path / FILE
    assert asked(file, FIREHOSE, "a") == (200, {})
    for text in ("", "{", "[]", '{"kind":"melt","until":9e9,"streams":[]}', '{"kind":"deny","until":1,"streams":[]}'):
        file.write_text(text)
        assert asked(file, FIREHOSE, "a") == (200, {}), text
    Outage("hang", time.time() + 2).begin(file)
    # It says nothing until then.
    assert asked(file, FIREHOSE, "a")[0] == 500
    assert Outage.of(file) is None
    assert set(KINDS) == {"refuse", "hang", "throttle", "deny"}
