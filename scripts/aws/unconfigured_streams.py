"""Finds queued records for streams that a deployment's configuration no longer names.

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
SECONDS = 15
HERE = ("127.0.0.1", "::1", "localhost")


class BacklogUnknownError(Exception):
    """Why the queued records are not known, in one sentence."""


def dropped(url: str, named: set[str]) -> dict[str, int]:
    """How many records are queued in the worker at `url` for each stream that is not in `named`."""
    waiting: Counter[str] = Counter()
    for shard in _details(url):
        if "spill" not in shard:
            raise BacklogUnknownError(f"shard {shard.get('shard')} does not answer")
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
