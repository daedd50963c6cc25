"""A call that is given up while its body is still on its way, in the runtime itself.

The worker's calls are smaller than what the kernel takes of a connection that nobody reads, so
a worker that does nothing else sends a larger one, by the same function.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import HOST
from support import ROOT
from support.worker import Worker

WORKER = """
import { DurableObject } from "cloudflare:workers";
import { exchange } from "./http_call.js";

export class Shard extends DurableObject {}
export class Inspector extends DurableObject {}

async function answer(url) {
  try {
    await exchange(url, {}, new Uint8Array(16_000_000), 200, true);
    return "answered";
  } catch (error) {
    return error.name;
  }
}

export default {
  async fetch(request) {
    const url = new URL(request.url).searchParams.get("url");
    return new Response(url && (await answer(url)));
  },
};
"""


@pytest.fixture
def unread() -> Iterator[str]:
    """The address of something that takes connections, and reads from none."""
    with socket.create_server((HOST, 0)) as listening:
        yield f"http://{HOST}:{listening.getsockname()[1]}/"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What looks like a checkout, with that worker."""
    shutil.copy(ROOT / "wrangler.toml", tmp_path)
    (tmp_path / "www").mkdir()
    (tmp_path / "build").mkdir()
    shutil.copy(ROOT / "src" / "runtime" / "js" / "http_call.js", tmp_path / "build")
    (tmp_path / "build" / "index.js").write_text(WORKER)
    return tmp_path


def test_an_aborted_upload_logs_no_uncaught_error(
    checkout: Path, unread: str
) -> None:
    worker = Worker({})
    worker.root = checkout
    with worker:
        # On the way out its log is held to what must never be in one.
        assert worker.get(f"/v1/any?url={unread}").body == b"TimedOut"
