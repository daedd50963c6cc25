"""The size of the worker's Wasm, gzipped, and what the protocols of other collectors take of it.

Compiles this tree, and a copy of it in which the functions that lead to the protocols return at once. So nothing is left
of their decoders and answers, nor of what only they have in the runtime and in the configuration. The second compile
takes minutes the first time. A second table has the parts of the code, by the names that a build for it keeps.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import subprocess
import sys
from pathlib import Path

from bench import wasm_parts
from bench.wasm_parts import Part
from support import ROOT

COPY = ROOT / "target/bench/without-protocols"
COPIED = ["src", "scripts", "Cargo.toml", "Cargo.lock"]
# Each way into the protocols: its file, the end of the signature, and the statement that returns at once.
ENTRIES = [
    (
        "src/pipeline/decode/protocols/mod.rs",
        ") -> Result<ProtocolItems<'a>, ProtocolError> {",
        "return Err(ProtocolError::TooManyBeacons { count: 0, limit: 0 });",
    ),
    (
        "src/pipeline/decode/protocols/mod.rs",
        ") -> Result<Beacon, Violation> {",
        'return Err(Violation::of_field(crate::model::violation::Code::WrongType, "", ""));',
    ),
    (
        "src/pipeline/decode/protocols/item_reader.rs",
        "pub fn beacon(&mut self, text: &str) -> Result<Beacon, Violation> {",
        'return Err(Violation::of_field(crate::model::violation::Code::WrongType, "", ""));',
    ),
    ("src/ingest/dialects/mod.rs", ") -> Option<ServedAddress<'a>> {", "return None;"),
    (
        "src/ingest/dialects/mod.rs",
        "fn of_protocol(\n"
        "    protocol: Protocol,\n"
        "    outcomes: Result<&[(EventId, Outcome)], &IngestError>,\n"
        "    request: DialectRequest<'_>,\n"
        ") -> DialectAnswer {",
        "return DialectAnswer::empty(404);",
    ),
    ("src/runtime/protocols.rs", "pub async fn serve(request: &IncomingRequest) -> Option<Reply> {", "return None;"),
    ("src/config/protocols.rs", "-> Vec<Protocol> {", "return Vec::new();"),
    ("src/config/protocols.rs", ") -> Vec<(String, Protocol)> {", "return Vec::new();"),
    ("src/config/protocols.rs", "pub fn tee(table: &mut ConfigTable<'_>) -> Vec<(Protocol, String)> {", "return Vec::new();"),
    ("src/config/protocols.rs", "-> Option<Vec<(String, String)>> {", "return None;"),
]
# Calls the functions of scripts/tools.sh in a tree, and keeps its Wasm.
BUILD = """
. scripts/tools.sh
compile_worker release
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
"$bindgen" "$worker_target/wasm32-unknown-unknown/release/headwater.wasm" "$work"
cp "$work/index_bg.wasm" "$work/named.wasm"
optimize_wasm "$work/index_bg.wasm"
mv "$work/index_bg.wasm" "$worker_target/measured.wasm"
if [ "$1" = named ]; then
  optimize_wasm "$work/named.wasm" -g
  mv "$work/named.wasm" "$worker_target/named.wasm"
fi
"""
# What is smaller is one row.
LEAST_BYTES = 5_000


def without_protocols(file: str, text: str) -> str:
    """A source of the copy: the text of `file`, in which each way into the protocols returns at once."""
    for entry, signature, returns in ENTRIES:
        if entry == file:
            if text.count(f"{signature}\n") != 1:
                raise ValueError(f"{file} must have {signature} once")
            text = text.replace(f"{signature}\n", f"{signature}\n    {returns}\n")
    return text


def copy() -> None:
    """Makes the copy. What has not changed stays as old as it was, so that little is compiled again."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.rmtree(COPY / name, ignore_errors=True)
            shutil.copytree(ROOT / name, COPY / name)
        else:
            shutil.copy2(ROOT / name, COPY / name)
    (COPY / "node_modules").unlink(missing_ok=True)
    (COPY / "node_modules").symlink_to(ROOT / "node_modules")
    for file in {entry for entry, _, _ in ENTRIES}:
        text = without_protocols(file, (ROOT / file).read_text())
        (COPY / file).write_text(f"#![allow(unused)]\n{text}")


def size(tree: Path, named: bool = False) -> int:
    """The bytes of the Wasm of a tree, by gzip -9. Keeps one with names beside it, too."""
    wasm = tree / "target/wasm/measured.wasm"
    kind = "named" if named else "small"
    subprocess.run(["bash", "-c", BUILD, "size", kind], cwd=tree, check=True, stdout=sys.stderr)
    return len(gzip.compress(wasm.read_bytes(), 9, mtime=0))


def part_rows(parts: list[Part]) -> list[tuple[str, int, int, int]]:
    """The name, functions, bytes and gzipped bytes of each part; small ones together."""
    large = [part for part in parts if part.size >= LEAST_BYTES]
    others = Part("others", [body for part in parts if part.size < LEAST_BYTES for body in part.bodies])
    return [(part.name, len(part.bodies), part.size, part.gzipped) for part in [*large, others]]


def main() -> None:
    argparse.ArgumentParser(prog="scripts/bench size", description=__doc__).parse_args()
    COPY.mkdir(parents=True, exist_ok=True)
    copy()
    whole, rest = size(ROOT, named=True), size(COPY)
    print("| Wasm, gzip -9 | bytes |\n|---|---|")
    for name, count in {"whole": whole, "without protocols": rest, "protocols": whole - rest}.items():
        print(f"| {name} | {count:,} |")
    print("\n| part of the code | functions | bytes | gzip -9, alone |\n|---|---|---|---|")
    named = ROOT / "target/wasm/named.wasm"
    for name, functions, count, gzipped in part_rows(wasm_parts.parts(named.read_bytes())):
        print(f"| `{name}` | {functions:,} | {count:,} | {gzipped:,} |")


if __name__ == "__main__":
    main()
