"""Each script prints its help where nothing is installed yet, and does nothing else."""

import os
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
