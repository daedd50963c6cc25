"""A request that another request lets go on, in the runtime itself: it must go on in its own I/O context.

The runtime marks a promise with the context in which it is made, and runs what waits for it there. A promise that
optimized code makes by `new Promise` has no mark. So here the function that makes it is first called until the compiler
optimizes it.
"""

from __future__ import annotations

import http.client
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_aws import HOST
from support import ROOT
from support.ports import free_port
from support.waiting import wait_until

WAITING = 4
ROUNDS = 40

WORKER = """
import { Host } from "./host.js";

const callers = new Map();
const host = new Host((operation) => {
  callers.get(operation)();
  callers.delete(operation);
});
let operations = 0;

function join(latch, resumed) {
  operations += 1;
  callers.set(operations, resumed);
  // A function that calls it could have it as a part of its own code.
  queueMicrotask(host.join.bind(host, operations, latch, 60_000));
}

/** Joins so often that the compiler optimizes it. */
async function warmUp() {
  for (let round = 0; round < 1_000; round++) {
    const joined = Array.from({ length: 100 }, () => new Promise((resolve) => join(1, resolve)));
    await null;
    host.release(1);
    await Promise.all(joined);
  }
  return new Response("warm");
}

export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/waiting") return new Response(String(callers.size));
    if (pathname === "/release") {
      host.release(7);
      return new Response("released");
    }
    if (pathname === "/warm") return warmUp();
    // The body of a response belongs to the context in which it is made.
    return new Promise((resolve) => join(7, () => resolve(new Response("goes on"))));
  },
};
"""

CONFIG = """
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker.js", esModule = embed "worker.js"),
      (name = "host.js", esModule = embed "host.js"), (name = "http_call.js", esModule = embed "http_call.js")],
    compatibilityDate = "2026-11-01",
  ))],
  sockets = [(name = "main", address = "%s:%d", service = "main", http = ())],
);
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a worker of `host.js` alone."""
    port = free_port()
    for script in ("host.js", "http_call.js"):
        shutil.copy(ROOT / "src" / "runtime" / "js" / script, tmp_path)
    (tmp_path / "worker.js").write_text(WORKER)
    (tmp_path / "config.capnp").write_text(CONFIG % (HOST, port))
    (workerd,) = (ROOT / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd")
    process = subprocess.Popen([workerd, "serve", "config.capnp"], cwd=tmp_path)
    try:
        wait_until(lambda: answers(port))
        yield port
    finally:
        process.terminate()
        process.wait(20)


def answers(port: int) -> bool:
    try:
        return get(port, "/waiting") == (200, b"0")
    except OSError:
        return False


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_request_goes_on_in_its_own_context(port: int) -> None:
    assert get(port, "/warm") == (200, b"warm")
    with ThreadPoolExecutor(WAITING) as pool:
        for _ in range(ROUNDS):
            waiting = [pool.submit(get, port, "/wait") for _ in range(WAITING)]
            wait_until(lambda: get(port, "/waiting") == (200, b"%d" % WAITING))
            assert get(port, "/release") == (200, b"released")
            assert [each.result() for each in waiting] == [(200, b"goes on")] * WAITING
