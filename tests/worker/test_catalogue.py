"""The catalogue is a file beside the worker: another one is served without another worker."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import ROOT
from support.fake_firehose import FakeFirehose
from support.worker import Worker

pytestmark = pytest.mark.usefixtures("built_check")

SECONDS = 600
CATALOGUE = Path("build", "catalogue.bin")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a worker is started from."""
    shutil.copytree(ROOT / "build", tmp_path / "build")
    shutil.copytree(ROOT / "www", tmp_path / "www")
    shutil.copy(ROOT / "wrangler.toml", tmp_path)
    return tmp_path


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer


def worker(checkout: Path, peer: FakeFirehose) -> Worker:
    of_checkout = Worker(peer.environment())
    of_checkout.root = checkout
    return of_checkout


def compile_schemas(checkout: Path) -> None:
    command = [ROOT / "scripts" / "check", "--quiet", "--root", checkout]
    subprocess.run(
        [*command, "--catalogue", checkout / CATALOGUE], check=True, timeout=SECONDS
    )


def test_an_edit_of_a_schema_needs_no_other_worker(
    checkout: Path, peer: FakeFirehose
) -> None:
    event = {"name": "quiz_answered", "props": {"answer": "a"}}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "/schemas/quiz_answered.json",
        "title": "Quiz answered",
        "description": "Somebody answered a question.",
        "x-version": "1.0.0",
        "properties": {
            "props": {"properties": {"answer": {"pattern": "^[b-d]$"}}},
        },
    }
    file = checkout / "www" / "schemas" / "quiz_answered.json"
    file.write_text(json.dumps(schema))
    with worker(checkout, peer) as before:
        assert before.post(event).status == 204
    compile_schemas(checkout)
    with worker(checkout, peer) as after:
        (verdict,) = after.post(event, query="?verdicts=1").verdicts
        assert (verdict["outcome"], verdict["code"]) == ("failed", "bad_format")
        assert verdict["pointer"] == "/props/answer"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda catalogue: catalogue[:-1],
            "build/catalogue.bin is damaged; run scripts/build",
        ),
        (
            lambda catalogue: b"HWC\x00" + catalogue[4:],
            "build/catalogue.bin is of another version than the worker; run scripts/build",
        ),
    ],
    ids=["damaged", "another version"],
)
def test_a_catalogue_that_can_not_be_read_is_named(
    checkout: Path,
    peer: FakeFirehose,
    change: Callable[[bytes], bytes],
    problem: str,
) -> None:
    file = checkout / CATALOGUE
    file.write_bytes(change(file.read_bytes()))
    with worker(checkout, peer) as broken:
        ready = broken.get("/readyz")
        assert (ready.status, ready.json()["problems"]) == (503, [problem])
        answer = broken.post({"name": "page_view"})
        assert answer.json() == {"code": "not_configured", "message": problem}
        assert broken.get("/healthz").status == 200
