"""The snippet as it is served: its addresses, how long each is kept, and where beacons go."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pytest

from support import ROOT
from support.fake_firehose import FakeFirehose
from support.streams import data
from support.worker import PROGRAMS, Worker

LATEST = "public, max-age=3600, stale-while-revalidate=86400"
FOR_EVER = "public, max-age=31536000, immutable"
CHECK_FIRST = "no-cache"

CHUNKS = ["auto", "vitals", "pointer", "video"]
OTHER = "0123cdef"
OWN = {"snippet": "/js/shop.js", "endpoint": "/collect"}
SHOP = "https://shop.example"

# Of each answer; the two that are empty here are its own.
HEADERS = {
    "content-type": "text/javascript; charset=utf-8",
    "cache-control": "",
    "etag": "",
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "timing-allow-origin": "*",
    "x-content-type-options": "nosniff",
    "vary": None,
    "set-cookie": None,
}


def written(name: str = "t.js") -> bytes:
    """A script of the snippet, as the build wrote it."""
    return (ROOT / "www" / name).read_bytes()


def chunks_hash() -> str:
    """What stands in the address of each chunk: one hash for all of them."""
    return hash_of(b"".join(written(f"t.{chunk}.js") for chunk in CHUNKS))


def hash_of(script: bytes) -> str:
    """What stands in a pinned address, and in the tag."""
    return hashlib.sha256(script).hexdigest()[:8]


@pytest.fixture(scope="module")
def elsewhere(peer: FakeFirehose) -> Iterator[Worker]:
    """A worker with addresses of its operator's own."""
    with Worker(peer.environment(), OWN) as worker:
        yield worker


@pytest.fixture(scope="module")
def misconfigured() -> Iterator[Worker]:
    """A worker that can deliver nothing."""
    with Worker({}, {**OWN, "failed_stream": None}) as worker:
        yield worker


def rows(stem: str) -> list[tuple[str, str, str]]:
    """Each address, its script and its `Cache-Control`."""
    core = hash_of(written())
    addresses = [
        (f"{stem}.js", "t.js", LATEST),
        (f"{stem}.js?v=2", "t.js", LATEST),
        (f"{stem}.{core}.js", "t.js", FOR_EVER),
        (f"{stem}.{OTHER}.js", "t.js", CHECK_FIRST),
    ]
    for chunk in CHUNKS:
        file = f"t.{chunk}.js"
        addresses.append((f"{stem}.{chunk}.{chunks_hash()}.js", file, FOR_EVER))
        addresses.append((f"{stem}.{chunk}.{OTHER}.js", file, CHECK_FIRST))
        addresses.append((f"{stem}.{core}.{chunk}.{chunks_hash()}.js", file, FOR_EVER))
    return addresses


@pytest.mark.parametrize(
    ("fixture", "stem"),
    [
        ("worker", "/t"),
        ("elsewhere", "/t"),
        ("elsewhere", "/js/shop"),
        ("misconfigured", "/t"),
    ],
)
def test_each_address_has_its_script_and_cache_time(
    request: pytest.FixtureRequest, fixture: str, stem: str
) -> None:
    worker: Worker = request.getfixturevalue(fixture)
    for path, file, cache_control in rows(stem):
        script = written(file)
        got = worker.get(path, {"origin": SHOP})
        looked_at = worker.request("HEAD", path, None, {"origin": SHOP})

        assert (got.status, got.body) == (200, script), path
        assert (looked_at.status, looked_at.body) == (200, b""), path
        for answer in (got, looked_at):
            reported = {name: answer.headers.get(name) for name in HEADERS}
            etag = f'"{hash_of(script)}"'
            assert reported == {**HEADERS, "cache-control": cache_control, "etag": etag}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_cached_script_gets_no_body(worker: Worker, method: str) -> None:
    for path, file, cache_control in rows("/t"):
        tag = f'"{hash_of(written(file))}"'
        for known in [tag, f"W/{tag}", f'"other", {tag}', "*"]:
            answer = worker.request(method, path, None, {"if-none-match": known})

            assert (answer.status, answer.body) == (304, b""), (path, known)
            assert answer.headers["etag"] == tag
            assert answer.headers["cache-control"] == cache_control
            assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("tags", ['"other"', OTHER, b"\xff", ""])
