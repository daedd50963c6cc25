"""The parts of wrangler.toml that are comments: they work as soon as the comments are removed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support import ROOT

FILE = ROOT / "wrangler.toml"
SECONDS = 600


def with_staging() -> str:
    """The file with the comments of the environment removed."""
    before, marker, after = FILE.read_text().partition("# [env.staging.vars]\n")
    assert marker
    return before + re.sub(r"^# ?", "", marker + after, flags=re.MULTILINE)


def named(configuration: dict[str, Any]) -> dict[str, set[str]]:
    """The bindings, by their kinds."""
    lists = {"objects": configuration["durable_objects"]["bindings"], "datasets": configuration["analytics_engine_datasets"]}
    lists |= {"limits": configuration["ratelimits"], "versions": [configuration["version_metadata"]]}
    return {kind: {each.get("binding", each.get("name")) for each in its} for kind, its in lists.items()}


def test_staging_has_all_bindings_and_nothing_of_production() -> None:
    production = tomllib.loads(with_staging())
    staging = production["env"]["staging"]
    assert named(staging) == named(production)
    for kind, name in (("analytics_engine_datasets", "dataset"), ("ratelimits", "namespace_id")):
        assert staging[kind][0][name] != production[kind][0][name]
    streams = re.compile(r"(?:firehose|kinesis):(\w+)-")
    assert set(streams.findall(str(staging["vars"]))) == {"staging"}
    assert set(streams.findall(str(production["vars"]))) == {"events"}
    assert staging["observability"] == {"enabled": True, "head_sampling_rate": 1}
    assert production["observability"]["head_sampling_rate"] == 0.01


@pytest.mark.usefixtures("built_check")
def test_staging_has_no_mistake(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "www" / "schemas", tmp_path / "www" / "schemas")
    (tmp_path / "wrangler.toml").write_text(with_staging())
    result = subprocess.run(
        [ROOT / "scripts" / "check", "--root", tmp_path, "--env", "staging"], capture_output=True, text=True, timeout=SECONDS
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_a_custom_domain_is_wranglers_and_no_setting_of_the_worker() -> None:
    text, removed = re.subn(r"^# (routes = .*custom_domain.*)$", r"\1", FILE.read_text(), flags=re.MULTILINE)
    assert removed == 1
    assert tomllib.loads(text)["routes"] == [{"pattern": "events.shop.example", "custom_domain": True}]


def test_no_preview_of_a_version_is_public() -> None:
    assert tomllib.loads(FILE.read_text())["preview_urls"] is False
