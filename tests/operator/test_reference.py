"""The reference tables of www/docs are those of the code.

Keys, ranges and options are asked of the programs themselves; codes and columns are read from the sources by a word
that they contain, wherever the file is. Each table is also held against itself: without any one of its rows the
comparison fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import columns
import terraform_variables
from support import ROOT
from support.cli import LAKE

pytestmark = pytest.mark.usefixtures("built_check")

DOCS = ROOT / "www" / "docs"
SECONDS = 600
# What the build calls, and no operator.
INTERNAL = {"scripts/rustc-lto"}
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "scripts").iterdir()
    if path.is_file() and os.access(path, os.X_OK)
)


# The tables in [vars.HEADWATER] whose keys the page lists as `table.key`.
NESTED = {"columns", "consent", "session", "dedupe", "spill", "snowplow", "log", "limits"}


@cache
def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def codes(cell: str) -> list[str]:
    """What a cell has in code."""
    return re.findall(r"`([^`]+)`", cell)


def rows(text: str, heading: str, first: str) -> list[list[str]]:
    """The cells of the tables below `heading` whose first column is called `first`."""
    level = heading.split(" ")[0]
    section = text.split(f"\n{heading}\n", 1)[1] if heading else text
    section = re.split(rf"\n#{{1,{len(level)}}} ", section)[0] if heading else section
    found: list[list[str]] = []
    for table in re.findall(r"(?:^\|.*\n?)+", section, re.MULTILINE):
        lines = [
            [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            for line in table.replace("| |", "|  |").splitlines()
        ]
        if lines[0][0] == first:
            found += lines[2:]
    assert found, f"no table of {first!r} below {heading!r}"
    return found


def names(text: str, heading: str, first: str) -> list[str]:
    """What the first column has in code."""
    return [name for row in rows(text, heading, first) for name in codes(row[0])]


def same(listed: list[str], known: set[str] | dict[str, Any], what: str) -> None:
    assert len(listed) == len(set(listed)), f"{what}: {listed}"
    missing, unknown = set(known) - set(listed), set(listed) - set(known)
    assert not missing, f"{what}: the page lacks {sorted(missing)}"
    assert not unknown, f"{what}: the code lacks {sorted(unknown)}"


# What the code has.


@cache
def sources() -> dict[Path, str]:
    return {path: path.read_text() for path in sorted((ROOT / "src").rglob("*.rs"))}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


@cache
def variants(known: str) -> set[str]:
    """The variants of the enum that has the variant `known`, as serde writes them."""
    enums = (
        body
        for text in sources().values()
        for body in re.findall(r"^\s*(?:pub(?:\([^)]*\))? )?enum \w+ \{\n(.*?)\n\s*\}", text, re.MULTILINE | re.DOTALL)
    )  # fmt: skip
    found = [set(re.findall(r"^\s+([A-Z]\w*)[,(]", body, re.MULTILINE)) for body in enums]  # fmt: skip
    (its,) = [each for each in found if known in each]
    return {snake(name) for name in its}


def functions(head: str) -> list[str]:
    """The bodies of the methods that begin like this."""
    method = rf"^( +)(?:pub )?(?:const )?fn {head} \{{\n(.*?)\n\1\}}"
    return [
        body
        for text in sources().values()
        for _, body in re.findall(method, text, re.MULTILINE | re.DOTALL)
    ]


def arms(body: str, value: str) -> list[tuple[list[str], str]]:
    """The arms of a match that give such a value, each by the names in its pattern."""
    found = re.findall(rf"((?:(?!=>).)+)=>\s*\{{?\s*({value})", body, re.DOTALL)
    # What stands before the first pattern, or after the arm before, has no path.
    return [(re.findall(r"::(\w+)", pattern), given) for pattern, given in found]


@cache
def statuses_of_errors() -> dict[str, int]:
    """The words that errors of requests have for a code, with their statuses."""
    statuses = {
        name: int(status)
        for body in functions(r"status\(&self\) -> u16")
        for pattern, status in arms(body, r"\d{3}")
        for name in pattern
    }
    found: dict[str, int] = {}
    for body in functions(r"code\(&self\) -> &'static str"):
        for pattern, word in arms(body, r'"[a-z_]+"|[\w.]+\.as_str\(\)'):
            status = statuses[pattern[-1]]
            found |= {each: status for each in ([word.strip('"')] if '"' in word else doubts())}
    assert {"not_durable", "epoch_gone"} <= set(found), "where are the codes of errors?"
    return found


def doubts() -> list[str]:
    """The words for why the inspector can prove nothing."""
    (body,) = (each for each in functions(r"as_str\(self\) -> &'static str") if "epoch_gone" in each)  # fmt: skip
    return re.findall(r'"([a-z_]+)"', body)


@cache
def owners_of_causes() -> dict[str, str]:
    """Which party has to act, by the cause."""
    (text,) = [text for text in sources().values() if re.search(r"enum \w+ \{[^}]*NoDirectPuts", text)]  # fmt: skip
    arms = re.findall(r"((?:\s*\|?\s*Self::\w+)+) => \w+::(Operator|Stream|Network|Ours)\b", text)  # fmt: skip
    called = {"Stream": "AWS"}
    return {
        snake(name): called.get(party, party.lower())
        for causes, party in arms
        for name in re.findall(r"Self::(\w+)", causes)
    }


@cache
def fields() -> list[str]:
    """The fields of a beacon, from the one list of them."""
    lists = re.findall(r'= \[\s*("name",\s*"id",\s*"device_id",[^\]]*)\]', "".join(sources().values()))  # fmt: skip
    (only,) = lists
    of_servers = re.search(r"SERVER_FIELDS[^=]*=\s*\[([^\]]*)\]", "".join(sources().values()))
    assert of_servers
    return [*re.findall(r'"(\w+)"', only), *re.findall(r'"(\w+)"', of_servers[1]), "props", "metadata"]


@cache
def findings(table: str) -> tuple[str, ...]:
    """What scripts/check says of a [vars.HEADWATER]."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        shutil.copytree(ROOT / "www" / "schemas", root / "www" / "schemas")
        shipped = (ROOT / "wrangler.toml").read_text().split("[vars.HEADWATER]")[0]
        (root / "wrangler.toml").write_text(f"{shipped}[vars.HEADWATER]\n{table}")
        ended = subprocess.run(
            [ROOT / "scripts" / "check", "--root", root],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    return tuple(ended.stderr.splitlines())


@cache
def known_keys() -> dict[str, set[str]]:
    """The keys of each table, which the sentence about an unknown one lists."""
    found = findings(
        """zz = 1
origins = ["*"]
failed_stream = "firehose:events-failed"
routes = [{ to = "firehose:events-mid", zz = 1 }]
clean = [{ field = "props.a", trim = "#", zz = 1, build = { from = "1", zz = 1 }, when = { field = "props.b", exists = true, zz = 1 } }]
columns = { zz = 1 }
consent = { zz = 1 }
session = { zz = 1 }
dedupe = { zz = 1 }
spill = { zz = 1 }
snowplow = { zz = 1 }
log = { zz = 1 }
limits = { zz = 1 }

[vars.HEADWATER.keys.pk]
tenant = "a"
zz = 1
"""
    )
    sentence = re.compile(r"HEADWATER\.([\w.\[\]]*?)\.?zz\b.*(?:there are|expected one of|one of) ([\w, ]+)")  # fmt: skip
    keys = {}
    for line in found:
        said = sentence.search(line)
        assert said, line
        keys[said[1]] = set(said[2].split(", "))
    return keys


@cache
def said_of_nonsense() -> dict[str, str]:
    """What is said of each key whose value is -1, which none takes."""
    keys = known_keys()
    lines = [f"{key} = -1" for key in keys[""] if key not in NESTED]
    lines += [f"{name}.{key} = -1" for name in NESTED for key in keys[name]]
    sentence = re.compile(r"HEADWATER\.([\w.]+) (must .*?)(?:, not -1|$)")
    found = (sentence.search(line) for line in findings("\n".join(lines)))
    return {said[1]: said[2] for said in found if said}


@cache
def options(script: str) -> set[str]:
    """The options in a script's help."""
    ended = subprocess.run(
        [ROOT / script, "--help"], capture_output=True, text=True, timeout=SECONDS
    )
    assert ended.returncode == 0, ended.stderr
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ended.stdout)) - {"--help"}


