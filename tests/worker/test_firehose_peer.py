"""The stand-in must be able to refuse: a verifier that can't fail proves nothing."""

from __future__ import annotations

import base64
import datetime
import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from firehose_peer import (
    MAX_CALL_BYTES,
    MAX_RECORD_BYTES,
    Accept,
    Behaviour,
    Cut,
    Effect,
    Fail,
    FirehosePeer,
    Hang,
    NotJson,
    Refuse,
    WrongLength,
)

TOKEN = "AQoDYXdzEPT//////////wEXAMPLEtoken=="


@pytest.fixture
def peer() -> Iterator[FirehosePeer]:
    with FirehosePeer() as peer:
        yield peer


@pytest.fixture
def temporary() -> Iterator[FirehosePeer]:
    """A stand-in that expects a session token."""
    with FirehosePeer(session_token=TOKEN) as peer:
        yield peer


def client(peer: FirehosePeer, read_timeout: float = 5) -> Any:
    """AWS's own client, which tries once and leaves the limits to the service."""
    return boto3.session.Session().client(
        "firehose",
        endpoint_url=peer.url,
        region_name=peer.region,
        aws_access_key_id=peer.credentials.access_key,
        aws_secret_access_key=peer.credentials.secret_key,
        aws_session_token=peer.credentials.token,
        config=Config(
            parameter_validation=False,
            proxies={},
            read_timeout=read_timeout,
            retries={"total_max_attempts": 1},
        ),
    )


def put(peer: FirehosePeer, *records: bytes, stream: str = "events") -> dict[str, Any]:
    return client(peer).put_record_batch(
        DeliveryStreamName=stream, Records=[{"Data": record} for record in records]
    )


def refusal(peer: FirehosePeer, *records: bytes, stream: str = "events") -> ClientError:
    with pytest.raises(ClientError) as refused:
        put(peer, *records, stream=stream)
    return refused.value


def code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def until(holds: Callable[[], bool]) -> None:
    """Waits for what a call brings about after its client has gone."""
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


# The verifier


