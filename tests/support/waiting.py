"""Waiting for a condition, with a deadline that fails the test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(
    read: Callable[[], Value],
    seconds: float = 30,
    problem: Callable[[], object] = lambda: "it never came about",
) -> Value:
    """Reads again and again, and returns the first value that is true.

    Fails with `problem()` if there is none within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not (value := read()):
        assert time.monotonic() < deadline, problem()
        time.sleep(0.02)
    return value
