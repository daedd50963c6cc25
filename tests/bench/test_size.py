"""What scripts/bench size takes out of its copy is where it looks for it, and each function is in one part."""

import pytest

from bench import size, wasm_parts
from bench.wasm_parts import Part
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


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind, len(content)]) + content


def named(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def wasm(*names: str) -> bytes:
    """A Wasm with an import of each kind, and a function of so many bytes as its name has."""
    kinds = [b"\0\0", b"\1\x70\0\1", b"\1\x70\1\1\2", b"\2\0\1", b"\3\x7f\0", b"\4\0\0"]
    imports = b"".join(named("m") + named("f") + kind for kind in kinds)
    bodies = b"".join(bytes([len(name)]) + bytes(len(name)) for name in names)
    # The import is the first function.
    texts = b"".join(bytes([number]) + named(name) for number, name in enumerate(names, 1))
    names_of_functions = section(1, bytes([len(names)]) + texts)
    return b"\0asm\1\0\0\0" + b"".join(
        [
            section(2, bytes([len(kinds)]) + imports),
            section(10, bytes([len(names)]) + bodies),
            section(0, named("name") + section(0, b"\0") + names_of_functions),
        ]
    )


def test_a_function_is_in_the_part_of_its_path() -> None:
    for name, part in {
        "headwater::runtime::fetch::{{closure}}::h1": "runtime",
        "headwater::pipeline::decode::protocols::otlp::translate": "pipeline::decode::protocols",
        "headwater::pipeline::decode::beacon": "pipeline",
        "<headwater::base::decimal::Decimal as core::fmt::Display>::fmt": "base",
        "<&mut headwater::model::a::B as core::fmt::Display>::fmt": "model",
        "<[headwater::model::a::B]>::to_vec": "model",
        "core::ptr::drop_in_place<headwater::base::Text>": "core",
        "shard_call": "shard_call",
        "": "",
    }.items():
        assert wasm_parts.part_of(name) == part, name


def test_the_parts_have_each_function_once() -> None:
    names = ["core::a", "headwater::base::b", "core::cc", "headwater::shard::d"]
    found = wasm_parts.parts(wasm(*names))
    sizes = {part.name: (len(part.bodies), part.size) for part in found}
    assert sizes == {"core": (2, 15), "base": (1, 18), "shard": (1, 19)}
    assert [part.name for part in found] == ["shard", "base", "core"]
    assert found[2].gzipped > 0


def test_small_parts_are_one_row() -> None:
    found = [Part("runtime", [bytes(6_000)]), Part("std", [bytes(20), bytes(1)]), Part("core", [bytes(3)])]
    assert [row[:3] for row in size.part_rows(found)] == [("runtime", 1, 6_000), ("others", 3, 24)]


def test_a_wasm_without_names_is_refused() -> None:
    with pytest.raises(ValueError, match="has no names"):
        list(wasm_parts.functions(b"\0asm\1\0\0\0"))
    with pytest.raises(ValueError, match="is no Wasm"):
        list(wasm_parts.functions(b"<html>"))
    with pytest.raises(ValueError, match="ends within"):
        list(wasm_parts.functions(wasm("core::a")[:-3]))