@cache
def parameters() -> dict[str, str]:
    """The parameters of the templates with their defaults."""
    return {name: str(each.get("Default", "")) for name, each in terraform_variables.parameters().items()}


# What is compared.


def configuration_keys(text: str) -> None:
    keys = known_keys()
    nested = {f"{name}.{key}" for name in NESTED for key in keys[name]}
    same(names(text, "## The table", "key"), (keys[""] - NESTED) | nested, "keys")


def tenant_keys(text: str) -> None:
    same(names(text, "## The table", "key of a tenant"), known_keys()["keys.pk"], "keys of a tenant")


def configuration_ranges(text: str) -> None:
    token = r'"[\w-]+"|\b\d+\b'
    for key, _, shown, _ in rows(text, "## The table", "key"):
        said = said_of_nonsense().get(codes(key)[0], "")
        is_range = re.search("integer|one of|share|multiple", said)
        if is_range or re.search(token, shown):
            same_tokens = set(re.findall(token, shown)) == set(re.findall(token, said))
            assert same_tokens, f"{key}: {shown} is not: {said}"


def privacy_values(text: str) -> None:
    """All four settings take the same values."""
    for key in ("gpc", "dnt", "consent.denied", "consent.unknown"):
        known = set(re.findall(r'"(\w+)"', said_of_nonsense()[key]))
        same(names(text, "## Consent and privacy signals", "value"), known, key)