def test_an_outdated_script_is_replaced(worker: Worker, tags: str | bytes) -> None:
    answer = worker.get("/t.js", {"if-none-match": tags})

    assert (answer.status, answer.body) == (200, written())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/t.js", f"/t.video.{OTHER}.js", "/js/shop.js"])
def test_a_script_is_read_and_nothing_else(
    elsewhere: Worker, method: str, path: str
) -> None:
    answer = elsewhere.request(method, path)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_the_sources_of_the_snippet_are_not_served(worker: Worker) -> None:
    www = ROOT / "www"
    sources = [file for file in (www / "src").rglob("*") if file.is_file()]
    assert len(sources) > 5
    for file in [*sources, www / "t.mjs", www / "t.d.mts", *(www / "types").iterdir(), www / "package.json", www / "LICENSE", www / "README.md", www / ".assetsignore"]:
        assert file.is_file()
        answer = worker.get(f"/{file.relative_to(www)}")
        assert (answer.status, answer.json()["code"]) == (404, "not_found"), file


@pytest.mark.parametrize(
    "path", ["/t.vitals.js", f"/t.start.{OTHER}.js", "/t.js/", "/js/shop.js"]
)
def test_no_other_address_has_a_script(worker: Worker, path: str) -> None:
    answer = worker.get(path)

    assert (answer.status, answer.json()["code"]) == (404, "not_found")


def test_the_demo_page_and_the_schemas_are_served_still(worker: Worker) -> None:
    for path, file in [("/", "index.html"), ("/schemas/click.json", "schemas/click.json")]:
        assert worker.get(path).body == written(file)


def printed() -> str:
    """What the build says of the snippet."""
    command = [PROGRAMS / "node", "scripts/snippet.mjs", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_tag_that_the_build_prints_matches_the_served_script(worker: Worker) -> None:
    tag = re.search(r'<script async src="(\S+)" integrity="(\S+)" crossorigin', printed())
    assert tag
    answer = worker.get(tag[1])

    digest = base64.b64encode(hashlib.sha384(answer.body).digest()).decode()
    assert tag[2] == f"sha384-{digest}"
    assert answer.headers["cache-control"] == FOR_EVER
    assert answer.headers["access-control-allow-origin"] == "*"


def test_the_core_names_chunks_that_are_served_for_ever(worker: Worker) -> None:
    """Else each visit would ask for them again, or find them changed."""
    assert chunks_hash() in worker.get("/t.js").body.decode()
    for chunk in CHUNKS:
        path = f"/t.{chunk}.{chunks_hash()}.js"
        assert worker.get(path).headers["cache-control"] == FOR_EVER


@pytest.mark.parametrize("path", ["/v1/events", "/collect", "/collect/"])
def test_beacons_to_a_custom_path_are_accepted(
    elsewhere: Worker, peer: FakeFirehose, path: str
) -> None:
    event_id = str(uuid4())
    body = f'{{"name":"a","id":"{event_id}"}}'
    headers = {"origin": SHOP, "content-type": "text/plain"}

    sent = elsewhere.request("POST", f"{path}?key=pk_1", body, headers)
    asked = elsewhere.request("OPTIONS", path, None, headers)
    looked_at = elsewhere.get(path)

    assert (sent.status, asked.status, looked_at.status) == (204, 204, 405)
    assert asked.headers["access-control-allow-methods"] == "POST"
    assert looked_at.headers["allow"] == "POST, OPTIONS"
    assert event_id in data(peer)


@pytest.mark.parametrize("path", ["/collects", "/Collect", "/v1/collect", "/js/shop.mjs"])
def test_an_address_beside_the_operators_is_404(elsewhere: Worker, path: str) -> None:
    answer = elsewhere.request("POST", path, '{"name":"a"}')

    assert (answer.status, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/collect", "/js/shop.js", "/anything"])
def test_no_path_is_denied_before_the_configuration_is_read(
    misconfigured: Worker, path: str
) -> None:
    """A 404 would make a client forget its events, for a mistake of the operator's."""
    answer = misconfigured.request("POST", path, '{"name":"a"}')

    assert (answer.status, answer.json()["code"]) == (503, "not_configured")
    assert answer.retry_after > 0
