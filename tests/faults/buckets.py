"""The events in the buckets of the local AWS, by event id, read object by object.

A reader remembers what it has read, since an object never changes.
"""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from local_aws import BUCKET_OUTPUTS, HOST, Kind, LocalAws

READERS = 4
LISTINGS = 100
GZIP_MAGIC = b"\x1f\x8b"


@dataclass
class Copies:
    """How often an event is in a bucket, and how many came past the shard."""

    number: int = 0
    direct: int = 0


class Bucket:
    """A bucket and what was read of it so far."""

    def __init__(self, aws: LocalAws, kind: Kind) -> None:
        self._aws = aws
        self._name = aws.outputs[BUCKET_OUTPUTS[kind]]
        self._read: set[str] = set()
        self._copies: dict[str, Copies] = {}

    def copies(self) -> dict[str, Copies]:
        """The events that are in the bucket now, by id."""
        new = [key for key in self._keys() if key not in self._read]
        size = -(-len(new) // READERS) or 1
        parts = [new[start : start + size] for start in range(0, len(new), size)]
        with ThreadPoolExecutor(READERS) as pool:
            for part in pool.map(lambda keys: list(self._events(keys)), parts):
                for event in part:
                    copies = self._copies.setdefault(event["event_id"], Copies())
                    copies.number += 1
                    copies.direct += event.get("delivered_via") == "direct"
        self._read.update(new)
        return self._copies

    def _keys(self) -> Iterator[str]:
        s3 = self._aws.client("s3")
        after = ""
        while True:
            page = _listed(s3, self._name, after)
            for each in page.get("Contents", []):
                after = each["Key"]
                yield after
            if not page["IsTruncated"]:
                return

    def _events(self, keys: list[str]) -> Iterator[dict[str, Any]]:
        connection = http.client.HTTPConnection(HOST, self._aws.port, timeout=60)
        for key in keys:
            assert not key.startswith("errors/"), f"Firehose could not deliver: {key}"
            # ministack's key `test` is root, and its signature is not looked at.
            scope = f"test/20260101/{self._aws.region}/s3/aws4_request"
            connection.request(
                "GET",
                f"/{self._name}/{quote(key)}",
                headers={
                    "authorization": f"AWS4-HMAC-SHA256 Credential={scope},"
                    " SignedHeaders=host, Signature=0"
                },
            )
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, f"{key}: {response.status} {body[:300]!r}"
            if body.startswith(GZIP_MAGIC):
                body = gzip.decompress(body)
            for line in body.splitlines():
                yield json.loads(line)
        connection.close()


def _listed(s3: Any, bucket: str, after: str) -> dict[str, Any]:
    """A page of a bucket's objects.

    ministack answers 500 when it stores an object while it lists them.
    """
    for _ in range(LISTINGS):
        try:
            return s3.list_objects_v2(Bucket=bucket, StartAfter=after)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 500:
                raise
            time.sleep(0.1)
    raise AssertionError(f"{bucket} can't be listed")
