"""A release has one version, and CI, the development container and the workflows agree."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import ROOT

SECONDS = 120
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def release(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([root / "scripts" / "release", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)


def workflow(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())  # type: ignore[no-any-return]


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job.get("steps", []) if "run" in step]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What scripts/release --check reads."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Cargo.toml", "www/package.json", "www/docs/CHANGELOG.md"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def test_this_tree_could_be_released() -> None:
    checked = release(ROOT, "--check", "--tag", f"v{VERSION}")
    assert (checked.returncode, checked.stdout) == (0, f"release: version {VERSION}\n"), checked.stderr
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    assert [each["version"] for each in locked if each["name"] == "headwater"] == [VERSION]


@pytest.mark.parametrize(
    ("file", "from_", "to", "message"),
    [
        ("www/package.json", f'"{VERSION}"', '"9.0.0"', "www/package.json has version 9.0.0"),
        ("Cargo.toml", f'version = "{VERSION}"', 'version = "1.0"', "not MAJOR.MINOR.PATCH"),
        ("www/docs/CHANGELOG.md", f"## {VERSION}\n", "## Next\n", f"no section ## {VERSION}"),
    ],
)
def test_a_version_that_differs_is_no_release(checkout: Path, file: str, from_: str, to: str, message: str) -> None:
    text = (checkout / file).read_text()
    assert from_ in text
    (checkout / file).write_text(text.replace(from_, to, 1))
    checked = release(checkout, "--check")
    assert checked.returncode == 1 and message in checked.stderr


def test_a_tag_of_another_version_is_no_release(checkout: Path) -> None:
    assert release(checkout, "--check").returncode == 0
    checked = release(checkout, "--check", "--tag", "v9.0.0")
    assert checked.returncode == 1 and f"it must be v{VERSION}" in checked.stderr


def test_a_release_has_the_package_the_notes_and_checksums() -> None:
    made = release(ROOT)
    assert made.returncode == 0, made.stderr
    dist = ROOT / "dist"
    files = {each.name for each in dist.iterdir()}
    assert files == {f"headwater-snippet-{VERSION}.tgz", f"headwater-{VERSION}.cdx.json", "notes.md", "SHA256SUMS"}
    assert json.loads((dist / f"headwater-{VERSION}.cdx.json").read_text())["bomFormat"] == "CycloneDX"
    assert "**Added**" in (dist / "notes.md").read_text() and "\n## " not in (dist / "notes.md").read_text()
    for line in (dist / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest
    shutil.rmtree(dist)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_no_action_that_can_change(path: Path) -> None:
    text = path.read_text()
    used = re.findall(r"uses: (\S+)", text)
    assert used and all(each.startswith("./") or re.search(r"@[0-9a-f]{40}$", each) for each in used)
    document = yaml.safe_load(text)
    assert document["permissions"] == {"contents": "read"}
    # What an author chooses, such as the name of a tag, gets into no command but by a variable.
    assert not [each for job in document["jobs"].values() for each in commands(job) if "${{" in each]


def test_a_tag_is_tested_before_it_is_a_draft() -> None:
    jobs = workflow("release")["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/test.yml"
    # YAML 1.1 reads the key `on` as true.
    assert "workflow_call" in workflow("test")[True]
    assert jobs["release"]["needs"] == "test"
    called = commands(jobs["release"])
    assert any(each.startswith("scripts/release --tag") for each in called)
    assert any("gh release create" in each and "--draft" in each for each in called)


def test_the_development_container_has_what_ci_has() -> None:
    container = (ROOT / ".devcontainer" / "Dockerfile").read_text()
    job = workflow("test")["jobs"]["test"]
    assert f"FROM {job['container']}\n" in container
    assert workflow("release")["jobs"]["release"]["container"] == job["container"]
    packages = re.compile(r"--no-install-recommends ([\w -]+)")
    of_ci, of_container = (set(packages.search(text)[1].split()) for text in (commands(job)[0], container))  # type: ignore[index]
    # .ci/run installs valgrind on its own.
    assert of_ci | {"valgrind"} == of_container
    # The image has rustup's minimal profile, without what scripts/test calls beside cargo and rustc.
    added = "rustup component add clippy rustfmt"
    assert added in commands(job) and added in container
    assert {"cargo fmt", "cargo clippy"} <= set(re.findall(r"^step (cargo \w+)", (ROOT / "scripts" / "test").read_text(), re.MULTILINE))
    settings = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    # The worker of scripts/dev, and the records that its demo page asks for.
    assert settings["forwardPorts"] == [8787, 8788]
    assert settings["build"] == {"dockerfile": "Dockerfile"}
    assert (ROOT / settings["postCreateCommand"].split()[0]).is_file()
