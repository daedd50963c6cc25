"""The catalogue of events as it is published, and the samples of each event."""

from __future__ import annotations

import json
from typing import Any

from support import ROOT

SCHEMAS = ROOT / "www" / "schemas"
SAMPLES = ROOT / "tests" / "fixtures" / "schemas"
NAMES = sorted(path.stem for path in SCHEMAS.glob("*.json"))

# The samples are a schema's alone. On the way to it the worker repairs these...
MENDED = {
    ("page_view", "/url", "minLength"),
    ("product_viewed", "/props/price", "type"),
    ("video_ad", "/props/ad_id", "minLength"),
    ("video_pause", "/props/video_id", "type"),
}
# ... and has a rule of its own for these, which goes first.
BY_THE_PROTOCOL = {("download", "/props", "type"), ("page_view", "/url", "type")}


def schema(name: str) -> Any:
    """An event's schema."""
    return json.loads((SCHEMAS / f"{name}.json").read_bytes())


def valid(name: str) -> list[dict[str, Any]]:
    """Beacons that keep to their schema."""
    samples: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_bytes())
    return samples["valid"]


def invalid(name: str) -> list[tuple[dict[str, Any], list[tuple[str, str | None]]]]:
    """Beacons, each with the pointers and the keywords of what the worker finds in it.

    The protocol's own rules have no keyword; a beacon without violations is repaired.
    """
    samples = json.loads((SAMPLES / f"{name}.json").read_bytes())["invalid"]
    return [(each["beacon"], _found(name, each["violations"])) for each in samples]


def _found(name: str, violations: list[dict[str, str]]) -> list[tuple[str, str | None]]:
    found = {(name, each["pointer"], each["rule"]) for each in violations} - MENDED
    return sorted(
        ((each[1], None if each in BY_THE_PROTOCOL else each[2]) for each in found),
        key=str,
    )
