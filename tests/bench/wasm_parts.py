"""What the code of a Wasm with names is made of: a part of ours for each layer, and one for each other crate.

The compiler puts a function into its caller if that is the only one, so a layer's bytes include those of lower layers
that only it calls.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass

CRATE = "headwater"
PROTOCOLS = ["pipeline", "decode", "protocols"]
# The path of a function begins after the signs of its type: `<&mut headwater::base::Text as core::fmt::Write>::write_str`.
PATH = re.compile(r"[<&*(\[ ]*(?:mut |dyn )?(\w+(?:::\w+)*)")

IMPORT, CODE, CUSTOM = 2, 10, 0
FUNCTION_NAMES = 1


@dataclass
class Part:
    """The functions of a part."""

    name: str
    bodies: list[bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.bodies))

    @property
    def gzipped(self) -> int:
        """The bytes by gzip -9 of these functions alone."""
        return len(gzip.compress(b"".join(self.bodies), 9, mtime=0))


class Reader:
    """Reads a binary of WebAssembly. Source: https://webassembly.github.io/spec/core/binary/."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self) -> int:
        """An unsigned LEB128."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def take(self, count: int) -> bytes:
        """The next bytes; raises if there are fewer."""
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError(f"the Wasm ends within {count} bytes")
        self._at += count
        return taken

    def block(self) -> bytes:
        """Bytes after their number."""
        return self.take(self.number())


def parts(wasm: bytes) -> list[Part]:
    """The parts of a Wasm, largest first."""
    found: dict[str, Part] = {}
    for name, body in functions(wasm):
        part = part_of(name)
        found.setdefault(part, Part(part, [])).bodies.append(body)
    return sorted(found.values(), key=lambda part: -part.size)


def functions(wasm: bytes) -> Iterator[tuple[str, bytes]]:
    """Each function's name and its code."""
    reader = Reader(wasm)
    if reader.take(4) != b"\0asm":
        raise ValueError("it is no Wasm")
    reader.take(4)
    imported, bodies, names = 0, [], {}
    while reader:
        kind, section = reader.number(), Reader(reader.block())
        if kind == IMPORT:
            imported = _imported_functions(section)
        elif kind == CODE:
            bodies = [section.block() for _ in range(section.number())]
        elif kind == CUSTOM and section.block() == b"name":
            names = _function_names(section)
    if not names:
        raise ValueError("the Wasm has no names")
    for number, body in enumerate(bodies, imported):
        yield names.get(number, ""), body


def part_of(name: str) -> str:
    """The layer or the crate of a function."""
    path = PATH.match(name)
    steps = path[1].split("::") if path else [""]
    if steps[0] != CRATE:
        return steps[0]
    return "::".join(PROTOCOLS) if steps[1:4] == PROTOCOLS else "".join(steps[1:2])


def _imported_functions(section: Reader) -> int:
    count = 0
    for _ in range(section.number()):
        section.block(), section.block()
        kind = section.number()
        if kind == 0:
            section.number()
            count += 1
        elif kind in (1, 2):
            if kind == 1:
                section.take(1)
            has_maximum = section.number() & 1
            section.number()
            if has_maximum:
                section.number()
        elif kind == 3:
            section.take(2)
        else:
            section.number(), section.number()
    return count


def _function_names(section: Reader) -> dict[int, str]:
    while section:
        kind, names = section.number(), Reader(section.block())
        if kind == FUNCTION_NAMES:
            return {names.number(): names.block().decode() for _ in range(names.number())}
    return {}
