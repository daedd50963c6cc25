"""Sizes, and how long a new process with the worker takes to answer."""

from __future__ import annotations

import gzip
import http.client
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.bare_workerd import HOST, built_files, running
from bench.cost.processor import Say
from bench.cost.workers import (
    SETTINGS,
    Cores,
    Script,
    Scripts,
    processor_seconds,
)
from support import ROOT

HERE = Path(__file__).parent
STARTS = 21
START_SECONDS = 20
POLL_SECONDS = 0.001

EMPTY_JS = b'export default { fetch() { return new Response("ok"); } };'
# No Rust: what a module of Wasm costs before it has any code.
EMPTY_WASM = b"""
import module from "./answer.wasm";
const { exports } = new WebAssembly.Instance(module);
export default { fetch() { return new Response(null, { status: exports.answer() }); } };
"""
EMPTY_RUST = "empty, Rust"
ANSWER = '(module (func (export "answer") (result i32) (i32.const 204)))'


@dataclass(frozen=True)
class Size:
    """A file of the worker."""

    name: str
    bytes: int
    gzip: int


@dataclass
class Start:
    """The starts of one worker."""

    name: str
    seconds: list[float] = field(default_factory=list)
    """From the start of its process to its first answer."""
    processor_seconds: list[float] = field(default_factory=list)
    """Used by then."""

    @property
    def ms(self) -> float:
        """The median to the first answer."""
        return statistics.median(self.seconds) * 1e3

    @property
    def processor_ms(self) -> float:
        """The median of the processor time."""
        return statistics.median(self.processor_seconds) * 1e3

    def ratios(self, base: Start) -> list[float]:
        """The time to the first answer beside another worker's, round by round."""
        return [a / b for a, b in zip(self.seconds, base.seconds, strict=True)]

    def processor_ratios(self, base: Start) -> list[float]:
        """The processor time beside another worker's, round by round."""
        pairs = zip(self.processor_seconds, base.processor_seconds, strict=True)
        return [a / b for a, b in pairs]


def sizes() -> list[Size]:
    """The files of the built worker."""
    return [
        Size(name, len(content), len(gzip.compress(content, 9)))
        for name, content in sorted(built_files().items())
    ]


def starts(
    scripts: Scripts, endpoint: str, cores: Cores, count: int, say: Say
) -> list[Start]:
    """Starts each worker in turn, many times; the first time doesn't count."""
    health = ("GET", "/healthz", None)
    workers = [
        (Start("empty, JavaScript"), Script.of_js(EMPTY_JS), health),
        (Start("empty, Wasm of one function"), _empty_wasm(), health),
        (Start(EMPTY_RUST), _empty_rust(), health),
        (Start("JavaScript peer"), scripts.of("peer", "direct"), health),
        (Start("Headwater"), scripts.of("ours", "direct"), health),
        (
            Start("Headwater, an event"),
            scripts.of("ours", "direct"),
            ("POST", "/v1/events", '{"name":"page_view"}'),
        ),
    ]
    for number in range(count + 1):
        say(f"start {number} of {count}" if number else "start, warm-up")
        for start, script, request in workers:
            seconds, used = _start(script, endpoint, cores, request)
            if number:
                start.seconds.append(seconds)
                start.processor_seconds.append(used)
    return [start for start, _, _ in workers]


def _start(
    script: Script, endpoint: str, cores: Cores, request: tuple[str, str, str | None]
) -> tuple[float, float]:
    """The seconds from a process's start to its first answer, and those of the processor."""
    method, path, body = request
    with running(
        script.modules, SETTINGS["direct"], endpoint, script.files, cores.workers
    ) as worker:
        while True:
            connection = http.client.HTTPConnection(
                HOST, worker.port, timeout=START_SECONDS
            )
            try:
                connection.connect()
                break
            except OSError:
                if time.monotonic() - worker.started > START_SECONDS:
                    raise
                time.sleep(POLL_SECONDS)
        connection.request(method, path, body, {"content-type": "text/plain"})
        status = connection.getresponse().status
        seconds = time.monotonic() - worker.started
        used = processor_seconds(worker.pid)
        connection.close()
    if status not in (200, 204):
        raise RuntimeError(f"{method} {path} was answered {status}")
    return seconds, used


def _empty_rust() -> Script:
    build = HERE.parent / "peers" / "empty" / "build"
    built = subprocess.run([build], stdout=subprocess.PIPE, text=True, check=True)
    directory = Path(built.stdout.strip())
    return Script(
        '(name = "index.js", esModule = embed "index.js"),'
        '(name = "index_bg.wasm", wasm = embed "index_bg.wasm")',
        {
            name: (directory / name).read_bytes()
            for name in ("index.js", "index_bg.wasm")
        },
    )


def _empty_wasm() -> Script:
    with tempfile.TemporaryDirectory() as directory:
        text, wasm = Path(directory, "answer.wat"), Path(directory, "answer.wasm")
        text.write_text(ANSWER)
        assemble = ROOT / "node_modules" / ".bin" / "wasm-as"
        subprocess.run([assemble, text, "-o", wasm], check=True)
        return Script(
            '(name = "index.js", esModule = embed "index.js"),'
            '(name = "answer.wasm", wasm = embed "answer.wasm")',
            {"index.js": EMPTY_WASM, "answer.wasm": wasm.read_bytes()},
        )
