"""The worker's entry after a panic, with a stand-in for the Wasm that panics when it is asked to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support import ROOT
from support.worker import PROGRAMS, Worker

WASM = """
const state = { criticalError: false, instanceId: 0 };
let instance = 0;

const panic = () => {
  throw new WebAssembly.RuntimeError("unreachable");
};

export const __worker_init_state = () => state;
export const __wbg_reset_state = () => {
  instance += 1;
};

export async function fetch(request, env) {
  const { pathname } = new URL(request.url);
  if (pathname === "/v1/panic") panic();
  if (pathname === "/v1/fails") throw new Error("no panic");
  if (pathname.startsWith("/v1/object")) return env.SHARD.get(env.SHARD.idFromName("a")).fetch(request);
  return Response.json({ instance });
}

export class Shard {
  made = instance;
  async fetch(request) {
    if (request.url.endsWith("/panic")) panic();
    return Response.json({ instance, made: this.made });
  }
}

export class Inspector {}
"""


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """A worker of the shim and that stand-in."""
    shutil.copy(ROOT / "wrangler.toml", tmp_path)
    (tmp_path / "www").mkdir()
    (tmp_path / "index.js").write_text(WASM)
    shutil.copy(ROOT / "src" / "runtime" / "js" / "shim.js", tmp_path)
    subprocess.run(
        [
            PROGRAMS / "esbuild",
            tmp_path / "shim.js",
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


@pytest.mark.parametrize("panics", ["/v1/panic", "/v1/object/panic"])
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
