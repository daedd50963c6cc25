"""The workers that are measured, and the processes beside them: the load and a Firehose.

Each worker has a workerd of its own. With two cores or more, the workers share the first
and everything else runs on the second, so that the load doesn't slow what is measured.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bare_workerd import (
    BUILT,
    Running,
    built_files,
    connect,
    on_core,
    running,
)
from support import ROOT

HERE = Path(__file__).parent
NODE = ROOT / "node_modules" / ".bin" / "node"
DELIVERIES = ("direct", "sharded")
# In the order of the table: what does nothing else, the JavaScript collector, ours.
KINDS = ("floor", "peer", "ours")
FLOORS = {"direct": "put", "sharded": "hop"}
# The peer has one object, so ours has one shard: the batches are of the same requests.
SETTINGS: dict[str, dict[str, object]] = {
    "direct": {"delivery": "direct"},
    "sharded": {"delivery": "sharded", "shards": 1},
}


@dataclass(frozen=True)
class Cores:
    """Where things run; None leaves it to the kernel, on a machine with one core."""

    workers: int | None
    load: int | None

    @classmethod
    def choose(cls) -> Cores:
        """The first two cores that this process may use."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[0], cores[1]) if len(cores) > 1 else cls(None, None)


@dataclass(frozen=True)
class Script:
    """A worker's modules, and the files that they embed."""

    modules: str
    files: Mapping[str, bytes]

    @classmethod
    def of_js(cls, code: bytes) -> Script:
        """A worker of one script."""
        return cls(
            '(name = "index.js", esModule = embed "index.js")', {"index.js": code}
        )


class Scripts:
    """The scripts of all workers: those of tests/bench/peers bundled, ours as it was built."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as bundled:
            bundle = ROOT / "tests" / "bench" / "peers" / "bundle.mjs"
            subprocess.run([NODE, bundle, _packages(), bundled], check=True)
            self._bundled = {
                path.stem: Script.of_js(path.read_bytes())
                for path in Path(bundled).glob("*.js")
            }

    def of(self, kind: str, delivery: str) -> Script:
        """The script of one of `KINDS`."""
        if kind == "ours":
            return Script(BUILT, built_files())
        return self._bundled[FLOORS[delivery] if kind == "floor" else kind]


@contextmanager
def fleet(
    scripts: Scripts, deliveries: list[str], endpoint: str, cores: Cores
) -> Iterator[dict[tuple[str, str], Running]]:
    """All workers of these deliveries at once, by kind and delivery."""
    with ExitStack() as stack:
        workers = {}
        for delivery in deliveries:
            for kind in KINDS:
                script = scripts.of(kind, delivery)
                workers[kind, delivery] = stack.enter_context(
                    started(script, delivery, endpoint, cores)
                )
        yield workers


@contextmanager
def started(
    script: Script, delivery: str, endpoint: str, cores: Cores
) -> Iterator[Running]:
    """A worker that listens."""
    settings = SETTINGS[delivery]
    with running(
        script.modules, settings, endpoint, script.files, cores.workers
    ) as worker:
        connect(worker.port).close()
        yield worker


class Process:
    """A program of node that runs until its standard input ends."""

    def __init__(self, script: str, core: int | None) -> None:
        self._script = script
        with on_core(core):
            self._process = subprocess.Popen(
                [NODE, HERE / script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(20)

    def read(self) -> Any:
        """The next line that it prints, which is JSON."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._script} ended")
        return json.loads(line)

    def write(self, value: object) -> None:
        """Sends it a line of JSON."""
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps(value)}\n")
        self._process.stdin.flush()


class Load:
    """What sends requests; tests/bench/cost/load.mjs has its commands."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        """The answer to a command."""
        self._process.write({"do": command, **arguments})
        answer: dict[str, Any] = self._process.read()
        if "error" in answer:
            raise RuntimeError(f"{command} {arguments}: {answer['error']}")
        return answer


@contextmanager
def firehose(cores: Cores) -> Iterator[str]:
    """The address of a Firehose that takes everything."""
    with Process("firehose.mjs", cores.load) as process:
        yield f"http://127.0.0.1:{process.read()}"


@contextmanager
def load(cores: Cores) -> Iterator[Load]:
    """What sends requests."""
    with Process("load.mjs", cores.load) as process:
        yield Load(process)


def processor_seconds(pid: int) -> float:
    """The processor time of a process so far, of all its threads, in user and kernel."""
    clock = ctypes.c_int()
    error = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


def resident_bytes(pid: int) -> int:
    """The memory of a process that is resident."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _packages() -> str:
    """Where the peer's packages are installed."""
    command = ". scripts/tools.sh; npm_packages tests/bench/peers"
    installed = subprocess.run(
        ["bash", "-c", command, "scripts/bench"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return installed.stdout.strip()