@dataclass
class Signed:
    """A request as the worker sends it, signed by botocore, to be tampered with."""

    headers: dict[str, str]
    body: bytes
    path: str = "/"
    method: str = "POST"

    def send(self, peer: FirehosePeer) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=5)
        try:
            connection.putrequest(
                self.method, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(self.body)))
            connection.endheaders(self.body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def authorization(self, old: str, new: str) -> None:
        assert old in self.headers["authorization"]
        changed = self.headers["authorization"].replace(old, new)
        self.headers["authorization"] = changed


class LeavingOut(SigV4Auth):
    """botocore's signer, which leaves one header out of its signature."""

    leave_out: str

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        headers = super().headers_to_sign(request)
        del headers[self.leave_out]
        return headers


def signed(
    peer: FirehosePeer,
    *,
    secret: str | None = None,
    token: str | None = None,
    region: str | None = None,
    service: str = "firehose",
    age: datetime.timedelta = datetime.timedelta(0),
    headers: dict[str, str] | None = None,
    leave_out: str = "",
    padded_to: int = 0,
) -> Signed:
    """Signed rightly, but for what the arguments say."""
    document = json.dumps(
        {
            "DeliveryStreamName": "events",
            "Records": [{"Data": base64.b64encode(b'{"v":1}\n').decode()}],
        }
    )
    body = document.ljust(padded_to).encode()
    request = AWSRequest(
        method="POST",
        url=peer.url + "/",
        data=body,
        headers={
            "host": f"127.0.0.1:{peer.port}",
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "Firehose_20150804.PutRecordBatch",
            "x-amz-content-sha256": sha256(body).hexdigest(),
            **(headers or {}),
        },
    )
    credentials = Credentials(
        peer.credentials.access_key,
        secret or peer.credentials.secret_key,
        token or peer.credentials.token,
    )
    signer = LeavingOut(credentials, service, region or peer.region)
    signer.leave_out = leave_out
    now = datetime.datetime.now(datetime.timezone.utc) - age
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        signer.add_auth(request)
    names = {name.lower(): value for name, value in request.headers.items()}
    return Signed(names, body)


def test_accepts_what_boto3_signs(peer: FirehosePeer) -> None:
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


def test_accepts_temporary_credentials(temporary: FirehosePeer) -> None:
    put(temporary, b"{}\n")

    assert temporary.accepted("events") == [b"{}\n"]
    assert temporary.calls[0].header("x-amz-security-token") == TOKEN


def test_accepts_a_request_that_carries_the_hash_of_its_body(
    peer: FirehosePeer,
) -> None:
    assert signed(peer).send(peer)[0] == 200
    assert peer.signature_errors == []


@pytest.mark.parametrize("minutes", [-4.9, 4.9])
def test_accepts_a_clock_less_than_five_minutes_off(
    peer: FirehosePeer, minutes: float
) -> None:
    request = signed(peer, age=datetime.timedelta(minutes=minutes))

    assert request.send(peer)[0] == 200


def test_leaves_alone_the_headers_that_nobody_signed(peer: FirehosePeer) -> None:
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
    peer: FirehosePeer, tamper: Callable[[Signed], None]
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
def test_refuses_what_was_signed_wrongly(
    peer: FirehosePeer, how: dict[str, Any], message: str
) -> None:
    status, body = signed(peer, **how).send(peer)

    assert (status, body["__type"]) == (400, "InvalidSignatureException")
    assert message in body["message"]
    assert len(peer.signature_errors) == 1
    assert peer.accepted("events") == []


def test_refuses_a_missing_session_token(temporary: FirehosePeer) -> None:
    request = signed(temporary)
    del request.headers["x-amz-security-token"]
    request.authorization(";x-amz-security-token", "")

    assert request.send(temporary)[1]["__type"] == "UnrecognizedClientException"


def test_refuses_an_unsigned_session_token(temporary: FirehosePeer) -> None:
    request = signed(temporary)
    request.authorization(";x-amz-security-token", "")

    assert request.send(temporary)[1]["__type"] == "InvalidSignatureException"


def test_refuses_a_session_token_that_nobody_gave(peer: FirehosePeer) -> None:
    request = signed(peer, token=TOKEN)

    assert request.send(peer)[1]["__type"] == "UnrecognizedClientException"


def test_refuses_an_unknown_key(peer: FirehosePeer) -> None:
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
    peer: FirehosePeer, authorization: str | None, error: str
) -> None:
    request = signed(peer)
    del request.headers["authorization"]
    if authorization is not None:
        request.headers["authorization"] = authorization

    assert request.send(peer)[1]["__type"] == error
    assert len(peer.signature_errors) == 1


def test_refuses_signed_headers_out_of_order(peer: FirehosePeer) -> None:
    request = signed(peer)
    request.authorization("content-type;host", "host;content-type")

    assert request.send(peer)[1]["__type"] == "IncompleteSignatureException"


def test_a_wrongly_signed_call_does_not_take_the_next_behaviour(
    peer: FirehosePeer,
) -> None:
    peer.script(Fail(500, "InternalFailure"))

    assert signed(peer, secret="another").send(peer)[0] == 400
    assert signed(peer).send(peer)[0] == 500


# The limits


def test_takes_500_records_and_no_more(peer: FirehosePeer) -> None:
    assert len(put(peer, *[b"{}\n"] * 500)["RequestResponses"]) == 500
    assert code(refusal(peer, *[b"{}\n"] * 501)) == "ValidationException"
    assert code(refusal(peer)) == "ValidationException"
    assert len(peer.accepted("events")) == 500


def test_takes_a_record_of_1_024_000_bytes_and_no_larger(peer: FirehosePeer) -> None:
    put(peer, b"x" * MAX_RECORD_BYTES)

    assert code(refusal(peer, b"x" * (MAX_RECORD_BYTES + 1))) == "ValidationException"
    assert [len(record) for record in peer.accepted("events")] == [MAX_RECORD_BYTES]


