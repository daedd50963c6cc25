"""The worker that the SDKs send to."""

from __future__ import annotations

from typing import Any

from support.worker import HOST, Worker

KEY = "pk_sdks"
PROTOCOLS = ["segment", "snowplow", "posthog", "cloudevents", "otlp", "plausible", "umami", "ga4", "amplitude"]  # fmt: skip
SETTINGS: dict[str, Any] = {
    "delivery": "sharded",
    "shards": 1,
    "protocols": PROTOCOLS,
    "keys": {KEY: {"tenant": "shop"}},
}


def endpoint(worker: Worker) -> str:
    """Where the worker serves."""
    return f"http://{HOST}:{worker.port}"
