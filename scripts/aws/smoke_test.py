"""One event that is sent through the deployed worker and looked for in S3.

It is the proof that all parts fit: the worker runs, its key may put to the streams, and
Firehose may write to its buckets.
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import duckdb

from unconfigured_streams import operators_key
from wrangler import WorkerSettings

NAME = "headwater_deployed"
# As a browser: an agent that is a program's would be dropped if bots = "drop".
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
# A new version and its secrets reach all of the edge within a minute or two; a new name of a worker
# takes a little longer.
ACCEPT_SECONDS = 300
# Besides the buffer's interval: to write the object, and for clocks that differ.
MARGIN_SECONDS = 180
CLOCKS_DIFFER = timedelta(minutes=5)
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"


class SmokeTestError(Exception):
    """The step after which the event was not seen again, and what is known about it."""


@dataclass(frozen=True)
class Place:
    """Where a stream writes: a bucket, and the prefix in it as Firehose has it."""

    bucket: str
    prefix: str
    interval_seconds: int

    @classmethod
    def of_stream(cls, firehose: Any, stream: str) -> Place:
        """Where this stream writes."""
        described = firehose.describe_delivery_stream(DeliveryStreamName=stream)
        destination = described["DeliveryStreamDescription"]["Destinations"][0]
        s3 = destination["ExtendedS3DestinationDescription"]
        return cls(
            s3["BucketARN"].rsplit(":", 1)[1],
            s3.get("Prefix", ""),
            int(s3["BufferingHints"]["IntervalInSeconds"]),
        )

    def at(self, hour: datetime, tenant: str) -> str:
        """The prefix of what arrives within an hour and is the marked event's."""
        known = {
            "timestamp:yyyy-MM-dd": hour.strftime("%Y-%m-%d"),
            "timestamp:HH": hour.strftime("%H"),
            "partitionKeyFromQuery:tenant": tenant,
            "partitionKeyFromQuery:key": "none",
        }
        return re.sub(r"!\{([^}]*)\}", lambda match: known[match[1]], self.prefix)


class SmokeTest:
    """The event; it has an id of its own."""

    def __init__(self, url: str, settings: WorkerSettings) -> None:
        self.id = str(uuid4())
        self._url = url.rstrip("/")
        self._settings = settings
        self._sent_at = datetime.now(timezone.utc)

    def send(self, seconds: float | None = None) -> str:
        """Send it until the worker answers with its outcome; returns that."""
        if seconds is None:
            seconds = ACCEPT_SECONDS
        deadline = time.monotonic() + seconds
        while True:
            status, body = self._post()
            verdict = _verdict(body) if status == 200 else None
            if verdict:
                break
            if time.monotonic() > deadline:
                raise SmokeTestError(
                    f"{self._url} did not accept an event within {seconds:.0f} s: it answered"
                    f" {status}, {body[:300]!r}; {self._readiness()}"
                )
            time.sleep(2)
        outcome = verdict["outcome"]
        if outcome == "dropped":
            raise SmokeTestError(
                f"the worker dropped the event ({verdict.get('code')}), as its configuration"
                " says, so this does not prove that events reach S3"
            )
        if outcome == "over_quota":
            raise SmokeTestError(
                "the tenant has used up its events of the day, so this does not prove that"
                " events reach S3"
            )
        return "accepted" if outcome == "duplicate" else outcome

    def find(self, s3: Any, places: list[Place], seconds: float | None = None) -> str:
        """Wait until it is in S3; returns its object's address."""
        if seconds is None:
            longest = max(place.interval_seconds for place in places)
            seconds = longest + MARGIN_SECONDS
        deadline = time.monotonic() + seconds
        pause = max(0.2, min(10, seconds / 60))
        seen: set[str] = set()
        while True:
            for bucket, key in self._new_objects(s3, places, seen):
                body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                if self._is_in(body):
                    return f"s3://{bucket}/{key}"
            if time.monotonic() > deadline:
                raise SmokeTestError(
                    f"event {self.id} was accepted and is not in S3 after {seconds:.0f} s."
                    " If its stream rejected it, it is stored in a shard and not lost:"
                    f" {self._readiness()}. If Firehose could not write it, its log group"
                    " in CloudWatch has the reason, and the alarm of the stream fires"
                )
            time.sleep(pause)

    def _new_objects(
        self, s3: Any, places: list[Place], seen: set[str]
    ) -> Iterator[tuple[str, str]]:
        earliest = self._sent_at - CLOCKS_DIFFER
        latest = datetime.now(timezone.utc) + CLOCKS_DIFFER
        for place in places:
            prefixes = {
                place.at(hour, self._settings.tenant)
                for hour in (earliest, self._sent_at, latest)
            }
            for prefix in sorted(prefixes):
                pages = s3.get_paginator("list_objects_v2").paginate(
                    Bucket=place.bucket, Prefix=prefix
                )
                for each in (
                    each for page in pages for each in page.get("Contents", [])
                ):
                    if each["Key"] in seen or each["LastModified"] < earliest:
                        continue
                    seen.add(each["Key"])
                    yield place.bucket, each["Key"]

    def _is_in(self, body: bytes) -> bool:
        if body.startswith(PARQUET_MAGIC):
            return self._is_in_parquet(body)
        if body.startswith(GZIP_MAGIC):
            body = gzip.decompress(body)
        return self.id.encode() in body

    def _is_in_parquet(self, body: bytes) -> bool:
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            file.write(body)
            file.flush()
            rows = duckdb.execute(
                "SELECT 1 FROM read_parquet(?) WHERE event_id = ? LIMIT 1",
                [file.name, self.id],
            )
            return bool(rows.fetchall())

    def _post(self) -> tuple[int, str]:
        beacon = {
            "name": NAME,
            "id": self.id,
            "consent": "granted",
            "device_id": self.id,
        }
        headers = {"content-type": "text/plain", "user-agent": USER_AGENT}
        if self._settings.write_key:
            headers["x-write-key"] = self._settings.write_key
        if self._settings.origin:
            headers["origin"] = self._settings.origin
        return _ask(f"{self._url}/v1/events?verdicts=1", headers, json.dumps(beacon))

    def _readiness(self) -> str:
        headers = {"user-agent": USER_AGENT, **operators_key(self._url)}
        status, body = _ask(f"{self._url}/readyz", headers)
        return f"/readyz answers {status}, {body[:1_000]}"


def _verdict(body: str) -> dict[str, Any] | None:
    """The one verdict of an answer, if it is Headwater's."""
    try:
        (verdict,) = json.loads(body)["verdicts"]
    except (ValueError, KeyError, TypeError):
        return None
    return verdict


def _ask(url: str, headers: dict[str, str], body: str | None = None) -> tuple[int, str]:
    """The status and the text of an answer; 0 and the reason if there is none."""
    request = urllib.request.Request(url, body.encode() if body else None, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