def configuration_variables(text: str) -> None:
    listed = names(text, "## Variables and secrets", "name")
    read = set(re.findall(r'"((?:AWS|HEADWATER)_[A-Z_]+)"', "".join(sources().values())))  # fmt: skip
    renamed = (ROOT / "src/config/renamed_words.rs").read_text()
    old = set(re.findall(r'\("(HEADWATER_[A-Z_]+)", "HEADWATER_', renamed))
    assert old
    same(listed, read - old, "variables")


def configuration_bindings(text: str) -> None:
    shipped = tomllib.loads((ROOT / "wrangler.toml").read_text())
    bindings = {each["name"] for each in shipped["durable_objects"]["bindings"]}
    bindings |= {each["binding"] for each in shipped["analytics_engine_datasets"]}
    bindings |= {each["name"] for each in shipped["ratelimits"]}
    bindings |= {shipped["assets"]["binding"], shipped["version_metadata"]["binding"]}
    # Shipped as a comment.
    store = re.findall(r'^pub const STORE: &str = "(\w+)";', (ROOT / "src/config/mod.rs").read_text(), re.MULTILINE)
    bindings |= set(store)
    same(names(text, "## Bindings", "binding"), bindings, "bindings")


def routes_keys(text: str) -> None:
    same(names(text, "## Routes", "key"), known_keys()["routes[0]"], "routes")


def cleaning_keys(text: str) -> None:
    same(names(text, "## Your own rules", "key"), known_keys()["clean[0]"], "clean")


def columns_of_events(text: str) -> None:
    known = {*columns.TABLES["events"], "metadata_KEY"}
    same(names(text, "## Events", "column"), known, "events")


def columns_of_failed_events(text: str) -> None:
    same(names(text, "## Failed events", "column"), columns.TABLES["failed"], "failed")


def codes_of_requests(text: str) -> None:
    listed = rows(text, "## Of a request", "code")
    shown = {codes(row[0])[0]: int(row[1]) for row in listed}
    same([codes(row[0])[0] for row in listed], statuses_of_errors(), "errors")
    assert shown == statuses_of_errors()


def codes_of_events(text: str) -> None:
    same(names(text, "## Of an event", "code"), variants("BadGzip"), "codes")


