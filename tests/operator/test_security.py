"""The threat model names tests that exist."""

import re

from support import ROOT


def test_each_promise_names_tests_that_are_there() -> None:
    text = (ROOT / ".github" / "SECURITY.md").read_text()
    promises = re.findall(r"^\| [^|]+\. \| (`(?:tests|src)/.*) \|$", text, re.MULTILINE)
    assert len(promises) >= 23
    for tests in promises:
        for part in tests.split("; "):
            path, *names = [each for each in re.findall("`([^`]+)`", part) if not each.endswith(".mjs")]
            source = (ROOT / path).read_text()
            assert names
            for name in names:
                assert re.search(rf"\b(def|fn) {name}\b", source), f"{path}: {name}"
