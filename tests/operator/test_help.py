"""Each script prints its help where nothing is installed yet, and does nothing else."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support import ROOT

SCRIPTS = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "scripts").rglob("*")
    if path.is_file() and os.access(path, os.X_OK)
)
# Those whose own program prints the help once it can be started.
OF_PYTHON = ["scripts/deploy", "scripts/export-quarantine", "scripts/import", "scripts/query", "scripts/replay"]
SECONDS = 120


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts as a fresh clone has them."""
    clone = tmp_path_factory.mktemp("clone")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "scripts", clone / "scripts", ignore=ignored)
    return clone


def test_scripts_are_found() -> None:
    assert {"scripts/dev", "scripts/test"} <= {str(path) for path in SCRIPTS}


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_help_is_printed_and_nothing_else_done(
    script: Path, option: str, clone: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    before = files(clone)
    answer = subprocess.run(
        [clone / script, option],
        cwd=tmp_path,
        env={**os.environ, "HEADWATER_CACHE": str(cache)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.strip()) > 40
    assert answer.stderr == ""
    assert files(clone) == before
    assert not cache.exists()


def help_of(script: Path, *words: str, **environment: str) -> str:
    ended = subprocess.run(
        [script, *words, "--help"],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.parametrize("script", OF_PYTHON)
def test_help_has_every_option_before_anything_is_installed(
    script: str, clone: Path, tmp_path: Path
) -> None:
    """What the script has in its comment is what its program has."""
    before, after = (
        set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--help"}
        for text in (
            help_of(clone / script, HEADWATER_CACHE=str(tmp_path / "cache")),
            help_of(ROOT / script),
        )
    )
    assert before == after
    assert before


def test_records_of_dev_have_a_help_before_anything_is_installed(clone: Path, tmp_path: Path) -> None:
    text = help_of(clone / "scripts/dev", "records", HEADWATER_CACHE=str(tmp_path / "cache"))
    assert "scripts/dev records [--failed]" in text
