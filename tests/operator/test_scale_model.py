"""The model of scale: its tables are those of the page, and its constants have sources."""

from __future__ import annotations

import re
import subprocess

import pytest

import scale_model
from scale_model import CONSTANTS, PAGE, Constants, Model
from support import ROOT

SECONDS = 120
MODEL = Model(Constants())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "scripts" / "scale-model", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_the_tables_of_the_page_are_its_output() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for table in scale_model.tables(MODEL):
        assert table.markdown() in page, "run scripts/scale-model --write"
    assert scale_model.written(page, scale_model.tables(MODEL)) == page


def test_a_table_that_the_page_lacks_is_an_error() -> None:
    with pytest.raises(SystemExit, match="has 0 tables that begin with: . a .$"):
        scale_model.written("# A page\n", [scale_model.Table(("a",), [("1",)])])


def test_it_prints_the_tables_and_takes_other_constants() -> None:
    usual, slow = run(), run("--set", "time.call_s=0.5")
    assert (usual.returncode, slow.returncode) == (0, 0), usual.stderr + slow.stderr
    assert usual.stdout == "\n".join(table.markdown() for table in scale_model.tables(MODEL)) + "\n"
    assert slow.stdout != usual.stdout
    assert "time.call_s = 0.5\n" in run("--set", "time.call_s=0.5", "--constants").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--set", "time.call=1"), "there is no constant 'time.call'"),
        (("--set", "time.call_s"), "'time.call_s' is not NAME=NUMBER"),
        (("--set", "time.call_s=0.5", "--write"), "change them there"),
    ],
)
def test_a_mistake_is_a_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2
    assert sentence in refused.stderr


def test_each_constant_has_a_source() -> None:
    comment = ""
    for line in CONSTANTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment += line
        elif line.startswith("["):
            comment = ""
        elif "=" in line:
            assert comment, f"{line} has no comment"
    text = CONSTANTS.read_text(encoding="utf-8")
    assert len(re.findall("Assumed|assumed|Measured|https://", text)) > 20


def test_more_load_never_needs_less() -> None:
    rates = [10 * 2**step for step in range(16)]
    for size in scale_model.SIZES:
        shards = [MODEL.shards(rate, size) for rate in rates]
        assert shards == sorted(shards)
        months = [sum(MODEL.month(rate, size).values()) for rate in rates]
        assert months == sorted(months)


def test_larger_batches_are_rounded_up_less() -> None:
    ratios = [MODEL.billed_ratio(lines) for lines in (1, 2, 5, 20, 100)]
    assert ratios == sorted(ratios, reverse=True)
    # One line of 1,329 bytes is billed as 5,120.
    assert ratios[0] == pytest.approx(5_120 / 1_329, abs=0.5)