def test_takes_a_call_of_4_mib_and_no_larger(peer: FirehosePeer) -> None:
    assert signed(peer, padded_to=MAX_CALL_BYTES).send(peer)[0] == 200

    status, body = signed(peer, padded_to=MAX_CALL_BYTES + 1).send(peer)

    assert (status, body["__type"]) == (400, "InvalidArgumentException")
    assert peer.accepted("events") == [b'{"v":1}\n']


@pytest.mark.parametrize("stream", ["a" * 65, "events/low", "events low", "événements"])
def test_refuses_a_stream_name_that_can_not_be(peer: FirehosePeer, stream: str) -> None:
    assert code(refusal(peer, b"{}\n", stream=stream)) == "ValidationException"


def test_knows_only_the_streams_it_was_given() -> None:
    with FirehosePeer(streams={"events", "events-failed"}) as peer:
        put(peer, b"1\n", stream="events-failed")

        error = refusal(peer, b"2\n", stream="event")

        assert code(error) == "ResourceNotFoundException"
        assert peer.accepted("events-failed") == [b"1\n"]
        assert peer.accepted("event") == []


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x-amz-target": "Firehose_20150804.Nothing"}, "UnknownOperationException"),
        ({"content-type": "application/json"}, "UnknownOperationException"),
    ],
)
def test_speaks_put_record_batch_alone(
    peer: FirehosePeer, headers: dict[str, str], error: str
) -> None:
    assert signed(peer, headers=headers).send(peer)[1]["__type"] == error
    assert peer.signature_errors == []


# The behaviours


def test_refuses_records_by_index(peer: FirehosePeer) -> None:
    peer.script(Refuse({0, 2}))

    answer = put(peer, b"0\n", b"1\n", b"2\n")

    refused = {
        "ErrorCode": "ServiceUnavailableException",
        "ErrorMessage": "Slow down.",
    }
    assert answer["FailedPutCount"] == 2
    assert [result == refused for result in answer["RequestResponses"]] == [
        True,
        False,
        True,
    ]
    assert peer.accepted("events") == [b"1\n"]


def test_refuses_records_by_event(peer: FirehosePeer) -> None:
    peer.script(Refuse(lambda event: event["v"] == 2, code="InternalFailure"))

    answer = put(peer, b'{"v":1}\n', b'{"v":1}\n{"v":2}\n', b"not JSON")

    codes = [result.get("ErrorCode") for result in answer["RequestResponses"]]
    assert codes == [None, "InternalFailure", None]
    assert peer.accepted("events") == [b'{"v":1}\n', b"not JSON"]


def test_fails_the_whole_call(peer: FirehosePeer) -> None:
    peer.script(Fail(503, "ServiceUnavailable", "Later.", {"x-amz-retry-after": "7"}))

    response = refusal(peer, b"{}\n").response

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amz-retry-after"] == "7"
    assert response["Error"] == {"Code": "ServiceUnavailable", "Message": "Later."}
    assert peer.accepted("events") == []
    assert (peer.calls[0].status, peer.calls[0].error) == (503, "ServiceUnavailable")


@pytest.mark.parametrize(
    ("effect", "stored"), [(Effect.NONE, []), (Effect.DONE, [b'{"v":1}\n'])]
)
def test_answers_200_with_no_json(
    peer: FirehosePeer, effect: Effect, stored: list[bytes]
) -> None:
    peer.script(NotJson(effect))

    with pytest.raises(json.JSONDecodeError):
        signed(peer).send(peer)
    assert peer.calls[0].status == 200
    assert peer.accepted("events") == stored


@pytest.mark.parametrize(
    ("effect", "stored"), [(Effect.NONE, []), (Effect.DONE, [b"1\n", b"2\n"])]
)
@pytest.mark.parametrize(("by", "length"), [(-1, 1), (1, 3), (-9, 0)])
def test_answers_with_the_wrong_number_of_responses(
    peer: FirehosePeer, by: int, length: int, effect: Effect, stored: list[bytes]
) -> None:
    peer.script(WrongLength(by, effect))

    answer = put(peer, b"1\n", b"2\n")

    assert len(answer["RequestResponses"]) == length
    assert peer.accepted("events") == stored


