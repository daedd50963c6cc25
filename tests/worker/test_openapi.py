"""GET /openapi.json: a valid document, which says what the worker does and the pages list."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from support import ROOT
from support.fake_firehose import FakeFirehose
from support.streams import data
from support.worker import Headers, Worker

DOCUMENT: dict[str, Any] = json.loads((ROOT / "www" / "openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATOR_KEY = "operator-key-of-these-tests-0123456789"
KEYS = {"pk_shop": {"tenant": "shop", "origins": ["https://shop.example"]}}
SITE = {"x-write-key": "pk_shop", "origin": "https://shop.example"}
OPERATOR = {"authorization": f"Bearer {OPERATOR_KEY}"}
# What has a page of its own.
ELSEWHERE = {"OPTIONS /v1/events", "GET /_/inspect", "GET /docs/", "GET /openapi.json"}


def page(name: str) -> str:
    return (ROOT / "www" / "docs" / name).read_text()


def table(text: str, heading: str) -> list[str]:
    """The names in the first column of the tables with this heading."""
    tables = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [name for rows in tables for row in rows.splitlines() for name in re.findall("`([^`]+)`", row.split(" | ")[0])]


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


@pytest.fixture(scope="module")
def worker(peer: FakeFirehose) -> Iterator[Worker]:
    environment = {**peer.environment(), "HEADWATER_OPERATOR_KEY": OPERATOR_KEY}
    with Worker(environment, {"keys": KEYS, "limits": {"max_beacons": 3}}) as worker:
        yield worker


def test_the_document_is_valid_and_of_this_version() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["info"]["version"] == tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]


def test_the_operations_are_those_of_the_page() -> None:
    operations = {f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item}
    listed = {name.replace("EVENT", "{event}") for name in table(page("http-api.md"), "request") if not name.startswith(("GET /_/quarantine?", "DELETE /_/quarantine?", "POST /_/quarantine?"))}  # fmt: skip
    assert operations == listed - ELSEWHERE


def test_a_beacon_has_the_fields_of_the_page() -> None:
    assert set(SCHEMAS["Beacon"]["properties"]) == set(table(page("event-fields.md"), "field"))


def test_the_outcomes_and_the_statuses_are_those_of_the_code() -> None:
    outcomes = re.findall(r'Self::\w+ => "(\w+)",', (ROOT / "src/model/outcome.rs").read_text().split("impl OutcomeKind")[1].split("fn is_good")[0])
    # A refused request has no verdicts.
    assert SCHEMAS["Verdict"]["properties"]["outcome"]["enum"] == sorted({*outcomes} - {"refused"}, key=SCHEMAS["Verdict"]["properties"]["outcome"]["enum"].index)
    statuses = set(re.findall(r"^\| `\w+` \| (\d{3}) \|", page("error-codes.md"), re.MULTILINE))
    # A wrong method has no operation, and a conflict is of the inspector.
    assert set(DOCUMENT["components"]["responses"]) == statuses - {"405", "409"}


ANSWERS: list[tuple[str, str, str, Any, Headers]] = [
    ("/v1/events", "POST", "", {"name": "a"}, SITE),
    ("/v1/events", "POST", "?verdicts=1", [{"name": "a"}, {"name": "A"}, {"name": "page_view"}], SITE),
    ("/v1/events", "POST", "", {"sent_at": "2026-11-30T08:00:00Z", "events": [{"name": "!"}]}, SITE),
    ("/v1/events", "POST", "", b"{", SITE),
    ("/v1/events", "POST", "", {"name": "a"}, {"x-write-key": "pk_other"}),
    ("/v1/events", "POST", "", {"name": "a"}, {**SITE, "origin": "https://evil.example"}),
    ("/v1/events", "POST", "", [{"name": "a"}] * 4, SITE),
    ("/v1/events", "POST", "", b"{}", {**SITE, "content-type": "image/png"}),
    ("/v1/events", "POST", "", b"{}", {**SITE, "x-headwater-replay": "{}"}),
    ("/v1/pixel.gif", "GET", "?name=a&key=pk_shop", None, SITE),
    ("/healthz", "GET", "", None, {}),
    ("/readyz", "GET", "", None, {}),
    ("/readyz", "GET", "", None, OPERATOR),
    ("/t.js", "GET", "", None, {}),
    ("/schemas.json", "GET", "", None, {}),
    ("/schemas/{event}.json", "GET", "", "click", {}),
    ("/schemas/{event}.json", "GET", "", "unknown", {}),
    ("/_/metrics", "GET", "", None, OPERATOR),
    ("/_/metrics", "GET", "", None, {}),
    ("/_/quarantine", "GET", "", None, OPERATOR),
    ("/_/quarantine", "GET", "", None, {}),
    ("/_/quarantine", "GET", "?after=x", None, OPERATOR),
    ("/_/quarantine", "DELETE", "?row=0.0201", None, OPERATOR),
    ("/_/quarantine", "POST", "", None, OPERATOR),
]


@pytest.mark.parametrize(("path", "method", "query", "body", "headers"), ANSWERS)
def test_an_answer_is_one_of_the_document(worker: Worker, path: str, method: str, query: str, body: Any, headers: Headers) -> None:
    if path.startswith("/schemas/"):
        answer = worker.get(path.replace("{event}", body), headers)
    elif method == "POST" and path == "/v1/events":
        answer = worker.post(body, headers, query)
    else:
        answer = worker.request(method, path + query, None, headers)
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    response = responses[str(answer.status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    assert ("Retry-After" in response.get("headers", {})) == ("retry-after" in answer.headers)
    if "content" not in response:
        assert answer.body == b""
        return
    media_type = answer.headers["content-type"].split(";")[0]
    content = response["content"].get(media_type)
    assert content, media_type
    if media_type == "application/json":
        validator(content["schema"]).validate(answer.json())


def test_the_worker_takes_what_the_document_takes(worker: Worker, peer: FakeFirehose) -> None:
    beacon = validator(SCHEMAS["Beacon"])
    good = {"name": "a", "id": str(uuid4()), "seq": 1, "screen": "390x844", "level": "high", "consent": "granted", "props": {"a": 1}}
    bad = [{}, {"name": "A"}, {**good, "price": 1}, {**good, "device_id": "d" * 129}, {**good, "level": "urgent"}]
    assert beacon.is_valid(good) and not any(beacon.is_valid(each) for each in bad)
    assert worker.post(good, SITE).status == 204 and good["id"] in data(peer)
    for each in bad:
        assert [verdict["outcome"] for verdict in worker.post(each, SITE).verdicts] == ["failed"], each


def test_it_is_served(worker: Worker) -> None:
    answer = worker.get("/openapi.json")
    assert (answer.status, answer.json()) == (200, DOCUMENT)
