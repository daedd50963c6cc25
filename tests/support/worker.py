"""The built worker in workerd, started as users start it: by `wrangler dev`.

    with Worker(env) as worker:
        answer = worker.post({"name": "page_view"})
        assert answer.status == 204

Its configuration is the repository's wrangler.toml, in direct delivery, but for what a
test says. On the
way out it is ended with everything that it started, and its log is held to what must
never be in one: a panic, an uncaught error, a secret.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from support import ROOT
from support.ports import free_port
from support.waiting import Value, wait_until

PROGRAMS = ROOT / "node_modules" / ".bin"

HOST = "127.0.0.1"
START_SECONDS = 60
ANSWER_SECONDS = 60
# What comes a little after an answer; a machine may be busy for seconds.
LOG_SECONDS = 30
QUIET_SECONDS = 0.3
QUIET_TRIES = 15

SECRETS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "HEADWATER_HASH_SECRET",
    "HEADWATER_OPERATOR_KEY",
    "HEADWATER_OPERATOR_KEYS",
    "HEADWATER_INSPECT_TOKEN",
    "HEADWATER_SERVER_KEYS",
)
# The operator's key, unless a test has its own; an empty one stands for none.
KEY = "the-key-of-the-operator-for-tests-12345"
LINE = re.compile(r"\{\".*\}")
READY = re.compile(rf"Ready on http://{re.escape(HOST)}:(\d+)")
FORBIDDEN_IN_LOG = (
    "panicked",
    "RuntimeError",
    "unreachable",
    "Uncaught",
    "different request",
    "never generate a response",
)

# Without shards a test sees at once, and call by call, what becomes of each request.
# The tests of the shard ask for it.
DIRECT = {"delivery": "direct"}

# For tests of what is delivered at last: no busy machine takes as long as this deadline.
PATIENT = {"delivery_timeout_ms": 20_000}

# What the CDN knows of each request; wrangler would fetch it, or invent it offline.
CF: dict[str, Any] = {
    "country": "CH",
    "region": "Zürich",
    "regionCode": "ZH",
    "city": "Zürich",
    "continent": "EU",
    "timezone": "Europe/Zurich",
    "colo": "ZRH",
    "asn": 64500,
    "asOrganization": "Beispiel Netz",
    "latitude": "47.36667",
    "longitude": "8.55000",
}

Body = bytes | str | Iterable[bytes] | Mapping[str, Any] | list[Any]
Headers = Mapping[str, str | bytes]


class WorkerError(Exception):
    """Why the worker can't be started, in one sentence."""


@dataclass(frozen=True)
class Answer:
    """What the worker answered, and how long it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The body, which must be JSON that says so."""
        assert self.headers.get("content-type") == "application/json", self
        return json.loads(self.body)

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """The verdicts, which must be all of the body."""
        reported = self.json()
        assert list(reported) == ["verdicts"], reported
        return reported["verdicts"]

    @property
    def retry_after(self) -> int:
        """`Retry-After`, which must be there, in seconds."""
        return int(self.headers["retry-after"])


