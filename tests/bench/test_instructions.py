"""The native recipe takes as many instructions as the baseline says."""

import shutil
from dataclasses import replace

import pytest

from bench import instructions
from bench.instructions import Tools

TOOLS, COUNTS = instructions.baseline()


def test_the_recipe_takes_the_instructions_of_the_baseline() -> None:
    tools = Tools.here()
    if tools != TOOLS:
        pytest.skip(f"the baseline is of {TOOLS}, and these are {tools}")
    if shutil.which("valgrind") is None:
        pytest.fail(instructions.INSTALL)
    counts = instructions.measure(instructions.build())
    found = instructions.differences(counts, tools)
    assert not found, "\n".join([*found, instructions.table(counts)])


def test_no_request_takes_more_than_a_share_of_its_bytes() -> None:
    if shutil.which("valgrind") is None:
        pytest.fail(instructions.INSTALL)
    measured = instructions.measure_hostile(instructions.build())
    assert len(measured) > 50
    found = {name: round(one.of_a_byte) for name, one in measured.items()}
    assert {name: of_a_byte for name, of_a_byte in found.items() if of_a_byte > instructions.OF_A_BYTE} == {}


@pytest.mark.parametrize(("factor", "differs"), [(0.94, True), (0.96, False), (1.04, False), (1.06, True)])
def test_a_count_may_differ_by_a_twentieth(factor: float, differs: bool) -> None:
    case, count = next(iter(COUNTS.items()))
    changed = {**COUNTS, case: round(count * factor)}
    found = instructions.differences(changed, TOOLS)
    assert bool(found) == differs
    assert all("--update" in line for line in found[1:])


def test_another_compiler_is_named_where_a_count_differs() -> None:
    other = replace(TOOLS, rustc="1.0.0")
    assert instructions.differences(COUNTS, other) == []
    doubled = {case: count * 2 for case, count in COUNTS.items()}
    assert "1.0.0" in instructions.differences(doubled, other)[-1]


def test_a_case_without_a_baseline_is_noticed() -> None:
    (found,) = instructions.differences({"floor new": 1, **COUNTS}, TOOLS)
    assert "--update" in found
