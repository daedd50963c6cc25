"""scripts/build, up to where it compiles: what it does about a mistake."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import ROOT

SECONDS = 600
CHECK = Path("target", "debug", "headwater-check")
MISTAKE = "www/schemas/click.json: minimun is not supported"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a mistake in a schema, and nothing built."""
    assert (ROOT / CHECK).exists(), "run scripts/check"
    for folder in ("scripts", "src", "www"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ("Cargo.toml", "Cargo.lock", "wrangler.toml"):
        shutil.copy2(ROOT / file, tmp_path / file)
    (tmp_path / CHECK.parent).mkdir(parents=True)
    # Younger than the sources, so that it is not compiled again.
    shutil.copy(ROOT / CHECK, tmp_path / CHECK)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    schema = tmp_path / "www" / "schemas" / "click.json"
    text = schema.read_text().replace('"x-version"', '"minimun": 1, "x-version"', 1)
    schema.write_text(text)
    return tmp_path


def build(checkout: Path, *words: str, **environment: str) -> tuple[int, list[str]]:
    """Its exit code, and the lines of its standard error."""
    result = subprocess.run(
        [checkout / "scripts" / "build", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return result.returncode, result.stderr.splitlines()


def test_nothing_is_built_before_the_first_good_state(checkout: Path) -> None:
    for words in ([], ["--dev"]):
        code, lines = build(checkout, *words)
        assert (code, lines[0]) == (1, MISTAKE)
        assert lines[1:] == ["build: correct what is named above; nothing is built"]
    assert not (checkout / "build").exists()


def test_a_dev_server_keeps_the_last_good_state(checkout: Path) -> None:
    folder = checkout / "build"
    folder.mkdir()
    for name in ("index.js", "catalogue.bin"):
        (folder / name).write_text("as it was")
    code, lines = build(checkout, WRANGLER_COMMAND="dev")
    assert (code, lines[0]) == (0, MISTAKE)
    assert lines[1:] == [
        "build: correct what is named above; until then the last good state is served"
    ]
    assert (folder / "catalogue.bin").read_text() == "as it was"
    assert build(checkout, WRANGLER_COMMAND="deploy")[0] == 1


def test_a_good_schema_is_written_though_the_configuration_is_wrong(
    checkout: Path,
) -> None:
    folder = checkout / "build"
    folder.mkdir()
    for name in ("index.js", "catalogue.bin"):
        (folder / name).write_text("as it was")
    schema = checkout / "www" / "schemas" / "click.json"
    schema.write_text(schema.read_text().replace('"minimun": 1, ', "", 1))
    file = checkout / "wrangler.toml"
    file.write_text(file.read_text().replace("origins", "orgins", 1))
    code, lines = build(checkout, "--dev")
    assert code == 0
    assert lines[0] == "wrangler.toml: HEADWATER.origins is missing"
    assert (folder / "catalogue.bin").read_bytes().startswith(b"HWC")
