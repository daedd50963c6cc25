"""The built worker with its points of metrics in its log.

Analytics Engine is a no-op in workerd, so METRICS is replaced by what
holds each point to the service's limits and logs it.
Source: https://developers.cloudflare.com/analytics/analytics-engine/limits/
"""

from __future__ import annotations

import json
import re
from typing import Any

from support.waiting import wait_until
from support.worker import LOG_SECONDS
from support.worker_with_bindings import WorkerWithBindings

METRICS = """
METRICS: {
  writeDataPoint({ indexes, blobs, doubles, ...rest }) {
    const bytes = (text) => new TextEncoder().encode(text).length;
    const sum = blobs.reduce((sum, blob) => sum + bytes(blob), 0);
    const good = indexes.length === 1 && bytes(indexes[0]) <= 96 && blobs.length <= 20 && sum <= 16384
      && doubles.length <= 20 && doubles.every(Number.isFinite) && Object.keys(rest).length === 0;
    console.log("point " + JSON.stringify({ good, blobs, doubles, index: indexes[0] }));
  },
}
"""
POINT = re.compile(r"point (\{.*\})$", re.MULTILINE)

TEXTS = ("kind", "tenant", "request", "status", "code")
NUMBERS = (
    *("beacons", "accepted", "failed", "duplicate", "dropped", "refused"),
    *("bytes_in", "bytes_out", "read_ms", "wait_ms", "send_ms", "deliver_ms"),
    *("total_ms", "retries", "spill_depth", "over_quota"),
)


class Metered(WorkerWithBindings):
    """A worker whose points are in its log."""

    bindings = METRICS

    def points(self, kind: str = "request") -> list[dict[str, Any]]:
        """The points so far, with their places named."""
        points = []
        for found in POINT.findall(self.log):
            point = json.loads(found)
            assert point["good"], point
            if point["blobs"][0] == kind == "request":
                texts = zip(TEXTS, point["blobs"], strict=True)
                numbers = zip(NUMBERS, point["doubles"], strict=True)
                points.append({**dict(texts), **dict(numbers), "index": point["index"]})
            elif point["blobs"][0] == kind:
                points.append(point)
        return points

    def point(self, count: int) -> dict[str, Any]:
        """The `count`-th point of a request, which may come a little after the answer."""
        wait_until(lambda: len(self.points()) >= count, LOG_SECONDS, self.points)
        points = self.points()
        assert len(points) == count, points
        return points[-1]
