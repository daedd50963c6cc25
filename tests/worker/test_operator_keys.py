"""Keys of operators by role, in the built worker: each opens its own address only, two of a role are in use at
once, and each use is a line of the log that names the key and not its text.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT
from support.fake_firehose import FakeFirehose
from support.shards import SHARDED
from support.worker import Worker

KEYS = {
    "replay": ["r" * 32],
    "quarantine": ["old-" + "q" * 32, "new-" + "q" * 32],
    "status": "s" * 32,
    "inspect": ["i" * 32],
}
REPLAY = json.dumps(
    {
        "event_id": "01939b70-6d2a-7c3e-8f00-000000000001",
        "original_format": "beacon",
        "received_at": "2026-11-18T11:06:40.123Z",
    }
)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    # An empty secret is not set.
    env = {"HEADWATER_OPERATOR_KEYS": json.dumps(KEYS), "HEADWATER_OPERATOR_KEY": ""}
    with FakeFirehose() as peer, Worker({**peer.environment(), **env}, SHARDED) as worker:
        yield worker


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def opens(worker: Worker, key: str) -> list[str]:
    """The roles that a key has, by what the worker answers to it."""
    roles = []
    replayed = worker.post({"name": "a"}, {**bearer(key), "x-headwater-replay": REPLAY})
    if replayed.status == 204:
        roles.append("replay")
    else:
        assert (replayed.status, replayed.json()["code"]) == (403, "operator_key_required")
    quarantined = worker.get("/_/quarantine", bearer(key))
    if quarantined.status == 204:
        roles.append("quarantine")
    else:
        assert quarantined.status == 403
    if "streams" in worker.get("/readyz", bearer(key)).json():
        roles.append("status")
    inspected = worker.get("/_/inspect/all", bearer(key))
    if inspected.status == 200:
        roles.append("inspect")
    else:
        assert inspected.status == 401
    return roles


def test_a_key_opens_the_addresses_of_its_role_only(worker: Worker) -> None:
    assert opens(worker, KEYS["replay"][0]) == ["replay"]
    assert opens(worker, KEYS["quarantine"][0]) == ["quarantine"]
    assert opens(worker, KEYS["quarantine"][1]) == ["quarantine"]
    assert opens(worker, "s" * 32) == ["status"]
    assert opens(worker, KEYS["inspect"][0]) == ["inspect"]
    assert opens(worker, "x" * 32) == []


def test_each_use_of_a_key_is_an_audit_line(worker: Worker) -> None:
    audit = {"level": "info", "part": "audit", "role": "quarantine", "method": "GET"}

    worker.get("/_/quarantine", bearer(KEYS["quarantine"][1]))
    worker.get("/_/quarantine", bearer("z" * 32))

    name = "HEADWATER_OPERATOR_KEYS.quarantine[1]"
    worker.wait_for_line(**audit, key=name, allowed=True)
    worker.wait_for_line(**audit, key=None, allowed=False)
    worker.post({"name": "a"}, {**bearer(KEYS["replay"][0]), "x-headwater-replay": REPLAY})
    worker.wait_for_line(part="audit", role="replay", method="POST", allowed=True)
    for key in [*KEYS["quarantine"], "z" * 32, KEYS["replay"][0]]:
        assert key not in worker.log


FAILED = {
    "event_id": "01939b70-6d2a-7c3e-8f00-000000000007",
    "received_at": "2026-11-20T08:00:00.000Z",
    "stage": "validate",
    "code": "unknown_event",
    "original_format": "beacon",
    "original": '{"name":"role_replayed"}',
}


@pytest.mark.parametrize(
    ("key", "program", "code"),
    [
        (KEYS["replay"][0], "replay", 0),
        (KEYS["quarantine"][1], "replay", 2),
        ("x" * 32, "replay", 2),
        (KEYS["quarantine"][1], "export_quarantine", 0),
        (KEYS["replay"][0], "export_quarantine", 2),
    ],
)
def test_a_program_needs_the_key_of_its_role_only(
    worker: Worker, tmp_path: Path, key: str, program: str, code: int
) -> None:
    failed = tmp_path / "failed"
    failed.mkdir()
    (failed / "1").write_text(json.dumps(FAILED) + "\n")
    places = [str(failed), "--resume", str(tmp_path / "resume")]
    options = places if program == "replay" else [str(tmp_path / "quarantined")]
    ended = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "lake" / f"{program}.py"), *options]
        + ["--worker", f"http://127.0.0.1:{worker.port}"],
        env={"PATH": os.environ["PATH"], "HEADWATER_OPERATOR_KEY": key},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    role = program.removeprefix("export_")
    refused = f"HEADWATER_OPERATOR_KEY is another one, or this key does not have the role {role}"
    assert (refused in ended.stderr) == (code == 2)
