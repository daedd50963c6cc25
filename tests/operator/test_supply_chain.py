"""What is installed is pinned by hashes, comes from registries and may be used; scripts/sbom lists it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sbom import CARGO, NPM, PYTHON, components
from support import ROOT
from wrangler import Wrangler

LICENSES = {"0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "Unicode-3.0", "Unlicense", "Zlib"}  # fmt: skip
SECRETS = {
    "AWS_ACCESS_KEY_ID": "administrator",
    "AWS_SECRET_ACCESS_KEY": "administrator",
    "AWS_SESSION_TOKEN": "administrator",
    "AWS_PROFILE": "administrator",
    "HEADWATER_OPERATOR_KEY": "secret",
    "HEADWATER_OPERATOR_KEYS": "secret",
    "HEADWATER_SERVER_KEYS": "secret",
    "HEADWATER_REPLAY_KEY": "secret",
    "HEADWATER_HASH_SECRET": "secret",
    "HEADWATER_INSPECT_TOKEN": "secret",
    "GITHUB_TOKEN": "secret",
    "CARGO_REGISTRY_TOKEN": "secret",
    "CARGO_REGISTRIES_OWN_TOKEN": "secret",
    "DATABASE_URL": "secret",
}
NEEDED = {"CLOUDFLARE_API_TOKEN": "token", "CLOUDFLARE_ACCOUNT_ID": "account", "CARGO_HOME": "/cargo", "https_proxy": "http://proxy"}  # fmt: skip


def cargo_packages(path: str) -> list[dict[str, str]]:
    return [each for each in tomllib.loads((ROOT / path).read_text())["package"] if each["name"] not in ("headwater", "bindgen", "empty", "headwater-fuzz")]  # fmt: skip


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression can be fulfilled with the licences above."""
    text = re.sub(r"([\w.-]+(?: WITH [\w.-]+)?)", lambda name: name[0] if name[0] in ("AND", "OR") else str(name[0] in LICENSES), expression.replace("/", " OR "))  # fmt: skip
    return bool(eval(text.replace("AND", "and").replace("OR", "or"), {}))


@pytest.mark.parametrize("path", CARGO)
def test_every_crate_is_of_one_registry_and_has_a_checksum(path: str) -> None:
    packages = cargo_packages(path)
    assert len({each.get("source") for each in packages}) == 1
    assert all(re.fullmatch("registry\\+https://.*", each["source"]) for each in packages)
    assert all(re.fullmatch("[0-9a-f]{64}", each["checksum"]) for each in packages)


def test_every_crate_has_a_licence_that_is_allowed() -> None:
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    for manifest in ("Cargo.toml", "scripts/bindgen/Cargo.toml"):
        read = subprocess.run([*command, "--manifest-path", ROOT / manifest], capture_output=True, check=True)
        licences = {each["name"]: each["license"] or "" for each in json.loads(read.stdout)["packages"] if each["source"]}
        assert len(licences) > 10
        assert {name: licence for name, licence in licences.items() if not is_allowed(licence)} == {}
    assert not is_allowed("GPL-3.0-only") and not is_allowed("MIT AND GPL-3.0-only")
    assert is_allowed("MIT OR GPL-3.0-only") and is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0")


@pytest.mark.parametrize("path", NPM)
def test_every_npm_package_has_a_hash(path: str) -> None:
    packages = json.loads((ROOT / path).read_text())["packages"]
    own = [name for name, each in packages.items() if name and not each.get("integrity", "").startswith("sha512-")]
    assert own == []


@pytest.mark.parametrize(("path", "least"), list(zip(PYTHON, (10, 7), strict=True)))
def test_every_python_package_has_a_hash_and_a_version(path: str, least: int) -> None:
    lock = (ROOT / path).read_text()
    entries = re.split(r"\n(?=[a-zA-Z0-9])", lock)[1:]
    pins = {}
    for entry in entries:
        name, version = re.match(r"([\w.-]+)(?:\[[^]]*\])?==(\S+)", entry).groups()  # type: ignore[union-attr]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name
        pins.setdefault(name.lower(), set()).add(version)
    asked = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / path).with_suffix(".txt").read_text(), re.MULTILINE)
    assert len(asked) > least
    assert [pin for pin in asked if pin[1] not in pins.get(pin[0].lower(), set())] == []


def test_nothing_is_installed_without_its_lock() -> None:
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and path.suffix in ("", ".sh")]
    lines = [line.strip() for path in scripts for line in path.read_text().splitlines()]
    called = [line for line in lines if not line.startswith(("#", "echo", "need"))]
    wanted = {r"-m pip install|uv pip": "--require-hashes", r"\bnpm (ci|install|i)\b": "npm ci .*--ignore-scripts", r"(?<!/)\bcargo (build|install)\b": "--locked"}  # fmt: skip
    for command, flag in wanted.items():
        found = [line for line in called if re.search(command, line) and "die " not in line]
        assert found, command
        assert [line for line in found if not re.search(flag, line)] == []


