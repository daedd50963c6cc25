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
# The programs of those that are written in Python, which have no help of their own.
OF_PYTHON = {
    "scripts/deploy": "scripts/aws/deploy.py",
    "scripts/export-quarantine": "scripts/lake/export_quarantine.py",
    "scripts/import": "scripts/lake/import_events.py",
    "scripts/measure-deployment": "scripts/capacity/measure_deployment.py",
    "scripts/outage": "scripts/aws/outage.py",
    "scripts/query": "scripts/lake/query.py",
    "scripts/replay": "scripts/lake/replay.py",
    "scripts/scale-model": "scripts/capacity/scale_model.py",
    "scripts/soak": "tests/faults/soak.py",
    "scripts/storm": "tests/faults/storm.py",
    "scripts/tenants": "scripts/kv/tenants.py",
    "scripts/types": "scripts/typegen/generate.py",
}
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
    text = help_of(clone / script, HEADWATER_CACHE=str(tmp_path / "cache"))
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert shown == options_of(ROOT / OF_PYTHON[script])
    assert shown


def options_of(program: Path) -> set[str]:
    """The options that a program declares, without those of the tests and former names."""
    text = re.sub(r"# Of the tests\.\n.*", "", program.read_text(encoding="utf-8"))
    found = set(re.findall(r'add(?:_argument)?\(\s*"(--[a-z-]+)"', text))
    found |= {f"--no-{each[2:]}" for each in re.findall(r'"(--[a-z-]+)", action=argparse.BooleanOptionalAction', text)}
    found |= {"--json", "--quiet"} if "add_output(" in text else set()
    found |= {"--worker"} if "add_worker(" in text else set()
    return found | ({f"--{each}" for each in ("csv", "json", "markdown")} if "answers.FORMS" in text else set())


def test_records_of_dev_have_a_help_before_anything_is_installed(clone: Path, tmp_path: Path) -> None:
    text = help_of(clone / "scripts/dev", "records", HEADWATER_CACHE=str(tmp_path / "cache"))
    assert {"--failed", "--follow", "--last", "--name", "--pretty"} <= set(re.findall(r"--[a-z]+", text))
