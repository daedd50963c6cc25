"""The prose rules of src/docs/contributing.md that a program can hold: words that a stranger has to decode."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT

PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("www/docs/*.md")),
    *sorted(ROOT.glob("src/docs/*.md")),
    *sorted(ROOT.glob(".github/**/*.md")),
]
SCRIPTS = [
    path for path in sorted(ROOT.glob("scripts/**/*")) if path.is_file() and path.suffix in ("", ".sh", ".py", ".mjs")
]
SOURCES = [path for path in sorted(ROOT.glob("src/**/*.rs")) if "tables" not in path.parts]

# Each with what to write in its place.
BANNED = {
    r"tells?|told|telling": "says, reports, returns",
    r"mends?|mended|mending": "fixes, repairs",
    r"bears?|bore|borne|bearing": "holds, has, carries",
    r"heeds?|heeded": "follows",
    r"whoever|nobody": "the operator, a caller, no …",
    r"lets? go of": "releases, deletes",
    r"left alone|leaves? alone": "paused",
    r"set aside|sets aside": "quarantined",
    r"how-manieth": "number",
    r"of late|as far as": "recently, if",
    r"by itself|for itself": "alone, on its own",
}
WORD = re.compile(rf"\b(?:{'|'.join(BANNED)})\b", re.IGNORECASE)


def page_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The prose of a page: what is no code block and no inline code."""
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, re.sub(r"`[^`]*`", "", line)


def comment_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The comments of a Rust file, without inline code."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        # A slash pair in a text or an address is no comment.
        found = re.match(r'^(?:[^"/]|"(?:[^"\\]|\\.)*"|/(?!/))*//[/!]?(.*)$', line)
        if found:
            yield number, re.sub(r"`[^`]*`|<https?:[^>]*>", "", found[1])


def script_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The comments of a script, and of a Python one its texts as well, without inline code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        kinds = (tokenize.COMMENT, tokenize.STRING)
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        found = [(each.start[0] + index, line) for each in tokens if each.type in kinds for index, line in enumerate(each.string.splitlines())]
    else:
        comments = enumerate((re.search(r"(?:^|\s)(?:#|//|/?\*)\s(.*)$", line) for line in text.splitlines()), 1)
        found = [(number, comment[1]) for number, comment in comments if comment]
    for number, line in found:
        yield number, re.sub(r"`[^`]*`|\{[^}]*\}", "", line)


def faults(path: Path, lines: Iterator[tuple[int, str]]) -> list[str]:
    place = path.relative_to(ROOT)
    return [
        f"{place}:{number}: {word[0]!r} in: {line.strip()}" for number, line in lines for word in WORD.finditer(line)
    ]


def test_pages_use_plain_words() -> None:
    assert len(PAGES) > 40
    found = [fault for path in PAGES for fault in faults(path, page_lines(path))]
    assert not found, "\n" + "\n".join(found)


def test_comments_use_plain_words() -> None:
    assert len(SOURCES) > 150
    found = [fault for path in SOURCES for fault in faults(path, comment_lines(path))]
    assert not found, "\n" + "\n".join(found)


def test_scripts_use_plain_words() -> None:
    assert len(SCRIPTS) > 40
    found = [fault for path in SCRIPTS for fault in faults(path, script_lines(path))]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("word", ["told", "Mend", "set aside", "whoever"])
def test_a_banned_word_is_found(word: str, tmp_path: Path) -> None:
    page, source = tmp_path / "page.md", tmp_path / "source.rs"
    page.write_text(f"A {word} b, but not `{word}`.\n\n```\n{word}\n```\n", encoding="utf-8")
    source.write_text(f'let a = "// {word}"; // {word}\n', encoding="utf-8")
    assert [bool(WORD.search(line)) for _, line in page_lines(page)] == [True, False]
    assert [line.strip() for _, line in comment_lines(source)] == [word]
    program, script = tmp_path / "program.py", tmp_path / "script"
    program.write_text(f"a = 'b {word}'  # `{word}`\n{word.split()[0]} = 1\n", encoding="utf-8")
    script.write_text(f"echo {word}\n# {word}\n", encoding="utf-8")
    for path, expected in ((program, 1), (script, 1)):
        assert sum(bool(WORD.search(line)) for _, line in script_lines(path)) == expected
