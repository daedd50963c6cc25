"""scripts/dev while its configuration is edited, as editors and git do it.

The local AWS and the checks are the real ones; in wrangler's place a program answers /healthz. That
wrangler reads its configuration and .dev.vars again when the file that it was given is written in
place is wrangler's own: what is tested is that this happens, and with what.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import ROOT
from support.ports import free_port
from support.waiting import wait_until
from support.worker import HOST

pytestmark = pytest.mark.usefixtures("built_check")

# A busy machine needs some of it.
SECONDS = 120
CHECK = Path("target", "debug", "headwater-check")
SERVED = ".wrangler.dev.toml"

WRANGLER = f"""#!{sys.executable}
import http.server, sys, time
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
assert sys.argv[sys.argv.index("--config") + 1] == "{SERVED}", sys.argv
# As while cargo compiles.
time.sleep(3)
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("{HOST}", port), Healthy).serve_forever()
"""


class Dev:
    """scripts/dev in a checkout of its own."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.log = checkout / "log"

    def start(self) -> None:
        # The demo page's records take the port after the worker's.
        port, _, aws_port = sorted(free_port() for _ in range(3))
        environment = {"PORT": str(port), "AWS_PORT": str(aws_port)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [self.checkout / "scripts" / "dev"],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(SECONDS)

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        wait_until(is_so, SECONDS, self.log.read_text)

    def wait_for_log(self, text: str) -> None:
        self.wait_for(lambda: text in self.log.read_text())

    def replace(self, name: str, before: str, after: str) -> None:
        """Puts another file in the place of one, as an atomic save does."""
        text = (self.checkout / name).read_text()
        assert before in text
        new = self.checkout / f"{name}.new"
        new.write_text(text.replace(before, after, 1))
        new.rename(self.checkout / name)

    @property
    def served(self) -> Path:
        return self.checkout / SERVED


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    """One that is ready."""
    for folder in ("scripts", "src", "www"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ("Cargo.toml", "Cargo.lock", "package.json", "package-lock.json"):
        shutil.copy2(ROOT / file, tmp_path / file)
    for file in ("wrangler.toml", ".dev.vars.example"):
        shutil.copy2(ROOT / file, tmp_path / file)
    (tmp_path / CHECK.parent).mkdir(parents=True)
    shutil.copy(ROOT / CHECK, tmp_path / CHECK)
    programs = tmp_path / "node_modules" / ".bin"
    programs.mkdir(parents=True)
    for program in (ROOT / "node_modules" / ".bin").iterdir():
        (programs / program.name).symlink_to(program)
    shutil.copy(ROOT / "package-lock.json", programs.parent / ".installed-lock.json")
    (programs / "wrangler").unlink()
    (programs / "wrangler").write_text(WRANGLER)
    (programs / "wrangler").chmod(0o755)
    node = programs / "node"
    real = node.resolve()
    node.unlink()
    node.write_text(f'#!/bin/sh\necho "$*" >>"{tmp_path}/node_calls"\nexec "{real}" "$@"\n')
    node.chmod(0o755)
    dev = Dev(tmp_path)
    dev.start()
    try:
        dev.wait_for_log("  stop  ")
        yield dev
    finally:
        dev.stop()
    assert not dev.served.exists()


def test_waiting_for_the_worker_starts_no_programs(dev: Dev) -> None:
    assert not (dev.checkout / "node_calls").exists()


def test_edits_of_the_configuration_are_served_or_named(dev: Dev) -> None:
    file = dev.served.stat().st_ino
    assert dev.served.read_bytes() == (dev.checkout / "wrangler.toml").read_bytes()

    dev.replace("wrangler.toml", 'origins = ["*"]', 'origins = ["https://shop.example"]')
    dev.wait_for(lambda: '["https://shop.example"]' in dev.served.read_text())
    good = dev.served.read_bytes()

    dev.replace("wrangler.toml", '["https://shop.example"]', '["shop.example"]')
    dev.wait_for_log("wrangler.toml: HEADWATER.origins must list sites such as")
    dev.wait_for_log("until then the last good configuration is served")
    assert dev.served.read_bytes() == good

    dev.replace("wrangler.toml", '["shop.example"]', '["https://blog.example"]')
    dev.wait_for(lambda: "https://blog.example" in dev.served.read_text())

    written = dev.served.stat().st_mtime_ns
    dev.replace(".dev.vars", "HEADWATER_OPERATOR_KEY=", "HEADWATER_OPERATOR_KEY=another-")
    dev.wait_for(lambda: dev.served.stat().st_mtime_ns > written)
    dev.replace(".dev.vars", "HEADWATER_OPERATOR_KEY=another-not-", "HEADWATER_OPERATOR_KEY=short #")
    dev.wait_for_log("warning: .dev.vars: HEADWATER_OPERATOR_KEY must have at least 32 characters")

    dev.replace(".dev.vars.example", "HEADWATER_HASH_SECRET=not", "HEADWATER_HASH_SECRET=yes")
    dev.wait_for_log(".dev.vars.example has changed; end scripts/dev and start it again")
    assert dev.served.stat().st_ino == file, "it is written in place"
