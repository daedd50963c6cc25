"""The worker's entry after a panic, with a stand-in for the Wasm that panics when it is asked to."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import ROOT
from support.waiting import wait_until
from support.worker import PROGRAMS, Worker

WAITING = 3

WASM = """
const state = { criticalError: false, instanceId: 0 };
let instance = 0;
let host;

const panic = () => {
  throw new WebAssembly.RuntimeError("unreachable");
};

export const __worker_init_state = () => state;
export const __wbg_reset_state = () => {
  instance += 1;
  state.instanceId += 1;
};
export const connect = (it) => {
  host = it;
};

// Panics at the end of a wait.
export const resume = (operation) => {
  if (operation === 1) panic();
  throw new Error(`resumed ${operation}`);
};

export function fetch(request, env, caller) {
  const { pathname } = new URL(request.url);
  if (pathname === "/v1/panic") panic();
  if (pathname === "/v1/fails") throw new Error("no panic");
  if (pathname === "/v1/panic-later") {
    host.wait(1, 50);
  } else if (pathname === "/v1/waits") {
    host.wait(2, 60_000);
    console.log("a caller waits");
  } else if (pathname.startsWith("/v1/object")) {
    const object = env.SHARD.get(env.SHARD.idFromName("a"));
    object.call(pathname, new Uint8Array(0)).then((made) => caller.resolve(Response.json(made)), caller.reject);
  } else {
    caller.resolve(Response.json({ instance }));
  }
}

export class Shard {
  made = instance;
  call(method, body, caller) {
    if (method.endsWith("/panic")) panic();
    caller.resolve({ instance, made: this.made });
  }
}

export class Inspector {}
"""


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """A worker of the shell and that stand-in."""
    shutil.copy(ROOT / "wrangler.toml", tmp_path)
    (tmp_path / "www").mkdir()
    (tmp_path / "index.js").write_text(WASM)
    for script in ("shell.js", "host.js", "http_call.js"):
        shutil.copy(ROOT / "src" / "runtime" / "js" / script, tmp_path)
    subprocess.run(
        [
            PROGRAMS / "esbuild",
            tmp_path / "shell.js",
            "--bundle",
            "--format=esm",
            "--external:cloudflare:*",
            "--log-level=warning",
            f"--outfile={tmp_path / 'build' / 'index.js'}",
        ],
        check=True,
    )
    worker = Worker({})
    worker.root = tmp_path
    return worker


@pytest.mark.parametrize("panics", ["/v1/panic", "/v1/panic-later", "/v1/object/panic"])
def test_a_panic_ends_one_call_and_the_next_has_a_new_instance(
    worker: Worker, panics: str
) -> None:
    # On the way out its log is held to what must never be in one, which a panic is.
    with pytest.raises(AssertionError, match="RuntimeError"), worker:
        assert worker.get("/v1/any").json() == {"instance": 0}
        assert worker.get("/v1/object").json() == {"instance": 0, "made": 0}
        assert worker.get(panics).status == 500
        assert worker.get("/v1/any").json() == {"instance": 1}
        assert worker.get("/v1/object").json() == {"instance": 1, "made": 1}


def test_an_error_without_a_panic_keeps_the_instance(worker: Worker) -> None:
    with pytest.raises(AssertionError, match="no panic|Uncaught"), worker:
        assert worker.get("/v1/fails").status == 500
        assert worker.get("/v1/any").json() == {"instance": 0}


def test_a_panic_ends_each_request_that_is_not_answered(worker: Worker) -> None:
    with pytest.raises(AssertionError, match="RuntimeError"), worker:
        with ThreadPoolExecutor(WAITING) as pool:
            waiting = [pool.submit(worker.get, "/v1/waits") for _ in range(WAITING)]
            wait_until(lambda: worker.log.count("a caller waits") == WAITING)
            assert worker.get("/v1/panic").status == 500
            assert [answer.result().status for answer in waiting] == [500] * WAITING
        assert worker.get("/v1/any").json() == {"instance": 1}
