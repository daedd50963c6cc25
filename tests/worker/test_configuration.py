"""A mistake in the configuration is a sentence that names its key, wherever one looks.

At /readyz, in the log, and in the 503: never a default taken in silence, never an event
accepted that can't be delivered, never a secret shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from local_aws import LocalAws
from support.fake_firehose import FakeFirehose, Hang
from support.waiting import wait_until
from support.worker import PATIENT, Worker

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYzEXAMPLEKEY"
KEY = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}


def assert_told_everywhere(
    env: Mapping[str, str], settings: Any, problems: list[str]
) -> None:
    """A worker so configured reports these problems, and no others, everywhere."""
    with Worker(env, settings) as worker:
        ready = worker.ready()
        assert ready.status == 503
        reported = ready.json()
        assert (reported["ready"], reported["problems"]) == (False, problems)
        assert problems[0] in reported["summary"]
        assert worker.get("/healthz").status == 200

        answer = worker.post({"name": "a"}, {"origin": "https://shop.example"})
        assert answer.status == 503
        assert answer.json() == {
            "code": "not_configured",
            "message": "; ".join(problems),
        }
        assert answer.retry_after >= 1

        pixel = worker.get("/v1/pixel.gif?name=a")
        assert (pixel.status, len(pixel.body)) == (503, 43)
        assert pixel.headers["content-type"] == "image/gif"
        assert pixel.retry_after >= 1

        for problem in problems:
            worker.wait_for_line(part="configuration", message=problem)
        reported = [
            line for line in worker.log_lines if line.get("part") == "configuration"
        ]
        assert len(reported) == len(problems)


MISTAKES: list[tuple[str, dict[str, str], Any, list[str]]] = [
    (
        "nothing is set",
        {"AWS_REGION": ""},
        None,
        [
            "AWS_REGION is missing; set it to the region of your streams",
            "AWS_ACCESS_KEY_ID is missing; without it no event can be delivered",
            "AWS_SECRET_ACCESS_KEY is missing; without it no event can be delivered",
            "HEADWATER is missing; set it under [vars.HEADWATER] in wrangler.toml",
        ],
    ),
    (
        "every value is wrong",
        {
            **KEY,
            "AWS_REGION": "Ireland",
            "AWS_ENDPOINT_URL": "127.0.0.1:4566",
            "AWS_SESSION_TOKEN": "s3cr3t token\u00e4",
        },
        {
            "delivery": "somewhere",
            "origins": ["shop.example"],
            "ip": "hash",
            "gpc": "ignore",
            "consent": {"denied": "block", "asked": "strip"},
            "scrub": ["names"],
            "unknown_events": "drop",
            "bots": "block",
            "clean": [{"field": "props.a", "lower": True, "drop": True}],
            "delivery_timeout_ms": "2000",
            "aggregate_bytes": 5_000,
            "limits": {"max_depth": 101, "bytes": 1},
            "failed_stream": "events-failed",
            "routes": [{"level": "urgent", "sample": 2, "to": "s3:a"}],
            "orgins": ["*"],
        },
        [
            "AWS_REGION must be the name of a region, such as eu-west-1 or us-gov-east-1",
            "AWS_SESSION_TOKEN can't be used: the session token must be visible ASCII characters, with no space or line break",
            "AWS_ENDPOINT_URL must be an address such as http://127.0.0.1:4566",
            'HEADWATER.delivery must be one of "sharded", "direct", not "somewhere"',
            'HEADWATER.origins must list sites such as "https://shop.example", or be ["*"] for any',
            'HEADWATER.ip = "hash" needs the secret HEADWATER_HASH_SECRET, a random text of at least 32 characters',
            'HEADWATER.gpc must be one of "keep", "strip", "drop", not "ignore"',
            'HEADWATER.consent.denied must be one of "keep", "strip", "drop", not "block"',
            "HEADWATER.consent.asked is an unknown key; expected one of denied, unknown",
            'HEADWATER.scrub must list some of "emails", "cards"',
            'HEADWATER.routes[0].level must be one of "low", "mid", "high", not "urgent"',
            "HEADWATER.routes[0].sample must be a share above 0 and below 1, not 2",
            'HEADWATER.routes[0].to must be firehose:NAME or kinesis:NAME, not "s3:a"',
            "HEADWATER.limits.max_depth must be an integer from 1 to 100, not 101",
            "HEADWATER.limits.bytes is an unknown key; expected one of max_body_bytes, max_inflated_bytes, max_beacons, max_beacon_bytes, max_depth, max_beacon_values, max_request_values, max_record_bytes, max_in_flight_bytes",
            'HEADWATER.unknown_events must be one of "accept", "fail", not "drop"',
            "HEADWATER.clean[0] needs exactly one action, not lower and drop",
            'HEADWATER.delivery_timeout_ms must be an integer from 100 to 30000, not "2000"',
            "HEADWATER.aggregate_bytes must be a multiple of 5120 from 5120 to 1003520, or false, not 5000",
            'HEADWATER.failed_stream must be firehose:NAME or kinesis:NAME, not "events-failed"',
            "HEADWATER.orgins is an unknown key; did you mean origins?",
        ],
    ),
    (
        "a write key is wrong",
        {**KEY, "HEADWATER_HASH_SECRET": "short"},
        {
            "keys": {
                "a key": {"tenant": "a"},
                "pk_b": {"tenant": "B", "cookieless": True},
                "pk_c": {"origins": []},
                "pk_d": "d",
            },
        },
        [
            "HEADWATER.keys.a key is no write key; a key has 1 to 64 of a-z A-Z 0-9 _ - . :",
            "HEADWATER.keys.pk_b.tenant must be a name of 1 to 64 of a-z 0-9 _ -",
            "HEADWATER.keys.pk_b.cookieless needs the secret HEADWATER_HASH_SECRET, a random text of at least 32 characters",
            "HEADWATER.keys.pk_c.tenant is missing",
            'HEADWATER.keys.pk_c.origins must list sites such as "https://shop.example", or be ["*"] for any',
            "HEADWATER.keys.pk_d must be a table",
        ],
    ),
    (
        "the table is a text that is no JSON",
        {**KEY, "AWS_SECRET_ACCESS_KEY": ""},
        "{delivery: direct}",
        [
            "AWS_SECRET_ACCESS_KEY is missing; without it no event can be delivered",
            "HEADWATER must be a table, or its JSON text: key must be a string at line 1 column 2",
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("env", "settings", "problems"),
    [mistake[1:] for mistake in MISTAKES],
    ids=[mistake[0] for mistake in MISTAKES],
)
def test_all_mistakes_are_reported_at_once(
    env: dict[str, str], settings: Any, problems: list[str]
) -> None:
    assert_told_everywhere(env, settings, problems)


def test_the_table_may_be_a_text_as_a_dashboard_sets_it() -> None:
    with FakeFirehose() as peer:
        table = '{"delivery":"direct","origins":["*"],"failed_stream":"firehose:f","routes":[{"to":"firehose:e"}]}'
        with Worker(peer.environment(), table) as worker:
            assert worker.ready().status == 200
            assert worker.post([{"name": "a"}, {}]).status == 200
        assert (len(peer.accepted("e")), len(peer.accepted("f"))) == (1, 1)


def test_a_table_of_5_kb_may_be_a_text() -> None:
    """As much as the platform takes in one variable."""
    keys = {f"pk_{n:02}": {"tenant": f"tenant-{n}", "dnt": "strip"} for n in range(40)}
    clean = [
        {
            "id": f"rule-{n}",
            "field": f"props.field_{n:02}",
            "map": {"": "none", "x": "y"},
        }
        for n in range(30)
    ]
    routes = [{"to": "firehose:e"}]
    table = json.dumps(
        {"delivery": "direct", "origins": ["*"], "failed_stream": "firehose:f"}
        | {"routes": routes, "keys": keys, "clean": clean}
    )
    assert 4_000 < len(table) <= 5_000
    with FakeFirehose() as peer:
        with Worker(peer.environment(), table) as worker:
            assert worker.ready().status == 200
            beacon = {"name": "a", "props": {"field_00": "x", "field_29": "x"}}
            assert worker.post(beacon, query="?key=pk_39").status == 204
            assert worker.post(beacon, query="?key=pk_40").status == 401
        (record,) = peer.events("e")
        assert record["tenant"] == "tenant-39"
        assert record["props"] == {"field_00": "y", "field_29": "y"}
        assert [each["rule"] for each in record["repairs"]] == ["rule-0", "rule-29"]


def test_settings_are_followed() -> None:
    # One that has failed often is not waited for, whatever its deadline.
    unused = [f"unused_{number}" for number in range(60)]
    settings = {
        "ip": "drop",
        "delivery_timeout_ms": 300,
        "limits": {"max_beacons": 2, "max_body_bytes": 1_000, "max_depth": 3},
        "routes": [*({"name": name, "to": f"firehose:{name}"} for name in unused), {"to": "firehose:events-mid"}],
    }
    with FakeFirehose(streams={"events-mid", *unused}) as peer:
        with Worker(peer.environment(), settings) as worker:
            assert worker.post([{"name": "a"}] * 2).status == 204
            assert worker.post([{"name": "a"}] * 3).status == 413
            assert worker.post(b'{"name":"a"}'.ljust(1_001)).status == 413
            assert not any("ip" in event for event in peer.events("events-mid"))
            peer.always(Hang(60))

            def is_refused_in_time() -> bool:
                answer = worker.post({"name": unused.pop()})
                assert answer.status == 503
                return answer.seconds < 1

            # A busy machine makes an answer late, but not those of all streams.
            wait_until(is_refused_in_time, 120)


def test_a_wrong_secret_is_reported_after_the_first_beacon(aws: LocalAws) -> None:
    env = {**aws.environment(), "AWS_SECRET_ACCESS_KEY": SECRET}
    with Worker(env, PATIENT) as worker:
        answer = worker.post({"name": "a", "id": str(uuid4())})

        assert answer.status == 503
        assert answer.seconds < PATIENT["delivery_timeout_ms"] / 1_000, "it waited for the deadline"
        assert answer.retry_after >= 1
        ready = worker.ready()
        assert (ready.status, ready.json()["ready"]) == (503, False)
        (state,) = [each for each in ready.json()["streams"] if "problem" in each]
        assert state["stream"] == "firehose:events-mid"
        assert state["problem"] in answer.json()["message"]
        worker.wait_for_log(state["problem"])


def test_a_stream_that_is_not_there_is_named(aws: LocalAws) -> None:
    routes = [
        {"name": "lost", "to": "firehose:no-such-stream"},
        {"to": "firehose:events-mid"},
    ]
    with Worker(aws.environment(), {**PATIENT, "routes": routes}) as worker:
        answer = worker.post({"name": "lost"})

        assert answer.status == 503
        assert "firehose:no-such-stream" in answer.json()["message"]
        ready = worker.ready()
        assert ready.status == 503
        (state,) = [each for each in ready.json()["streams"] if "problem" in each]
        assert state["stream"] == "firehose:no-such-stream"
        assert worker.post({"name": "found"}).status == 204
