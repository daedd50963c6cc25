"""The verifier must be able to refuse: one that can't fail proves nothing."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest

from support.fake_firehose import Fail, FakeFirehose
from support.fake_firehose_client import Signed, put, signed

TOKEN = "AQoDYXdzEPT//////////wEXAMPLEtoken=="


@pytest.fixture
def peer() -> Iterator[FakeFirehose]:
    with FakeFirehose() as peer:
        yield peer


@pytest.fixture
def temporary() -> Iterator[FakeFirehose]:
    """A stand-in that expects a session token."""
    with FakeFirehose(session_token=TOKEN) as peer:
        yield peer


def test_accepts_what_boto3_signs(peer: FakeFirehose) -> None:
    answer = put(peer, b'{"v":1}\n', b'{"v":2}\n', b"\x00\xff")

    assert answer["FailedPutCount"] == 0
    assert answer["Encrypted"] is False
    assert len({result["RecordId"] for result in answer["RequestResponses"]}) == 3
    assert peer.accepted("events") == [b'{"v":1}\n', b'{"v":2}\n', b"\x00\xff"]
    assert peer.signature_errors == []
    (call,) = peer.calls
    assert (call.method, call.path, call.status, call.error) == ("POST", "/", 200, None)
    assert call.header("x-amz-target") == "Firehose_20150804.PutRecordBatch"
    age = datetime.datetime.now(datetime.timezone.utc) - call.arrived
    assert datetime.timedelta(0) <= age < datetime.timedelta(seconds=10)


def test_accepts_temporary_credentials(temporary: FakeFirehose) -> None:
    put(temporary, b"{}\n")

    assert temporary.accepted("events") == [b"{}\n"]
    assert temporary.calls[0].header("x-amz-security-token") == TOKEN


def test_accepts_a_request_that_carries_the_hash_of_its_body(
    peer: FakeFirehose,
) -> None:
    assert signed(peer).send(peer)[0] == 200
    assert peer.signature_errors == []


@pytest.mark.parametrize("minutes", [-4.9, 4.9])
def test_accepts_a_clock_less_than_five_minutes_off(
    peer: FakeFirehose, minutes: float
) -> None:
    request = signed(peer, age=datetime.timedelta(minutes=minutes))

    assert request.send(peer)[0] == 200


def test_unsigned_headers_are_ignored(peer: FakeFirehose) -> None:
    request = signed(peer)
    request.headers["user-agent"] = "a proxy"
    request.headers["cf-ray"] = "1"

    assert request.send(peer)[0] == 200


def body_changed(request: Signed) -> None:
    request.body = request.body.replace(b'"events"', b'"eventz"')


def body_and_its_hash_changed(request: Signed) -> None:
    body_changed(request)
    request.headers["x-amz-content-sha256"] = sha256(request.body).hexdigest()


def header_changed(request: Signed) -> None:
    request.headers["content-type"] = "application/x-amz-json-1.0"


def header_taken_away(request: Signed) -> None:
    del request.headers["content-type"]


def header_added(request: Signed) -> None:
    request.headers["x-amz-meta"] = "1"


def header_claimed_but_never_sent(request: Signed) -> None:
    request.authorization("x-amz-target,", "x-amz-target;x-amz-what,")


def path_changed(request: Signed) -> None:
    request.path = "/other"


def query_added(request: Signed) -> None:
    request.path = "/?a=1"


def method_changed(request: Signed) -> None:
    request.method = "PUT"


def host_changed(request: Signed) -> None:
    request.headers["host"] = "firehose.eu-west-1.amazonaws.com"


def date_changed(request: Signed) -> None:
    at = request.headers["x-amz-date"]
    request.headers["x-amz-date"] = at[:-2] + ("1Z" if at[-2] == "0" else "0Z")


def scope_of_another_day(request: Signed) -> None:
    request.authorization(request.headers["x-amz-date"][:8], "20150830")


def signature_changed(request: Signed) -> None:
    signature = request.headers["authorization"][-64:]
    request.authorization(signature, signature[::-1])


@pytest.mark.parametrize(
    "tamper",
    [
        body_changed,
        body_and_its_hash_changed,
        header_changed,
        header_taken_away,
        header_added,
        header_claimed_but_never_sent,
        path_changed,
        query_added,
        method_changed,
        host_changed,
        date_changed,
        scope_of_another_day,
        signature_changed,
    ],
)
def test_refuses_a_request_that_was_tampered_with(
    peer: FakeFirehose, tamper: Callable[[Signed], None]
) -> None:
    request = signed(peer)
    tamper(request)

    status, body = request.send(peer)

    assert (status, body["__type"]) == (400, "InvalidSignatureException")
    assert [error.type for error in peer.signature_errors] == [body["__type"]]
    assert peer.calls[0].error == body["__type"]
    assert peer.accepted("events") == []


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"secret": "another"}, "does not match the signature"),
        ({"region": "us-east-1"}, "scoped to a valid region"),
        ({"service": "kinesis"}, "scoped to correct service: 'firehose'"),
        ({"age": datetime.timedelta(minutes=6)}, "Signature expired: "),
        ({"age": datetime.timedelta(minutes=-6)}, "Signature not yet current: "),
        ({"leave_out": "host"}, "'host' must be a 'SignedHeader'"),
        ({"leave_out": "content-type"}, "'content-type' must be a 'SignedHeader'"),
        ({"leave_out": "x-amz-target"}, "'x-amz-target' must be a 'SignedHeader'"),
        ({"headers": {"x-amz-content-sha256": "0" * 64}}, "not the hash of the body"),
        ({"headers": {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}}, "not the hash"),
    ],
)
def test_refuses_wrong_signatures(
    peer: FakeFirehose, how: dict[str, Any], message: str
) -> None:
    status, body = signed(peer, **how).send(peer)

    assert (status, body["__type"]) == (400, "InvalidSignatureException")
    assert message in body["message"]
    assert len(peer.signature_errors) == 1
    assert peer.accepted("events") == []


def test_refuses_a_missing_session_token(temporary: FakeFirehose) -> None:
    request = signed(temporary)
    del request.headers["x-amz-security-token"]
    request.authorization(";x-amz-security-token", "")

    assert request.send(temporary)[1]["__type"] == "UnrecognizedClientException"


def test_refuses_an_unsigned_session_token(temporary: FakeFirehose) -> None:
    request = signed(temporary)
    request.authorization(";x-amz-security-token", "")

    assert request.send(temporary)[1]["__type"] == "InvalidSignatureException"


def test_refuses_an_unexpected_session_token(peer: FakeFirehose) -> None:
    request = signed(peer, token=TOKEN)

    assert request.send(peer)[1]["__type"] == "UnrecognizedClientException"


def test_refuses_an_unknown_key(peer: FakeFirehose) -> None:
    request = signed(peer)
    request.authorization(peer.credentials.access_key, "AKIDNOBODY")

    assert request.send(peer)[1]["__type"] == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("authorization", "error"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("", "IncompleteSignatureException"),
        ("Bearer x", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=AKIDPEER", "IncompleteSignatureException"),
    ],
)
def test_refuses_an_authorization_that_is_none(
    peer: FakeFirehose, authorization: str | None, error: str
) -> None:
    request = signed(peer)
    del request.headers["authorization"]
    if authorization is not None:
        request.headers["authorization"] = authorization

    assert request.send(peer)[1]["__type"] == error
    assert len(peer.signature_errors) == 1


def test_refuses_signed_headers_out_of_order(peer: FakeFirehose) -> None:
    request = signed(peer)
    request.authorization("content-type;host", "host;content-type")

    assert request.send(peer)[1]["__type"] == "IncompleteSignatureException"


def test_a_wrongly_signed_call_leaves_the_script_as_it_is(
    peer: FakeFirehose,
) -> None:
    peer.script(Fail(500, "InternalFailure"))

    assert signed(peer, secret="another").send(peer)[0] == 400
    assert signed(peer).send(peer)[0] == 500
