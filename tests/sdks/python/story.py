"""The story that each driver sends by the calls of its SDK, and the report that it prints about it."""

from __future__ import annotations

import json
import logging
import os
import sys
import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

ENDPOINT, KEY, RUN = sys.argv[1:]
PORT = urlsplit(ENDPOINT).port

DEVICE = str(uuid.uuid4())
USER = "u-7"
PAGE = "https://shop.example/thanks"
TITLE = "Thanks"
TOTAL = {"total": 19.9, "currency": "CHF"}


def marker(step: str) -> str:
    """The text by which the event of a step is found in S3."""
    return f"{RUN}.{step}"


class Report(logging.Handler):
    """What an SDK was given, and what it complained of: in its callbacks or its log."""

    def __init__(self, sdk: str, option: str) -> None:
        """`option` is how a user points the SDK here."""
        super().__init__(logging.WARNING)
        self._sdk = sdk
        self._option = option
        self.flush: Callable[[], object] = lambda: None
        """Sends what the SDK has. Set by an SDK that sends several events in one request."""
        self._events: list[dict[str, Any]] = []
        self._errors: list[str] = []
        logging.getLogger().addHandler(self)

    def sent(self, step: str, **fields: Any) -> None:
        """Notes an event. `fields` are those of the record that the SDK was given."""
        self._events.append({"step": step, "marker": marker(step), **fields})
        if os.environ.get("SDK_APART"):
            self.flush()

    def error(self, *parts: object) -> None:
        """Notes what the SDK complained of."""
        self._errors.append(" ".join(map(str, parts))[:500])

    def emit(self, record: logging.LogRecord) -> None:
        """Notes a line of the log."""
        self.error(record.name, record.levelname, record.getMessage())

    def print(self) -> None:
        """Prints it as one line, and ends the process: all is sent, or given up."""
        report = {
            "sdk": self._sdk,
            "version": version(self._sdk),
            "option": self._option,
            "events": self._events,
            "errors": self._errors,
            "ended": True,
        }
        print(json.dumps(report), flush=True)
        sys.stderr.flush()
        os._exit(0)
