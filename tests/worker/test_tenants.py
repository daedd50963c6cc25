"""Write keys: whose beacon it is, where it may come from, and what its tenant asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import data, kept
from support.worker import Headers, Worker

SHOP = "https://shop.example"
BLOG = "https://blog.example"
EVIL = "https://evil.example"
KEYS = {
    "pk_shop": {"tenant": "shop", "origins": [SHOP]},
    "pk_shop-2": {"tenant": "shop", "origins": [SHOP]},
    "pk_blog": {
        "tenant": "blog",
        "ip": "drop",
        "routes": [{"level": "high", "to": "firehose:blog-high"}, {"to": "firehose:blog"}],
    },
}  # fmt: skip
NAME_ONE = "name one in ?key= or X-Write-Key"
NO_KEY = "no write key; the request needs one"


@pytest.fixture(scope="module")
def tenants(peer: FakeFirehose) -> Iterator[Worker]:
    """A worker with two tenants, of which one has two keys."""
    settings = {"origins": [BLOG], "keys": KEYS}
    with Worker(peer.environment(), settings) as worker:
        yield worker


def named(key: str, way: str) -> tuple[Headers, str]:
    """The headers and the query that name a key in one of the two ways."""
    return ({"x-write-key": key}, "") if way == "header" else ({}, f"?key={key}")


WAYS = ["header", "query"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", list(KEYS))
def test_the_tenant_of_a_key_is_stamped(
    tenants: Worker, peer: FakeFirehose, key: str, way: str
) -> None:
    good, bad = str(uuid4()), str(uuid4())
    headers, query = named(key, way)

    answer = tenants.post(
        [{"name": "a", "id": good}, {"name": "A", "id": bad}], headers, query
    )

    assert answer.status == 200
    tenant = KEYS[key]["tenant"]
    found = data(peer) | {each["event_id"]: each for each in peer.events("blog")}
    assert found[good]["tenant"] == tenant
    assert kept(peer)[bad]["tenant"] == tenant


def test_a_body_can_not_name_its_tenant(tenants: Worker, peer: FakeFirehose) -> None:
    answer = tenants.post({"name": "a", "tenant": "shop"}, {"x-write-key": "pk_blog"})

    (reported,) = answer.verdicts
    assert (reported["code"], reported["pointer"]) == ("unknown_field", "/tenant")
    assert kept(peer)[reported["event_id"]]["tenant"] == "blog"


def test_the_header_goes_before_the_query(tenants: Worker, peer: FakeFirehose) -> None:
    event_id = str(uuid4())
    beacon = {"name": "a", "id": event_id}

    answer = tenants.post(beacon, {"x-write-key": "pk_shop"}, "?key=pk_blog")

    assert answer.status == 204
    assert data(peer)[event_id]["tenant"] == "shop"


@pytest.mark.parametrize(
    ("headers", "query", "shown"),
    [
        ({}, "", ""),
        ({"x-write-key": ""}, "?key=", ""),
        ({"x-write-key": "pk_other"}, "", "pk_other"),
        ({}, "?key=pk_other&verdicts=1", "pk_other"),
        ({}, "?key=PK_SHOP", "PK_SHOP"),
        ({}, "?key=pk_shop%20", "pk_shop "),
        ({"x-write-key": "pk_shöp"}, "", "pk_shöp"),
        ({"x-write-key": b"\xff"}, "", "\ufffd"),
        ({"x-write-key": "x" * 300}, "", "x" * 8 + "…"),
    ],
    ids=["none", "empty", "header", "query", "capitals", "space", "ü", "byte", "long"],
)
def test_without_a_key_that_is_known_the_answer_is_401(
    tenants: Worker, peer: FakeFirehose, headers: Headers, query: str, shown: str
) -> None:
    event_id = str(uuid4())

    answer = tenants.post({"name": "a", "id": event_id}, headers, query)

    unknown = f'write key "{shown}" is not one' if shown else NO_KEY
    assert answer.status == 401
    assert answer.json() == {
        "code": "unknown_key",
        "message": f"{unknown} of HEADWATER.keys or TENANTS; {NAME_ONE}",
    }
    assert "retry-after" not in answer.headers
    assert event_id not in data(peer) | kept(peer)


def test_a_large_body_without_a_key_is_not_read(tenants: Worker) -> None:
    assert tenants.post(b"x" * 5_000_000).status == 401


@pytest.mark.parametrize(
    ("key", "own", "others"),
    [("pk_shop", SHOP, [BLOG, EVIL]), ("pk_blog", BLOG, [SHOP, EVIL])],
)
def test_a_tenant_has_its_own_sites_or_those_of_the_whole(
    tenants: Worker, key: str, own: str, others: list[str]
) -> None:
    taken = tenants.post({"name": "a"}, {"origin": own, "x-write-key": key})
    assert taken.status == 204
    assert taken.headers["access-control-allow-origin"] == own
    assert taken.headers["vary"].lower() == "origin"
    for other in others:
        refused = tenants.post({"name": "a"}, {"origin": other, "x-write-key": key})
        assert (refused.status, refused.json()["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in refused.headers


def test_a_page_may_read_that_its_key_is_not_known(tenants: Worker) -> None:
    """Else its author sees a network error and no reason; there is nothing to protect."""
    answer = tenants.post({"name": "a"}, {"origin": SHOP}, "?key=pk_old")

    assert answer.status == 401
    assert answer.headers["access-control-allow-origin"] == SHOP



def test_a_page_may_ask_first_whether_it_may_name_its_key(tenants: Worker) -> None:
    asked = "content-type,x-write-key"
    for query in ["", "?key=pk_shop"]:
        answer = tenants.preflight(SHOP, asked, query=query)

        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == SHOP
        names = answer.headers["access-control-allow-headers"].lower().split(", ")
        assert "x-write-key" in names
    assert tenants.preflight(EVIL, asked, query="?key=pk_shop").status == 403


def test_a_tenant_has_its_own_routes_and_rules_of_privacy(
    tenants: Worker, peer: FakeFirehose
) -> None:
    ids = [str(uuid4()) for _ in range(3)]
    beacons: list[dict[str, Any]] = [{"name": "a", "id": event_id} for event_id in ids]
    beacons[1]["level"] = "high"

    assert tenants.post(beacons[:2], query="?key=pk_blog").status == 204
    assert tenants.post(beacons[2], query="?key=pk_shop").status == 204

    (mid,) = [each for each in peer.events("blog") if each["event_id"] == ids[0]]
    (high,) = [each for each in peer.events("blog-high") if each["event_id"] == ids[1]]
    assert not {"ip"} & (mid.keys() | high.keys())
    assert data(peer).keys() & set(ids) == {ids[2]}
    assert data(peer)[ids[2]]["ip"] == "127.0.0.0"


def test_each_stream_of_each_tenant_is_watched(tenants: Worker) -> None:
    reported = tenants.ready().json()["streams"]

    streams = [each["stream"].removeprefix("firehose:") for each in reported]
    assert len(streams) == len(set(streams))
    assert {"blog", "blog-high", "events-mid"} <= set(streams)


def test_a_pixel_names_its_key_in_the_query(
    tenants: Worker, peer: FakeFirehose
) -> None:
    event_id = str(uuid4())
    query = f"key=pk_shop&name=mail_open&id={event_id}"

    assert tenants.get(f"/v1/pixel.gif?{query}").status == 200
    record = data(peer)[event_id]
    assert (record["tenant"], record["name"]) == ("shop", "mail_open")
    assert "props" not in record

    for query in ["name=mail_open", "key=pk_old&name=mail_open"]:
        refused = tenants.get(f"/v1/pixel.gif?{query}")
        assert (refused.status, len(refused.body)) == (401, 43)
        assert refused.headers["content-type"] == "image/gif"


def test_any_key_is_the_default_tenants_if_no_keys_are_set(
    worker: Worker, peer: FakeFirehose
) -> None:
    ids = [str(uuid4()) for _ in range(2)]

    assert worker.post({"name": "a", "id": ids[0]}, query="?key=anything").status == 204
    assert worker.post({"name": "a", "id": ids[1]}).status == 204

    assert {data(peer)[event_id]["tenant"] for event_id in ids} == {"default"}
