#!/usr/bin/env python3
"""Shows a page on this machine the records that the local AWS has delivered.

    records_server.py --page PORT [--dir DIR]    serve the page of that port, on the port after it, until ended

`GET /records?id=EVENT_ID&id=…` answers `{"EVENT_ID": record, …}`, events and failed
events alike; what is not there yet is left out. It only reads, listens on loopback
only, and answers no page but the one named, whatever else the browser has open.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local_aws import DIRECTORY, HOST, LocalAws, LocalAwsError


class Records:
    """What was delivered, by event id; each object is read once."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self._read: set[str] = set()
        self._by_id: dict[str, dict[str, Any]] = {}
        self._reading = threading.Lock()
        self._readings = 0

    def of(self, event_ids: list[str]) -> dict[str, dict[str, Any]]:
        """The records of these events that are delivered."""
        if not all(event_id in self._by_id for event_id in event_ids):
            self._read_on()
        return {
            event_id: self._by_id[event_id]
            for event_id in event_ids
            if event_id in self._by_id
        }

    def _read_on(self) -> None:
        """Read what is new; one reading is for all that asked before it began."""
        before = self._readings
        with self._reading:
            if self._readings > before:
                return
            self._readings += 1
            for kind in ("data", "failed"):
                for delivered in self.aws.records(kind, skip=self._read):
                    self._read.add(delivered.key)
                    event_id = delivered.record.get("event_id")
                    if event_id:
                        self._by_id.setdefault(event_id, delivered.record)


class Handler(BaseHTTPRequestHandler):
    """Answers the page; `serve` sets what it needs."""

    records: Records
    origins: frozenset[str]

    def do_GET(self) -> None:
        """`/records` to the page, 403 to any other, 404 elsewhere."""
        address = urlsplit(self.path)
        origin = self.headers.get("Origin", "")
        if origin not in self.origins:
            return self._answer(403, {"message": "only the demo page may read here"})
        if address.path != "/records":
            return self._answer(404, {"message": "ask for /records?id=EVENT_ID"}, origin)
        found = self.records.of(parse_qs(address.query).get("id", []))
        self._answer(200, found, origin)

    def _answer(self, status: int, body: object, origin: str = "") -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        if origin:
            self.send_header("Access-Control-Allow-Origin", origin)
        # A page may go while it asks.
        with contextlib.suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing; a page asks often."""


def server(aws: LocalAws, page: int, port: int) -> ThreadingHTTPServer:
    """A server at `port` for the page at `page`."""
    names = {
        "records": Records(aws),
        "origins": frozenset(f"http://{host}:{page}" for host in (HOST, "localhost")),
    }
    return ThreadingHTTPServer((HOST, port), type("PageHandler", (Handler,), names))


def main() -> int:
    """The command; 1 and one sentence when it can't do its work."""
    parser = argparse.ArgumentParser(description="Show a page the delivered records.")
    parser.add_argument("--page", type=int, required=True, help="the page's port")
    parser.add_argument("--dir", type=Path, default=DIRECTORY)
    arguments = parser.parse_args()
    try:
        aws = LocalAws.running(arguments.dir.resolve())
        server(aws, arguments.page, arguments.page + 1).serve_forever()
    except (LocalAwsError, OSError) as error:
        print(f"records_server.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