class Worker:
    """A worker of its own; a context manager that serves while it is open.

    `env` is what .dev.vars holds beside the operator's KEY. `settings` replaces keys of [vars.HEADWATER]; a None
    leaves its key out. A text or None in place of the table stands for the whole of it.
    `cf` replaces what the CDN knows of each request. `root` is the checkout whose build and
    configuration it has; it may be another one after a kill.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        settings: Mapping[str, Any] | str | None = {},  # noqa: B006 (never changed)
        cf: Mapping[str, Any] = {},  # noqa: B006 (never changed)
    ) -> None:
        self.env = {"HEADWATER_OPERATOR_KEY": KEY, **env}
        self.settings = settings
        self.cf = {**CF, **cf}
        self.root = ROOT
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log_before = 0

    def __enter__(self) -> Worker:
        self._directory = Path(tempfile.mkdtemp(prefix="headwater-worker-"))
        self._copied: Path | None = None
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._wait_for_quiet()
        log = self._end()
        if kind is None:
            self._check_log(log)

    def kill(self) -> None:
        """Ends wrangler and workerd as a crash does; what was stored stays."""
        process, self._process = self._process, None
        assert process, "it does not run"
        _end_group(process)

    def restart(self) -> None:
        """Starts it again after a kill, on the same port and the same storage."""
        self._start()

    def databases(self) -> list[Path]:
        """What the shards that were ever asked are stored in, a file each."""
        return [file for file in self.all_databases() if _is_of_a_shard(file)]

    def all_databases(self) -> list[Path]:
        """What all objects that were ever asked are stored in, a file each."""
        return sorted(self._directory.glob(".wrangler/state/v3/do/*/*.sqlite"))

    def wait_for_checkpoint(self) -> None:
        """Waits until every shard that was ever asked has stored ids that it has seen."""

        def is_stored() -> bool:
            databases = self.databases()
            return databases != [] and all(map(_has_seen_ids, databases))

        wait_until(is_stored, problem=lambda: "no shard has written a checkpoint")

    @property
    def log(self) -> str:
        """What wrangler and the worker have logged so far."""
        return (self._directory / "log").read_text(errors="replace")

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        """Those lines of the log that are JSON objects, whatever wrangler puts before them."""
        # The last one may still be on its way into the file.
        lines = self.log.rpartition("\n")[0].splitlines()
        found = (LINE.search(line) for line in lines)
        return [json.loads(line[0]) for line in found if line]

    def wait_for_line(self, **fields: Any) -> dict[str, Any]:
        """Waits for a JSON line of the log with these fields among its own; gives the first."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.log_lines if fields.items() <= line.items()]

        return self._wait_until(found, fields)[0]

    def wait_for_log(self, text: str) -> None:
        """Waits until the log holds a text; it comes a little after the answer."""
        self._wait_until(lambda: text in self.log, text)

    def _wait_until(self, read: Callable[[], Value], what: object) -> Value:
        def problem() -> str:
            return f"{what!r} is not in the log:\n{self.log}"

        return wait_until(read, LOG_SECONDS, problem)

    def post(self, body: Body, headers: Headers = {}, query: str = "") -> Answer:
        """Sends beacons. What is neither text nor bytes goes as JSON."""
        if isinstance(body, (Mapping, list)):
            body = json.dumps(body)
        return self.request("POST", "/v1/events" + query, body, headers)

    def get(self, path: str, headers: Headers = {}) -> Answer:
        """Asks for a path."""
        return self.request("GET", path, None, headers)

    def preflight(
        self,
        origin: str,
        headers: str = "content-encoding,content-type",
        method: str = "POST",
        query: str = "",
    ) -> Answer:
        """Asks as a browser does before a page of `origin` posts beacons with these headers."""
        asked = {
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": headers,
        }
        return self.request("OPTIONS", f"/v1/events{query}", None, asked)

    def ready(self, query: str = "") -> Answer:
        """What /readyz shows to the operator: each stream and each shard."""
        key = self.env["HEADWATER_OPERATOR_KEY"]
        return self.get("/readyz" + query, {"authorization": f"Bearer {key}"})

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | Iterable[bytes] | None = None,
        headers: Headers = {},
    ) -> Answer:
        """Sends one request on a connection of its own.

        Nothing is added but `Host` and the body's length, or its chunks when it is an
        iterable. Headers that are texts go as UTF-8; bytes go as they are.
        """
        if isinstance(body, str):
            body = body.encode()
        raw = {
            name: value.encode() if isinstance(value, str) else value
            for name, value in headers.items()
        }
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_SECONDS)
        started = time.monotonic()
        try:
            try:
                connection.request(method, path, body, raw)  # type: ignore[arg-type]
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before its end; the answer may be there all the same
            response = connection.getresponse()
            answer = Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(),
                time.monotonic() - started,
            )
        finally:
            connection.close()
        self._refute_secrets(f"{answer.headers} {answer.body!r}", "an answer")
        return answer

    def _write_files(self) -> None:
        build = self.root / "build"
        if not (build / "index.js").is_file():
            raise WorkerError("build/index.js is missing: run scripts/build")
        if not (PROGRAMS / "wrangler").exists():
            raise WorkerError("wrangler is missing: run scripts/setup")
        # A copy, so that a build in the meantime does not change what is tested.
        if self._copied != self.root:
            shutil.rmtree(self._directory / "build", ignore_errors=True)
            shutil.copytree(build, self._directory / "build")
            self._copied = self.root
        configuration = tomllib.loads((self.root / "wrangler.toml").read_text())
        configuration.pop("build", None)
        configuration["main"] = str(self._directory / "build" / "index.js")
        configuration["assets"]["directory"] = str(
            self.root / configuration["assets"]["directory"]
        )
        variables = configuration["vars"]
        if isinstance(self.settings, Mapping):
            merged = {**variables["HEADWATER"], **DIRECT, **self.settings}
            variables["HEADWATER"] = {
                key: value for key, value in merged.items() if value is not None
            }
        elif self.settings is None:
            del variables["HEADWATER"]
        else:
            variables["HEADWATER"] = self.settings
        # Python reads TOML and does not write it; wrangler takes JSON as well.
        self._write("wrangler.json", json.dumps(configuration))
        lines = [f"{name}='{value}'\n" for name, value in self.env.items()]
        self._write(".dev.vars", "".join(lines))
        self._write("cf.json", json.dumps(self.cf))

    def _write(self, name: str, text: str) -> None:
        (self._directory / name).write_text(text)

    def _start(self) -> None:
        # Anew each time: a restart takes what was changed of `env` and `settings`.
        self._write_files()
        self.port = self.port or free_port()
        environment = {
            "PATH": f"{PROGRAMS}:{os.environ.get('PATH', os.defpath)}",
            # wrangler keeps logs, a registry and its settings at home.
            "HOME": str(self._directory),
            "TMPDIR": str(self._directory),
            "NO_COLOR": "1",
            "CLOUDFLARE_CF_FETCH_PATH": str(self._directory / "cf.json"),
        }
        with (self._directory / "log").open("ab") as log:
            self._log_before = len(self.log)
            self._process = subprocess.Popen(
                self._command(),
                env=environment,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise WorkerError(f"wrangler dev did not get ready:\n{self.log}")
            time.sleep(0.05)

    def _command(self) -> list[str]:
        command = [str(PROGRAMS / "wrangler"), "dev", "--ip", HOST]
        return [*command, "--port", str(self.port), "--inspector-port", "0"]

    def _answers(self) -> bool:
        ready = READY.search(self.log, self._log_before)
        if ready is None:
            return False
        self.port = int(ready[1])
        try:
            return self.get("/healthz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def _wait_for_quiet(self) -> None:
        """Waits until nothing more is logged, so that the last line is checked too."""
        before = ""
        for _ in range(QUIET_TRIES):
            if before == (before := self.log):
                return
            time.sleep(QUIET_SECONDS)

    def _end(self) -> str:
        """Ends wrangler and what it started; gives the whole log."""
        process, self._process = self._process, None
        if process:
            _end_group(process)
        log = self.log if (self._directory / "log").is_file() else ""
        shutil.rmtree(self._directory, ignore_errors=True)
        return log

    def _check_log(self, log: str) -> None:
        lines = log.splitlines()
        for number, line in enumerate(lines):
            if any(forbidden in line for forbidden in FORBIDDEN_IN_LOG):
                around = "\n".join(lines[max(0, number - 5) : number + 15])
                raise AssertionError(f"{line!r} in the log:\n{around}")
        self._refute_secrets(log, "the log")

    def _refute_secrets(self, text: str, where: str) -> None:
        for name in SECRETS:
            secret = self.env.get(name)
            assert not secret or secret not in text, f"{name} is in {where}"


def _is_of_a_shard(database: Path) -> bool:
    """Whether the sessions of a shard are in it, and not what shards report."""
    with contextlib.closing(sqlite3.connect(database)) as opened:
        found = opened.execute("SELECT count(*) FROM sqlite_master WHERE name = 'device_pages'")
        return found.fetchone()[0] > 0


def _has_seen_ids(database: Path) -> bool:
    """Whether a checkpoint with ids is in a shard's database."""
    with contextlib.closing(sqlite3.connect(database)) as opened:
        return opened.execute("SELECT count(*) FROM seen_journal").fetchone()[0] > 0


def _end_group(leader: subprocess.Popen[bytes]) -> None:
    """Ends a process and the group that it leads.

    There is nothing that they would have to save, and no one of them can stay behind.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
