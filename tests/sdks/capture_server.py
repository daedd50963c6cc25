"""A collector that only writes down what it is sent, so that a driver can be tried without the worker.

    with CaptureServer() as server:
        run(["node", "tests/sdks/node/segment.mjs", server.url, "key", "run-1"])
        server.requests

Its answers are those that the SDKs of each protocol take as success.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
import threading
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

HOST = "127.0.0.1"
JSON = "application/json"
# The first prefix that a path has decides.
ANSWERS: dict[str, tuple[int, str, str]] = {
    "/com.snowplowanalytics.snowplow/tp2": (200, "text/plain", "ok"),
    "/i/v1/analytics/events": (200, JSON, ""),
    "/i/v0/e": (200, JSON, '{"status":1}'),
    "/i": (200, "image/gif", "GIF89a"),
    "/batch": (200, JSON, '{"status":1}'),
    "/e": (200, JSON, '{"status":1}'),
    "/flags": (200, JSON, '{"flags":{},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false}'),
    "/array/": (200, JSON, '{"supportedCompression":["gzip-js"],"hasFeatureFlags":false,"analytics":{"endpoint":"/i/v0/e/"},"sessionRecording":false,"heatmaps":false,"surveys":false,"captureDeadClicks":false,"capturePerformance":false,"autocaptureExceptions":false,"siteApps":[]}'),
    "/sourceConfig": (200, JSON, json.dumps({"source": {"id": "s", "writeKey": "KEY", "enabled": True, "workspaceId": "w", "destinations": [], "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}}, "dataplanes": {}}, "updatedAt": "2026-01-01T00:00:00.000Z"})),
    "/v1/cloudevents": (204, "", ""),
    "/v1/logs": (200, JSON, "{}"),
    "/v1/projects": (200, JSON, '{"integrations":{"Segment.io":{"apiKey":"KEY","apiHost":"HOST/v1","protocol":"http"}},"plan":{"track":{"__default":{"enabled":true}}},"remotePlugins":[],"metrics":{"sampleRate":0}}'),
    "/api/event": (202, "text/plain", "ok"),
    "/api/send": (200, JSON, '{"cache":"c","sessionId":"s","visitId":"v"}'),
    "/api/s": (200, JSON, '{"ok":true}'),
    "/2/httpapi": (200, JSON, '{"code":200,"events_ingested":3,"payload_size_bytes":900,"server_upload_time":1795000000000}'),
    "/g/collect": (204, "", ""),
    "": (200, JSON, '{"success":true}'),
}  # fmt: skip


@dataclass
class Captured:
    """A request, with its body inflated."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    raw: bytes
    """The body as it came."""

    @property
    def target(self) -> str:
        """The path with its query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def text(self) -> str:
        """All that it says, whatever form it is in, so that a marker can be looked for."""
        body = self.body.decode("utf-8", "replace")
        found = [unquote_plus(self.query), body]
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            for _, value in parse_qsl(body):
                found.append(_decoded(value))
        for text in list(found):
            found += [_decoded(each) for each in _base64_texts(text)]
        return "\n".join([*found, json.dumps(self.headers)])


@dataclass
class Response:
    """An answer, without the length of its body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class CaptureServer:
    """The collector; a context manager that serves while it is open."""

    status: int | None = None
    """Answers this, instead of success, to whatever is not asked before an event."""
    requests: list[Captured] = field(default_factory=list)

    def __enter__(self) -> CaptureServer:
        self._server = _Server((HOST, 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{HOST}:{self._server.server_port}"

    def saw(self, marker: str) -> int:
        """How many requests have a marker."""
        return sum(marker in each.text for each in self.requests if each.method != "OPTIONS")

    def respond(self, captured: Captured) -> Response:
        """The answer to a request, as a browser may read it."""
        status, kind, body = self._answer(captured)
        headers = [("content-type", kind)] if kind else []
        if origin := captured.headers.get("origin"):
            headers += [("access-control-allow-origin", origin), ("access-control-allow-credentials", "true")]
            if asked := captured.headers.get("access-control-request-headers"):
                headers += [("access-control-allow-headers", asked), ("access-control-allow-methods", "GET, POST, OPTIONS")]
        return Response(status, headers, body)

    def _answer(self, captured: Captured) -> tuple[int, str, bytes]:
        """Status, type and body of the answer to a request."""
        if captured.method == "OPTIONS":
            return 204, "", b""
        # What posthog-js loads later; it does without.
        if captured.path.startswith("/static/") or captured.path.endswith("/config.js"):
            return 404, "", b""
        prefix = next(each for each in ANSWERS if captured.path.startswith(each))
        status, kind, text = ANSWERS[prefix]
        asks = prefix in ("/flags", "/array/", "/sourceConfig", "/v1/projects")
        if self.status is not None and not asks:
            # rudder-sdk-python repeats what is refused by JSON without `code` and `message`.
            return self.status, "text/plain", b"refused"
        if prefix == "/i/v1/analytics/events":
            events = json.loads(captured.body)["batch"]
            text = json.dumps({"results": {each["uuid"]: {"result": "ok"} for each in events}})
        if prefix == "/v1/logs" and "protobuf" in captured.headers.get("content-type", ""):
            kind, text = "application/x-protobuf", ""
        return status, kind, text.replace("HOST", self.url.removeprefix("http://")).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Reports what goes wrong, but not that an SDK has ended."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _handler(server: CaptureServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            captured = self._read()
            server.requests.append(captured)
            response = server.respond(captured)
            self.send_response(response.status)
            for name, value in response.headers:
                self.send_header(name, value)
            if response.status != 204:
                self.send_header("content-length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        do_GET = do_POST = do_OPTIONS = handle_one  # noqa: N815 (the names that the library calls)

        def _read(self) -> Captured:
            address = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            raw = self._body(headers)
            return Captured(self.command, address.path, address.query, headers, _inflated(raw), raw)

        def _body(self, headers: dict[str, str]) -> bytes:
            if headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(headers.get("content-length", 0)))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def log_message(self, *_: Any) -> None:
            """Says nothing: what came is in `requests`."""

    return Handler


def _inflated(body: bytes) -> bytes:
    """The body, by its first bytes: some SDKs do not say that they compress."""
    try:
        if body.startswith(b"\x1f\x8b"):
            return gzip.decompress(body)
        if body[:1] == b"\x78":
            return zlib.decompress(body)
    except (OSError, zlib.error):
        pass
    return body


def _decoded(text: str) -> str:
    padded = text.replace("-", "+").replace("_", "/")
    try:
        return _inflated(base64.b64decode(padded + "=" * (-len(padded) % 4))).decode("utf-8", "replace")
    except ValueError:
        return ""


def _base64_texts(text: str) -> list[str]:
    """The values of Snowplow's fields that are base64, in a JSON text or in a query."""
    return re.findall(r'(?:ue_px|cx)(?:": ?"|=)([\w+/=-]+)', text)


def main() -> None:
    """Serves until it is interrupted, and prints each request as a line of JSON."""
    with CaptureServer() as server:
        print(server.url, flush=True)
        shown = 0
        try:
            while True:
                threading.Event().wait(0.2)
                for each in server.requests[shown:]:
                    shown += 1
                    print(json.dumps({"method": each.method, "path": each.path, "text": each.text}), flush=True)
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
