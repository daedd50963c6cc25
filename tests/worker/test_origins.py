"""Which sites may send, and what their pages may read of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import data
from support.worker import Answer, Worker

SHOP = "https://shop.example"
SITES = [SHOP, "http://localhost:8080"]
EVIL = "https://evil.example"
OTHERS = [
    EVIL,
    "http://shop.example",
    "https://shop.example.evil.example",
    "https://shop.example:444",
    "https://www.shop.example",
    "null",
    b"https://sh\xf6p.example",
]


@pytest.fixture(scope="module")
def any_site(worker: Worker) -> Worker:
    """A worker that takes beacons from any site, as the repository configures it."""
    return worker


@pytest.fixture(scope="module")
def two_sites(peer: FakeFirehose) -> Iterator[Worker]:
    """A worker that takes beacons from two sites."""
    with Worker(peer.environment(), {"origins": SITES}) as worker:
        yield worker


def assert_readable(answer: Answer, origin: str) -> None:
    """`sendBeacon` always sends with credentials, and `*` holds for no such request."""
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"].lower() == "origin"


@pytest.mark.parametrize("origin", [*SITES, "HTTPS://Shop.Example"])
def test_a_listed_site_may_send_and_read(two_sites: Worker, origin: str) -> None:
    for body, status in [('{"name":"a"}', 204), ("{}", 200), ("{", 400)]:
        answer = two_sites.post(body, {"origin": origin})

        assert answer.status == status
        assert_readable(answer, origin)
        assert "retry-after" in answer.headers["access-control-expose-headers"]
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize("origin", OTHERS, ids=repr)
def test_another_site_may_not(
    two_sites: Worker, peer: FakeFirehose, origin: str | bytes
) -> None:
    event_id = str(uuid4())

    answer = two_sites.post({"name": "a", "id": event_id}, {"origin": origin})

    assert answer.status == 403
    reported = answer.json()
    assert reported["code"] == "origin_not_allowed"
    shown = origin if isinstance(origin, str) else origin.decode(errors="replace")
    assert reported["message"] == f'origin "{shown}" is not one of HEADWATER.origins'
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"].lower() == "origin"
    assert event_id not in data(peer)


def test_a_program_names_no_origin_and_may_send(two_sites: Worker) -> None:
    answer = two_sites.post({"name": "a"})

    assert answer.status == 204
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_listed_site_may_ask_first(two_sites: Worker) -> None:
    answer = two_sites.preflight(SHOP)

    assert (answer.status, answer.body) == (204, b"")
    assert_readable(answer, SHOP)
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert set(allowed) == {"content-type", "content-encoding", "x-write-key"}
    assert int(answer.headers["access-control-max-age"]) > 0


@pytest.mark.parametrize(
    "asked",
    [
        "traceparent,tracestate,baggage",
        "sentry-trace, newrelic",
        "X-Datadog-Trace-Id,x-datadog-parent-id",
        "Content-Type,anything-else_1",
    ],
)
def test_the_headers_that_a_page_asks_for_are_allowed_by_name(
    two_sites: Worker, asked: str
) -> None:
    answer = two_sites.preflight(SHOP, asked)

    assert answer.status == 204
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert len(set(allowed)) == len(allowed)
    wanted = {name.strip().lower() for name in asked.split(",")}
    assert set(allowed) == {"content-type", "content-encoding", "x-write-key"} | wanted


def test_an_invalid_header_name_is_not_allowed(two_sites: Worker) -> None:
    names = ["*", "a b", "x:y", "", "ok", *(f"x-{n:0100}" for n in range(60))]

    answer = two_sites.preflight(SHOP, ",".join(names))

    assert answer.status == 204
    allowed = answer.headers["access-control-allow-headers"]
    assert "ok" in allowed.split(", ")
    assert "*" not in allowed
    assert " b" not in allowed
    assert ":" not in allowed
    assert len(allowed) <= 4_096


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PURGE"])
def test_a_method_that_is_asked_for_is_not_allowed_for_that(
    two_sites: Worker, method: str
) -> None:
    answer = two_sites.preflight(SHOP, method=method)

    assert answer.status == 204
    assert answer.headers["access-control-allow-methods"] == "POST"


def test_a_refusal_can_be_read_by_the_page(any_site: Worker) -> None:
    for method, path, body, status in [
        ("POST", "/v1/events", b"{", 400),
        ("POST", "/v1/nothing", b"{}", 404),
        ("PUT", "/v1/events", b"{}", 405),
    ]:
        answer = any_site.request(method, path, body, {"origin": EVIL})
        assert answer.status == status
        assert_readable(answer, EVIL)


def test_another_site_asks_in_vain(two_sites: Worker) -> None:
    answer = two_sites.preflight(EVIL)

    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"].lower() == "origin"


@pytest.mark.parametrize("origin", [SHOP, "null", EVIL])
def test_any_site_may_send_if_all_are_allowed(any_site: Worker, origin: str) -> None:
    asked = any_site.preflight(origin)
    sent = any_site.post({"name": "a"}, {"origin": origin})

    assert (asked.status, sent.status) == (204, 204)
    for answer in (asked, sent):
        assert_readable(answer, origin)


def test_another_sites_script_may_not_use_the_pixel_either(
    two_sites: Worker, peer: FakeFirehose
) -> None:
    event_id = str(uuid4())

    answer = two_sites.get(f"/v1/pixel.gif?name=a&id={event_id}", {"origin": EVIL})

    assert answer.status == 403
    assert event_id not in data(peer)


@pytest.mark.parametrize(
    ("page", "status"),
    [
        (f"{SHOP}/cart?a=1", 200),
        (f"{SHOP}/", 200),
        (f"{EVIL}/", 403),
        (f"{EVIL}/{SHOP}/", 403),
        ("https://shop.example.evil.example/", 403),
        ("nonsense", 200),
        (None, 200),
    ],
)
def test_an_image_belongs_to_the_page_of_its_referer(
    two_sites: Worker, peer: FakeFirehose, page: str | None, status: int
) -> None:
    """A browser names no `Origin` with an image; a mail program names neither."""
    event_id = str(uuid4())
    headers = {"referer": page} if page else {}

    answer = two_sites.get(f"/v1/pixel.gif?name=a&id={event_id}", headers)

    assert (answer.status, len(answer.body)) == (status, 43)
    assert (event_id in data(peer)) == (status == 200)
