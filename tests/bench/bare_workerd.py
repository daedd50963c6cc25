"""Workers in workerd alone, without wrangler's proxy before them."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import ROOT

BUILD = ROOT / "build"
HOST = "127.0.0.1"
START_SECONDS = 20
STOP_SECONDS = 20

# The modules of the built worker, as workerd's configuration names them.
BUILT = (
    '(name = "index.js", esModule = embed "index.js"),'
    '(name = "index_bg.wasm", wasm = embed "index_bg.wasm"),'
    '(name = "catalogue.bin", data = embed "catalogue.bin")'
)
# The object of the built worker, stored beside it on disk.
SHARDS = """
  durableObjectNamespaces = [
    (className = "Shard", uniqueKey = "headwater", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "storage"),"""


def configuration(
    modules: str, settings: Mapping[str, object], port: int, endpoint: str
) -> str:
    """A workerd that serves one worker on one port, with shards where it has them."""
    headwater = {
        "origins": ["*"],
        "failed_stream": "firehose:failed",
        "routes": [{"to": "firehose:events"}],
        **settings,
    }
    text = {
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIDBENCH",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_ENDPOINT_URL": endpoint,
    }
    bindings = [f'(name = "{key}", text = "{value}")' for key, value in text.items()]
    bindings.append(f'(name = "HEADWATER", json = {json.dumps(json.dumps(headwater))})')
    shards = settings["delivery"] == "sharded"
    if shards:
        bindings.append('(name = "SHARD", durableObjectNamespace = "Shard")')
    return f"""
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["local", "private"])),
    (name = "storage", disk = (path = "storage", writable = true)),
  ],
  sockets = [(
    name = "main", address = "{HOST}:{port}", service = "main",
    http = (cfBlobHeader = "cf-blob"),
  )],
);
const worker :Workerd.Worker = (
  modules = [{modules}],
  compatibilityDate = "2026-11-01",
  bindings = [{", ".join(bindings)}],{SHARDS if shards else ""}
);
"""


@dataclass(frozen=True)
class Running:
    """A worker that serves."""

    port: int
    pid: int
    """Of its workerd, which runs nothing else."""
    started: float
    """When the process was started, by the monotonic clock in seconds."""


@contextmanager
def running(
    modules: str,
    settings: Mapping[str, object],
    endpoint: str,
    files: Mapping[str, bytes] | None = None,
    core: int | None = None,
) -> Iterator[Running]:
    """A worker in a workerd of its own, on one core if one is named.

    `files` are what the modules embed; those of the built worker if none are given.
    The configuration is compiled before: workerd copies embedded files several times as it
    reads the text, which takes a fifth of the start of a large worker. Cloudflare reads none.
    """
    port = _free_port()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for file, content in (built_files() if files is None else files).items():
            (directory / file).write_bytes(content)
        (directory / "storage").mkdir()
        text, config = directory / "config.capnp", directory / "config.bin"
        text.write_text(configuration(modules, settings, port, endpoint))
        with config.open("wb") as compiled:
            subprocess.run(
                [_workerd(), "compile", "--config-only", text],
                cwd=directory,
                stdout=compiled,
                check=True,
            )
        with on_core(core):
            started = time.monotonic()
            process = subprocess.Popen(
                [_workerd(), "serve", "--binary", config],
                cwd=directory,
                stdout=subprocess.DEVNULL,
            )
        try:
            yield Running(port, process.pid, started)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


@contextmanager
def serving(
    modules: str, settings: Mapping[str, object], endpoint: str
) -> Iterator[int]:
    """The port of a worker, while it serves."""
    with running(modules, settings, endpoint) as worker:
        yield worker.port


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Processes that are started in between run on this core only."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def built_files() -> dict[str, bytes]:
    """The files of the built worker."""
    files = [*BUILD.glob("index*"), BUILD / "catalogue.bin"]
    return {file.name: file.read_bytes() for file in files}


def connect(port: int) -> http.client.HTTPConnection:
    """A connection, as soon as there is one to be had."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        connection = http.client.HTTPConnection(HOST, port, timeout=START_SECONDS)
        try:
            connection.connect()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection


def _workerd() -> Path:
    """The runtime that wrangler brought."""
    found = sorted(
        (ROOT / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd")
    )
    if not found or not (BUILD / "index.js").exists():
        sys.exit(
            "bench: workerd or build/ is missing: run scripts/setup and scripts/build"
        )
    return found[0]


def _free_port() -> int:
    """A port without a listener."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
