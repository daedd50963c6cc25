"""What people ask for is followed, and what the operator does not want is not kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import data, kept
from support.worker import Answer, Worker

SECRET = "0123456789abcdef0123456789abcdef"
OTHER_SECRET = "fedcba9876543210fedcba9876543210"
HASH = re.compile("[0-9a-f]{32}")
GPC, DNT = {"sec-gpc": "1"}, {"dnt": "1"}

# A key for each policy, so that one worker has them all.
POLICIES: dict[str, dict[str, Any]] = {
    "default": {},
    "gpc_refuse": {"gpc": "drop"},
    "gpc_accept": {"gpc": "keep"},
    "dnt_strip": {"dnt": "strip"},
    "consent_refuse": {"consent": {"denied": "drop", "unknown": "strip"}},
    "ip_hash": {"ip": "hash"},
    "ip_full": {"ip": "full"},
    "cookieless": {"cookieless": True, "ip": "drop"},
    "scrub": {"scrub": ["emails", "cards"], "sensitive_params": ["voucher"]},
}
KEYS = {key: {"tenant": key, **policy} for key, policy in POLICIES.items()}

IDENTIFIED = {
    "name": "a",
    "device_id": "device-1",
    "session_id": "session-1",
    "user_id": "user-1",
    "url": "https://shop.example/p?gclid=clicked&x=1",
}
IDENTIFIERS = {"device_id", "client_session_id", "user_id", "click_id"}


@pytest.fixture(scope="module")
def private(peer: FakeFirehose) -> Iterator[Worker]:
    """A worker with a secret, and with each policy under a key of its own."""
    environment = {**peer.environment(), "HEADWATER_HASH_SECRET": SECRET}
    with Worker(environment, {"keys": KEYS}) as worker:
        yield worker


def post(
    worker: Worker,
    policy: str,
    beacon: Any,
    headers: Any = {},  # noqa: B006 (never changed)
) -> Answer:
    return worker.post(beacon, headers, f"?key={policy}&verdicts=1")


def record(
    worker: Worker,
    peer: FakeFirehose,
    policy: str,
    beacon: dict[str, Any],
    headers: Any = {},  # noqa: B006 (never changed)
) -> dict[str, Any]:
    """The record of a beacon that must be accepted."""
    (reported,) = post(worker, policy, beacon, headers).verdicts
    assert reported["outcome"] == "accepted"
    return data(peer)[reported["event_id"]]


@pytest.mark.parametrize(
    ("policy", "headers", "consent", "reason"),
    [
        ("default", {}, None, None),
        ("default", {}, "granted", None),
        ("default", {}, "denied", "consent"),
        ("default", GPC, None, "gpc"),
        ("default", GPC, "granted", "gpc"),
        ("default", {"sec-gpc": "0"}, None, None),
        ("default", {"sec-gpc": "1, 1"}, None, None),
        ("default", DNT, None, None),
        ("dnt_strip", DNT, None, "dnt"),
        ("dnt_strip", {"dnt": "0"}, None, None),
        ("gpc_accept", GPC, None, None),
        ("consent_refuse", {}, None, "consent"),
        ("consent_refuse", {}, "granted", None),
    ],
    ids=str,
)
def test_identifiers_are_removed_on_request(
    private: Worker,
    peer: FakeFirehose,
    policy: str,
    headers: dict[str, str],
    consent: str | None,
    reason: str | None,
) -> None:
    reported = record(private, peer, policy, {**IDENTIFIED, "consent": consent}, headers)

    assert reported.get("consent") == consent
    assert reported.get("identifiers_removed") == reason
    if reason is None:
        assert reported.keys() >= IDENTIFIERS
        assert (reported["click_id"], reported["ip"]) == ("clicked", "127.0.0.0")
        assert reported["url"] == IDENTIFIED["url"]
    else:
        assert not reported.keys() & (IDENTIFIERS | {"ip", "user_agent"})
        assert "clicked" not in str(reported)


@pytest.mark.parametrize(
    ("policy", "headers", "consent", "code", "message"),
    [
        ("gpc_refuse", GPC, "granted", "gpc", "dropped, as Sec-GPC asks"),
        ("consent_refuse", {}, "denied", "consent", "dropped, for want of consent"),
    ],
)
def test_a_dropped_beacon_is_stored_nowhere(
    private: Worker,
    peer: FakeFirehose,
    policy: str,
    headers: dict[str, str],
    consent: str,
    code: str,
    message: str,
) -> None:
    good, bad = (
        {**IDENTIFIED, "id": str(uuid4()), "consent": consent, "seq": seq}
        for seq in (1, "x")
    )

    answer = private.post([good, bad], headers, f"?key={policy}")

    assert answer.status == 200
    for index, beacon in enumerate([good, bad]):
        assert answer.verdicts[index] == {
            "index": index,
            "event_id": beacon["id"],
            "outcome": "dropped",
            "code": code,
            "message": message,
        }
        assert beacon["id"] not in data(peer) | kept(peer)
    # What is in no stream is counted where the operator looks.
    private.wait_for_line(tenant=policy, dropped={code: 2})


def test_a_failed_event_is_stripped_as_an_event_is(
    private: Worker, peer: FakeFirehose
) -> None:
    answer = private.post({**IDENTIFIED, "seq": "x"}, GPC, "?key=default")

    (reported,) = answer.verdicts
    failed = kept(peer)[reported["event_id"]]
    assert (failed["identifiers_removed"], failed["original_format"]) == ("gpc", "beacon")
    assert not failed.keys() & {"device_id", "ip", "user_agent"}
    for name in ("device_id", "session_id", "user_id"):
        assert str(IDENTIFIED[name]) not in str(failed)
    assert '"seq": "x"' in failed["original"]


def test_a_pixel_carries_the_signals_too(private: Worker, peer: FakeFirehose) -> None:
    first, second = str(uuid4()), str(uuid4())
    query = f"key=gpc_refuse&name=a&device_id=d&id={first}"

    assert private.get(f"/v1/pixel.gif?{query}", GPC).status == 200
    assert first not in data(peer) | kept(peer)
    query = f"key=default&name=a&device_id=d&consent=denied&id={second}"
    assert private.get(f"/v1/pixel.gif?{query}").status == 200
    assert "device_id" not in data(peer)[second]


HOME, NEIGHBOUR = "203.0.113.77", "203.0.113.78"


def ip(worker: Worker, peer: FakeFirehose, policy: str, address: str) -> Any:
    headers = {"cf-connecting-ip": address}
    return record(worker, peer, policy, {"name": "a"}, headers).get("ip")


def test_an_address_is_hashed_under_the_operators_secret(
    private: Worker, peer: FakeFirehose
) -> None:
    hashed = ip(private, peer, "ip_hash", HOME)

    assert HASH.fullmatch(hashed)
    assert ip(private, peer, "ip_hash", HOME) == hashed
    assert ip(private, peer, "ip_hash", f"::ffff:{HOME}") == hashed
    assert ip(private, peer, "ip_hash", NEIGHBOUR) != hashed
    assert ip(private, peer, "ip_full", HOME) == HOME
    environment = {**peer.environment(), "HEADWATER_HASH_SECRET": OTHER_SECRET}
    with Worker(environment, {"ip": "hash"}) as other:
        other_hash = ip(other, peer, "any", HOME)
    assert HASH.fullmatch(other_hash) and other_hash != hashed


def test_cookieless_ids_depend_on_address_browser_and_site(
    private: Worker, peer: FakeFirehose
) -> None:
    def device_id(
        address: str = HOME, agent: str = "A/1", site: str = "https://shop.example/"
    ) -> str:
        beacon = {"name": "a", "device_id": "sent", "url": site}
        headers = {"cf-connecting-ip": address, "user-agent": agent}
        reported = record(private, peer, "cookieless", beacon, headers)
        assert not reported.keys() & {"ip", "identifiers_removed"}
        return reported["device_id"]

    visitor = device_id()

    assert HASH.fullmatch(visitor)
    assert device_id(site="https://shop.example/other?page=1") == visitor
    for other in (
        device_id(address=NEIGHBOUR),
        device_id(agent="B/1"),
        device_id(site="https://blog.example/"),
    ):
        assert HASH.fullmatch(other) and other != visitor
    reported = record(private, peer, "cookieless", {"name": "a", "device_id": "x"}, GPC)
    assert "device_id" not in reported


def test_personal_data_is_scrubbed_from_texts(
    private: Worker, peer: FakeFirehose
) -> None:
    beacon = {
        "name": "a",
        "title": "Mail to zoe@shop.example",
        "url": "https://shop.example/?voucher=s3cr3t&token=t0k3n&q=4111111111111111",
        "props": {"note": "card 4111 1111 1111 1111, zoe@shop.example"},
    }

    reported = record(private, peer, "scrub", beacon)

    # Any digits may be in an id that was drawn for it.
    texts = str({**reported, "event_id": ""})
    for private_text in ("zoe", "s3cr3t", "4111"):
        assert private_text not in texts, reported
    assert {each["pointer"] for each in reported["repairs"]} == {
        "/title",
        "/url",
        "/props/note",
    }
    # The operator's own list of parameters takes the place of the built-in one.
    assert "t0k3n" in reported["url"]
    reported = record(private, peer, "default", beacon)
    assert "s3cr3t" in reported["url"] and "t0k3n" not in reported["url"]
    assert reported["title"] == beacon["title"]


@pytest.mark.parametrize(
    ("secret", "settings", "problem"),
    [
        ({}, {"ip": "hash"}, 'HEADWATER.ip = "hash" {}'),
        ({}, {"cookieless": True}, "HEADWATER.cookieless {}"),
        (
            {},
            {"keys": {"k": {"tenant": "t", "cookieless": True}}},
            "HEADWATER.keys.k.cookieless {}",
        ),
        (
            {"HEADWATER_HASH_SECRET": "too short"},
            {"cookieless": True},
            "HEADWATER.cookieless {}",
        ),
    ],
    ids=["a hash", "cookieless", "a tenant's", "a short one"],
)
def test_a_missing_secret_is_reported_before_the_first_event(
    peer: FakeFirehose, secret: dict[str, str], settings: dict[str, Any], problem: str
) -> None:
    needs = "needs the secret HEADWATER_HASH_SECRET, a random text of at least 32 characters"
    with Worker({**peer.environment(), **secret}, settings) as worker:
        ready = worker.ready()
        assert (ready.status, ready.json()["ready"]) == (503, False)
        assert problem.format(needs) in ready.json()["problems"]
        assert worker.post({"name": "a"}).status == 503
