"""Which stream an event goes to, and the share of devices that a route takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import ids
from support.worker import Worker

BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}  # fmt: skip
ROUTES = [
    {"bot": True, "to": "firehose:bots"},
    {"metadata": {"test": True}, "to": "firehose:tests"},
    {"tenant": "blog", "name": "page_*", "to": "kinesis:blog-pages"},
    {"name": "pointer", "sample": 0.25, "to": "firehose:pointers"},
    {"name": "*_sold", "level": "high", "to": "firehose:sales"},
    {"to": "firehose:rest"},
]
KEYS = {"pk_shop": {"tenant": "shop"}, "pk_blog": {"tenant": "blog"}}


@pytest.fixture(scope="module")
def routed(peer: FakeFirehose) -> Iterator[Worker]:
    """A worker with a route of each kind."""
    with Worker(peer.environment(), {"routes": ROUTES, "keys": KEYS}) as worker:
        yield worker


@pytest.mark.parametrize(
    ("fields", "headers", "key", "stream"),
    [
        ({"name": "a"}, {"user-agent": "curl/8.5.0"}, "pk_shop", "bots"),
        ({"name": "a", "metadata": {"test": True}}, BROWSER, "pk_shop", "tests"),
        ({"name": "a", "metadata": {"test": "true"}}, BROWSER, "pk_shop", "rest"),
        ({"name": "page_view"}, BROWSER, "pk_blog", "kinesis:blog-pages"),
        ({"name": "page_view"}, BROWSER, "pk_shop", "rest"),
        ({"name": "tea_sold", "level": "high"}, BROWSER, "pk_blog", "sales"),
        ({"name": "tea_sold"}, BROWSER, "pk_blog", "rest"),
    ],
    ids=str,
)
def test_the_first_route_that_matches_wins(
    routed: Worker,
    peer: FakeFirehose,
    fields: dict[str, Any],
    headers: dict[str, str],
    key: str,
    stream: str,
) -> None:
    event_id = str(uuid4())

    answer = routed.post({"id": event_id, **fields}, {**headers, "x-write-key": key})

    assert answer.status == 204
    assert event_id in [each["event_id"] for each in peer.events(stream)]


def test_a_route_samples_the_same_devices_each_time(
    routed: Worker, peer: FakeFirehose
) -> None:
    def send() -> tuple[set[str], set[str]]:
        beacons = [
            {"name": "pointer", "id": str(uuid4()), "device_id": f"device-{n}",
             "props": {"points": [[0, 1, 2]]}}
            for n in range(400)
        ]  # fmt: skip
        answer = routed.post(beacons, {**BROWSER, "x-write-key": "pk_shop"})
        assert answer.status == 200
        dropped = [each for each in answer.verdicts if each["outcome"] == "dropped"]
        assert {each["code"] for each in dropped} == {"sampled"}
        kept = {each["event_id"] for each in answer.verdicts} - {
            each["event_id"] for each in dropped
        }
        taken = {each["event_id"]: each for each in peer.events("pointers")}
        assert taken.keys() & set(ids(beacons)) == kept
        assert {taken[event_id]["sample_rate"] for event_id in kept} == {0.25}
        devices = {beacon["id"]: str(beacon["device_id"]) for beacon in beacons}
        return {devices[event_id] for event_id in kept}, set(devices.values())

    first, all_of_them = send()
    again, _ = send()

    assert first == again
    assert 60 < len(first) < 140 and len(all_of_them) == 400


def test_an_event_of_an_unsampled_route_has_no_rate(
    routed: Worker, peer: FakeFirehose
) -> None:
    routed.post({"name": "a"}, {**BROWSER, "x-write-key": "pk_shop"})

    assert not any("sample_rate" in each for each in peer.events("rest"))
