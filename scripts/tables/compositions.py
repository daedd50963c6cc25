#!/usr/bin/env python3
"""Writes src/base/url/compositions.rs, the letters that a host's combining marks compose.

    scripts/tables/compositions.py     reads Python's own table of Unicode

Only letters in lower case are listed: a host is in lower case before its letters are composed.
Syllables of Hangul are computed instead.
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

TABLE = Path(__file__).parents[2] / "src/base/url/compositions.rs"
PER_LINE = 4
HANGUL = range(0xAC00, 0xD7A4)


def pairs() -> list[tuple[str, str, str]]:
    """Returns first character, second character and composed one of each composition of NFC."""
    found = []
    for code in range(sys.maxunicode + 1):
        composed = chr(code)
        parts = unicodedata.decomposition(composed).split()
        if len(parts) != 2 or parts[0].startswith("<") or code in HANGUL or composed.lower() != composed:
            continue
        first, second = (chr(int(part, 16)) for part in parts)
        # Some compositions are excluded from NFC.
        if unicodedata.normalize("NFC", first + second) == composed:
            found.append((first, second, composed))
    return sorted(found)


def marks(composed: list[tuple[str, str, str]]) -> list[tuple[str, int]]:
    """Returns each mark that composes a letter, and those of Latin, Greek and Cyrillic, with its class."""
    found = {second for _, second, _ in composed} | {chr(code) for code in range(0x300, 0x370)}
    return sorted((mark, unicodedata.combining(mark)) for mark in found if unicodedata.combining(mark))


def main() -> None:
    found = pairs()
    by_letter = sorted(range(len(found)), key=lambda at: found[at][2])
    classes = [f"('\\u{{{ord(mark):x}}}', {kind})," for mark, kind in marks(found)]
    rows = ["('" + "', '".join(f"\\u{{{ord(it):x}}}" for it in row) + "')," for row in found]
    lines = [
        "//! Letters and the marks that compose them: written by scripts/tables/compositions.py, not by hand.",
        "//!",
        f"//! Facts from Unicode {unicodedata.unidata_version}, by normalization form C.",
        "",
        "/// A character, the one behind it, and the one that both compose; in order.",
        "#[rustfmt::skip]",
        "pub static PAIRS: &[(char, char, char)] = &[",
        *("    " + " ".join(rows[at : at + PER_LINE]) for at in range(0, len(rows), PER_LINE)),
        "];",
        "",
        "/// The places in [`PAIRS`], in the order of the composed characters.",
        "#[rustfmt::skip]",
        "pub static BY_LETTER: &[u16] = &[",
        *("    " + ", ".join(map(str, by_letter[at : at + 24])) + "," for at in range(0, len(by_letter), 24)),
        "];",
        "",
        "/// Marks, each with its combining class; in order.",
        "#[rustfmt::skip]",
        "pub static CLASSES: &[(char, u8)] = &[",
        *("    " + " ".join(classes[at : at + 8]) for at in range(0, len(classes), 8)),
        "];",
        "",
    ]
    TABLE.write_text("\n".join(lines), encoding="utf-8")
    print(f"compositions: {len(rows)} pairs in {TABLE.name}")


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
    else:
        main()