def codes_of_drops(text: str) -> None:
    same(names(text, "## Of a dropped beacon", "code"), variants("Sampled"), "drops")


def causes(text: str) -> None:
    listed = rows(text, "### Causes", "`cause`")
    shown = {codes(row[0])[0]: row[1] for row in listed}
    same([codes(row[0])[0] for row in listed], variants("NoDirectPuts"), "causes")
    assert shown == owners_of_causes()


def event_fields(text: str) -> None:
    same(names(text, "", "field"), set(fields()), "fields")


def kebab(name: str) -> str:
    """Returns the attribute of a key of `dataset`."""
    return re.sub("[A-Z]", lambda letter: "-" + letter[0].lower(), name)


def snippet_attributes(text: str) -> None:
    types = (ROOT / "www/t.d.mts").read_text().split("export type Options = {")[1]
    known = re.findall(r"^  (\w+)\??:", types.split("\n};")[0], re.MULTILINE)
    listed = names(text, "## Attributes", "attribute")
    same(listed, {f"data-{kebab(name)}" for name in known if name != "src"}, "attributes")


def saved_queries(text: str) -> None:
    known = {path.stem for path in (LAKE / "queries").glob("*.sql")}
    same(names(text, "", "saved query"), known, "saved queries")


def template_parameters(text: str) -> None:
    listed = rows(text, "## Template parameters", "parameter")
    same([codes(row[0])[0] for row in listed], parameters(), "parameters")
    for row in listed:
        default = row[1].strip("`").replace("none", "")
        assert default == parameters()[codes(row[0])[0]], row


def catalogue(text: str) -> None:
    listed = rows(text, "", "level")
    shown = {name: row[0] for row in listed for name in codes(row[1])}
    levels = {
        path.stem: json.loads(path.read_text())["x-level"]
        for path in (ROOT / "www/schemas").glob("*.json")
    }
    assert shown == levels


def command_line(text: str) -> None:
    """Each script is there, with each of its options."""
    shown: dict[str, list[str]] = {}
    for row in rows(text, "", "command"):
        command = codes(row[0])[0]
        option = re.findall(r"--[a-z-]+", command)
        shown.setdefault(command.split()[0], []).extend(option)
    for script in re.findall(r"^\| option of `(scripts/[\w-]+)` \|", text, re.MULTILINE):
        its = rows(text, "", f"option of `{script}`")
        shown.setdefault(script, []).extend(
            re.findall(r"--[a-z-]+", " ".join(row[0] for row in its))
        )
    for script in re.findall(r"^`(scripts/\w+)", text, re.MULTILINE):
        shown.setdefault(script, [])
    same(list(shown), set(SCRIPTS) - INTERNAL, "scripts")
    for script, listed in shown.items():
        same(listed, options(script), script)


CHECKS: list[tuple[str, Callable[[str], None], str]] = [
    ("configuration.md", configuration_keys, "| `buffer_bytes` |"),
    ("configuration.md", configuration_keys, "| `limits.max_depth` |"),
    ("configuration.md", tenant_keys, "| `quota` |"),
    ("configuration.md", configuration_ranges, ""),
    ("configuration.md", configuration_variables, "| `AWS_REGION` |"),
    ("configuration.md", configuration_bindings, "| `METRICS` |"),
    ("routes-and-tenants.md", routes_keys, "| `sample` |"),
    ("cleaning.md", cleaning_keys, "| `rename` |"),
    ("record-columns.md", columns_of_events, "| `previous_device_id` |"),
    ("record-columns.md", columns_of_failed_events, "| `original_withheld` |"),
    ("error-codes.md", codes_of_requests, "| `not_durable` |"),
    ("error-codes.md", codes_of_events, "| `too_complex` |"),
    ("error-codes.md", codes_of_drops, "| `sampled` |"),
    ("runbook.md", causes, "| `kms_key` |"),
    ("event-fields.md", event_fields, "| `viewport` |"),
    ("snippet.md", snippet_attributes, "| `data-build` |"),
    ("queries.md", saved_queries, "| `funnel` |"),
    ("privacy.md", privacy_values, "| `strip` |"),
    ("deploy.md", template_parameters, "| `StaleSeconds` |"),
    ("schemas.md", catalogue, "| mid |"),
    ("command-line.md", command_line, "| `--parallel N` |"),
]


