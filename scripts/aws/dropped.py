"""What a deployment would leave waiting: records for streams that its configuration does not name.

They are not lost: the worker routes them again if their stream refuses them for good. But a name that
was dropped by mistake is better corrected before that.
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

REPLAY_KEY = "HEADWATER_OPERATOR_KEY"
SECONDS = 15
HERE = ("127.0.0.1", "::1", "localhost")


class NotToldError(Exception):
    """Why it is not known what waits, in one sentence."""


def dropped(url: str, named: set[str]) -> dict[str, int]:
    """How many records wait in the worker at `url` for each stream that is not in `named`."""
    waiting: Counter[str] = Counter()
    for shard in _details(url):
        if "spill" not in shard:
            raise NotToldError(f"shard {shard.get('shard')} does not answer")
        for spill in shard["spill"]:
            waiting[spill["stream"]] += spill["records"]
    return {stream: count for stream, count in waiting.items() if count and stream not in named}


def warning(waiting: dict[str, int]) -> str:
    """The sentence for what is dropped."""
    counts = ", ".join(f"{count} for {stream}" for stream, count in sorted(waiting.items()))
    example = min(waiting)
    return (
        f"warning: records wait for streams that wrangler.toml does not name: {counts}; if a stream was"
        f' renamed, add renamed_streams = {{ "{example}" = "firehose:NEW" }} to HEADWATER; else they are'
        " routed again if their stream refuses them for good"
    )


def operators_key(url: str) -> dict[str, str]:
    """Returns the header with the operator's key, if there is a key and the connection is private."""
    address, key = urlsplit(url), os.environ.get(REPLAY_KEY)
    is_safe = address.scheme == "https" or address.hostname in HERE
    return {"authorization": f"Bearer {key}"} if key and is_safe else {}


def _details(url: str) -> list[dict[str, Any]]:
    """The shards as /readyz shows them to who has the operator's key."""
    request = urllib.request.Request(f"{url.rstrip('/')}/readyz", headers=operators_key(url))
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            told = json.load(answer)
    except urllib.error.HTTPError as error:
        try:
            told = json.load(error)
        except ValueError:
            raise NotToldError(f"/readyz answers {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotToldError(f"/readyz can't be read: {error}") from None
    if not isinstance(told, dict) or "ready" not in told:
        raise NotToldError("/readyz is not answered by a worker of this kind")
    if "problems" in told:
        raise NotToldError(f"the running worker is not configured: {told['summary']}")
    if "shards" not in told and told.get("delivery") != "direct":
        raise NotToldError(f"it takes {REPLAY_KEY} in the environment, as the worker has it")
    return told.get("shards", [])
