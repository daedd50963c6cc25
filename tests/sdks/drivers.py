"""The SDKs, each with the program that drives it, and a run of one.

A driver is given an endpoint, a write key and the id of a run. It sends the same small story by its SDK's own
calls, with default options, and prints a report: the events with their markers, and each complaint of the SDK.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from support import ROOT
from support.waiting import wait_until
from support.worker import PROGRAMS

FOLDER = ROOT / "tests" / "sdks"
# The longest budget of repeats that an SDK spends before it gives up, with room for a busy machine.
STORY_SECONDS = 120
END_SECONDS = 30


@dataclass(frozen=True)
class Sdk:
    """An SDK, and how it is run."""

    name: str
    runtime: str
    """`node`, `python` or `browser`."""
    protocol: str
    script: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """The program, without its arguments."""
        node = str(PROGRAMS / "node")
        if self.runtime == "python":
            return [str(python()), str(FOLDER / "python" / f"{self.script}_story.py")]
        if self.runtime == "node":
            return [node, str(FOLDER / "node" / f"{self.script}.mjs")]
        return [node, str(FOLDER / "browser" / "drive.mjs"), self.script]

    @property
    def is_runnable(self) -> bool:
        """Whether this machine has what runs it."""
        return self.runtime != "browser" or shutil.which("chromium") is not None

    def mark(self, *more: Any, name: str = "") -> Any:
        """The parameters of a test, by its name and another one: this, and `more`."""
        reason = "Chromium is missing: install Debian's chromium"
        skip = pytest.mark.skipif(not self.is_runnable, reason=reason)
        return pytest.param(self, *more, id=f"{self.name}{name}", marks=skip)


V1 = {"POSTHOG_CAPTURE_MODE": "v1"}
GET = {"SDK_METHOD": "get", "SDK_BASE64": "no"}
STRUCTURED = {"SDK_MODE": "structured"}

SDKS = [
    Sdk("segment-node", "node", "segment", "segment"),
    Sdk("segment-python", "python", "segment", "segment"),
    Sdk("segment-browser", "browser", "segment", "segment"),
    Sdk("rudderstack-node", "node", "segment", "rudderstack"),
    Sdk("rudderstack-python", "python", "segment", "rudderstack"),
    Sdk("rudderstack-browser", "browser", "segment", "rudderstack"),
    Sdk("jitsu-node", "node", "segment", "jitsu"),
    Sdk("jitsu-browser", "browser", "segment", "jitsu"),
    Sdk("snowplow-node", "node", "snowplow", "snowplow"),
    Sdk("snowplow-node-get", "node", "snowplow", "snowplow", GET),
    Sdk("snowplow-python", "python", "snowplow", "snowplow"),
    Sdk("snowplow-python-get", "python", "snowplow", "snowplow", GET),
    Sdk("snowplow-browser", "browser", "snowplow", "snowplow"),
    Sdk("posthog-node", "node", "posthog", "posthog"),
    Sdk("posthog-node-v1", "node", "posthog", "posthog", V1),
    Sdk("posthog-python", "python", "posthog", "posthog"),
    Sdk("posthog-python-v1", "python", "posthog", "posthog", V1),
    Sdk("posthog-browser", "browser", "posthog", "posthog"),
    Sdk("cloudevents-node", "node", "cloudevents", "cloudevents"),
    Sdk("cloudevents-node-structured", "node", "cloudevents", "cloudevents", STRUCTURED),
    Sdk("cloudevents-python", "python", "cloudevents", "cloudevents"),
    Sdk("cloudevents-python-structured", "python", "cloudevents", "cloudevents", STRUCTURED),
    Sdk("otlp-node", "node", "otlp", "otlp"),
    Sdk("otlp-python", "python", "otlp", "otlp"),
    Sdk("plausible-browser", "browser", "plausible", "plausible"),
    Sdk("umami-node", "node", "umami", "umami"),
    Sdk("umami-python", "python", "umami", "umami"),
    Sdk("ga4-browser", "browser", "ga4", "ga4"),
    Sdk("amplitude-node", "node", "amplitude", "amplitude"),
    Sdk("amplitude-browser", "browser", "amplitude", "amplitude"),
]
EACH_SDK = [sdk.mark() for sdk in SDKS]


def runnable() -> list[Sdk]:
    """The SDKs that this machine can run."""
    return [sdk for sdk in SDKS if sdk.is_runnable]


@functools.cache
def python() -> Path:
    """The Python that has the SDKs."""
    command = ". scripts/tools.sh; venv tests/sdks/requirements.lock"
    found = subprocess.run(
        ["bash", "-c", command, "scripts/setup"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    program = Path(found.stdout.strip()) / "bin" / "python"
    assert program.exists(), "the SDKs are missing: run scripts/setup --sdks"
    return program


class Driver:
    """A run of an SDK; a context manager. Node's and Python's end once their story is sent or
    given up; a page stays open until `finish`. With `apart`, no request has two events of the story."""

    def __init__(self, sdk: Sdk, endpoint: str, key: str, apart: bool = False) -> None:
        assert (FOLDER / "node_modules").exists(), "the SDKs are missing: run scripts/setup --sdks"
        self.sdk = sdk
        # Short, and no part of another text that an SDK sends.
        self.run = f"run{uuid.uuid4().hex[:12]}"
        self._arguments = [endpoint, key, self.run]
        self._environment = {**sdk.environment, **({"SDK_APART": "yes"} if apart else {})}
        self._reports: list[dict[str, Any]] = []
        self._said: list[str] = []

    def __enter__(self) -> Driver:
        self._process = subprocess.Popen(
            [*self.sdk.command(), *self._arguments],
            cwd=ROOT,
            env={**os.environ, **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [threading.Thread(target=read) for read in (self._read, self._read_said)]
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None and kind is not None:
            self._process.kill()
        self.finish()

    @property
    def report(self) -> dict[str, Any]:
        """The newest report; empty before the first."""
        return self._reports[-1] if self._reports else {}

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of the story, each with its marker."""
        return self.report.get("events", [])

    @property
    def statuses(self) -> list[int]:
        """The statuses that a page was answered with."""
        return [each["status"] for each in self.report.get("answers", [])]

    def wait_for_story(self) -> None:
        """Waits until all calls of the story are made, and for Node and Python, until they are sent."""

        def ended() -> bool:
            return self.report.get("ended", False) or self._process.poll() is not None

        wait_until(ended, STORY_SECONDS, lambda: f"{self.sdk.name} still runs: {self.said}")
        if self.sdk.runtime != "browser":
            self.finish()
        assert self.report.get("ended"), f"{self.sdk.name} printed no report: {self.said}"

    def finish(self) -> None:
        """Closes the page, if it is one, and waits until the process has ended."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            for reader in self._readers:
                reader.join()

    @property
    def said(self) -> str:
        """What it wrote beside its report, and the report itself."""
        return f"{''.join(self._said)[-4_000:]}\n{json.dumps(self.report)}"

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):
                self._reports.append(json.loads(line))
            else:
                self._said.append(line)

    def _read_said(self) -> None:
        assert self._process.stderr
        self._said += self._process.stderr