@pytest.mark.parametrize(
    ("name", "check"),
    [pytest.param(name, check, id=check.__name__) for name, check in {(name, check): 0 for name, check, _ in CHECKS}],
)  # fmt: skip
def test_the_table_is_that_of_the_code(name: str, check: Callable[[str], None]) -> None:
    check(page(name))


@pytest.mark.parametrize(
    ("name", "check", "row"),
    [pytest.param(*each, id=f"{each[1].__name__}-{each[2].strip('| `')}") for each in CHECKS if each[2]],
)  # fmt: skip
def test_a_row_less_is_noticed(
    name: str, check: Callable[[str], None], row: str
) -> None:
    lines = page(name).splitlines(keepends=True)
    without = [line for line in lines if not line.startswith(row)]
    assert len(without) == len(lines) - 1, row
    with pytest.raises(AssertionError):
        check("".join(without))


def test_a_range_that_drifts_is_noticed() -> None:
    text = page("configuration.md").replace("| 100 | 1 to 1000 |", "| 100 | 1 to 2000 |")
    assert text != page("configuration.md")
    with pytest.raises(AssertionError, match="linger_ms"):
        configuration_ranges(text)


def test_rust_writes_the_columns_of_the_list() -> None:
    """The page's columns are those of scripts/lake/columns.py; that list is what the worker writes."""
    text = "".join(sources().values())
    written = set(re.findall(r'\bline\.\w+\(\s*"(\w{2,})"', text))
    written |= set(re.findall(r'^    [A-Z]\w+ "(\w+)"$', text, re.MULTILINE))
    same(sorted(written), {*columns.TABLES["events"], *columns.TABLES["failed"]}, "columns")


def test_the_schema_of_the_configuration_takes_what_the_check_takes() -> None:
    schema = json.loads((DOCS / "configuration.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    shipped = tomllib.loads((ROOT / "wrangler.toml").read_text())["vars"]["HEADWATER"]
    page = (DOCS / "configuration.md").read_text()
    example = tomllib.loads(re.search(r"## The table\n\n```toml\n(.*?)```", page, re.DOTALL)[1])["vars"]["HEADWATER"]  # type: ignore[index]
    for good in (shipped, example):
        assert [error.message for error in validator.iter_errors(good)] == []

    # One past each bound, and a word of its own for each choice: both refuse every one of them.
    wrong: dict[str, Any] = {}
    for key, value in properties(schema):
        if "maximum" in value:
            wrong[key] = value["maximum"] + 1
        elif "enum" in value or value.get("type") in ("boolean", "string", "array", "object"):
            wrong[key] = -1
    # Keys are read only if the routes are right, which they inherit.
    del wrong["keys"]
    assert len(wrong) > 50
    lines = [f"{key} = {json.dumps(value)}" for key, value in wrong.items()]
    refused = set(re.findall(r"HEADWATER\.([\w.]+) ", "\n".join(findings("\n".join(lines)))))
    assert refused == set(wrong)
    assert {key for key in wrong if not validator.is_valid(nested(key, wrong[key], shipped))} == set(wrong)
    assert not validator.is_valid({**shipped, "linger": 1}) and not validator.is_valid({**shipped, "routes": [{"too": "a"}]})


def properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The keys of a schema that have a value of their own, with it."""
    found = []
    for key, value in schema["properties"].items():
        inner = [(f"{key}.{name}", each) for name, each in value.get("properties", {}).items()]
        found += inner or [(key, value)]
    return found


def nested(key: str, value: Any, table: dict[str, Any]) -> dict[str, Any]:
    outer, _, inner = key.partition(".")
    return {**table, outer: {inner: value} if inner else value}
