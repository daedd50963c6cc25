"""A stand-in for Cloudflare's API, for wrangler's deploy and secret commands.

wrangler itself is real; only the network's other end is not. It stores what it receives: the
worker's script as uploaded, and its secrets.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"
ACCOUNT = "0" * 32
TOKEN = "not-a-token"
SUBDOMAIN = {"enabled": True, "previews_enabled": False}
NO_WORKER = {"code": 10007, "message": "This Worker does not exist on your account."}


class FakeCloudflare:
    """The API; a context manager that serves while it is open."""

    def __init__(self, stored: Callable[[dict[str, str]], None]) -> None:
        """`stored` is called with the secrets after each change of them."""
        self._stored = stored
        self.secrets: dict[str, str] = {}
        self.deployments = 0
        self.script = b""
        self.calls: list[str] = []
        self.refuses: str | None = None
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())

    def __enter__(self) -> FakeCloudflare:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """What leads wrangler here."""
        port = self._server.server_address[1]
        return {
            "CLOUDFLARE_API_BASE_URL": f"http://{HOST}:{port}/client/v4",
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
            "CLOUDFLARE_API_TOKEN": TOKEN,
        }

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """The status and the result of a call."""
        self.calls.append(f"{method} {path}")
        if self.refuses and self.refuses in path:
            return 400, {"code": 10000, "message": "Somebody is at work here."}
        of_account = path.removeprefix(f"/client/v4/accounts/{ACCOUNT}/workers")
        match method, of_account:
            case "GET", "/subdomain":
                return 200, {"subdomain": "acme"}
            case ("PUT", "/scripts/headwater"):
                self.deployments += 1
                self.script = body
                return 200, {"id": "headwater", "startup_time_ms": 1}
            case ("POST", "/scripts/headwater/assets-upload-session"):
                return 200, {"jwt": "assets", "buckets": []}
            case _ if not self.deployments:
                return 404, NO_WORKER
            case "GET", "/services/headwater":
                script = {"last_deployed_from": "wrangler"}
                return 200, {"default_environment": {"script": script}}
            case "GET", "/scripts/headwater/secrets":
                return 200, [{"name": n, "type": "secret_text"} for n in self.secrets]
            case "GET", "/scripts/headwater/deployments":
                return 200, {"deployments": []}
            case "PATCH", "/scripts/headwater/secrets-bulk":
                reported = json.loads(body)["secrets"]
                self.secrets |= {name: each["text"] for name, each in reported.items()}
                self._stored(self.secrets)
                return 200, {}
            case "GET", "/workers/headwater":
                return 200, {"subdomain": SUBDOMAIN}
            case _, "/scripts/headwater/subdomain":
                return 200, SUBDOMAIN
        return 404, {"code": 7003, "message": f"{method} {path} is not known here"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                if self.headers.get("transfer-encoding") == "chunked":
                    body = self.chunks()
                path = urlsplit(self.path).path
                status, result = peer.answer(self.command, path, body)
                ok = status < 400
                reported = {
                    "success": ok,
                    "errors": [] if ok else [result],
                    "messages": [],
                    "result": result if ok else None,
                }
                text = json.dumps(reported).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def chunks(self) -> bytes:
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do

            def log_message(self, *_: object) -> None:
                pass

        return Handler
