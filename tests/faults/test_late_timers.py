"""A timer of the worker that fires late is not held against the stream that it waits for."""

from __future__ import annotations

import json
import subprocess

import pytest

from support import ROOT

# A call has 2,000 ms; its timer is then late by so much.
BUSY = 10_000
CASES = {
    "no answer": ({"lateMs": [0]}, "TimedOut"),
    "an answer in time": ({"lateMs": [0], "answerAt": 1_000}, "answered"),
    # It had arrived, and could not be read before.
    "an answer while busy": ({"lateMs": [BUSY, 0], "answerAt": 5_000}, "answered"),
    # The service had no time either: it gets as much again, once.
    "an answer soon after": ({"lateMs": [BUSY, 0], "answerAt": 2_000 + BUSY + 500}, "answered"),
    "no answer after busy": ({"lateMs": [BUSY, 0]}, "TimedOut"),
    "busy all the time": ({"lateMs": [BUSY]}, "Starved"),
    "a little late": ({"lateMs": [200, 0], "answerAt": 2_500}, "TimedOut"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_late_timer_gives_an_answer_its_time(case: str) -> None:
    sent, expected = CASES[case]
    program = ROOT / "tests" / "faults" / "late_timers.mjs"
    ended = subprocess.run(
        ["node", program, json.dumps([sent])], capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [expected]
