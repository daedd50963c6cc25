"""Writes the types of the events; see scripts/types --help."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "lake"))

from command_line import DONE, FOUND, WRONG_USE, Parser, WrongUse, add_output
from events import event, load
from kotlin import Kotlin
from shapes import SchemaError
from swift import Swift
from typeddicts import TypedDicts
from typescript import TypeScript

ROOT = Path(__file__).parents[2]
LANGUAGES = {"typescript": TypeScript, "python": TypedDicts, "kotlin": Kotlin, "swift": Swift}


class Mistake(Exception):
    """What has to be corrected in a file."""


def main() -> int:
    parser = Parser("scripts/types")
    parser.add_argument("--out", type=Path, metavar="DIR", default=ROOT / "www" / "types")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", action="append", choices=LANGUAGES, metavar="LANGUAGE")
    parser.add_argument("--schemas", type=Path, metavar="DIR", default=ROOT / "www" / "schemas")
    parser.add_argument("--env", metavar="NAME")
    parser.add_argument("--unknown", choices=("accept", "fail"))
    parser.add_argument("--package", default="headwater", metavar="NAME")
    add_output(parser)
    arguments = parser.parse_args()
    try:
        if not re.fullmatch(r"[a-z]\w*(\.[a-z]\w*)*", arguments.package, re.ASCII):
            raise WrongUse("--package must be a package of Kotlin, such as com.example.events")
        files = generated(arguments.schemas, arguments.unknown or unknown_events(arguments.env), arguments.only, arguments.package)
        stale = check(arguments.out, files) if arguments.check else []
        if not arguments.check:
            write(arguments.out, files)
    except (Mistake, SchemaError, OSError) as error:
        print(f"types: {error}", file=sys.stderr)
        return FOUND
    except WrongUse as error:
        print(f"types: {error}", file=sys.stderr)
        return WRONG_USE
    paths = [str(arguments.out / name) for name in files]
    if arguments.json:
        print(json.dumps({"files": paths, **({"stale": stale} if arguments.check else {})}))
    elif not arguments.quiet and not arguments.check:
        for path in paths:
            print(f"types: {path}")
    return FOUND if stale else DONE


def generated(schemas: Path, unknown: str, only: list[str] | None, package: str = "headwater") -> dict[str, str]:
    """Returns the files by their names."""
    events = load(schemas)
    other = event("other", {})
    files = {}
    for language in only or LANGUAGES:
        writer = Kotlin(package) if language == "kotlin" else LANGUAGES[language]()
        files[writer.file] = writer.write(events, other, accepts_unknown=unknown == "accept")
    return files


def unknown_events(environment: str | None) -> str:
    """Returns what wrangler.toml says of events without a schema; what is missing is the default."""
    file = ROOT / "wrangler.toml"
    if not file.exists():
        return "accept"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise Mistake(f"{file}: {error}") from None
    if environment:
        if environment not in table.get("env", {}):
            raise WrongUse(f"wrangler.toml has no [env.{environment}]")
        table = table["env"][environment]
    value = table.get("vars", {}).get("HEADWATER", {}).get("unknown_events", "accept")
    if value not in ("accept", "fail"):
        raise Mistake(f'HEADWATER.unknown_events must be one of "accept", "fail", not "{value}"')
    return str(value)


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        file = folder / name
        # An unchanged file is not written: an editor or a dev server would load it again.
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def check(folder: Path, files: dict[str, str]) -> list[str]:
    """Returns the files that are not what their schemas make of them."""
    stale = [name for name, text in files.items() if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != text]
    for name in stale:
        print(f"types: {folder / name} is not up to date with its schemas: run scripts/types", file=sys.stderr)
    return [str(folder / name) for name in stale]


if __name__ == "__main__":
    sys.exit(main())
