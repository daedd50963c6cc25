"""A bill of materials in CycloneDX's form: each package of the lock files, with its hashes.

It needs no package and no network. The scope is `required` for what is compiled into the worker or
may be, `excluded` for what only builds, deploys or tests it: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import base64
import json
import re
import signal
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).parents[2]
CARGO = (
    "Cargo.lock",
    "scripts/bindgen/Cargo.lock",
    "tests/bench/peers/empty/Cargo.lock",
    "tests/fuzz/Cargo.lock",
)
NPM = (
    "package-lock.json",
    "tests/bench/peers/package-lock.json",
    "tests/bench/trackers/package-lock.json",
    "tests/sdks/package-lock.json",
    "tests/types/react/package-lock.json",
)
PYTHON = ("scripts/requirements.lock", "tests/sdks/requirements.lock")
ALGORITHMS = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
REQUIREMENT = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==(\S+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def components() -> list[dict[str, Any]]:
    """The components, each once, in the order of their addresses."""
    found: dict[str, dict[str, Any]] = {}
    for component in [*_cargo(), *_npm(), *_python()]:
        known = found.setdefault(component["purl"], component)
        if component["scope"] == "required":
            known["scope"] = "required"
    return [found[purl] for purl in sorted(found)]


def _cargo() -> Iterator[dict[str, Any]]:
    for path in CARGO:
        for package in tomllib.loads((ROOT / path).read_text())["package"]:
            # A package without a source is of this repository.
            if "source" in package:
                hashes = [("sha256", package["checksum"])]
                scope = "required" if path == "Cargo.lock" else "excluded"
                yield _component("cargo", package["name"], package["version"], hashes, scope)


def _npm() -> Iterator[dict[str, Any]]:
    for path in NPM:
        for folder, package in json.loads((ROOT / path).read_text())["packages"].items():
            if folder:
                name = package.get("name") or folder.rpartition("node_modules/")[2]
                # web-vitals is in the snippet.
                scope = "required" if name == "web-vitals" else "excluded"
                digests = (each.partition("-") for each in package["integrity"].split())
                hashes = [(kind, base64.b64decode(value).hex()) for kind, _, value in digests]
                yield _component("npm", name, package["version"], hashes, scope)


def _python() -> Iterator[dict[str, Any]]:
    for path in PYTHON:
        for name, version, rest in REQUIREMENT.findall((ROOT / path).read_text()):
            # One of them is that of the file which is installed.
            hashes = [("sha256", value) for value in HASH.findall(rest)]
            yield _component("pypi", name.lower().replace("_", "-"), version, hashes, "excluded")


def _component(kind: str, name: str, version: str, hashes: list[tuple[str, str]], scope: str) -> dict[str, Any]:
    purl = f"pkg:{kind}/{quote(name, safe='/')}@{quote(version, safe='')}"
    content = [{"alg": ALGORITHMS[algorithm], "content": value} for algorithm, value in hashes]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "scope": scope,
        "purl": purl,
        "hashes": content,
    }


def document() -> dict[str, Any]:
    """The same from the same lock files, byte for byte: it has no time and no number of its own."""
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": package["name"],
                "version": package["version"],
                "licenses": [{"license": {"id": package["license"]}}],
            }
        },
        "components": components(),
    }


if __name__ == "__main__":
    # The reader may leave, as `head` does.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    json.dump(document(), sys.stdout, indent=1)
    print()
