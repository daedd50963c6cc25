"""Keys of operators by role, in the built worker: each opens its own address only, two of a role are in use at
once, and each use is a line of the log that names the key and not its text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

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
        assert (replayed.status, replayed.json()["code"]) == (403, "replay_not_allowed")
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
