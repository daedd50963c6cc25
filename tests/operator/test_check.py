"""scripts/check, on files that an operator may write."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support import ROOT

pytestmark = pytest.mark.usefixtures("built_check")

SECONDS = 600


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that it reads."""
    shutil.copytree(ROOT / "www" / "schemas", tmp_path / "www" / "schemas")
    shutil.copy(ROOT / "wrangler.toml", tmp_path)
    return tmp_path


def check(checkout: Path, *words: str) -> tuple[int, list[str], str]:
    """Its exit code, the lines of its standard error, and its standard output."""
    result = subprocess.run(
        [ROOT / "scripts" / "check", "--root", checkout, *words],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return result.returncode, result.stderr.splitlines(), result.stdout


def replace(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


def test_the_shipped_configuration_has_no_mistake(checkout: Path) -> None:
    count = len(list((checkout / "www" / "schemas").iterdir()))
    printed = f"check: {count} schemas and wrangler.toml have no mistake\n"
    assert check(checkout) == (0, [], printed)
    assert check(checkout, "--quiet") == (0, [], "")


def test_all_mistakes_of_all_files_are_named_at_once(checkout: Path) -> None:
    schemas = checkout / "www" / "schemas"
    replace(schemas / "click.json", '"x-version": "1.0.0",', '"minimun": 1,')
    (schemas / "Bad.json").write_text("{}")
    (schemas / "broken.json").write_text("{")
    replace(checkout / "wrangler.toml", '"low"', '"urgent"')
    replace(checkout / "wrangler.toml", "origins", "orgins")
    code, lines, printed = check(checkout)
    assert (code, printed) == (1, "")
    assert lines[:4] == [
        "www/schemas/Bad.json: file name must be [a-z][a-z0-9_.]{0,63} and .json",
        "www/schemas/broken.json: file is no JSON: EOF while parsing an object at line 1 column 1",
        "www/schemas/click.json: x-version is missing",
        "www/schemas/click.json: minimun is not supported",
    ]
    assert lines[4:6] == [
        "wrangler.toml: HEADWATER.origins is missing",
        'wrangler.toml: HEADWATER.routes[0].level must be one of "low", "mid", "high", not "urgent"',
    ]
    assert lines[6].startswith("wrangler.toml: HEADWATER.orgins is an unknown key;")
    assert len(lines) == 7


def test_an_environment_is_read_as_wrangler_reads_it(checkout: Path) -> None:
    with (checkout / "wrangler.toml").open("a") as file:
        file.write('\n[env.staging.vars]\nAWS_REGION = "eu-west-1"\n')
    missing = (
        "wrangler.toml: [env.staging] HEADWATER is missing; set it under [vars.HEADWATER] in"
        " wrangler.toml; an environment inherits no variables and no bindings"
    )
    quiet = (1, [missing], "")
    assert check(checkout, "--quiet") == check(checkout, "--env", "staging", "--quiet") == quiet
    code, lines, _ = check(checkout)
    assert (code, lines[0]) == (1, missing)
    unbound = ["SHARD", "INSPECTOR", "METRICS", "RATE_LIMIT", "CF_VERSION_METADATA"]
    assert [line.split(" is not bound")[0] for line in lines[1:]] == [
        f"note: wrangler.toml: [env.staging] {name}" for name in unbound
    ]
    assert check(checkout, "--top", "--quiet") == (0, [], "")


KEYS = "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=secret\n"


def test_the_variables_of_this_machine_are_read_when_asked(checkout: Path) -> None:
    variables = f"{KEYS}HEADWATER_OPERATOR_KEY=short\nAWS_REGION=europe\n"
    (checkout / ".dev.vars").write_text(variables)
    assert check(checkout, "--quiet") == (0, [], "")
    assert check(checkout, "--dev") == (
        1,
        [
            ".dev.vars: AWS_REGION must be the name of a region, such as eu-west-1 or us-gov-east-1",
            "warning: .dev.vars: HEADWATER_OPERATOR_KEY must have at least 32 characters; until then no failed event can be replayed, no quarantined record exported, and /readyz shows no details",
        ],
        "",
    )


def test_a_required_secret_that_is_missing_is_named(checkout: Path) -> None:
    id_, secret = (
        f".dev.vars: {key} is missing; without it no event can be delivered"
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    )
    assert check(checkout, "--dev") == (1, [id_, secret], "")
    for variables, missing in (
        ("AWS_ACCESS_KEY_ID=key\n", [secret]),
        (KEYS.replace("=key", "="), [id_]),
    ):
        (checkout / ".dev.vars").write_text(variables)
        assert check(checkout, "--dev") == (1, missing, "")
    (checkout / ".dev.vars").write_text(KEYS)
    assert check(checkout, "--dev", "--quiet") == (0, [], "")
    # Those of the deployed worker are stored at Cloudflare.
    (checkout / ".dev.vars").unlink()
    assert check(checkout, "--quiet") == (0, [], "")


def test_a_binding_that_is_misspelt_is_named_with_what_was_meant(checkout: Path) -> None:
    replace(checkout / "wrangler.toml", '"METRICS"', '"METRIC"')
    warning = (
        "warning: wrangler.toml: METRIC is an unknown binding; did you mean METRICS?"
        " Without METRICS, there are no metrics"
    )
    assert check(checkout, "--quiet") == (0, [warning], "")


def test_a_binding_that_is_missing_is_a_note(checkout: Path) -> None:
    replace(checkout / "wrangler.toml", 'binding = "ASSETS"', "")
    note = (
        "note: wrangler.toml: ASSETS is not bound;"
        " without it, there is no snippet, demo or documentation"
    )
    code, lines, printed = check(checkout)
    assert (code, lines) == (0, [note])
    assert printed.endswith("have no mistake\n")
    assert check(checkout, "--quiet") == (0, [], "")


def test_a_word_that_it_does_not_know_is_refused(checkout: Path) -> None:
    code, lines, _ = check(checkout, "--al")
    assert code == 2
    assert lines[0].startswith("usage: ")
