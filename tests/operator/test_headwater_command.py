"""The one command: it finds each script, completes in a shell, and tells what a machine lacks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support import ROOT

HEADWATER = ROOT / "scripts" / "headwater"
COMMANDS = re.findall(r"^  ([a-z-]+)(?: \S+)?  ", subprocess.check_output([HEADWATER, "--help"], text=True), re.MULTILINE)
SECONDS = 120


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HEADWATER, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def path_without(program: str, folder: Path) -> str:
    """A PATH whose only folder has all programs of this one but for `program`."""
    for place in os.environ["PATH"].split(os.pathsep):
        for each in Path(place).glob("*"):
            link = folder / each.name
            if each.name != program and not link.exists() and not link.is_symlink():
                link.symlink_to(each)
    return str(folder)


def complete(*words: str) -> set[str]:
    script = (
        'source <("$0" completion bash); COMP_WORDS=("$0" "$@"); COMP_CWORD=$#; _headwater; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    answer = subprocess.run(
        ["bash", "-c", script, HEADWATER, *words], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return set(answer.stdout.split())


def test_the_commands_are_found() -> None:
    assert {"dev", "check", "deploy", "query", "replay", "quarantine", "doctor", "completion"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help(command: str) -> None:
    answer = run(command, "--help")
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout) > 40


@pytest.mark.parametrize("arguments", [("../setup",), ("de",), ("completion",)])
def test_a_mistake_is_a_sentence(arguments: tuple[str, ...]) -> None:
    answer = run(*arguments)
    assert answer.returncode == 2
    assert re.fullmatch(r"headwater: .+; see scripts/headwater --help\n", answer.stderr)


def test_a_command_takes_paths_from_where_it_is_called(tmp_path: Path) -> None:
    arguments = [HEADWATER, "types", "--only", "typescript", "--out", "here"]
    subprocess.run(arguments, cwd=tmp_path, capture_output=True, timeout=SECONDS, check=True)
    assert list((tmp_path / "here").iterdir())


def test_a_shell_completes_commands_and_options() -> None:
    assert complete("d") == {"dev", "deploy", "doctor"}
    assert complete("query", "--st") == {"--steps"}
    assert complete("query", "--q") == complete("replay", "--q") == complete("deploy", "--q") == {"--quiet"}
    assert complete("dev", "--fo") == complete("records", "--fo") == {"--follow"}
    assert complete("query", "session") == {"sessions_per_day", "session_lengths"}
    assert complete("query", "rep") == {"report"}
    assert complete("tenants", "") == complete("tenants", "--local", "") == {"put", "list", "check", "off", "on"}
    assert complete("outage", "h") == {"hang"}
    assert complete("import", "--from", "s") == {"segment", "snowplow"}


# A wrong word of each command that could otherwise begin something, and how its sentence begins.
MISUSES = {
    "dev --rest": "dev: ", "records --last 0": "dev: ", "outage melt": "outage: ", "types --only cobol": "types: ", "deploy --dry": "deploy: ",
    "query --by ip": "query: ", "query nothing": "query: ", "replay local": "replay: ", "import a.json": "import: ", "tenants drop": "tenants: ",
    "quarantine": "export-quarantine: ", "measure-deployment": "measure-deployment: ", "scale-model --set a=b": "scale-model: ",
    "simulate --rate x": "simulate: ", "simulate --faults some": "simulate: ", "simulate --rat 1": "simulate: ", "simulate --seed": "simulate: ",
    "doctor --xml": "headwater: ", "completion tcsh": "headwater: ", "nothing": "headwater: ",
}  # fmt: skip


@pytest.mark.parametrize("words", MISUSES)
def test_wrong_use_ends_with_2_and_a_sentence(words: str) -> None:
    answer = run(*words.split())
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(MISUSES[words]) and len(answer.stderr.splitlines()) == 1


# What takes --quiet and --json; the others print no more than they are asked for.
OUTPUTS = {
    "dev": {"--quiet"}, "records": {"--quiet"}, "completion": {"--json", "--quiet"},
    "simulate": set(),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_helps_have_one_style(command: str) -> None:
    printed = run(command, "--help").stdout
    first, blank, *lines = printed.splitlines()
    assert re.fullmatch(r"[A-Z].+\.", first) and blank == "", first
    assert lines[0].startswith("  scripts/"), lines[0]
    options = {line.split()[0].rstrip(",") for line in lines if line.startswith("  --")}
    assert {each for each in ("--json", "--quiet") if each in printed} == OUTPUTS.get(command, {"--json", "--quiet"})
    assert not options or all(re.fullmatch(r"--[a-z-]+", each) for each in options)
    assert max(map(len, lines)) <= 127


def test_doctor_is_quiet_if_nothing_is_missing(tmp_path: Path) -> None:
    answer = run("doctor", "--quiet")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    lacks = run("doctor", "--quiet", PATH=path_without("cc", tmp_path), CARGO_HOME=str(tmp_path / "cargo"))
    assert lacks.returncode == 1 and re.fullmatch(r"missing +cc +install .*\n", lacks.stdout)


def test_doctor_says_that_nothing_is_missing() -> None:
    answer = run("doctor")
    assert answer.returncode == 0, answer.stdout
    assert answer.stdout.endswith("Nothing is missing. Next: scripts/dev\n")
    assert re.search(r"^ok +wrangler.toml +no mistake$", answer.stdout, re.MULTILINE)


@pytest.mark.parametrize("program", ["rustup", "cc"])
def test_doctor_names_what_is_missing(program: str, tmp_path: Path) -> None:
    environment = {"PATH": path_without(program, tmp_path), "CARGO_HOME": str(tmp_path / "cargo")}
    answer = run("doctor", **environment)
    assert answer.returncode == 1
    assert re.search(rf"^missing +{program} +install ", answer.stdout, re.MULTILINE)

    in_json = run("doctor", "--json", **environment)
    assert in_json.returncode == 1
    found = json.loads(in_json.stdout)
    assert [each["what"] for each in found if each["state"] == "missing"] == [program]


def test_doctor_names_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    ignored = shutil.ignore_patterns("target", ".git", "node_modules", "build*", ".wrangler", "tests")
    shutil.copytree(ROOT, clone, ignore=ignored, symlinks=True)
    (clone / "target" / "debug").mkdir(parents=True)
    (clone / "target" / "debug" / "headwater-check").symlink_to(ROOT / "target" / "debug" / "headwater-check")
    wrangler = clone / "wrangler.toml"
    wrangler.write_text(wrangler.read_text().replace('delivery = "sharded"', 'delivery = "sharp\\"ed"'))
    answer = subprocess.run(
        [clone / "scripts" / "headwater", "doctor", "--json"],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    (mistake,) = [each for each in json.loads(answer.stdout) if each["state"] == "missing"]
    assert mistake["what"] == "wrangler.toml" and "delivery" in mistake["text"]
