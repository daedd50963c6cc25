"""Requests that are made to cost much, from tests/fixtures/hostile.json.

tests/harness/hostile.rs reads the same rows, and says how they are written.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from support import ROOT

EVENTS = "/v1/events"
PIXEL = "/v1/pixel.gif"
Parts = list[tuple[str, int]]


@dataclass(frozen=True)
class HostileRequest:
    """A row."""

    name: str
    beacon: Parts
    beacons: int
    around: str = "[…]"
    agent: Parts = field(default_factory=list)
    address: str = EVENTS
    content_type: str | None = None
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The body, inflated; of a pixel its query, not encoded."""
        written = _written(self.beacon)
        beacons = [written.replace("¶", str(index)) for index in range(self.beacons)]
        return self.around.replace("…", ",".join(beacons), 1).encode()

    @property
    def compressed(self) -> bytes:
        """The body as it is sent."""
        return gzip.compress(self.body, mtime=0)

    @property
    def headers(self) -> dict[str, str | bytes]:
        """What it sends beside the body."""
        agent = _written(self.agent).encode()
        return {
            "content-encoding": "gzip",
            **({"user-agent": agent} if agent else {}),
            **({"content-type": self.content_type} if self.content_type else {}),
        }

    @property
    def call(self) -> tuple[str, str, bytes | None, Mapping[str, str | bytes]]:
        """The method, the address, the body and the headers, as a client sends them."""
        if self.address == PIXEL:
            headers = {name: value for name, value in self.headers.items() if name == "user-agent"}
            return "GET", f"{PIXEL}?{quote(self.body, safe='=&+%')}", None, headers
        return "POST", self.address, self.compressed, self.headers

    def of_beacons(self, beacons: int) -> HostileRequest:
        """The same with another number of beacons."""
        return replace(self, beacons=beacons)


def hostile_requests() -> dict[str, HostileRequest]:
    """The rows, by their names."""
    rows = json.loads((ROOT / "tests/fixtures/hostile.json").read_text(encoding="utf-8"))
    return {row["name"]: HostileRequest(**row) for row in rows}


def _written(parts: Parts) -> str:
    texts = (
        "".join(text.replace("§", str(index)) for index in range(count)) if "§" in text else text * count
        for text, count in parts
    )
    return "".join(texts)
