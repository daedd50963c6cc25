"""Ports for what a test ends and starts again at the same place."""

from __future__ import annotations

import itertools
import os
import random
import socket

# Below those that the kernel gives to a process that asks for any: no other takes one while it is closed.
# Each process that tests run in has ports of its own.
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = itertools.count(10_000 + 5_000 * (_PROCESS % 4) + random.randrange(4_000))


def free_port() -> int:
    """A port of 127.0.0.1 without a listener, and another one each time."""
    for port in _PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("there are always more")
