"""A worker whose Durable Objects can be evicted, which `wrangler dev` has no command for."""

from __future__ import annotations

import http.client
import re
from pathlib import Path

from support.worker import HOST, PROGRAMS, Worker

HARNESS = Path(__file__).with_name("evictable_worker.mjs")
CONTROL = re.compile(rf"Control on http://{re.escape(HOST)}:(\d+)")
# Longer than the harness tries.
EVICTION_SECONDS = 300


class EvictableWorker(Worker):
    """The same worker, served by wrangler's own modules."""

    # The class of the objects that are evicted.
    evicted = "Shard"

    def evict(self) -> int:
        """Takes every object out of memory, once it waits for nothing; says how many."""
        control = CONTROL.search(self.log)
        assert control, "the harness has no control port"
        connection = http.client.HTTPConnection(
            HOST, int(control[1]), timeout=EVICTION_SECONDS
        )
        try:
            connection.request("POST", "/")
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        assert response.status == 200, body.decode(errors="replace")
        return int(body)

    def _command(self) -> list[str]:
        return [str(PROGRAMS / "node"), str(HARNESS), "wrangler.json", self.evicted]
