"""The pages of the documentation, and their examples: fenced blocks, and those that are indented by four spaces."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from support import ROOT

# The front page, the pages that the worker serves, and those for developers.
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "www" / "docs").glob("*.md")),
    *sorted((ROOT / "src" / "docs").glob("*.md")),
]
FENCE = re.compile(r"^( *)```(\w*)\s*$")
INDENT = " " * 4


@dataclass(frozen=True)
class Block:
    """An example, its page, the line on which it begins, and the text that follows it up to the next
    heading or example: what it needs is said there.
    """

    page: str
    language: str
    text: str
    line: int
    after: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def first(self) -> str:
        return next((line for line in self.text.splitlines() if line.strip()), "")


@dataclass(frozen=True)
class Command:
    """A command of a console and the output that is shown below it."""

    text: str
    output: str


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def examples() -> list[Block]:
    """The examples of all pages."""
    return [
        block
        for page in PAGES
        for block in blocks(page.read_text(encoding="utf-8"), name_of(page))
    ]


def blocks(text: str, page: str = "README.md") -> list[Block]:
    """The examples of a page in their order; the language of an indented one is `indented`."""
    lines = text.splitlines()
    found: list[tuple[int, int, Block]] = []
    at = 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        if fence:
            end = at + 1
            while end < len(lines) and lines[end].strip() != "```":
                end += 1
            body = [line.removeprefix(fence[1]) for line in lines[at + 1 : end]]
            found.append((at, end + 1, Block(page, fence[2], "\n".join(body), at + 1, "")))
            at = end + 1
        elif lines[at].startswith(INDENT) and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith(INDENT) or not lines[end].strip()):  # fmt: skip
                end += 1
            body = [line.removeprefix(INDENT) for line in lines[at:end]]
            text_of = "\n".join(body).rstrip()
            found.append((at, end, Block(page, "indented", text_of, at + 1, "")))
            at = end
        else:
            at += 1
    starts = [start for start, _, _ in found] + [len(lines)]
    return [
        replace(each, after=_prose(lines[end : starts[n + 1]]))
        for n, (_, end, each) in enumerate(found)
    ]


def _prose(lines: list[str]) -> str:
    kept = []
    for line in lines:
        if line.startswith("#"):
            break
        kept.append(line)
    return "\n".join(kept)


def commands(console: str) -> list[Command]:
    """The commands of a console: each begins with `$ ` and goes on until its quotes are closed
    and no line of it ends in a backslash.
    """
    found: list[Command] = []
    lines = console.splitlines()
    at = 0
    while at < len(lines):
        if not lines[at].startswith("$ "):
            if found:
                last = found.pop()
                output = "\n".join(filter(None, [last.output, lines[at]]))
                found.append(Command(last.text, output))
            at += 1
            continue
        text = lines[at].removeprefix("$ ")
        while _is_open(text) and at + 1 < len(lines):
            at += 1
            text += "\n" + lines[at]
        found.append(Command(text, ""))
        at += 1
    return found


def _is_open(text: str) -> bool:
    """Whether a command goes on in the next line; a comment hides its quotes."""
    quote, before = "", " "
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character == "#" and before.isspace():
            return False
        elif character in "'\"":
            quote = character
        before = character
    return bool(quote) or text.endswith("\\")
