"""Finds queued records for streams that a deployment's configuration no longer names, and shards that it forgets.

They are not lost: the worker routes them again if their stream rejects them for good. But a name that
was removed by mistake is better corrected before that.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

OPERATOR_KEY = "HEADWATER_OPERATOR_KEY"
NO_JURISDICTION = "none"
SECONDS = 15
HERE = ("127.0.0.1", "::1", "localhost")


class BacklogUnknownError(Exception):
    """Why the queued records are not known, in one sentence."""


def dropped(url: str, named: set[str]) -> dict[str, int]:
    """How many records are queued in the worker at `url` for each stream that is not in `named`."""
    waiting: Counter[str] = Counter()
    for shard in _details(url):
        if "spill" not in shard:
            address = "-".join(str(shard[key]) for key in ("jurisdiction", "shard") if key in shard)
            raise BacklogUnknownError(f"shard {address} does not answer")
        for spill in shard["spill"]:
            waiting[spill["stream"]] += spill["records"]
    return {stream: count for stream, count in waiting.items() if count and stream not in named}


def warning(waiting: dict[str, int]) -> str:
    """The warning for these streams."""
    counts = ", ".join(f"{count} for {stream}" for stream, count in sorted(waiting.items()))
    example = min(waiting)
    return (
        f"warning: records wait for streams that wrangler.toml does not name: {counts}; if a stream was"
        f' renamed, add renamed_streams = {{ "{example}" = "firehose:NEW" }} to HEADWATER; else they are'
        " routed again if their stream refuses them for good"
    )


def forgotten(url: str, table: dict[str, Any]) -> set[str]:
    """The jurisdictions of the shards of the worker at `url`, if `table` moves them and does not name where they were."""
    named = table.get("jurisdiction", NO_JURISDICTION)
    there = {shard.get("jurisdiction", NO_JURISDICTION) for shard in _details(url)}
    is_moved = bool(there) and named not in there
    return there - {table.get("previous_jurisdiction")} if is_moved else set()


def warning_of_forgotten(jurisdictions: set[str]) -> str:
    """The warning for these jurisdictions."""
    names = ", ".join(f'"{name}"' for name in sorted(jurisdictions))
    return (
        f"warning: the shards of the running worker are in another jurisdiction, {names}: add previous_jurisdiction ="
        f' "{min(jurisdictions)}" to HEADWATER; else sessions and quotas begin again, and /readyz does not show what is'
        " spilled there"
    )


def operators_key(url: str) -> dict[str, str]:
    """Returns the header with the operator's key, if there is a key and the connection is private."""
    address, key = urlsplit(url), os.environ.get(OPERATOR_KEY)
    is_safe = address.scheme == "https" or address.hostname in HERE
    return {"authorization": f"Bearer {key}"} if key and is_safe else {}


def _details(url: str) -> list[dict[str, Any]]:
    """The shards as /readyz shows them to the operator."""
    request = urllib.request.Request(f"{url.rstrip('/')}/readyz", headers=operators_key(url))
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            readiness = json.load(answer)
    except urllib.error.HTTPError as error:
        try:
            readiness = json.load(error)
        except ValueError:
            raise BacklogUnknownError(f"/readyz answers {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BacklogUnknownError(f"/readyz can't be read: {error}") from None
    if not isinstance(readiness, dict) or "ready" not in readiness:
        raise BacklogUnknownError("/readyz was not answered by a Headwater worker")
    if "problems" in readiness:
        raise BacklogUnknownError(f"the running worker is not configured: {readiness['summary']}")
    if "shards" not in readiness and readiness.get("delivery") != "direct":
        raise BacklogUnknownError(f"set {OPERATOR_KEY} in the environment to the worker's secret")
    return readiness.get("shards", [])
