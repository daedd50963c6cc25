"""Snowplow's network id: the cookie `sp`, and whom it is not set for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.worker import Answer, Worker

SHOP = "https://shop.example"
TP2 = "/com.snowplowanalytics.snowplow/tp2"
COOKIE = re.compile(
    r"sp=([0-9a-f-]{36}); Domain=shop\.example; Path=/; Max-Age=31536000; SameSite=None; Secure; HttpOnly"
)


@pytest.fixture(scope="module")
def worker(peer: FakeFirehose) -> Iterator[Worker]:
    settings = {
        "origins": [SHOP],
        "keys": {"shop": {"tenant": "shop", "snowplow": {"cookie_domain": "shop.example"}}, "blog": {"tenant": "blog"}},
        "protocols": ["snowplow"],
        "snowplow": {"heartbeat_s": 10},
    }
    with Worker(peer.environment(), settings) as worker:
        yield worker


def send(worker: Worker, event_id: str, app: str = "shop", event: dict[str, Any] = {}, **headers: str) -> Answer:  # noqa: B006 (never changed)
    body = json.dumps({"data": [{"e": "pv", "eid": event_id, "aid": app, **event}]})
    return worker.request("POST", TP2, body, {"origin": SHOP, **headers})


def record(peer: FakeFirehose, event_id: str) -> dict[str, Any]:
    found = [each for stream in ("events-high", "events-mid", "events-low") for each in peer.events(stream)]
    (event,) = [each for each in found if each["event_id"] == event_id]
    return event


def network_id(peer: FakeFirehose, event_id: str) -> str | None:
    return record(peer, event_id).get("metadata", {}).get("network_userid")


def test_a_browser_gets_a_network_id_and_keeps_it(worker: Worker, peer: FakeFirehose) -> None:
    first, second, third = (str(uuid4()) for _ in range(3))
    answer = send(worker, first)
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.headers["access-control-allow-credentials"] == "true"
    made = COOKIE.fullmatch(answer.headers["set-cookie"])
    assert made and network_id(peer, first) == made[1]

    answer = send(worker, second, cookie=f"a=b; sp={made[1]}")
    kept = COOKIE.fullmatch(answer.headers["set-cookie"])
    assert kept and kept[1] == made[1] == network_id(peer, second)

    image = worker.get(f"/i?e=pv&aid=shop&eid={third}", {"cookie": f"sp={made[1]}"})
    assert image.headers["content-type"] == "image/gif"
    assert COOKIE.fullmatch(image.headers["set-cookie"])
    assert network_id(peer, third) == made[1]


@pytest.mark.parametrize(
    ("app", "headers"),
    [("shop", {"sp-anonymous": "*"}), ("shop", {"sec-gpc": "1"}), ("blog", {})],
)
def test_none_is_set_or_read_for_others(
    worker: Worker, peer: FakeFirehose, app: str, headers: dict[str, str]
) -> None:
    event_id = str(uuid4())
    answer = send(worker, event_id, app, cookie=f"sp={uuid4()}", **headers)
    assert answer.status == 200
    assert "set-cookie" not in answer.headers
    assert network_id(peer, event_id) is None


def test_what_a_tracker_states_is_removed_with_other_identifiers(worker: Worker, peer: FakeFirehose) -> None:
    event_id = str(uuid4())
    send(worker, event_id, event={"nuid": str(uuid4())}, **{"sec-gpc": "1"})
    assert record(peer, event_id)["identifiers_removed"] == "gpc"
    assert network_id(peer, event_id) is None


def test_none_is_set_with_an_error(worker: Worker) -> None:
    answer = send(worker, str(uuid4()), "unknown")
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


def test_page_pings_add_up_to_the_engaged_time(worker: Worker, peer: FakeFirehose) -> None:
    page = {"e": "pp", "pp_may": "900", "ds": "1280x3000", "vp": "1280x600"}
    pings = [str(uuid4()) for _ in range(3)]
    for event_id in [*pings, pings[0]]:
        assert send(worker, event_id, event=page).status == 200
    found = {each["event_id"]: each for each in peer.events("events-low") if each["event_id"] in pings}
    assert {each["name"] for each in found.values()} == {"page_leave"}
    assert sum(each["props"]["engaged_ms"] for each in found.values()) == 30_000
