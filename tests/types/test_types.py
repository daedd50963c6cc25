"""What scripts/types writes is current, and the compilers of its languages take it.

Two laws hold it to the schemas. A type has every value that its schema accepts: the valid samples of the catalogue and
the official test suite of JSON Schema. And it rejects what a type can: the invalid samples that lack a member or have
one of another type. Kotlin and Swift are only parsed: their compilers are too large to install for this.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_kotlin
import tree_sitter_swift

from events import FIELDS, event
from kotlin import Kotlin
from shapes import Reader, SchemaError
from support import ROOT
from support.doc_pages import examples
from swift import Swift
from typeddicts import TypedDicts
from typescript import TypeScript

SECONDS = 300
TSC = [ROOT / "node_modules" / ".bin" / "tsc"]
STRICT = ["--noEmit", "--strict", "--lib", "es2022,dom", "--module", "esnext", "--moduleResolution", "bundler", "--types", ""]
MYPY = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "/dev/null"]
SUITE = ROOT / "tests" / "vectors" / "json-schema-test-suite"
OTHER = event("other", {})
LANGUAGES = {"kotlin": (Kotlin, tree_sitter_kotlin), "swift": (Swift, tree_sitter_swift)}


def types(*arguments: object) -> subprocess.CompletedProcess[str]:
    """scripts/types, to its end."""
    command = [ROOT / "scripts" / "types", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def compiled(command: list[Any], directory: Path = ROOT) -> str:
    """What a compiler complains about."""
    ended = subprocess.run(list(map(str, command)), cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


def lines_with_errors(complaints: str) -> dict[int, str]:
    """The lines that a compiler rejects, with what it says of each."""
    found: dict[int, str] = {}
    line = 0
    for text in complaints.splitlines():
        at = re.match(r"\S+?(?:\((\d+),\d+\)|:(\d+)): error", text)
        if at:
            line = int(at[1] or at[2])
        found[line] = found.get(line, "") + text + "\n"
    return found


def test_the_files_are_current() -> None:
    checked = types("--check")
    assert checked.returncode == 0, checked.stderr


def test_a_changed_schema_makes_them_stale(tmp_path: Path) -> None:
    schemas, out = tmp_path / "schemas", tmp_path / "out"
    shutil.copytree(ROOT / "www" / "schemas", schemas)
    assert types("--schemas", schemas, "--out", out, "--quiet").returncode == 0
    assert types("--schemas", schemas, "--out", out, "--check").returncode == 0
    click = json.loads((schemas / "click.json").read_text())
    click["properties"]["props"]["properties"]["button"] = {"type": "integer"}
    (schemas / "click.json").write_text(json.dumps(click))

    checked = types("--schemas", schemas, "--out", out, "--check")

    assert checked.returncode == 1
    assert len(checked.stderr.splitlines()) == 4 and "events.d.ts is not up to date" in checked.stderr


@pytest.mark.parametrize(
    ("name", "schema", "message"),
    [
        ("click", {"minimun": 1}, "click.json: minimun is not supported"),
        ("click", {"properties": {"props": {"type": "text"}}}, """type can't be "text\""""),
        ("click", {"$ref": "#/$defs/gone"}, "$ref refers to #/$defs/gone, where nothing is"),
        ("click", {"$ref": "other.json"}, '$ref must be "#" or'),
        ("click", {"required": ["surprise"]}, "accepts no beacon"),
        ("Click", {}, "the file name must be"),
    ],
)
def test_a_mistake_in_a_schema_names_its_file(name: str, schema: object, message: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.json").write_text(json.dumps(schema))
    ended = types("--schemas", tmp_path, "--out", tmp_path / "out")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"{tmp_path}/{name}.json" in ended.stderr and message in ended.stderr


def test_a_mistake_in_an_option_names_it(tmp_path: Path) -> None:
    for option, value, code, message in [
        ("--env", "moon", 2, "[env.moon]"), ("--package", "a-b", 2, "--package"), ("--schemas", tmp_path, 1, "no schema"),
    ]:  # fmt: skip
        ended = types(option, value, "--out", tmp_path / "out")
        assert ended.returncode == code and message in ended.stderr


def test_the_fields_are_those_of_the_reference() -> None:
    page = (ROOT / "www" / "docs" / "event-fields.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \|", page[: page.index("## Hints")], re.MULTILINE)
    assert sorted({*FIELDS, "name", "props"}) == sorted(documented)


def test_calls_are_narrowed_by_the_name() -> None:
    """And each line that expects an error has one."""
    assert compiled([*TSC, "-p", "tests/types/calls"]) == ""


def test_a_worker_that_rejects_unknown_events_has_no_other_names(tmp_path: Path) -> None:
    assert types("--unknown", "fail", "--only", "typescript", "--out", tmp_path).returncode == 0
    for file in ("tests/types/calls/strict.mts", "www/t.d.mts"):
        shutil.copy(ROOT / file, tmp_path)
    assert compiled([*TSC, *STRICT, tmp_path / "strict.mts"]) == ""


def test_a_compiler_names_the_wrong_member(tmp_path: Path) -> None:
    """An editor shows this, so it must not be the list of all commands."""
    calls = {
        '"order_placed", { total: 19.9 }': "Property 'currency' is missing",
        '"order_placed", { total: "a", currency: "CHF" }': "Type 'string' is not assignable to type 'number'",
        '"app_share", { document_id: "d", channel: "fax" }': '"fax"',
    }
    shutil.copy(ROOT / "www" / "types" / "events.d.ts", tmp_path)
    (tmp_path / "calls.mts").write_text('import "./events.js";\n' + "".join(f'headwater("track", {each});\n' for each in calls))
    found = lines_with_errors(compiled([*TSC, *STRICT, tmp_path / "calls.mts"]))
    assert found.keys() == {2, 3, 4}
    for line, message in zip((2, 3, 4), calls.values(), strict=True):
        assert message in found[line]


def samples() -> list[tuple[str, dict[str, Any], list[dict[str, str]]]]:
    """The beacons of the catalogue's samples, with what is wrong with each."""
    found = []
    for file in sorted((ROOT / "tests" / "fixtures" / "schemas").glob("*.json")):
        of_file = json.loads(file.read_text())
        found += [(file.stem, each, []) for each in of_file["valid"]]
        found += [(file.stem, each["beacon"], each["violations"]) for each in of_file["invalid"]]
    assert len(found) > 100
    return found


# What types can express; the others are bounds, patterns and formats.
OF_TYPES = {"required", "type", "enum", "const", "dependentRequired", "anyOf"}


def is_number(beacon: object, pointer: str) -> bool:
    """Whether a number is there: languages do not tell integers from others, nor booleans in Python."""
    found = beacon
    for step in pointer.split("/")[1:]:
        found = found[int(step)] if isinstance(found, list) else found[step] if isinstance(found, dict) else None
    return isinstance(found, int | float)


def rejected_by_types(beacon: object, violations: list[dict[str, str]], rules: set[str]) -> bool:
    return any(each["rule"] in rules and not (each["rule"] == "type" and is_number(beacon, each["pointer"])) for each in violations)


def test_typescript_judges_the_samples_as_the_schemas_do(tmp_path: Path) -> None:
    shutil.copy(ROOT / "www" / "types" / "events.d.ts", tmp_path)
    lines = ['import type { HeadwaterEvent } from "./events.js";', "type Named<N> = Extract<HeadwaterEvent, { name: N }>;"]
    cases = samples()
    lines += [f'export const s{index}: Named<"{name}"> = {json.dumps(beacon)};' for index, (name, beacon, _) in enumerate(cases)]
    (tmp_path / "samples.mts").write_text("\n".join(lines))
    rejected = lines_with_errors(compiled([*TSC, *STRICT, tmp_path / "samples.mts"]))
    judge(cases, rejected, 3, OF_TYPES)


def test_mypy_judges_the_samples_as_the_schemas_do(tmp_path: Path) -> None:
    shutil.copy(ROOT / "www" / "types" / "headwater_events.py", tmp_path)
    lines = ["from headwater_events import *"]
    cases = samples()
    lines += [f"s{index}: {''.join(map(str.capitalize, name.split('_')))}Event = {plain(beacon)!r}" for index, (name, beacon, _) in enumerate(cases)]
    (tmp_path / "samples.py").write_text("\n".join(lines))
    rejected = lines_with_errors(compiled([*MYPY, "samples.py"], tmp_path))
    # A TypedDict has no conditions between its members.
    conditional = {"cart_changed", "app_sign", "pointer"}
    cases = [(name, beacon, violations if name not in conditional or not violations else None) for name, beacon, violations in cases]  # type: ignore[misc]
    judge(cases, rejected, 2, {"required", "type", "enum", "const"})


def judge(cases: list[tuple[str, Any, Any]], rejected: dict[int, str], first: int, rules: set[str]) -> None:
    wrong, refused = [], 0
    # A literal may only have members with a name in the schema; a value from elsewhere may have more.
    surplus = re.compile(r"Object literal may only specify known properties|Extra key")
    for line, (name, beacon, violations) in enumerate(cases, first):
        if violations is None:
            continue
        if not violations and any(not surplus.search(each) for each in rejected.get(line, "").splitlines()):
            wrong.append(f"{name} is valid, but: {rejected[line]}")
        if rejected_by_types(beacon, violations, rules):
            refused += 1
            if line not in rejected:
                wrong.append(f"{name} is accepted in spite of {violations}: {beacon}")
    assert not wrong, "\n".join(wrong)
    assert refused > 20


def moved(schema: Any, to: str) -> Any:
    """A schema whose references still lead to its own parts when it is not at the root."""
    if isinstance(schema, list):
        return [moved(each, to) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"{to}{value[1:]}" if key == "$ref" and isinstance(value, str) and value[:1] == "#" else value if key in ("const", "enum") else moved(value, to)
        for key, value in schema.items()
        if key not in ("$schema", "$id")
    }


def suite() -> list[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Each group of the official suite that uses supported keywords: the keyword, a schema of an event, its tests."""
    found = []
    for file in sorted(SUITE.rglob("*.json")):
        for group in json.loads(file.read_text()):
            value = moved(group["schema"], "#/properties/props/properties/value")
            schema = {"type": "object", "required": ["props"], "properties": {"props": {"type": "object", "properties": {"value": value}}}}
            try:
                Reader(schema).read(schema)
            except SchemaError:
                continue
            found.append((file.stem, schema, group["tests"]))
    return found


GROUPS = suite()
EVENTS = [event(f"g{index}", schema) for index, (_, schema, _) in enumerate(GROUPS)]


def plain(value: Any) -> Any:
    """A value as languages write it: 1.0 is the integer 1."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def literal_type(value: Any) -> str:
    """TypeScript's type of exactly this value."""
    if isinstance(value, dict):
        return "{ " + " ".join(f"{json.dumps(name)}: {literal_type(each)};" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(literal_type, value))}]"
    return json.dumps(value)


