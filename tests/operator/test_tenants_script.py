"""scripts/tenants, with wrangler's own store on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import ROOT
from support.worker import PROGRAMS

pytestmark = pytest.mark.usefixtures("built_check")

SECONDS = 600
BOUND = '[[kv_namespaces]]\nbinding = "TENANTS"\nid = "tenants"\n\n[version_metadata]'
OWN = '\n[vars.HEADWATER.keys.pk_own]\ntenant = "own"\n'
ACME = {"tenant": "acme", "origins": ["https://acme.example"]}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The scripts, with a configuration that binds the store, and with this checkout's programs."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "scripts", root / "scripts")
    wrangler = (ROOT / "wrangler.toml").read_text().replace("[version_metadata]", BOUND, 1)
    (root / "wrangler.toml").write_text(wrangler + OWN)
    for name in ("node_modules", "src", "target", "Cargo.toml", "Cargo.lock", "www"):
        (root / name).symlink_to(ROOT / name)
        # Older than the program that is built of it.
        os.utime(root / name, (0, 0), follow_symlinks=False)
    yield root


def tenants(checkout: Path, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """Its exit code, its standard output and its standard error."""
    result = subprocess.run(
        [checkout / "scripts" / "tenants", *words],
        input=stdin,
        env={**os.environ, "XDG_CONFIG_HOME": str(checkout / "home")},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


def put(checkout: Path, key: str, value: Any) -> tuple[int, str, str]:
    return tenants(checkout, "--local", "put", key, "-", stdin=json.dumps(value))


def test_a_tenant_is_written_listed_checked_and_switched(checkout: Path) -> None:
    assert tenants(checkout, "--local", "list") == (0, "", "")
    written = "tenants: pk_acme is written, of the tenant acme\n"
    assert put(checkout, "pk_acme", ACME) == (0, written, "")
    file = checkout / "b.json"
    file.write_text('{"tenant": "b"}')
    assert tenants(checkout, "--local", "put", "pk_b", str(file))[0] == 0
    assert tenants(checkout, "--local", "off", "pk_acme") == (0, "tenants: pk_acme is off\n", "")
    assert tenants(checkout, "--local", "list")[1].splitlines() == [
        "pk_acme  off  acme",
        "pk_b     on   b",
    ]
    good = "tenants: 2 keys of TENANTS have no mistake\n"
    assert tenants(checkout, "--local", "check") == (0, good, "")
    assert tenants(checkout, "--local", "on", "pk_acme")[0] == 0
    assert "off" not in tenants(checkout, "--local", "list")[1]
    missing = "tenants: pk_c is no key of TENANTS; scripts/tenants list prints them\n"
    assert tenants(checkout, "--local", "off", "pk_c") == (1, "", missing)


def test_a_switched_key_does_not_take_over_the_tenants_name(checkout: Path) -> None:
    for key in ("pk_old", "pk_new"):
        assert put(checkout, key, {"tenant": "two"})[0] == 0
    assert tenants(checkout, "--local", "off", "pk_old")[0] == 0

    wrangler = ["wrangler", "kv", "key", "get", "tenant/two", "--binding", "TENANTS", "--local", "--persist-to"]
    path = f"{checkout / 'node_modules' / '.bin'}{os.pathsep}{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    named = subprocess.run(
        [*wrangler, checkout / ".wrangler" / "local-aws" / "worker"],
        cwd=checkout, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    assert named.stdout.strip() == "pk_new"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("pk_x", {"tenant": "X"}, "TENANTS.pk_x.tenant must be a name of 1 to 64 of a-z 0-9 _ -"),
        ("pk x", ACME, "TENANTS.pk x is no write key; a key has 1 to 64 of a-z A-Z 0-9 _ - . :"),
        ("pk_own", ACME, "TENANTS.pk_own is a key of HEADWATER.keys, which goes first"),
        ("pk_x", [], "-: must be a JSON object"),
        (
            "pk_x",
            {"tenant": "x", "routes": [{"to": "firehose:x"}]},
            "TENANTS.pk_x.routes[0].to must be a stream of HEADWATER.routes or HEADWATER.tenant_streams",
        ),
    ],
    ids=["name", "key", "own", "list", "stream"],
)
def test_a_wrong_value_is_named_and_not_written(
    checkout: Path, key: str, value: Any, problem: str
) -> None:
    assert put(checkout, key, value) == (1, "", f"tenants: {problem}\n")
    assert key not in tenants(checkout, "--local", "list")[1]


def test_a_file_of_keys_is_checked_whole(checkout: Path) -> None:
    file = checkout / "keys.json"
    file.write_text(json.dumps({"pk_a": ACME, "pk_b": {"tenant": "b", "ip": "x"}, "pk_c": {}}))
    code, printed, complaints = tenants(checkout, "check", str(file))
    assert (code, printed) == (1, "")
    assert [line.split()[1] for line in complaints.splitlines()] == [
        "TENANTS.pk_b.ip",
        "TENANTS.pk_c.tenant",
    ]
    file.write_text('{"pk_a": {"tenant": "a", "tenant": "b"}}')
    twice = f"tenants: {file}: a JSON object names a field twice\n"
    assert tenants(checkout, "check", str(file)) == (1, "", twice)


def test_a_warning_is_shown_and_the_value_is_written(checkout: Path) -> None:
    value = {"tenant": "w", "snowplow": {"hartbeat_s": 10}}
    warning = "tenants: warning: TENANTS.pk_w.snowplow.hartbeat_s is an unknown key; did you mean heartbeat_s?; until then no cookie is set, and page pings are events of their own\n"
    written = "tenants: pk_w is written, of the tenant w\n"
    assert put(checkout, "pk_w", value) == (0, written, warning)
    code, _, complaints = tenants(checkout, "--local", "check")
    assert (code, complaints) == (0, warning)


@pytest.mark.parametrize(
    "words", [[], ["put"], ["drop", "pk_a"], ["list", "x"], ["--remote", "list"]], ids=" ".join
)
def test_wrong_words_are_refused(checkout: Path, words: list[str]) -> None:
    code, printed, complaints = tenants(checkout, *words)
    assert (code, printed) == (2, "")
    assert complaints.startswith("tenants: ") and "see scripts/tenants --help" in complaints


def test_wrangler_gets_no_secrets_of_the_operators_shell(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrangler, names = tmp_path / "wrangler", tmp_path / "names"
    wrangler.write_text(f"#!/bin/sh\nenv | cut -d= -f1 > '{names}'\necho '[]'\n")
    wrangler.chmod(0o755)
    for name in ("AWS_SECRET_ACCESS_KEY", "HEADWATER_OPERATOR_KEY", "CLOUDFLARE_API_TOKEN"):
        monkeypatch.setenv(name, "a secret")
    monkeypatch.setenv("HEADWATER_WRANGLER", str(wrangler))

    assert tenants(checkout, "list") == (0, "", "")
    given = names.read_text().split()
    assert "CLOUDFLARE_API_TOKEN" in given
    assert {"AWS_SECRET_ACCESS_KEY", "HEADWATER_OPERATOR_KEY"}.isdisjoint(given)


def test_why_wrangler_failed_is_a_sentence(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_WRANGLER", "no-such-wrangler")
    missing = "tenants: no-such-wrangler is missing: run scripts/setup\n"
    assert tenants(checkout, "list") == (1, "", missing)