@pytest.mark.parametrize(
    ("effect", "stored"), [(Effect.NONE, []), (Effect.DONE, [b"1\n"])]
)
def test_cuts_the_connection(
    peer: FirehosePeer, effect: Effect, stored: list[bytes]
) -> None:
    peer.script(Cut(effect))

    with pytest.raises(BotoCoreError):
        put(peer, b"1\n")
    assert peer.accepted("events") == stored
    assert [call.status for call in peer.calls] == [None]


@pytest.mark.parametrize("then", [Accept(), Cut(Effect.DONE)])
def test_hangs_and_then_behaves(peer: FirehosePeer, then: Behaviour) -> None:
    peer.script(Hang(0.5, then))

    with pytest.raises(BotoCoreError):
        client(peer, read_timeout=0.1).put_record_batch(
            DeliveryStreamName="events", Records=[{"Data": b"1\n"}]
        )

    assert peer.accepted("events") == []
    until(lambda: peer.accepted("events") == [b"1\n"])


def test_a_call_that_hangs_holds_up_no_other(peer: FirehosePeer) -> None:
    peer.script(Hang(30))
    first = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=5)
    request = signed(peer)
    first.request("POST", "/", request.body, request.headers)
    until(lambda: len(peer.calls) == 1)

    put(peer, b"2\n")
    peer.stop()

    with pytest.raises((http.client.HTTPException, OSError)):
        first.getresponse()
    assert peer.accepted("events") == [b"2\n"]


def test_follows_its_script_and_then_accepts_all(peer: FirehosePeer) -> None:
    peer.script(Refuse({0}), Accept(), Fail(500, "InternalFailure"))

    assert put(peer, b"1\n")["FailedPutCount"] == 1
    assert put(peer, b"2\n")["FailedPutCount"] == 0
    assert code(refusal(peer, b"3\n")) == "InternalFailure"
    assert put(peer, b"4\n")["FailedPutCount"] == 0
    assert peer.accepted("events") == [b"2\n", b"4\n"]


def test_refuses_until_told_otherwise(peer: FirehosePeer) -> None:
    peer.always(Fail(503, "ServiceUnavailableException", "Slow down."))
    peer.script(Accept())

    put(peer, b"1\n")
    for _ in range(3):
        assert code(refusal(peer, b"2\n")) == "ServiceUnavailableException"
    peer.always(Accept())
    put(peer, b"3\n")

    assert peer.accepted("events") == [b"1\n", b"3\n"]


def test_one_poisonous_event_spoils_its_whole_call(peer: FirehosePeer) -> None:
    peer.poison = lambda event: event.get("name") == "bad"
    peer.script(Refuse({0}))

    error = refusal(peer, b'{"name":"good"}\n', b'{"name":"good"}\n{"name":"bad"}\n')

    assert code(error) == "InvalidArgumentException"
    assert peer.accepted("events") == []
    assert put(peer, b'{"name":"good"}\n')["FailedPutCount"] == 1


def test_stops_and_starts_again_on_its_port(peer: FirehosePeer) -> None:
    kept = client(peer)
    batch = {"DeliveryStreamName": "events", "Records": [{"Data": b"1\n"}]}
    kept.put_record_batch(**batch)
    url = peer.url

    peer.stop()
    with pytest.raises(BotoCoreError):
        kept.put_record_batch(**batch)
    peer.start()
    kept.put_record_batch(**batch)

    assert peer.url == url
    assert peer.accepted("events") == [b"1\n", b"1\n"]
    assert len(peer.calls) == 2


def test_keeps_streams_apart_and_in_order(peer: FirehosePeer) -> None:
    for number in range(3):
        put(peer, b"%d\n" % number, stream="one")
        put(peer, b"%d\n" % -number, stream="two")

    assert peer.accepted("one") == [b"0\n", b"1\n", b"2\n"]
    assert peer.accepted("two") == [b"0\n", b"-1\n", b"-2\n"]
    assert peer.accepted("three") == []
