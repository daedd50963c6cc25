"""scripts/build, up to where it compiles: what it does about a mistake."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from support import ROOT

pytestmark = pytest.mark.usefixtures("built_check")

SECONDS = 600
# It is printed every 15 s.
PROGRESS_SECONDS = 120
CHECK = Path("target", "debug", "headwater-check")
MISTAKE = "www/schemas/click.json: minimun is not supported"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a mistake in a schema, and nothing built."""
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


def test_a_wrong_configuration_does_not_stop_the_catalogue(
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


CARGO = """#!/bin/sh
# Says that it has compiled two crates, and ends when it may.
[ "$1" = build ] || exit 0
echo '{"reason":"compiler-artifact","target":{"kind":["lib"]},"fresh":false}'
echo '{"reason":"compiler-artifact","target":{"kind":["lib"]},"fresh":false}'
until [ -e "$MAY_END" ]; do sleep 0.1; done
[ -s "$MAY_END" ] || exit 1
cp "$MAY_END" target/debug/headwater-check
"""


def test_a_check_that_is_compiled_says_so_and_how_far_it_is(checkout: Path, tmp_path: Path) -> None:
    cargo = tmp_path / "cargo" / "bin" / "cargo"
    cargo.parent.mkdir(parents=True)
    cargo.write_text(CARGO)
    cargo.chmod(0o755)
    may_end = tmp_path / "may_end"
    log = tmp_path / "log"

    def start(program: str | None) -> int:
        """The exit code of scripts/check, whose compiler ends with this program once progress is printed."""
        may_end.unlink(missing_ok=True)
        with log.open("wb") as file:
            process = subprocess.Popen(
                [checkout / "scripts" / "check"],
                # Progress is for a terminal, or for who shows it on one.
                env={**os.environ, "HEADWATER_PROGRESS": "yes", "CARGO_HOME": str(cargo.parents[1]), "MAY_END": str(may_end)},
                stdout=subprocess.DEVNULL,
                stderr=file,
            )
        deadline = time.monotonic() + PROGRESS_SECONDS
        try:
            while "2 of about" not in log.read_text() and process.poll() is None:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        finally:
            may_end.write_text(program or "")
        return process.wait(SECONDS)

    what = "compiling what checks the configuration and the schemas"
    (checkout / CHECK).unlink()
    assert start(None) == 1
    assert log.read_text().startswith(f"check: {what}; takes a minute or so, once\ncheck: 2 of about ")

    good = "#!/bin/sh\necho checked >&2\n"
    (checkout / CHECK).write_text(good)
    (checkout / CHECK).chmod(0o755)
    os.utime(checkout / CHECK, (0, 0))
    assert start(good) == 0
    lines = log.read_text().splitlines()
    assert lines[0] == f"check: {what} again, since the sources have changed; takes a minute or so"
    assert lines[1].startswith("check: 2 of about ") and lines[-1] == "checked"
    # It is as new as the sources now.
    assert build_nothing(checkout, cargo.parents[1]) == "checked\n"


def build_nothing(checkout: Path, cargo_home: Path) -> str:
    """What scripts/check says where nothing has to be compiled."""
    ended = subprocess.run(
        [checkout / "scripts" / "check"],
        env={**os.environ, "CARGO_HOME": str(cargo_home)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return ended.stderr