def data(keyword: str | None = None) -> list[tuple[int, Any, bool]]:
    return [
        (index, plain(test["data"]), test["valid"])
        for index, (name, _, tests) in enumerate(GROUPS)
        if keyword in (None, name)
        for test in tests
    ]


def test_the_official_suite_covers_every_keyword() -> None:
    covered = Counter(name for name, _, _ in GROUPS)
    assert len(GROUPS) > 250
    # References to other files and anchors are not supported; the rest is.
    assert {file.stem for file in SUITE.glob("*.json")} - covered.keys() == {"anchor", "defs", "unevaluatedItems"}


def test_typescript_accepts_what_the_official_suite_accepts(tmp_path: Path) -> None:
    (tmp_path / "events.d.ts").write_text(TypeScript().write(EVENTS, OTHER, accepts_unknown=True))
    cases = data()
    lines = ['import type * as t from "./events.js";', "declare function accept<T>(value: T): void;"]
    for number, (group, value, _) in enumerate(cases):
        lines.append(f"declare const v{number}: {{ value: {literal_type(value)} }}; accept<t.G{group}>(v{number});")
    (tmp_path / "suite.mts").write_text("\n".join(lines))
    assert compiled([*TSC, *STRICT, tmp_path / "events.d.ts"]) == ""
    rejected = lines_with_errors(compiled([*TSC, *STRICT, tmp_path / "suite.mts"]))
    # TypeScript's own rules: an object has a member in common with a type whose members are all optional, and each has
    # `toString`.
    weak = [line for line, case in enumerate(cases, 3) if any(each and not names_in(GROUPS[case[0]][1]) & each.keys() for each in objects_in(case[1])) or "toString" in names_in(GROUPS[case[0]][1])]  # fmt: skip
    assert len(weak) < len(cases) / 6
    check_suite([case if line not in weak else (case[0], None, None) for line, case in enumerate(cases, 3)], rejected, 3, {"type": 0.8, "enum": 0.8, "const": 0.7, "required": 0.8, "properties": 0.4, "additionalProperties": 0.2, "items": 0.5, "allOf": 0.3, "anyOf": 0.5, "dependentRequired": 0.9, "dependentSchemas": 0.5, "if-then-else": 0.1, "ref": 0.4, "boolean_schema": 0.9})  # fmt: skip