def test_the_bill_of_materials_has_each_locked_package_once() -> None:
    read = subprocess.run([ROOT / "scripts" / "sbom"], capture_output=True, check=True)
    document = json.loads(read.stdout)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    listed = [each["purl"] for each in document["components"]]
    assert len(listed) == len(set(listed)) and document["components"] == components()
    assert all(each["hashes"] and all(len(hash["content"]) >= 64 for hash in each["hashes"]) for each in document["components"])  # fmt: skip
    crates = {f"pkg:cargo/{each['name']}@{each['version']}" for path in CARGO for each in cargo_packages(path)}
    assert {purl.replace("%2B", "+") for purl in listed if purl.startswith("pkg:cargo/")} == crates
    python = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", "".join((ROOT / path).read_text() for path in PYTHON), re.MULTILINE)  # fmt: skip
    assert sum(purl.startswith("pkg:pypi/") for purl in listed) == len(set(python)) > 50
    assert any(purl.startswith("pkg:npm/wrangler@") for purl in listed)
    scopes = {each["name"]: each["scope"] for each in document["components"]}
    assert (scopes["worker"], scopes["web-vitals"], scopes["wrangler"]) == ("required", "required", "excluded")


def test_wrangler_gets_no_key_but_cloudflares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nenv >'{tmp_path}/environment'\necho '[]'\n")
    program.chmod(0o755)
    monkeypatch.setenv("HEADWATER_WRANGLER", str(program))
    for name, value in {**SECRETS, **NEEDED}.items():
        monkeypatch.setenv(name, value)
    assert Wrangler(None).secret_names() == set()
    given = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    assert given.keys() & SECRETS.keys() == set()
    assert NEEDED.items() <= given.items() and given["PATH"] == os.environ["PATH"]


def test_a_build_gets_no_key_at_all(tmp_path: Path) -> None:
    tools = (ROOT / "scripts" / "tools.sh").read_text()
    start = tools.index("without_keys() {")
    clearing = tools[start : tools.index("\n}\n", start) + 3] + "without_keys\n"
    build = (ROOT / "scripts" / "build").read_text()
    assert build.index("\nwithout_keys\n") < build.index("build_check")
    secrets = {**SECRETS, "CLOUDFLARE_API_TOKEN": "token", "CLOUDFLARE_API_KEY": "key"}
    del secrets["DATABASE_URL"]
    read = subprocess.run(
        ["bash", "-euc", f"{clearing}env"],
        env={"PATH": os.environ["PATH"], "CARGO_HOME": "/cargo", **secrets},
        capture_output=True,
        text=True,
        check=True,
    )
    given = dict(line.split("=", 1) for line in read.stdout.splitlines())
    assert given.keys() & secrets.keys() == set() and given["CARGO_HOME"] == "/cargo"


class Database:
    """Answers as OSV does: a page of ids for each query, and a token if there is another page."""

    def __init__(self, vulnerable: dict[str, list[str]]) -> None:
        self.asked: list[str] = []
        database = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
                assert len(queries) <= 1_000
                results = []
                for query in queries:
                    purl, page = query["package"]["purl"], int(query.get("page_token", 0))
                    database.asked.append(purl)
                    ids = vulnerable.get(purl, [])
                    more = {"next_page_token": str(page + 1)} if page + 1 < len(ids) else {}
                    results.append({"vulns": [{"id": ids[page]}], **more} if ids else {})
                body = json.dumps({"results": results}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    def audit(self, *options: str, accepted: str = "", scripts: Path = ROOT / "scripts") -> subprocess.CompletedProcess[str]:
        (scripts / "audit-accepted.txt").write_text(accepted) if accepted else None
        env = {**os.environ, "HEADWATER_OSV": f"http://127.0.0.1:{self.server.server_port}"}
        return subprocess.run([scripts / "audit", *options], env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The lock files and the scripts, so that a test may accept a vulnerability."""
    for path in (*CARGO, *NPM, *PYTHON):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "scripts"


def test_every_locked_package_is_looked_up_once(clone: Path) -> None:
    database = Database({})
    ended = database.audit(accepted="# none\n", scripts=clone)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(database.asked) == sorted(each["purl"] for each in components())
    assert ended.stdout == f"{len(database.asked)} packages, 0 vulnerabilities, 0 accepted\n"


def test_a_vulnerability_is_named_until_it_is_accepted(clone: Path) -> None:
    worker, wrangler = (next(each["purl"] for each in components() if each["name"] == name) for name in ("worker", "wrangler"))
    database = Database({worker: ["RUSTSEC-2026-0001", "RUSTSEC-2026-0002"], wrangler: ["GHSA-a-b-c"]})
    ended = database.audit(scripts=clone)
    assert ended.returncode == 1
    assert f"RUSTSEC-2026-0002  {worker}  in the worker\n" in ended.stdout
    assert f"GHSA-a-b-c  {wrangler}  in the build, scripts or tests\n" in ended.stdout
    assert [each["id"] for each in json.loads(database.audit("--json", scripts=clone).stdout)].count("GHSA-a-b-c") == 1

    all_three = "".join(f"{each} reads no such input\n" for each in ("RUSTSEC-2026-0001", "RUSTSEC-2026-0002", "GHSA-a-b-c"))
    assert database.audit(accepted=all_three, scripts=clone).returncode == 0
    stale = database.audit(accepted=all_three + "GHSA-old gone\n", scripts=clone)
    assert stale.returncode == 1 and "GHSA-old is in no package any more" in stale.stderr
    assert "has no reason" in database.audit(accepted="GHSA-a-b-c\n", scripts=clone).stderr


def test_a_database_that_is_silent_is_no_good_news() -> None:
    database = Database({})
    database.server.shutdown()
    database.server.server_close()
    ended = database.audit()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "does not answer the question" in ended.stderr
