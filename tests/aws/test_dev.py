"""scripts/dev, in a checkout of its own whose tools and worker are those of this one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from support import ROOT
from support.ports import free_port

pytestmark = pytest.mark.usefixtures("built_check")

SECONDS = 120
COPIED = (".dev.vars.example", "Cargo.lock", "build", "scripts", "wrangler.toml", "www")
MARK = "# Written by scripts/dev. What you wrote, if anything, waits in .dev.vars.yours until scripts/dev ends."
DONE = "#!/bin/sh\n# Done in the checkout that this is a copy of.\n"


class Checkout:
    """A copy of the repository in which nothing has to be installed or built."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, path / name)
        (path / "node_modules").symlink_to(ROOT / "node_modules")
        for script in ("setup", "build"):
            (path / "scripts" / script).write_text(DONE)
        # What checks the configuration is that of this checkout, which scripts/build compiled.
        (path / "target").symlink_to(ROOT / "target")
        with (path / "scripts" / "tools.sh").open("a") as tools:
            tools.write("build_check() { :; }\n")
        self.port, _, self.aws_port = sorted(free_port() for _ in range(3))

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """scripts/dev with these words, to its end."""
        return subprocess.run(
            ["scripts/dev", *words],
            cwd=self.path,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def dev(self, *words: str) -> subprocess.Popen[str]:
        """scripts/dev, once it has printed all that it prints."""
        process = subprocess.Popen(
            ["scripts/dev", *words],
            cwd=self.path,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            umask=0,
        )
        assert process.stdout
        printed = ""
        for line in process.stdout:
            printed += line
            if "  stop  " in line:
                return process
        raise AssertionError(f"it ended with {process.wait()}:\n{printed}")

    def post(self, beacon: dict[str, Any]) -> str:
        """The outcome of a beacon."""
        url = f"http://127.0.0.1:{self.port}/v1/events?verdicts=1"
        request = Request(url, json.dumps(beacon).encode())
        request.add_header("content-type", "application/json")
        with urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)["verdicts"][0]["outcome"]

    def delivered(self) -> list[str]:
        """The ids of what `scripts/dev records` prints."""
        printed = self.call("records")
        assert printed.returncode == 0, printed.stderr
        return [json.loads(line)["event_id"] for line in printed.stdout.splitlines()]

    def _environment(self) -> dict[str, str]:
        ports = {"PORT": str(self.port), "AWS_PORT": str(self.aws_port)}
        return {**os.environ, **ports, "NO_COLOR": "1"}


def end(process: subprocess.Popen[str]) -> None:
    """Ends scripts/dev as Ctrl-C does."""
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 130


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    yield Checkout(tmp_path / "headwater")


def test_help_is_all_that_help_does(checkout: Checkout) -> None:
    before = sorted(checkout.path.rglob("*"))
    for word in ("--help", "-h"):
        answer = checkout.call(word)
        assert (answer.returncode, answer.stderr) == (0, "")
        assert "--reset" in answer.stdout and "PORT" in answer.stdout
    assert sorted(checkout.path.rglob("*")) == before


def test_an_unknown_word_is_named(checkout: Checkout) -> None:
    answer = checkout.call("--rest")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "dev: there is no --rest; see scripts/dev --help" in answer.stderr


def test_a_restart_keeps_the_records_and_the_seen_ids(checkout: Checkout) -> None:
    beacon = {"name": "page_view", "id": str(uuid4()), "device_id": "laptop"}
    keys = checkout.path / ".dev.vars"
    # Others could read that of an earlier version.
    keys.write_text(f"{MARK}\n")
    keys.chmod(0o644)
    first = checkout.dev()
    assert checkout.post(beacon) == "accepted"
    end(first)
    kept = checkout.path / ".wrangler" / "local-aws"
    private = [keys, kept, *kept.rglob("*")]
    assert any(path.suffix == ".sqlite" for path in private)
    assert [path for path in private if path.stat().st_mode & 0o077 and not path.is_symlink()] == []

    second = checkout.dev()
    assert checkout.post(beacon) == "duplicate"
    assert checkout.delivered() == [beacon["id"]]
    end(second)

    # Neither is kept without the other.
    third = checkout.dev("--reset")
    assert checkout.delivered() == []
    assert checkout.post(beacon) == "accepted"
    assert checkout.delivered() == [beacon["id"]]
    end(third)