def test_mypy_accepts_what_the_official_suite_accepts(tmp_path: Path) -> None:
    (tmp_path / "headwater_events.py").write_text(TypedDicts().write(EVENTS, OTHER, accepts_unknown=True))
    # A TypedDict has no members but its own, and a value fits one of several.
    cases = [each for each in data() if all(names_in(GROUPS[each[0]][1]) >= part.keys() for part in objects_in(each[1]))]
    cases = [each for each in cases if not (GROUPS[each[0]][0] in ("anyOf", "oneOf") and len(each[1] if isinstance(each[1], dict) else ()) > 1)]  # fmt: skip
    assert len(cases) > len(data()) * 0.7
    lines = ["import headwater_events as t"]
    lines += [f"v{number}: t.G{group} = {{'value': {value!r}}}" for number, (group, value, _) in enumerate(cases)]
    (tmp_path / "suite.py").write_text("\n".join(lines).replace("inf}", "float('inf')}"))
    assert compiled([*MYPY, "headwater_events.py"], tmp_path) == ""
    # The module is also one that Python can import.
    assert compiled([sys.executable, "headwater_events.py"], tmp_path) == ""
    rejected = lines_with_errors(compiled([*MYPY, "suite.py"], tmp_path))
    check_suite(cases, rejected, 2, {"type": 0.7, "enum": 0.5, "required": 0.5, "items": 0.4})


