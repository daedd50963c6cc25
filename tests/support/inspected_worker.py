"""The built worker with an inspector, and what it has counted."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.shards import SHARDED
from support.worker import PATIENT, Answer, Worker

TOKEN = "the-inspector-token-of-the-tests-77"
BEARER = {"authorization": f"Bearer {TOKEN}"}
SETTINGS: dict[str, Any] = {
    **SHARDED,
    **PATIENT,
    "linger_ms": 10,
    "gpc": "strip",
    "dnt": "drop",
}


class Inspected(Worker):
    """A worker with an inspector."""

    def ask(self, what: str, query: str = "") -> Any:
        """What it answers."""
        answer = self.get(f"/_/inspect/{what}{query}", BEARER)
        assert answer.status == 200, answer
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-headwater-epoch"]
        return answer.json()

    def counted(self) -> dict[str, int]:
        """How many beacons it has counted."""
        answer = self.ask("all")
        assert set(answer) == {"epoch", "since", "not_kept", *counts()}
        return {name: answer[name] for name in counts()}

    def reset(self) -> Answer:
        return self.request("POST", "/_/inspect/reset", b"", BEARER)


def event(**fields: Any) -> dict[str, Any]:
    return {"name": "seen", "id": str(uuid4()), **fields}


def counts(**some: int) -> dict[str, int]:
    names = ("accepted", "failed", "duplicate", "dropped", "over_quota", "refused")
    return {"total": sum(some.values()), **dict.fromkeys(names, 0), **some}
