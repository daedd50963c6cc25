"""Writes, lists, checks and switches tenants in the key-value store TENANTS, with wrangler.

A write key is an entry with the tenant's value. The entry `tenant/NAME` names the write key whose settings
the server keys of that tenant have. The metadata of an entry repeats what `list` prints, so that it
reads no value. Values are checked by the worker's own parser before anything is written.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "scripts" / folder) for folder in ("aws", "lake")]

from command_line import DONE, Parser, add_output, complain, run, show_progress, waiting  # noqa: E402
from wrangler import Wrangler, WranglerError  # noqa: E402

PROGRAM = "tenants"
# Where scripts/dev keeps what its worker stores.
LOCAL = ROOT / ".wrangler" / "local-aws" / "worker"
BINDING = "TENANTS"
NAMED = "tenant/"
# The most keys of one call: https://developers.cloudflare.com/kv/reference/kv-commands/
BULK_GET = 100


class Stop(Exception):
    """Why the script can't go on, in one sentence."""


class Wrong(Exception):
    """The problems of values, a line each."""


class Store:
    """The store of one environment, by the commands of wrangler."""

    def __init__(self, environment: str | None, local: bool) -> None:
        self._wrangler = Wrangler(environment)
        place = ["--local", "--persist-to", str(LOCAL)] if local else ["--remote"]
        self._options = ["--binding", BINDING, *place]
        self._check = ["--env", environment] if environment else ["--top"]

    def check(self, values: Mapping[str, Any]) -> None:
        """Raises the problems that the worker would have with these values, and prints those that cost no event."""
        command = [os.environ["HEADWATER_CHECK"], "--root", str(ROOT), "--tenants"]
        ended = subprocess.run(
            [*command, *self._check],
            input=json.dumps(values),
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            raise Wrong(ended.stderr.strip())
        complain(PROGRAM, ended.stderr)

    def entries(self) -> list[dict[str, Any]]:
        """All entries, with their metadata."""
        return self._json("key", "list")

    def values(self, keys: list[str]) -> dict[str, str | None]:
        """The values of these entries; None for one that does not exist."""
        found: dict[str, str | None] = {}
        for start in range(0, len(keys), BULK_GET):
            with file_of(keys[start : start + BULK_GET]) as name:
                read = self._json("bulk", "get", name)
            found |= {key: entry["value"] for key, entry in read.items()}
        return found

    def write(self, key: str, value: Mapping[str, Any], *others: Mapping[str, str]) -> None:
        """Writes the value of a write key, and other entries with it."""
        metadata = {"tenant": value["tenant"], "off": value.get("off", False)}
        if "quota" in value:
            metadata |= value["quota"]
        entry = {"key": key, "value": json.dumps(value), "metadata": metadata}
        with file_of([entry, *others]) as file:
            with waiting("writing to the store"):
                self._wrangler.key_values("bulk", "put", file, *self._options)

    def _json(self, *words: str) -> Any:
        with waiting("reading the store"):
            printed = self._wrangler.key_values(*words, *self._options)
        # wrangler may print a notice before it.
        starts = [at for mark in "[{" if (at := printed.find(f"\n{mark}")) >= 0]
        try:
            return json.loads(printed[min(starts) :] if starts else printed)
        except json.JSONDecodeError:
            raise Stop(f"wrangler kv {' '.join(words[:2])} printed no JSON") from None


class file_of:  # noqa: N801 (used as a function)
    """A file with a JSON value, as wrangler reads it, which only its owner can read."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __enter__(self) -> str:
        file, self._name = tempfile.mkstemp(suffix=".json")
        with open(file, "w") as opened:
            json.dump(self._value, opened)
        return self._name

    def __exit__(self, *_: object) -> None:
        os.unlink(self._name)


@dataclass(frozen=True)
class Printer:
    """Prints what was done, in the form that was asked for."""

    as_json: bool
    quiet: bool

    def done(self, sentence: str, **document: Any) -> None:
        if self.as_json:
            print(json.dumps(document))
        elif not self.quiet:
            print(f"tenants: {sentence}")

    def keys(self, found: list[dict[str, Any]]) -> None:
        """A list is what was asked for, so it is printed with --quiet too."""
        if self.as_json:
            print(json.dumps(found))
            return
        width = max((len(each["key"]) for each in found), default=0)
        for each in found:
            state = {True: "on", False: "off"}.get(each["on"], "?")
            quota = f"  {each['events_per_day']} a day" if "events_per_day" in each else ""
            print(f"{each['key']:{width}}  {state:3}  {each['tenant'] or '?'}{quota}")


def put(store: Store, key: str, file: str, printer: Printer) -> None:
    value = json_object(file)
    store.check({key: value})
    store.write(key, value, {"key": NAMED + value["tenant"], "value": key})
    on = not value.get("off", False)
    printer.done(f"{key} is written, of the tenant {value['tenant']}", key=key, on=on, tenant=value["tenant"])


def listed(store: Store, printer: Printer) -> None:
    found = []
    for entry in store.entries():
        if not entry["name"].startswith(NAMED):
            metadata = entry.get("metadata") or {}
            off = metadata.get("off")
            on = None if off is None else not off
            quota = {"events_per_day": metadata["events_per_day"]} if "events_per_day" in metadata else {}
            found.append({"key": entry["name"], "on": on, "tenant": metadata.get("tenant"), **quota})
    printer.keys(found)


def check(store: Store, file: str | None, printer: Printer) -> None:
    if file is not None:
        values = json_object(file)
        store.check(values)
        printer.done(f"{count(values)} of {file} have no mistake", keys=len(values))
        return
    read = store.values([entry["name"] for entry in store.entries()])
    texts = {key: text for key, text in read.items() if text is not None}
    keys = {key: parsed(text) for key, text in texts.items() if "/" not in key}
    problems = list(lost_names(texts, keys))
    try:
        store.check(keys)
    except Wrong as wrong:
        problems.append(str(wrong))
    if problems:
        raise Wrong("\n".join(problems))
    printer.done(f"{count(keys)} of {BINDING} have no mistake", keys=len(keys))


def lost_names(texts: Mapping[str, str], keys: Mapping[str, Any]) -> Iterator[str]:
    """The problems of the entries that lead from a tenant's name to a write key."""
    tenants = {key: value.get("tenant") for key, value in keys.items() if isinstance(value, dict)}
    for entry, key in texts.items():
        name = entry.removeprefix(NAMED)
        if name != entry and tenants.get(key.strip()) != name:
            yield f"{BINDING}.{entry} must name a write key of the tenant {name}, not {key.strip()}"
    for name in {name for name in tenants.values() if isinstance(name, str)}:
        if NAMED + name not in texts:
            yield f"{BINDING}.{NAMED}{name} is missing; put a write key of the tenant again"


def switch(store: Store, key: str, off: bool, printer: Printer) -> None:
    text = store.values([key])[key]
    if text is None:
        raise Wrong(f"{key} is no key of {BINDING}; scripts/tenants list prints them")
    value = parsed(text)
    # The worker would go on with the last value that was good.
    store.check({key: value})
    store.write(key, {**{name: it for name, it in value.items() if name != "off"}, **({"off": True} if off else {})})
    printer.done(f"{key} is {'off' if off else 'on'}", key=key, on=not off, tenant=value.get("tenant"))


def count(values: Mapping[str, Any]) -> str:
    return "1 key" if len(values) == 1 else f"{len(values)} keys"


def parsed(text: str) -> Any:
    """A value of the store. What is no JSON stays a text, which the check refuses."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def json_object(file: str) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        value = json.loads(text, object_pairs_hook=without_repeats)
    except (OSError, ValueError) as error:
        raise Wrong(f"{file}: {error}") from None
    if not isinstance(value, dict):
        raise Wrong(f"{file}: must be a JSON object")
    return value


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a JSON object names a field twice")
    return fields


def arguments() -> argparse.Namespace:
    parser = Parser("scripts/tenants")
    parser.add_argument("--env")
    parser.add_argument("--local", action="store_true")
    add_output(parser)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in {"put": ["key", "file"], "list": [], "off": ["key"], "on": ["key"]}.items():
        command = commands.add_parser(name)
        for word in words:
            command.add_argument(word, metavar=word.upper())
    commands.add_parser("check").add_argument("file", nargs="?", metavar="FILE")
    return parser.parse_args()


def act(given: argparse.Namespace) -> int:
    store, printer = Store(given.env, given.local), Printer(given.json, given.quiet)
    match given.command:
        case "put":
            put(store, given.key, given.file, printer)
        case "list":
            listed(store, printer)
        case "check":
            check(store, given.file, printer)
        case command:
            switch(store, given.key, command == "off", printer)
    return DONE


def main() -> int:
    given = arguments()
    show_progress(given)
    return run(PROGRAM, lambda: act(given), Wrong, Stop, WranglerError, stopped="stopped")


if __name__ == "__main__":
    sys.exit(main())