def names_in(schema: Any) -> set[str]:
    """All names of members that a schema has at any depth."""
    if isinstance(schema, list):
        return set().union(*map(names_in, schema))
    if not isinstance(schema, dict):
        return set()
    values = schema.get("properties", {})
    dependents = schema.get("dependentRequired", {})
    names = {*dependents, *(each for of_one in dependents.values() for each in of_one)} if isinstance(dependents, dict) else set()
    return {*names, *(values if isinstance(values, dict) else ()), *(each for each in schema.get("required", []) if isinstance(each, str)), *set().union(*map(names_in, schema.values()))}  # fmt: skip


def objects_in(value: Any) -> list[dict[str, Any]]:
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [*([value] if isinstance(value, dict) else []), *(found for part in parts for found in objects_in(part))]


def check_suite(cases: list[tuple[int, Any, bool | None]], rejected: dict[int, str], first: int, least: dict[str, float]) -> None:
    """No valid value is rejected, and of the invalid ones at least this share for each keyword."""
    wrong, invalid, refused = [], Counter[str](), Counter[str]()
    for line, (group, value, valid) in enumerate(cases, first):
        name = GROUPS[group][0]
        if valid and line in rejected:
            wrong.append(f"{name} {GROUPS[group][1]['properties']['props']['properties']['value']}: {value!r} is valid, but {rejected[line]}")
        if valid is False:
            invalid[name] += 1
            refused[name] += line in rejected
    assert not wrong, "\n".join(wrong)
    shares = {name: refused[name] / max(invalid[name], 1) for name in least}
    assert {name: share for name, share in shares.items() if share < least[name]} == {}, shares


