"""What scripts/bench size takes out of its copy is where it looks for it."""

import pytest

from bench import size
from support import ROOT


@pytest.mark.parametrize("file", sorted({file for file, _, _ in size.ENTRIES}))
def test_each_way_into_the_protocols_is_found(file: str) -> None:
    text = (ROOT / file).read_text()
    cut = size.without_protocols(file, text)
    assert len(cut.splitlines()) == len(text.splitlines()) + sum(entry == file for entry, _, _ in size.ENTRIES)


def test_a_way_that_has_moved_is_named() -> None:
    file, signature, _ = size.ENTRIES[0]
    with pytest.raises(ValueError, match=file):
        size.without_protocols(file, f"no such {signature.strip()}")