@pytest.mark.parametrize("language", LANGUAGES)
def test_kotlin_and_swift_are_parsed(language: str) -> None:
    writer, grammar = LANGUAGES[language]
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    shipped = (ROOT / "www" / "types" / writer.file).read_text()
    for text in (shipped, writer().write(EVENTS, OTHER, accepts_unknown=True)):
        tree = parser.parse(text.encode())
        assert not tree.root_node.has_error, first_error(tree.root_node, text)
    assert parser.parse(shipped.replace("{", "", 1).encode()).root_node.has_error


def first_error(node: tree_sitter.Node, text: str) -> str:
    for child in node.children:
        if child.has_error:
            return first_error(child, text)
    return "\n".join(text.splitlines()[max(node.start_point[0] - 2, 0) : node.start_point[0] + 3])


HOSTILE = {
    "type": "object",
    "required": ["props"],
    "properties": {
        "props": {
            "type": "object",
            "properties": {
                'a"b\\c${d}\\(e)`': {"type": "string", "description": "*/ /* ${x} \\(y) ''' \"\"\" \u2028 line\nbreak # {}"},
                "class": {"enum": ['q"${x}\\(y)\n', "a-b", "a_b", "", "\u00e9\U0001f600"]},
                "$ref-like": {"const": None},
                "self": {"$ref": "#/properties/props"},
                "eventName": {"type": ["string", "null"]},
                "1st": {"type": "integer", "const": 1},
                "__private": {"enum": [True, 1.5, None, [1, {"a": "b"}]]},
                "": {"type": "boolean"},
                "to_map": {"type": "array", "items": {"$ref": "#/properties/props"}},
                "ToMap": {"type": "object", "additionalProperties": {"type": "integer"}},
                "needed": {"type": ["integer", "null"]},
            },
            "required": ["needed", "class"],
        }
    },
}


def test_any_text_is_safe_in_every_language(tmp_path: Path) -> None:
    """Names, values and descriptions come from files that are not code."""
    events = [event("object", HOSTILE), event("a.b", HOSTILE), event("a_b", {}), event("string", {}), event("headwater_event", {})]
    for language, (writer, grammar) in LANGUAGES.items():
        text = writer().write(events, OTHER, accepts_unknown=False)
        root = tree_sitter.Parser(tree_sitter.Language(grammar.language())).parse(text.encode()).root_node
        assert not root.has_error, f"{language}: {first_error(root, text)}"
    (tmp_path / "events.d.ts").write_text(TypeScript().write(events, OTHER, accepts_unknown=False))
    (tmp_path / "headwater_events.py").write_text(TypedDicts().write(events, OTHER, accepts_unknown=False))
    assert compiled([*TSC, *STRICT, tmp_path / "events.d.ts"]) == ""
    assert compiled([*MYPY, "headwater_events.py"], tmp_path) == ""
    assert compiled([sys.executable, "headwater_events.py"], tmp_path) == ""


def test_the_examples_of_the_pages_compile(tmp_path: Path) -> None:
    shutil.copy(ROOT / "www" / "types" / "events.d.ts", tmp_path)
    counts = Counter[str]()
    for block in examples():
        if block.language not in ("ts", *LANGUAGES):
            continue
        counts[block.language] += 1
        if block.language == "ts":
            file = tmp_path / f"example{counts['ts']}.mts"
            file.write_text(f'import "./events.js";\n{block.text}')
            package = tmp_path / "node_modules" / "headwater-snippet"
            package.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "t.d.mts"):
                shutil.copy(ROOT / "www" / name, package)
            assert compiled([*TSC, *STRICT, file]) == "", block.where
        else:
            _, grammar = LANGUAGES[block.language]
            root = tree_sitter.Parser(tree_sitter.Language(grammar.language())).parse(block.text.encode()).root_node
            assert not root.has_error, block.where
    assert set(counts) == {"ts", *LANGUAGES}
